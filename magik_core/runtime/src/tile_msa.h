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

/* Biases, multipliers and shifts of the block's channels; those that are not there get 0. sum and size: each
 * channel's weights added up, and their absolute values. */
static inline void block_rescale_msa(struct block_msa *b, const int32_t *bias, const int32_t *m, const int32_t *shift, const int32_t *sum, const int32_t *size)
{
    int32_t biases[TILE_CHANNELS] = {0}, ms[TILE_CHANNELS] = {0}, ss[TILE_CHANNELS] = {0};
    b->is_quick = 1;
    for (int32_t c = 0; c < b->channels; c++) {
        const int64_t most = (int64_t)size[c] * 255 + (bias[c] < 0 ? -(int64_t)bias[c] : bias[c]);
        b->is_quick &= is_quick_msa(m[c], shift[c], most);
        biases[c] = (int32_t)((uint32_t)bias[c] + 128u * (uint32_t)sum[c]);
        ms[c] = m[c];
    }
    for (int32_t c = 0; c < b->channels; c++)
        ss[c] = shift[c] - (b->is_quick ? 31 : 0);
    memcpy(b->bias, biases, sizeof biases);
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

static inline int32_t total_msa(v4i32 v)
{
    return __msa_copy_s_w(v, 0) + __msa_copy_s_w(v, 1) + __msa_copy_s_w(v, 2) + __msa_copy_s_w(v, 3);
}

/* Sums that weights add up to, and their absolute values, by channel of a quad; and the lowest of all. */
struct tally_msa {
    v4i32 sum[4], size[4];
    v16i8 lowest;
};

static inline __attribute__((always_inline)) void tally_msa(struct tally_msa *t, v16i8 row, int c)
{
    const v16i8 none = __msa_ldi_b(0), one = __msa_ldi_b(1);
    const v8i16 ones = __msa_ldi_h(1);
    t->sum[c] = dpadd_msa(t->sum[c], __msa_dotp_s_h(row, one), ones);
    t->size[c] = dpadd_msa(t->size[c], (v8i16)__msa_dotp_u_h((v16u8)__msa_asub_s_b(row, none), (v16u8)one), ones);
    t->lowest = __msa_min_s_b(t->lowest, row);
}

/* Whether no pair of weights that one product sums is -128, -128. */
static inline int pairs_fit_msa(const v16i8 *w, int32_t count)
{
    v8i16 bad = __msa_ldi_h(0);
    for (int32_t i = 0; i < count; i++)
        bad = (v8i16)__msa_or_v((v16u8)bad, (v16u8)__msa_ceq_h((v8i16)w[i], __msa_fill_h(-32640)));
    return __msa_test_bz_v((v16u8)bad);
}

/* 16 k of the channels of quad q, `left` of them there, [1, 16]; w at the first channel's. */
static inline __attribute__((always_inline)) void turn_quad_msa(struct tally_msa *t, const int8_t *w, int32_t depth, int32_t channels, int32_t left, v16i8 *to, int32_t quads)
{
    v16i8 row[4];
    row[0] = load_msa(w, left);
    row[1] = load_msa(w + depth, channels > 1 ? left : 0);
    row[2] = load_msa(w + 2 * depth, channels > 2 ? left : 0);
    row[3] = load_msa(w + 3 * depth, channels > 3 ? left : 0);
    tally_msa(t, row[0], 0);
    tally_msa(t, row[1], 1);
    tally_msa(t, row[2], 2);
    tally_msa(t, row[3], 3);
    turn_msa(row, to, (left + 3) / 4, quads);
}

/* Weights of quad q; adds up those of its channels, and their absolute values. 1: none is -128. */
static inline int quad_fill_msa(struct block_msa *b, const int8_t *w, int32_t q, int32_t *sum, int32_t *size)
{
    const int32_t run = b->run, depth = b->runs * run, channels = b->channels - 4 * q, quads = b->quads;
    const v4i32 none = __msa_ldi_w(0);
    struct tally_msa t = {{none, none, none, none}, {none, none, none, none}, (v16i8)none};
    v16i8 *to = b->w + q;
    w += 4 * q * depth;
    for (int32_t r = 0; r < b->runs; r++) {
        int32_t left = run;
        if (channels >= 4)
            for (; left >= 16; left -= 16, w += 16, to += 4 * quads)
                turn_quad_msa(&t, w, depth, 4, 16, to, quads);
        for (; left > 0; to += (left < 16 ? (left + 3) / 4 : 4) * quads, w += left < 16 ? left : 16, left -= 16)
            turn_quad_msa(&t, w, depth, channels, left < 16 ? left : 16, to, quads);
    }
    for (int32_t c = 0; c < 4; c++) {
        sum[c] = total_msa(t.sum[c]);
        size[c] = total_msa(t.size[c]);
    }
    return __msa_test_bz_v((v16u8)__msa_ceq_b(t.lowest, __msa_fill_b(-128)));
}

/* Fill a block with `channels` channels, w at the first one's weights, runs * run bytes each. 0: it cannot be. */
static inline int block_fill_msa(struct block_msa *b, const int8_t *w, int32_t channels, const int32_t *bias, const int32_t *m, const int32_t *shift)
{
    int32_t sum[TILE_CHANNELS], size[TILE_CHANNELS], fits = 1;
    b->channels = channels;
    b->quads = (channels + 3) / 4;
    for (int32_t q = 0; q < b->quads; q++)
        fits &= quad_fill_msa(b, w, q, sum + 4 * q, size + 4 * q);
    block_rescale_msa(b, bias, m, shift, sum, size);
    return fits || pairs_fit_msa(b->w, b->runs * groups_msa(b->run) * b->quads);
}

/* Everything below is spelled out with literal indices, so that the sums stay in registers. */
#define TILE_QUAD(q)                                                                                                   \
    if (quads > q) {                                                                                                   \
        const v16i8 v = w[q];                                                                                          \
        acc[0][q] = dpadd_msa(acc[0][q], __msa_dotp_s_h(s0, v), ones);                                           \
        acc[1][q] = dpadd_msa(acc[1][q], __msa_dotp_s_h(s1, v), ones);                                           \
        acc[2][q] = dpadd_msa(acc[2][q], __msa_dotp_s_h(s2, v), ones);                                           \
        acc[3][q] = dpadd_msa(acc[3][q], __msa_dotp_s_h(s3, v), ones);                                           \
    }

/* 4 k of four pixels (word g of each) times those of the block's quads. */
#define TILE_GROUP(g)                                                                                                  \
    do {                                                                                                               \
        const v16i8 s0 = (v16i8)__msa_splati_w(x0, g), s1 = (v16i8)__msa_splati_w(x1, g);                              \
        const v16i8 s2 = (v16i8)__msa_splati_w(x2, g), s3 = (v16i8)__msa_splati_w(x3, g);                              \
        TILE_QUAD(0)                                                                                                   \
        TILE_QUAD(1)                                                                                                   \
        TILE_QUAD(2)                                                                                                   \
        TILE_QUAD(3)                                                                                                   \
        w += quads;                                                                                                    \
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

#define TILE_BEGIN(q)                                                                                                  \
    if (quads > q)                                                                                                     \
        acc[0][q] = acc[1][q] = acc[2][q] = acc[3][q] = b->bias[q];

#define TILE_QUICK(i, q) acc[i][q] = rescale_quick_msa(acc[i][q], b->m[q], b->shift[q])
#define TILE_WIDE(i, q) acc[i][q] = limit_msa(rescale_wide_msa(acc[i][q], b->m[q], b->shift[q]), codes)
#define TILE_END(RESCALE, q)                                                                                           \
    if (quads > q) {                                                                                                   \
        RESCALE(0, q);                                                                                                 \
        RESCALE(1, q);                                                                                                 \
        RESCALE(2, q);                                                                                                 \
        RESCALE(3, q);                                                                                                 \
    }

#define TILE_STORE(i)                                                                                                  \
    store_msa(pack_msa(acc[i][0], acc[i][quads > 1 ? 1 : 0], acc[i][quads > 2 ? 2 : 0], acc[i][quads > 3 ? 3 : 0], &limits), y + i * y_step, channels)

/* Sums to numbers of 16 bits that pack_msa takes. */
static inline __attribute__((always_inline)) void tile_end_msa(const struct block_msa *b, int quads, const struct codes_msa *codes, v4i32 (*acc)[TILE_QUADS])
{
    if (b->is_quick) {
        TILE_END(TILE_QUICK, 0)
        TILE_END(TILE_QUICK, 1)
        TILE_END(TILE_QUICK, 2)
        TILE_END(TILE_QUICK, 3)
    } else {
        TILE_END(TILE_WIDE, 0)
        TILE_END(TILE_WIDE, 1)
        TILE_END(TILE_WIDE, 2)
        TILE_END(TILE_WIDE, 3)
    }
}

/* Store `pixels` pixels of a tile, [1, 4], y_step bytes apart. */
static inline __attribute__((always_inline)) void tile_store_msa(int quads, int channels, const struct codes_msa *codes, v4i32 (*acc)[TILE_QUADS], uint8_t *y, int32_t y_step, int32_t pixels)
{
    const struct codes_msa limits = *codes;
    TILE_STORE(0);
    if (pixels > 1)
        TILE_STORE(1);
    if (pixels > 2)
        TILE_STORE(2);
    if (pixels > 3)
        TILE_STORE(3);
}

/* Codes of a row of pixels that lie side by side, y_step bytes apart in y. */
static inline __attribute__((always_inline)) void row_of_msa(const struct block_msa *b, struct source_msa x, int quads, int channels, const struct codes_msa *codes, uint8_t *y, int32_t y_step, int32_t pixels)
{
    for (; pixels > 0; pixels -= TILE_PIXELS, x.at += TILE_PIXELS * x.step, y += TILE_PIXELS * y_step) {
        v4i32 acc[TILE_PIXELS][TILE_QUADS];
        TILE_BEGIN(0)
        TILE_BEGIN(1)
        TILE_BEGIN(2)
        TILE_BEGIN(3)
        tile_sum_msa(b, &x, quads, acc);
        tile_end_msa(b, quads, codes, acc);
        if (pixels >= TILE_PIXELS)
            tile_store_msa(quads, channels, codes, acc, y, y_step, TILE_PIXELS);
        else
            tile_store_msa(quads, channels, codes, acc, y, y_step, pixels);
    }
}

/* The same, in the loop that suits the block. */
static inline void row_tiles_msa(const struct block_msa *b, struct source_msa x, const struct codes_msa *codes, uint8_t *y, int32_t y_step, int32_t pixels)
{
    if (b->channels == 16)
        row_of_msa(b, x, 4, 16, codes, y, y_step, pixels);
    else if (b->channels == 8)
        row_of_msa(b, x, 2, 8, codes, y, y_step, pixels);
    else if (b->quads == 4)
        row_of_msa(b, x, 4, b->channels, codes, y, y_step, pixels);
    else if (b->quads == 3)
        row_of_msa(b, x, 3, b->channels, codes, y, y_step, pixels);
    else if (b->quads == 2)
        row_of_msa(b, x, 2, b->channels, codes, y, y_step, pixels);
    else
        row_of_msa(b, x, 1, b->channels, codes, y, y_step, pixels);
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
    int32_t safe = pixels & ~(TILE_PIXELS - 1); /* that may be read as they lie: the end of the last is not read past */
    while (safe > 0 && x_end - x < (safe - 1) * step + padded)
        safe -= TILE_PIXELS;
    row_tiles_msa(b, (struct source_msa){&x, 0, step}, codes, y, y_step, safe);
    for (; safe < pixels; safe += TILE_PIXELS) {
        const int32_t left = pixels - safe < TILE_PIXELS ? pixels - safe : TILE_PIXELS;
        const uint8_t *from = room;
        for (int32_t k = 0; k < left; k++)
            memcpy(room + k * padded, x + (safe + k) * step, (size_t)b->run);
        row_tiles_msa(b, (struct source_msa){&from, 0, padded}, codes, y + safe * y_step, y_step, left);
    }
}

#endif
