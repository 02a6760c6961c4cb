/* DepthwiseConv with AVX2: 32 bytes of a row of y at a time, two taps to a product. */
#include "depthwise.h"
#include "requant_avx2.h"

enum { LANES = 32 };

static inline __m256i load(const void *from)
{
    return _mm256_loadu_si256(from);
}

size_t magik_depthwise_conv_u8_avx2_prepare(const struct magik_step *n, void *memory)
{
    const struct depthwise d = depthwise_of(n, LANES);
    const size_t bytes = depthwise_block_bytes(&d, 2);
    if (d.groups == 0 || memory == NULL)
        return d.groups == 0 ? 0 : bytes * (size_t)d.blocks;
    for (int32_t b = 0; b < d.blocks; b++) {
        uint8_t *block = (uint8_t *)memory + bytes * (size_t)b;
        depthwise_prepare_sums(&d, n, b, (int32_t *)(void *)block);
        int16_t *w = (int16_t *)(void *)block + 6 * LANES;
        for (int32_t g = 0; g < d.groups; g++)
            for (int32_t out = 0; out < d.outs; out++)
                for (int32_t i = 0; i < 4 * LANES; i++) { /* of each 8 bytes of x: its even ones, its odd ones */
                    const int32_t tap = i / (LANES / 2) % 2 + i % 2 * 2, c = (b * LANES + depthwise_byte(i / LANES, i % (LANES / 2) / 2)) % d.k.c;
                    *w++ = (int16_t)depthwise_weight(&d, weights_in(n->in[1]), 4 * g + tap, out, c);
                }
    }
    return bytes * (size_t)d.blocks;
}

size_t magik_depthwise_conv_u8_avx2_scratch(const struct magik_step *n)
{
    const struct depthwise d = depthwise_of(n, LANES);
    const struct depthwise_rows r = depthwise_rows_of(&d, n);
    return depthwise_scratch(&d, &r);
}

struct four {
    __m256i v[4];
};

/* The bytes of four taps beside each other, in the order of depthwise_byte. */
static inline struct four meet(const uint8_t *const *taps, int32_t at)
{
    const __m256i a = load(taps[0] + at), b = load(taps[1] + at), c = load(taps[2] + at), d = load(taps[3] + at);
    const __m256i ab = _mm256_unpacklo_epi8(a, b), cd = _mm256_unpacklo_epi8(c, d);
    const __m256i ab_high = _mm256_unpackhi_epi8(a, b), cd_high = _mm256_unpackhi_epi8(c, d);
    return (struct four){{_mm256_unpacklo_epi16(ab, cd), _mm256_unpackhi_epi16(ab, cd), _mm256_unpacklo_epi16(ab_high, cd_high),
                          _mm256_unpackhi_epi16(ab_high, cd_high)}};
}

static inline __m256i add_products(__m256i acc, __m256i even, __m256i odd, const int16_t *w)
{
    return _mm256_add_epi32(acc, _mm256_add_epi32(_mm256_madd_epi16(even, load(w)), _mm256_madd_epi16(odd, load(w + LANES / 2))));
}

/* One block of constants along the rows of a job. */
struct run {
    const struct depthwise_job *job;
    const int16_t *w;
    struct four bias;
    struct requant q[4];
    struct requant_codes codes;
    int32_t from, step, most; /* first byte of the rows, how far to the next, how many at most at once */
};

/* `is_wide` of all q, or 1 where only some are: known where this is compiled. */
static inline __m256i rescale(const struct run *r, int32_t k, __m256i acc, int is_wide)
{
    return is_wide ? requant_rescale(&r->q[k], acc) : requant_narrow(&r->q[k], acc);
}

static inline void store(const struct run *r, const struct four *acc, uint8_t *y, int32_t at, int is_wide)
{
    const int32_t left = r->job->bytes - at, count = left < r->most ? left : r->most;
    const __m256i v0 = rescale(r, 0, acc->v[0], is_wide), v1 = rescale(r, 1, acc->v[1], is_wide);
    const __m256i v2 = rescale(r, 2, acc->v[2], is_wide), v3 = rescale(r, 3, acc->v[3], is_wide);
    const __m256i codes = requant_pack_halves(&r->codes, v0, v1, v2, v3);
    if (count == LANES) {
        _mm256_storeu_si256((__m256i *)(void *)(y + at), codes);
    } else {
        uint8_t all[LANES];
        _mm256_storeu_si256((__m256i *)(void *)all, codes);
        memcpy(y + at, all, (size_t)count);
    }
}

static inline void run_block(const struct run *r, int32_t groups, int32_t outs, int is_wide)
{
    for (int32_t at = r->from; at < r->job->bytes; at += r->step) {
        struct four first = r->bias, second = r->bias;
        for (int32_t g = 0; g < groups; g++) {
            const struct four x = meet(r->job->taps + 4 * g, at);
            const int16_t *w = r->w + g * outs * 4 * LANES;
            for (int32_t k = 0; k < 4; k++, w += LANES) {
                const __m256i even = _mm256_and_si256(x.v[k], _mm256_set1_epi16(0xff)), odd = _mm256_srli_epi16(x.v[k], 8);
                first.v[k] = add_products(first.v[k], even, odd, w);
                if (outs == 2)
                    second.v[k] = add_products(second.v[k], even, odd, w + 4 * LANES);
            }
        }
        store(r, &first, r->job->y[0], at, is_wide);
        if (outs == 2 && r->job->y[1] != NULL)
            store(r, &second, r->job->y[1], at, is_wide);
    }
}

/* The common windows have loops of a known length: 3x3 with stride 1 and 2. */
static void run_any(const struct run *r, const struct depthwise *d)
{
    const int is_wide = r->q[0].is_wide || r->q[1].is_wide || r->q[2].is_wide || r->q[3].is_wide;
    if (is_wide && d->outs == 2)
        run_block(r, d->groups, 2, 1);
    else if (is_wide)
        run_block(r, d->groups, 1, 1);
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
    const size_t bytes = depthwise_block_bytes(d, 2);
    struct run r = {.job = job, .codes = requant_codes(q->low, q->high), .step = d->period * d->k.c};
    for (int32_t b = 0; b < d->blocks && b * LANES < job->bytes; b++) {
        const int32_t *sums = (const int32_t *)(const void *)((const uint8_t *)job->step->prepared + bytes * (size_t)b);
        for (int32_t k = 0; k < 4; k++) {
            r.bias.v[k] = load(sums + 8 * k);
            r.q[k] = requant_load(sums + LANES + 8 * k, sums + 2 * LANES + 8 * k, q->y_zero, 8);
        }
        r.w = (const int16_t *)(const void *)(sums + 3 * LANES);
        r.from = b * LANES;
        r.most = r.step - r.from < LANES ? r.step - r.from : LANES;
        run_any(&r, d);
    }
}

void magik_depthwise_conv_u8_avx2(const struct magik_step *n)
{
    depthwise_run(n, LANES, make_rows);
}

/* Weights of s16 are already what those of s8 are widened to. */
size_t magik_depthwise_conv_u8_s16_avx2_prepare(const struct magik_step *n, void *memory)
{
    return magik_depthwise_conv_u8_avx2_prepare(n, memory);
}

size_t magik_depthwise_conv_u8_s16_avx2_scratch(const struct magik_step *n)
{
    return magik_depthwise_conv_u8_avx2_scratch(n);
}

void magik_depthwise_conv_u8_s16_avx2(const struct magik_step *n)
{
    magik_depthwise_conv_u8_avx2(n);
}
