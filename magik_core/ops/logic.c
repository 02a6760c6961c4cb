/* And, Or and Xor. */
#include "broadcast.h"

struct params {
    int32_t function; /* enum function */
};

enum function { AND, OR, XOR };

int32_t magik_logic_shape(const struct magik_step *n, struct magik_tensor *y)
{
    const struct params *p = n->params;
    if (!op_has(n, 2, 1, sizeof *p))
        return MAGIK_BAD_STEP;
    if (n->in[0]->dtype != MAGIK_BOOL || n->in[1]->dtype != MAGIK_BOOL)
        return MAGIK_BAD_SHAPE;
    if (!op_between(p->function, AND, XOR))
        return MAGIK_BAD_PARAMS;
    y->dtype = MAGIK_BOOL;
    return broadcast_shape(n->in[0], n->in[1], y);
}

void magik_logic_x8(const struct magik_step *n)
{
    const int32_t function = ((const struct params *)n->params)->function;
    const struct broadcast w = broadcast_of(n->in[0], n->in[1], n->out[0]);
    int32_t r, end;
    op_span(n, w.rows, &r, &end);
    for (; r < end; r++) {
        const uint8_t *a = (const uint8_t *)w.a->data + broadcast_at(&w, w.a, r);
        const uint8_t *b = (const uint8_t *)w.b->data + broadcast_at(&w, w.b, r);
        uint8_t *y = (uint8_t *)w.y->data + r * w.row;
        for (int32_t i = 0; i < w.row; i++, a += w.a_step, b += w.b_step) {
            const int u = *a != 0, v = *b != 0;
            y[i] = (uint8_t)(function == AND ? u & v : function == OR ? u | v : u ^ v);
        }
    }
}
