/* Sums of products with MSA: tiles of 4 pixels by up to 16 channels.
 *
 * x - 128 and w are signed bytes: one instruction sums 16 products to 8 halves of 16 bits, a second one adds
 * these in pairs to 32 bits. A pair of products fits 16 bits unless both weights are -128: such a block is
 * refused. 128 times the sum of a channel's weights goes into its bias. All else wraps as fx_mac does. */
#ifndef MAGIK_TILE_MSA_H
#define MAGIK_TILE_MSA_H

#include "requant_msa.h"

enum { TILE_PIXELS = 4, TILE_QUADS = 4, TILE_CHANNELS = 16 };

/* Up to 16 channels: per quad of them and 4 k the 16 bytes of weights that meet, run after run. */
struct block_msa {
    v4i32 bias[TILE_QUADS], m[TILE_QUADS], shift[TILE_QUADS]; /* shift less 31 where is_quick */
    int32_t channels, quads, is_quick, runs, run;             /* bytes of a run */
    v16i8 w[];
};

/* What a channel's weights are multiplied with: `runs` pieces of `run` bytes that lie anywhere. */
static inline int32_t groups_msa(int32_t run)
{
    return (run + 3) / 4; /* of 4 k */
}

static inline size_t block_bytes_msa(int32_t runs, int32_t run)
{
    return sizeof(struct block_msa) + (size_t)runs * (size_t)groups_msa(run) * (TILE_QUADS * 16);
}

/* Multipliers and shifts of the block's channels; those that are not there get 0. */
static inline void block_rescale_msa(struct block_msa *b, const int32_t *m, const int32_t *shift)
{
    int32_t ms[TILE_CHANNELS] = {0}, ss[TILE_CHANNELS];
    b->is_quick = 1;
    for (int32_t c = 0; c < b->channels; c++)
        b->is_quick &= is_quick_msa(m[c], shift[c]);
    for (int32_t c = 0; c < TILE_CHANNELS; c++) {
        ms[c] = c < b->channels ? m[c] : 0;
        ss[c] = (c < b->channels ? shift[c] : 32) - (b->is_quick ? 31 : 0);
    }
    memcpy(b->m, ms, sizeof ms);
    memcpy(b->shift, ss, sizeof ss);
}

/* Weights of four channels, 16 k of each, turned to 4 k of each; 0 where a pair may not fit 16 bits. */
static inline void turn_msa(v16i8 *row, v16i8 *to, int32_t groups, int32_t quads)
{
    const v4i32 a = __msa_ilvr_w((v4i32)row[1], (v4i32)row[0]), b = __msa_ilvr_w((v4i32)row[3], (v4i32)row[2]);
    const v4i32 c = __msa_ilvl_w((v4i32)row[1], (v4i32)row[0]), d = __msa_ilvl_w((v4i32)row[3], (v4i32)row[2]);
    to[0] = (v16i8)__msa_ilvr_d((v2i64)b, (v2i64)a);
    if (groups > 1)
        to[quads] = (v16i8)__msa_ilvl_d((v2i64)b, (v2i64)a);
    if (groups > 2)
        to[2 * quads] = (v16i8)__msa_ilvr_d((v2i64)d, (v2i64)c);
    if (groups > 3)
        to[3 * quads] = (v16i8)__msa_ilvl_d((v2i64)d, (v2i64)c);
}

/* Fill a block with `channels` channels, w at the first one's weights, runs * run bytes each. 0: it cannot be. */
static inline int block_fill_msa(struct block_msa *b, const int8_t *w, int32_t channels, const int32_t *bias, const int32_t *m, const int32_t *shift)
{
    const int32_t groups = groups_msa(b->run), depth = b->runs * b->run;
    b->channels = channels;
    b->quads = (channels + 3) / 4;
    block_rescale_msa(b, m, shift);
    v16u8 bad = (v16u8)__msa_ldi_b(0);
    for (int32_t q = 0; q < b->quads; q++) {
        v4i32 sum[4] = {{0}};
        for (int32_t r = 0; r < b->runs; r++)
            for (int32_t g = 0; g < groups; g += 4) {
                const int32_t left = b->run - 4 * g < 16 ? b->run - 4 * g : 16;
                v16i8 row[4];
                for (int32_t c = 0; c < 4; c++) {
                    row[c] = load_msa(w + (4 * q + c) * depth + r * b->run + 4 * g, 4 * q + c < channels ? left : 0);
                    sum[c] = __msa_dpadd_s_w(sum[c], __msa_dotp_s_h(row[c], __msa_ldi_b(1)), __msa_ldi_h(1));
                    bad |= (v16u8)__msa_ceq_h((v8i16)row[c], __msa_fill_h(-32640)); /* -128, -128 */
                }
                turn_msa(row, b->w + (r * groups + g) * b->quads + q, groups - g, b->quads);
            }
        int32_t first[4] = {0};
        for (int32_t c = 0; c < 4 && 4 * q + c < channels; c++)
            first[c] = (int32_t)((uint32_t)bias[4 * q + c] + 128u * (uint32_t)(sum[c][0] + sum[c][1] + sum[c][2] + sum[c][3]));
        memcpy(&b->bias[q], first, sizeof first);
    }
    return __msa_test_bz_v(bad);
}

