/* Mul with MSA. */
#include "arithmetic.h"
#include "requant_msa.h"

enum { UP = 8 }; /* bits by which products are shifted up first, so that small shifts are quick as well */

struct how {
    v8i16 a_zero, b_zero;
    v4i32 m, shift; /* shift with UP less 31 */
    struct codes_msa codes;
};

/* Four of eight products, the right or the left ones: each beside a product with 0. */
static inline v4i32 four(const struct how *h, v8i16 a, v8i16 b)
{
    return rescale_quick_msa(__msa_slli_w(__msa_dotp_s_w(a, b), UP), h->m, h->shift);
}

static inline v16i8 mul(const struct how *h, v16i8 a, v16i8 b)
{
    const v16i8 zero = __msa_ldi_b(0);
    const v8i16 none = (v8i16)zero;
    const v8i16 a0 = __msa_subv_h((v8i16)__msa_ilvr_b(zero, a), h->a_zero), a1 = __msa_subv_h((v8i16)__msa_ilvl_b(zero, a), h->a_zero);
    const v8i16 b0 = __msa_subv_h((v8i16)__msa_ilvr_b(zero, b), h->b_zero), b1 = __msa_subv_h((v8i16)__msa_ilvl_b(zero, b), h->b_zero);
    return pack_msa(four(h, __msa_ilvr_h(none, a0), __msa_ilvr_h(none, b0)), four(h, __msa_ilvl_h(none, a0), __msa_ilvl_h(none, b0)),
                    four(h, __msa_ilvr_h(none, a1), __msa_ilvr_h(none, b1)), four(h, __msa_ilvl_h(none, a1), __msa_ilvl_h(none, b1)),
                    &h->codes);
}

static void make(const struct codes_run *run)
{
    const struct how h = *(const struct how *)run->constants;
    OPERANDS_MSA(run, mul(&h, a, b));
}

void magik_mul_u8_msa(const struct magik_step *n)
{
    const struct mul_params *p = n->params;
    if (!is_quick_msa(p->multiplier, p->shift + UP, 255 * 255 << UP) || p->low > p->high) {
        magik_mul_u8(n);
        return;
    }
    const struct how h = {__msa_fill_h(p->a_zero), __msa_fill_h(p->b_zero), __msa_fill_w(p->multiplier), __msa_fill_w(p->shift + UP - 31),
                          codes_msa(p->y_zero, p->low, p->high)};
    codes_walk(n, &h, make);
}
