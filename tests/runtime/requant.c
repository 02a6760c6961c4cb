/* Rescaling of vectors against fixed.h, at ties, next to them and at the extremes; built once per ISA. Prints the first
 * differences; exits with 1 if there are any. */
#include <stdio.h>

#include PROBE /* of the ISA: requant_probe and linear_probe */
#include "random.h"

enum { TRIALS = 100000, SHOWN = 5 };

static int shown;

static void differs(const char *what, int32_t a, int32_t m, int32_t s, int32_t wanted, int32_t found)
{
    if (shown++ < SHOWN)
        printf("%s: acc %d m %d s %d: %d, not %d\n", what, (int)a, (int)m, (int)s, (int)found, (int)wanted);
}

/* Extremes, small numbers, any, and multipliers as they are in models. */
static int32_t any(struct random *r)
{
    static const int32_t odd[] = {INT32_MIN, INT32_MIN + 1, INT32_MAX, 0, 1, -1, 1 << 30, 0x7fff8000};
    switch (random_below(r, 4)) {
    case 0:
        return odd[random_below(r, 8)];
    case 1:
        return (int32_t)random_u32(r) >> random_below(r, 32);
    case 2:
        return (int32_t)random_u32(r);
    default:
        return (int32_t)(1u << 30 | random_u32(r) >> 2);
    }
}

/* A sum whose code is about to change, where m and s let one be, or any. */
static int32_t about(struct random *r, int32_t m, int32_t s)
{
    const double at = ((double)random_below(r, 300) - 20.5) * (double)((int64_t)1 << s) / (m == 0 ? 1 : m);
    return random_below(r, 2) == 0 || at < -2e9 || at > 2e9 ? any(r) : (int32_t)at + (int32_t)random_below(r, 5) - 2;
}

static void fill(struct trial *t, struct random *r)
{
    const int32_t is_usual = (int32_t)random_below(r, 2);
    t->count = 1 + (int32_t)random_below(r, LANES);
    t->zero = (int32_t)random_below(r, 256);
    t->low = (int32_t)random_below(r, 256);
    t->high = t->low + (int32_t)random_below(r, (uint32_t)(256 - t->low));
    for (int32_t i = 0; i < LANES; i++) {
        t->m[i] = any(r);
        t->s[i] = is_usual ? 33 + (int32_t)random_below(r, 22) : 1 + (int32_t)random_below(r, 62);
    }
    for (int32_t i = 0; i < 4 * LANES; i++)
        t->acc[i] = about(r, t->m[i % LANES], t->s[i % LANES]);
}

static void try_requant(struct random *r)
{
    struct trial t;
    uint8_t all[4 * LANES], quarters[4 * LANES], one[16];
    fill(&t, r);
    requant_probe(&t, all, quarters, one);
    for (int32_t i = 0; i < 4 * LANES; i++) {
        const int32_t k = i % LANES, at = k / 4 * 16 + i / LANES * 4 + k % 4;
        const int32_t wanted = fx_u8(fx_rescale(t.acc[i], t.m[k], t.s[k]) + t.zero, t.low, t.high);
        if (k < t.count && (all[i] != wanted || quarters[at] != wanted || (i < LANES && one[i] != wanted)))
            differs("requant", t.acc[i], t.m[k], t.s[k], wanted, all[i]);
    }
}

static void try_linear(struct random *r)
{
    const int32_t az = (int32_t)random_below(r, 256), bz = (int32_t)random_below(r, 256), zero = (int32_t)random_below(r, 256);
    const int32_t m = any(r), n = any(r), s = random_below(r, 2) == 0 ? 1 + (int32_t)random_below(r, 62) : 28 + (int32_t)random_below(r, 8);
    const struct linear l = linear_of(az, m, bz, n, s, zero);
    uint8_t a[4 * LANES], b[4 * LANES], y[4 * LANES];
    for (int32_t i = 0; i < 4 * LANES; i++) {
        a[i] = (uint8_t)random_u32(r);
        b[i] = (uint8_t)random_u32(r);
    }
    linear_probe(&l, a, b, y);
    for (int32_t i = 0; l.fits && i < 4 * LANES; i++) {
        const int64_t v = (int64_t)(a[i] - az) * m + (int64_t)(b[i] - bz) * n;
        const int32_t wanted = fx_u8(fx_shift(v, s) + zero, 0, 255);
        if (y[i] != wanted)
            differs("linear", a[i], m, s, wanted, y[i]);
    }
}

int main(void)
{
    struct random r = {1};
    for (int32_t i = 0; i < TRIALS; i++) {
        try_requant(&r);
        try_linear(&r);
    }
    return shown != 0;
}
