/* DepthwiseConv with AVX-512 VNNI: 64 bytes of a row of y at a time, four taps to a product. */
#include "depthwise.h"
#include "requant_vnni.h"

enum { LANES = 64 };

size_t magik_depthwise_conv_u8_vnni_prepare(const struct magik_step *n, void *memory)
{
    const struct depthwise d = depthwise_of(n, LANES);
    const size_t bytes = depthwise_block_bytes(&d, 1);
    if (d.groups == 0 || memory == NULL)
        return d.groups == 0 ? 0 : bytes * (size_t)d.blocks;
    for (int32_t b = 0; b < d.blocks; b++) {
        uint8_t *block = (uint8_t *)memory + bytes * (size_t)b;
        depthwise_prepare_sums(&d, n, b, (int32_t *)(void *)block);
        int8_t *w = (int8_t *)block + 3 * sizeof(int32_t) * LANES;
        for (int32_t g = 0; g < d.groups; g++)
            for (int32_t out = 0; out < d.outs; out++)
                for (int32_t i = 0; i < 4 * LANES; i++) {
                    const int32_t c = (b * LANES + depthwise_byte(i / LANES, i % LANES / 4)) % d.k.c;
                    *w++ = (int8_t)depthwise_weight(&d, weights_in(n->in[1]), 4 * g + i % 4, out, c);
                }
    }
    return bytes * (size_t)d.blocks;
}

size_t magik_depthwise_conv_u8_vnni_scratch(const struct magik_step *n)
{
    const struct depthwise d = depthwise_of(n, LANES);
    const struct depthwise_rows r = depthwise_rows_of(&d, n);
    return depthwise_scratch(&d, &r);
}

struct four {
    __m512i v[4];
};

/* The bytes of four taps beside each other, in the order of depthwise_byte. */
static inline struct four meet(const uint8_t *const *taps, int32_t at)
{
    const __m512i a = _mm512_loadu_si512(taps[0] + at), b = _mm512_loadu_si512(taps[1] + at);
    const __m512i c = _mm512_loadu_si512(taps[2] + at), d = _mm512_loadu_si512(taps[3] + at);
    const __m512i ab = _mm512_unpacklo_epi8(a, b), cd = _mm512_unpacklo_epi8(c, d);
    const __m512i ab_high = _mm512_unpackhi_epi8(a, b), cd_high = _mm512_unpackhi_epi8(c, d);
    return (struct four){{_mm512_unpacklo_epi16(ab, cd), _mm512_unpackhi_epi16(ab, cd), _mm512_unpacklo_epi16(ab_high, cd_high),
                          _mm512_unpackhi_epi16(ab_high, cd_high)}};
}

static inline void add_products(struct four *acc, const struct four *x, const int8_t *w)
{
    for (int32_t k = 0; k < 4; k++)
        acc->v[k] = _mm512_dpbusd_epi32(acc->v[k], x->v[k], _mm512_load_si512(w + k * LANES));
}

/* One block of constants along the rows of a job. */
struct run {
    const struct depthwise_job *job;
    const int8_t *w;
    struct four bias;
    struct requant q[4];
    struct requant_codes codes;
    int32_t from, step, most; /* first byte of the rows, how far to the next, how many at most at once */
};

/* `is_wide` of all q, or 1 where only some are: known where this is compiled. */
static inline __m512i rescale(const struct run *r, int32_t k, __m512i acc, int is_wide)
{
    return is_wide ? requant_rescale(&r->q[k], acc) : requant_narrow(&r->q[k], acc);
}

static inline void store(const struct run *r, const struct four *acc, uint8_t *y, int32_t at, int is_wide)
{
    const int32_t left = r->job->bytes - at, count = left < r->most ? left : r->most;
    const __m512i v0 = rescale(r, 0, acc->v[0], is_wide), v1 = rescale(r, 1, acc->v[1], is_wide);
    const __m512i v2 = rescale(r, 2, acc->v[2], is_wide), v3 = rescale(r, 3, acc->v[3], is_wide);
    const __m512i codes = requant_pack_quarters(&r->codes, v0, v1, v2, v3);
    _mm512_mask_storeu_epi8(y + at, ~(uint64_t)0 >> (LANES - count), codes);
}

