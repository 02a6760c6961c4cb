/* The arithmetic of fixed.h and fmath.h over arrays, for tests/core/test_numerics.py. */
#include "fixed.h"
#include "fmath.h"

#define PROBE(NAME, Y, EXPRESSION, ...)                           \
    void probe_##NAME(Y *y, int32_t count, __VA_ARGS__)           \
    {                                                             \
        for (int32_t i = 0; i < count; i++)                       \
            y[i] = (EXPRESSION);                                  \
    }

PROBE(shift, int64_t, fx_shift(v[i], s[i]), const int64_t *v, const int32_t *s)
PROBE(shift_wrap, int64_t, fx_shift_wrap((uint64_t)v[i], s[i]), const int64_t *v, const int32_t *s)
PROBE(rescale, int64_t, fx_rescale(acc[i], m[i], s[i]), const int32_t *acc, const int32_t *m, const int32_t *s)
PROBE(rescale_wide, int64_t, fx_rescale_wide(acc[i], m[i], s[i]), const int64_t *acc, const int32_t *m, const int32_t *s)
PROBE(rescale_as, int64_t, fx_rescale_as(acc[i], m[i], s[i], is_twice[i]), const int32_t *acc, const int32_t *m, const int32_t *s,
      const int32_t *is_twice)
PROBE(fixed, int32_t, fx_fixed(v[i]), const int64_t *v)
PROBE(fix, int32_t, fx_fix(v[i]), const int64_t *v)
PROBE(average, int64_t, fx_average(total[i], n[i]), const int32_t *total, const int32_t *n)
PROBE(average_wide, int64_t, fx_average_wide(total[i], n[i]), const int64_t *total, const int32_t *n)
PROBE(reciprocal_m, int64_t, fx_reciprocal(total[i]).m, const int64_t *total)
PROBE(reciprocal_k, int64_t, fx_reciprocal(total[i]).k, const int64_t *total)
PROBE(inverse_root_m, int64_t, fx_inverse_root(square[i]).m, const int64_t *square)
PROBE(inverse_root_k, int64_t, fx_inverse_root(square[i]).k, const int64_t *square)
PROBE(floor_div, int64_t, fx_floor_div(a[i], n[i]), const int64_t *a, const int64_t *n)
PROBE(mac, int32_t, fx_mac(acc[i], x[i], w[i]), const int32_t *acc, const int32_t *x, const int32_t *w)
PROBE(u8, uint8_t, fx_u8(v[i], low[i], high[i]), const int64_t *v, const int32_t *low, const int32_t *high)
PROBE(clip, float, fx_clip(v[i], low[i], high[i]), const float *v, const float *low, const float *high)
PROBE(quantize, int32_t, fx_quantize(x[i], scale[i], zero[i], top[i]), const float *x, const float *scale, const float *zero,
      const int32_t *top)
PROBE(dequantize, float, fx_dequantize(q[i], scale[i], zero[i]), const int32_t *q, const float *scale, const float *zero)

/* One line per function of one or two f32 in fmath.h, written by the test. */
#define UNARY(NAME) PROBE(fm_##NAME, float, fm_##NAME(x[i]), const float *x)
#define BINARY(NAME) PROBE(fm_##NAME, float, fm_##NAME(x[i], c[i]), const float *x, const float *c)
#include "functions.inc"