/* 4 k of four pixels (word g of each) times those of the block's quads. */
#define TILE_GROUP(g)                                                                                                  \
    do {                                                                                                               \
        const v16i8 s0 = (v16i8)__msa_splati_w(x0, g), s1 = (v16i8)__msa_splati_w(x1, g);                              \
        const v16i8 s2 = (v16i8)__msa_splati_w(x2, g), s3 = (v16i8)__msa_splati_w(x3, g);                              \
        for (int q = 0; q < quads; q++, w++) {                                                                         \
            const v16i8 v = *w;                                                                                        \
            acc[0][q] = __msa_dpadd_s_w(acc[0][q], __msa_dotp_s_h(s0, v), ones);                                       \
            acc[1][q] = __msa_dpadd_s_w(acc[1][q], __msa_dotp_s_h(s1, v), ones);                                       \
            acc[2][q] = __msa_dpadd_s_w(acc[2][q], __msa_dotp_s_h(s2, v), ones);                                       \
            acc[3][q] = __msa_dpadd_s_w(acc[3][q], __msa_dotp_s_h(s3, v), ones);                                       \
        }                                                                                                              \
    } while (0)

#define TILE_LOAD(i) ((v4i32)__msa_xori_b((v16u8)__msa_ld_b((void *)(uintptr_t)(p + (i) * step), 0), 128))

/* Where a tile's pixels lie: each run's first byte of the first pixel less `at`, `step` bytes a pixel. Up to
 * 15 bytes past a run are read. */
struct source_msa {
    const uint8_t *const *runs;
    int32_t at, step;
};

static inline __attribute__((always_inline)) void tile_sum_msa(const struct block_msa *b, const struct source_msa *x, int quads, v4i32 (*acc)[TILE_QUADS])
{
    const v8i16 ones = __msa_ldi_h(1);
    const v16i8 *w = b->w;
    const int32_t step = x->step, whole = (b->run + 3) / 16, rest = whole * 16 < b->run ? groups_msa(b->run - whole * 16) : 0;
    for (int32_t r = 0; r < b->runs; r++) {
        const uint8_t *p = x->runs[r] + x->at;
        for (int32_t k = 0; k < whole; k++, p += 16) {
            const v4i32 x0 = TILE_LOAD(0), x1 = TILE_LOAD(1), x2 = TILE_LOAD(2), x3 = TILE_LOAD(3);
            TILE_GROUP(0);
            TILE_GROUP(1);
            TILE_GROUP(2);
            TILE_GROUP(3);
        }
        if (rest > 0) {
            const v4i32 x0 = TILE_LOAD(0), x1 = TILE_LOAD(1), x2 = TILE_LOAD(2), x3 = TILE_LOAD(3);
            TILE_GROUP(0);
            if (rest > 1)
                TILE_GROUP(1);
            if (rest > 2)
                TILE_GROUP(2);
        }
    }
}

/* Codes of `pixels` pixels of the tile, [1, 4], y_step bytes apart. */
static inline __attribute__((always_inline)) void tile_of_msa(const struct block_msa *b, const struct source_msa *x, int quads, int is_quick, const struct codes_msa *codes, uint8_t *y, int32_t y_step, int32_t pixels)
{
    v4i32 acc[TILE_PIXELS][TILE_QUADS];
    for (int q = 0; q < quads; q++)
        acc[0][q] = acc[1][q] = acc[2][q] = acc[3][q] = b->bias[q];
    tile_sum_msa(b, x, quads, acc);
    for (int q = 0; q < quads; q++)
        for (int i = 0; i < TILE_PIXELS; i++) {
            const v4i32 m = b->m[q], s = b->shift[q];
            acc[i][q] = limit_msa(is_quick ? rescale_quick_msa(acc[i][q], m, s) : rescale_wide_msa(acc[i][q], m, s), codes);
        }
    for (int i = 0; i < TILE_PIXELS; i++) {
        const v4i32 *a = acc[i];
        const v16i8 v = pack_msa(a[0], a[quads > 1 ? 1 : 0], a[quads > 2 ? 2 : 0], a[quads > 3 ? 3 : 0], codes);
        if (i < pixels)
            store_msa(v, y + i * y_step, b->channels);
    }
}

static inline void tile_msa(const struct block_msa *b, const struct source_msa *x, const struct codes_msa *codes, uint8_t *y, int32_t y_step, int32_t pixels)
{
    if (!b->is_quick)
        tile_of_msa(b, x, 4, 0, codes, y, y_step, pixels);
    else if (b->quads == 4)
        tile_of_msa(b, x, 4, 1, codes, y, y_step, pixels);
    else if (b->quads == 3)
        tile_of_msa(b, x, 3, 1, codes, y, y_step, pixels);
    else if (b->quads == 2)
        tile_of_msa(b, x, 2, 1, codes, y, y_step, pixels);
    else
        tile_of_msa(b, x, 1, 1, codes, y, y_step, pixels);
}

/* Bytes of room that tiles_msa needs. */
static inline size_t tiles_room_msa(int32_t depth)
{
    return TILE_PIXELS * (((size_t)depth + 15) & ~(size_t)15);
}

/* `pixels` pixels of b->run bytes that lie side by side `step` apart; nothing from x_end on is read. */
static inline void tiles_msa(const struct block_msa *b, const uint8_t *x, const uint8_t *x_end, int32_t step, const struct codes_msa *codes, uint8_t *y, int32_t y_step, int32_t pixels, uint8_t *room)
{
    const int32_t padded = (b->run + 15) & ~15;
    for (int32_t i = 0; i < pixels; i += TILE_PIXELS, x += TILE_PIXELS * step) {
        const int32_t left = pixels - i < TILE_PIXELS ? pixels - i : TILE_PIXELS;
        if (left == TILE_PIXELS && x_end - x >= 3 * step + padded) {
            tile_msa(b, &(struct source_msa){&x, 0, step}, codes, y + i * y_step, y_step, left);
            continue;
        }
        for (int32_t k = 0; k < left; k++)
            memcpy(room + k * padded, x + k * step, (size_t)b->run);
        const uint8_t *from = room;
        tile_msa(b, &(struct source_msa){&from, 0, padded}, codes, y + i * y_step, y_step, left);
    }
}

#endif
