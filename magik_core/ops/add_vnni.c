/* Add and Sub with AVX-512 VNNI. */
#include "codes_vnni.h"
#include "linear_vnni.h"

struct constants {
    struct linear linear;
    struct requant_codes codes;
};

static void make(const struct codes_run *run)
{
    const struct constants *k = run->constants;
    CODES_RUN(run, linear_codes(&k->linear, &k->codes, a, b));
}

void magik_add_u8_vnni(const struct magik_step *n)
{
    const struct add_params *p = n->params;
    const struct linear linear = linear_of(p->a_zero, p->a_multiplier, p->b_zero, p->b_multiplier, p->shift, p->y_zero);
    const struct constants k = {linear, requant_codes(p->low, p->high)};
    if (linear.fits && p->low <= p->high)
        codes_walk(n, &k, make);
    else
        magik_add_u8(n);
}