static inline void run_block(const struct run *r, int32_t groups, int32_t outs, int is_wide)
{
    for (int32_t at = r->from; at < r->job->bytes; at += r->step) {
        struct four first = r->bias, second = r->bias;
        for (int32_t g = 0; g < groups; g++) {
            const struct four x = meet(r->job->taps + 4 * g, at);
            add_products(&first, &x, r->w + g * outs * 4 * LANES);
            if (outs == 2)
                add_products(&second, &x, r->w + (g * outs + 1) * 4 * LANES);
        }
        store(r, &first, r->job->y[0], at, is_wide);
        if (outs == 2 && r->job->y[1] != NULL)
            store(r, &second, r->job->y[1], at, is_wide);
    }
}

/* 3x3 with stride 1 where a period is one pixel: two of its three columns are those of the pixel before. */
static void run_columns(const struct run *r)
{
    const uint8_t *const *taps = r->job->taps;
    struct four left = meet(taps, r->from), middle = meet(taps + 4, r->from);
    for (int32_t at = r->from; at < r->job->bytes; at += r->step) {
        struct four first = r->bias, second = r->bias;
        const struct four right = meet(taps + 8, at);
        add_products(&first, &left, r->w);
        add_products(&second, &left, r->w + 4 * LANES);
        add_products(&first, &middle, r->w + 8 * LANES);
        add_products(&second, &middle, r->w + 12 * LANES);
        add_products(&first, &right, r->w + 16 * LANES);
        add_products(&second, &right, r->w + 20 * LANES);
        store(r, &first, r->job->y[0], at, 0);
        if (r->job->y[1] != NULL)
            store(r, &second, r->job->y[1], at, 0);
        left = middle;
        middle = right;
    }
}

static int has_columns(const struct depthwise *d)
{
    return d->outs == 2 && d->rows == 4 && d->k.w == 3 && d->period == 1 && d->window->stride_w == 1 && d->window->dilation_w == 1;
}

/* The common windows have loops of a known length: 3x3 with stride 1 and 2. */
static void run_any(const struct run *r, const struct depthwise *d)
{
    const int is_wide = r->q[0].is_wide || r->q[1].is_wide || r->q[2].is_wide || r->q[3].is_wide;
    if (is_wide && d->outs == 2)
        run_block(r, d->groups, 2, 1);
    else if (is_wide)
        run_block(r, d->groups, 1, 1);
    else if (has_columns(d))
        run_columns(r);
    else if (d->outs == 2 && d->groups == 3)
        run_block(r, 3, 2, 0);
    else if (d->outs == 2 && d->groups == 4)
        run_block(r, 4, 2, 0);
    else if (d->outs == 2)
        run_block(r, d->groups, 2, 0);
    else
        run_block(r, d->groups, 1, 0);
}

static void make_rows(const struct depthwise_job *job)
{
    const struct depthwise *d = job->shape;
    const struct conv_codes *q = &((const struct depthwise_params *)job->step->params)->codes;
    const size_t bytes = depthwise_block_bytes(d, 1);
    struct run r = {.job = job, .codes = requant_codes(q->low, q->high), .step = d->period * d->k.c};
    for (int32_t b = 0; b < d->blocks && b * LANES < job->bytes; b++) {
        const int32_t *sums = (const int32_t *)(const void *)((const uint8_t *)job->step->prepared + bytes * (size_t)b);
        for (int32_t k = 0; k < 4; k++) {
            r.bias.v[k] = _mm512_load_si512(sums + 16 * k);
            r.q[k] = requant_load(sums + LANES + 16 * k, sums + 2 * LANES + 16 * k, q->y_zero, 0xffff);
        }
        r.w = (const int8_t *)(sums + 3 * LANES);
        r.from = b * LANES;
        r.most = r.step - r.from < LANES ? r.step - r.from : LANES;
        run_any(&r, d);
    }
}

void magik_depthwise_conv_u8_vnni(const struct magik_step *n)
{
    depthwise_run(n, LANES, make_rows);
}
