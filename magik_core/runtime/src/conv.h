/* What Conv and DepthwiseConv share: their params and the check of their tables. */
#ifndef MAGIK_CONV_H
#define MAGIK_CONV_H

#include "weights.h"
#include "window.h"

struct conv_codes {
    int32_t groups;
    int32_t x_zero;     /* code of padding, unless there is a border table */
    int32_t y_zero;     /* a code of y */
    int32_t low, high;  /* smallest and largest code of y */
    float real_low, real_high;
    int32_t has_border; /* 0, 1 */
};

struct conv_params {
    struct window window;
    struct conv_codes codes;
};

/* What the shape functions of convolutions check, in check.c. */
int32_t magik_conv_check(const struct magik_step *n, const struct window *p, const struct conv_codes *q, int32_t channels, int32_t taps);

#endif
