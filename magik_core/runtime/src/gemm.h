/* Params of Gemm, for all its kernels. */
#ifndef MAGIK_GEMM_H
#define MAGIK_GEMM_H

#include "weights.h"

struct gemm_params {
    int32_t y_zero;    /* a code of y */
    int32_t low, high; /* smallest and largest code of y */
    float real_low, real_high;
};

#endif
