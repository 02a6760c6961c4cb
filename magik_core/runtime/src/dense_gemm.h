/* A step of Gemm as a job of dense_work.h: a convolution of one tap over the rows of x. */
#ifndef MAGIK_DENSE_GEMM_H
#define MAGIK_DENSE_GEMM_H

#include "dense_work.h"
#include "gemm.h"

void magik_gemm_u8(const struct magik_step *n);

/* What the weights and params say; the rows of x are left open. */
static struct dense_job gemm_constants(const struct magik_step *n)
{
    const struct gemm_params *p = n->params;
    const int32_t columns = n->in[1]->dims[0], depth = n->in[1]->dims[1];
    struct dense_job j = {n, {1, 1, 1, 1, 0, 0, 0, 0}, .k = {columns, 1, 1, depth}, .groups = 1, .y_zero = p->y_zero, .low = p->low, .high = p->high};
    j.w = weights_in(n->in[1]);
    j.bias = n->in[2]->data;
    j.m = n->in[3]->data;
    j.shift = n->in[4]->data;
    return j;
}

static void gemm_work(const struct magik_step *n)
{
    struct dense_job j = gemm_constants(n);
    if (!dense_covers(&j)) {
        magik_gemm_u8(n);
        return;
    }
    j.s = (struct image){1, 1, n->in[0]->count / j.k.c, j.k.c};
    j.o = (struct image){1, 1, j.s.w, j.k.n};
    dense_work(&j);
}

#endif
