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
static int32_t whole(float v)
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
static struct span part(int32_t first, int32_t last, int32_t size, int32_t i, int32_t count)
{
    const int32_t length = last < first ? 1 : last - first + 1;
    const float pitch = (float)length / (float)count;
    const int32_t begin = (int32_t)fm_floor((float)i * pitch) + first, end = (int32_t)fm_ceil((float)(i + 1) * pitch) + first;
    return (struct span){first, inside(begin, size), inside(end, size)};
}

/* Give y a value, or with x make it the larger of both; channel by channel. */
typedef void kernel(const void *x, void *y, int32_t channels, int32_t value);

static void of_u8(const void *x, void *y, int32_t channels, int32_t value)
{
    const uint8_t *in = x;
    uint8_t *out = y;
    for (int32_t c = 0; c < channels; c++)
        out[c] = !in ? (uint8_t)value : in[c] > out[c] ? in[c] : out[c];
}

static void of_u16(const void *x, void *y, int32_t channels, int32_t value)
{
    const uint16_t *in = x;
    uint16_t *out = y;
    for (int32_t c = 0; c < channels; c++)
        out[c] = !in ? (uint16_t)value : in[c] > out[c] ? in[c] : out[c];
}

static void of_f32(const void *x, void *y, int32_t channels, int32_t value)
{
    const float *in = x;
    float *out = y;
    for (int32_t c = 0; c < channels; c++)
        out[c] = !in ? fm_from_bits((uint32_t)value) : in[c] > out[c] ? in[c] : out[c];
}

/* One code for all types: what a part costs is its pixels. */
static void max_roi_pool(const struct magik_step *n, int32_t bytes, int32_t lowest, kernel *larger)
{
    const struct params *p = n->params;
    const struct image s = image_of(n->in[0]), o = image_of(n->out[0]);
    const int32_t pixel = s.c * bytes;
    int32_t row, end;
    op_span(n, o.n * o.h, &row, &end);
    for (; row < end; row++) {
        const float *box = (const float *)n->in[1]->data + row / o.h * 5;
        const int32_t image = !(box[0] > 0) ? 0 : box[0] < (float)s.n ? (int32_t)box[0] : s.n - 1;
        const uint8_t *x = (const uint8_t *)n->in[0]->data + image * (s.h * s.w * pixel);
        uint8_t *y = (uint8_t *)n->out[0]->data + row * (o.w * pixel);
        const float scale = p->spatial_scale;
        const struct span v = part(whole(box[2] * scale), whole(box[4] * scale), s.h, row % o.h, o.h);
        for (int32_t ow = 0; ow < o.w; ow++, y += pixel) {
            const struct span u = part(whole(box[1] * scale), whole(box[3] * scale), s.w, ow, o.w);
            larger(0, y, s.c, v.begin < v.end && u.begin < u.end ? lowest : p->empty);
            for (int32_t h = v.begin; h < v.end; h++)
                for (int32_t w = u.begin; w < u.end; w++)
                    larger(x + (h * s.w + w) * pixel, y, s.c, 0);
        }
    }
}

void magik_max_roi_pool_u8(const struct magik_step *n)
{
    max_roi_pool(n, 1, 0, of_u8);
}

void magik_max_roi_pool_u16(const struct magik_step *n)
{
    max_roi_pool(n, 2, 0, of_u16);
}

void magik_max_roi_pool_f32(const struct magik_step *n)
{
    max_roi_pool(n, 4, (int32_t)0xff800000u, of_f32);
}
