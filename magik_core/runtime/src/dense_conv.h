/* A step of Conv as a job of dense_work.h. */
#ifndef MAGIK_DENSE_CONV_H
#define MAGIK_DENSE_CONV_H

#include "conv.h"
#include "dense_work.h"

void magik_conv_u8(const struct magik_step *n);

/* What the weights and params say; the shapes of x and y are left open. */
static struct dense_job conv_constants(const struct magik_step *n)
{
    const struct conv_params *p = n->params;
    const struct conv_codes *q = &p->codes;
    struct dense_job j = {n, p->window, .k = image_of(n->in[1]), .groups = q->groups, .x_zero = q->x_zero, .y_zero = q->y_zero, .low = q->low, .high = q->high};
    j.w = weights_in(n->in[1]);
    j.bias = n->in[2]->data;
    j.border = q->has_border ? n->in[3]->data : NULL;
    j.m = n->in[n->n_in - 2]->data;
    j.shift = n->in[n->n_in - 1]->data;
    return j;
}

static void conv_work(const struct magik_step *n)
{
    struct dense_job j = conv_constants(n);
    const struct window *p = &j.window;
    if (!dense_covers(&j)) {
        magik_conv_u8(n);
        return;
    }
    j.s = image_of(n->in[0]);
    j.o = image_of(n->out[0]);
    if (j.k.h * j.k.w == 1 && p->stride_h * p->stride_w == 1 && (p->top | p->left | p->bottom | p->right) == 0) {
        j.s = (struct image){1, 1, j.s.n * j.s.h * j.s.w, j.s.c}; /* one long row: tiles go on from row to row */
        j.o = (struct image){1, 1, j.s.w, j.o.c};
    }
    dense_work(&j);
}

#endif
