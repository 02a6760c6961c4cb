/* Add and Sub with MSA: both multipliers in halves of 16 bits, so that one instruction sums two products. */
#include "arithmetic.h"
#include "requant_msa.h"

/* multiplier = high * 2^16 + low, of a and b in turn; sums of products of either half fit 32 bits. */
struct how {
    v8i16 zeros, high, low;
    v4i32 shift; /* less 16 */
    struct codes_msa codes;
};

static int32_t low_half(int32_t m)
{
    return (int16_t)(uint16_t)((uint32_t)m & 0xffff);
}

static int32_t high_half(int32_t m)
{
    return (int32_t)(((int64_t)m - low_half(m)) / 65536);
}

static v8i16 pair(int32_t a, int32_t b)
{
    return (v8i16)__msa_fill_w((int32_t)(((uint32_t)a & 0xffff) | (uint32_t)b << 16));
}

/* Sums of four elements, their bytes in turn: cutting off 2^16 before the shift of at least 17 changes nothing. */
static inline v4i32 sums(const struct how *h, v8i16 ab)
{
    const v8i16 v = __msa_subv_h(ab, h->zeros);
    const v4i32 low = __msa_srai_w(__msa_dotp_s_w(v, h->low), 16);
    return __msa_srar_w(__msa_addv_w(__msa_dotp_s_w(v, h->high), low), h->shift);
}

static inline v16i8 add(const struct how *h, v16i8 a, v16i8 b)
{
    const v16i8 zero = __msa_ldi_b(0), right = __msa_ilvr_b(b, a), left = __msa_ilvl_b(b, a);
    return pack_msa(sums(h, (v8i16)__msa_ilvr_b(zero, right)), sums(h, (v8i16)__msa_ilvl_b(zero, right)),
                    sums(h, (v8i16)__msa_ilvr_b(zero, left)), sums(h, (v8i16)__msa_ilvl_b(zero, left)), &h->codes);
}

static void make(const struct codes_run *run)
{
    const struct how h = *(const struct how *)run->constants;
    OPERANDS_MSA(run, add(&h, a, b));
}

void magik_add_u8_msa(const struct magik_step *n)
{
    const struct add_params *p = n->params;
    const int32_t a = p->a_multiplier, b = p->b_multiplier;
    /* from a shift of 26 a result fits 16 bits; up to 47 the instruction takes it */
    if (!op_between(p->shift, 26, 47) || p->low > p->high || !op_between(high_half(a), INT16_MIN, INT16_MAX) ||
        !op_between(high_half(b), INT16_MIN, INT16_MAX)) {
        magik_add_u8(n);
        return;
    }
    const struct how h = {pair(p->a_zero, p->b_zero), pair(high_half(a), high_half(b)), pair(low_half(a), low_half(b)),
                          __msa_fill_w(p->shift - 16), codes_msa(p->y_zero, p->low, p->high)};
    codes_walk(n, &h, make);
}
