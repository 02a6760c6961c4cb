/* Params of Gemm, for all its kernels. */
#ifndef MAGIK_GEMM_H
#define MAGIK_GEMM_H

#include "weights.h"

struct gemm_params {
    int32_t y_zero;    /* [0, 255] */
    int32_t low, high; /* smallest and largest code of y, [0, 255] */
    float real_low, real_high;
};

#endif
