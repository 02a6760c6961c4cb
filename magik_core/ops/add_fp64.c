/* Add and Sub on codes with tables of doubles: what each code of a and of b adds, in units of y. */
#include "broadcast.h"
#include "lanes_fp64.h"

struct params {
    int32_t a_zero, b_zero, y_zero;     /* [0, 255] */
    int32_t a_multiplier, b_multiplier; /* s_a / s_y and s_b / s_y over one shift */
    int32_t shift;                      /* [1, 62] */
    int32_t low, high;                  /* [0, 255] */
    float real_low, real_high;
    float sign; /* 1 adds b, -1 subtracts it */
};

enum { CODES = 256, LEAST_COUNT = 512 }; /* elements for which tables pay */

static int pays(const struct magik_step *n)
{
    const struct params *p = n->params;
    return n->out[0]->count >= LEAST_COUNT && lane_can_scale(p->shift);
}

size_t magik_add_u8_fp64_scratch(const struct magik_step *n)
{
    return pays(n) ? 2 * CODES * sizeof(double) : 0;
}

/* (q - zero) * m / 2^shift + c for every code q. Both terms and the sum of two tables are multiples of 2^-shift
 * below 2^9 in size, shift in [LEAST_SHIFT, MOST_SHIFT]: at most 52 bits, exact. */
static void tabulate(double *table, int32_t zero, int32_t m, int32_t shift, double c)
{
    const double scale = (double)m * lane_power(-shift);
    for (int32_t q = 0; q < CODES; q++)
        table[q] = (double)(q - zero) * scale + c;
}

/* Cutting off differs from the floor for negative sums alone, which are clamped. */
static inline uint8_t code(double sum, int32_t low, int32_t high)
{
    int32_t v = (int32_t)sum;
    v = v < low ? low : v;
    return (uint8_t)(v > high ? high : v);
}

void magik_add_u8(const struct magik_step *n);

void magik_add_u8_fp64(const struct magik_step *n)
{
    const struct params *p = n->params;
    double *table_a = n->scratch, *table_b = table_a + CODES;
    if (!pays(n)) {
        magik_add_u8(n);
        return;
    }
    const int32_t low = p->low, high = p->high;
    tabulate(table_a, p->a_zero, p->a_multiplier, p->shift, 0.0);
    tabulate(table_b, p->b_zero, p->b_multiplier, p->shift, (double)p->y_zero + 0.5);
    BROADCAST(n, uint8_t, code(table_a[a] + table_b[b], low, high));
}
