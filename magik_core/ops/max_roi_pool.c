/* MaxRoiPool. Kernels run along the channels of one part of a box after another. */
#include "fmath.h"
#include "pool.h"

enum { MOST = 1 << 23 }; /* pixels; box corners further out lie there */

struct params {
    int32_t pooled_h, pooled_w; /* [1, POOL_MAX] */
    float spatial_scale;
    int32_t empty; /* code of real zero */
};

int32_t magik_max_roi_pool_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 2, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    const struct magik_tensor *x = n->in[0], *boxes = n->in[1];
    if (x->dtype != n->dtype || x->rank != 4 || boxes->dtype != MAGIK_F32 || boxes->rank != 2 || boxes->dims[1] != 5)
        return MAGIK_BAD_SHAPE;
    if (!op_between(p->pooled_h, 1, POOL_MAX) || !op_between(p->pooled_w, 1, POOL_MAX) || !op_between(p->empty, 0, 65535))
        return MAGIK_BAD_PARAMS;
    op_like(y, x);
    y->dims[0] = boxes->dims[0];
    y->dims[1] = p->pooled_h;
    y->dims[2] = p->pooled_w;
    return MAGIK_OK;
}

/* The nearest whole number within MOST, halves away from zero; NaN is -MOST. */
static inline int32_t whole(float v)
{
    if (!(v > -(float)MOST))
        return -MOST;
    if (v > (float)MOST)
        return MOST;
    const int32_t i = (int32_t)v;
    const float rest = v - (float)i;
    return i + (rest >= 0.5f) - (rest <= -0.5f);
}

static inline int32_t inside(int32_t v, int32_t size)
{
    return v < 0 ? 0 : v < size ? v : size;
}

/* Where part i of `count` of the pixels [first, last] lies inside [0, size). */
static inline struct span part(int32_t first, int32_t last, int32_t size, int32_t i, int32_t count)
{
    const int32_t length = last < first ? 1 : last - first + 1;
    const float pitch = (float)length / (float)count;
    const int32_t begin = (int32_t)fm_floor((float)i * pitch) + first, end = (int32_t)fm_ceil((float)(i + 1) * pitch) + first;
    return (struct span){first, inside(begin, size), inside(end, size)};
}

/* Body of a kernel: EMPTY, or from LOWEST the larger of y and each pixel of the part. */
#define MAX_ROI_POOL(n, TYPE, LOWEST, EMPTY)                                                                \
    do {                                                                                                    \
        const struct params *p = (n)->params;                                                               \
        const struct image s = image_of((n)->in[0]), o = image_of((n)->out[0]);                             \
        const float scale = p->spatial_scale;                                                               \
        int32_t row, end;                                                                                   \
        op_span((n), o.n * o.h, &row, &end);                                                                \
        for (; row < end; row++) {                                                                          \
            const float *box = (const float *)(n)->in[1]->data + row / o.h * 5;                             \
            const int32_t image = !(box[0] > 0) ? 0 : box[0] < (float)s.n ? (int32_t)box[0] : s.n - 1;      \
            const TYPE *x = (const TYPE *)(n)->in[0]->data + image * (s.h * s.w * s.c);                     \
            TYPE *y = (TYPE *)(n)->out[0]->data + row * (o.w * o.c);                                        \
            const struct span v = part(whole(box[2] * scale), whole(box[4] * scale), s.h, row % o.h, o.h);  \
            for (int32_t ow = 0; ow < o.w; ow++, y += o.c) {                                                \
                const struct span u = part(whole(box[1] * scale), whole(box[3] * scale), s.w, ow, o.w);     \
                for (int32_t c = 0; c < o.c; c++)                                                           \
                    y[c] = v.begin < v.end && u.begin < u.end ? LOWEST : EMPTY;                             \
                for (int32_t h = v.begin; h < v.end; h++)                                                   \
                    for (const TYPE *q = x + (h * s.w + u.begin) * s.c; q < x + (h * s.w + u.end) * s.c; q += s.c) \
                        for (int32_t c = 0; c < s.c; c++)                                                   \
                            y[c] = q[c] > y[c] ? q[c] : y[c];                                               \
            }                                                                                               \
        }                                                                                                   \
    } while (0)

void magik_max_roi_pool_u8(const struct magik_step *n)
{
    MAX_ROI_POOL(n, uint8_t, 0, (uint8_t)p->empty);
}

void magik_max_roi_pool_u16(const struct magik_step *n)
{
    MAX_ROI_POOL(n, uint16_t, 0, (uint16_t)p->empty);
}

void magik_max_roi_pool_f32(const struct magik_step *n)
{
    MAX_ROI_POOL(n, float, fm_from_bits(0xff800000u), 0.0f);
}
