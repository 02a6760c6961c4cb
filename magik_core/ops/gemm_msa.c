/* Gemm with MSA: tiles of 4 rows; fewer rows of x are multiplied with the weights where they lie. */
#include "gemm.h"
#include "tile_msa.h"

void magik_gemm_u8(const struct magik_step *n);

enum { MOST_DEPTH = 1 << 14 }; /* bytes of a row: bounds the scratch */

static int32_t rows_of(const struct magik_step *n)
{
    return n->out[0]->count / n->in[1]->dims[0];
}

static int covers(const struct magik_step *n)
{
    const struct gemm_params *p = n->params;
    return p->low <= p->high && n->in[1]->dims[1] <= MOST_DEPTH;
}

/* The scratch holds a block of channels' weights, or one row of x; then room for the last rows of x. */
static size_t room_at(int32_t depth)
{
    return (block_bytes_msa(1, depth) + 15) & ~(size_t)15;
}

size_t magik_gemm_u8_msa_scratch(const struct magik_step *n)
{
    const int32_t depth = n->in[1]->dims[1];
    return covers(n) ? room_at(depth) + tiles_room_msa(depth) : 0;
}

/* Output by output: for weights that do not fit. */
static void one_by_one(const struct magik_step *n, int32_t first, int32_t end)
{
    const struct gemm_params *p = n->params;
    const int32_t depth = n->in[1]->dims[1], columns = n->in[1]->dims[0];
    const int32_t *bias = n->in[2]->data, *m = n->in[3]->data, *shift = n->in[4]->data;
    const uint8_t *x = n->in[0]->data;
    for (int32_t r = 0; r < rows_of(n); r++, x += depth)
        for (int32_t o = first; o < end; o++) {
            const int8_t *w = (const int8_t *)n->in[1]->data + o * depth;
            int32_t acc = bias[o];
            for (int32_t k = 0; k < depth; k++)
                acc = fx_mac(acc, x[k], w[k]);
            ((uint8_t *)n->out[0]->data)[r * columns + o] = fx_u8(fx_rescale(acc, m[o], shift[o]) + p->y_zero, p->low, p->high);
        }
}

/* Block by block of the part's channels, all rows. 0: weights that do not fit. */
static int by_tiles(const struct magik_step *n, int32_t first, int32_t end)
{
    const struct gemm_params *p = n->params;
    const int32_t depth = n->in[1]->dims[1], columns = n->in[1]->dims[0];
    const int32_t *bias = n->in[2]->data, *m = n->in[3]->data, *shift = n->in[4]->data;
    const struct codes_msa codes = codes_msa(p->y_zero, p->low, p->high);
    const uint8_t *x = n->in[0]->data;
    struct block_msa *b = n->scratch;
    b->runs = 1;
    b->run = depth;
    for (; first < end; first += b->channels) {
        const int32_t channels = end - first < TILE_CHANNELS ? end - first : TILE_CHANNELS;
        if (!block_fill_msa(b, (const int8_t *)n->in[1]->data + first * depth, channels, bias + first, m + first, shift + first))
            return 0;
        tiles_msa(b, x, x + n->in[0]->count, depth, &codes, (uint8_t *)n->out[0]->data + first, columns, rows_of(n), (uint8_t *)n->scratch + room_at(depth));
    }
    return 1;
}

/* Sums of one row of x, less 128 and padded, with 4 channels; those past `channels` repeat the last. 0: they do not fit. */
static int four(const v16i8 *x, const int8_t *w, int32_t depth, int32_t channels, int32_t *acc)
{
    const v8i16 ones = __msa_ldi_h(1), both = __msa_fill_h(-32640); /* -128, -128 */
    const v16i8 one = __msa_ldi_b(1);
    v8i16 bad = __msa_ldi_h(0);
    for (int32_t c = 0; c < channels; c++, w += depth) {
        v4i32 sum = __msa_ldi_w(0), all = sum;
        for (int32_t k = 0; k < depth; k += 16) {
            const v16i8 v = load_msa(w + k, depth - k < 16 ? depth - k : 16);
            sum = dpadd_msa(sum, __msa_dotp_s_h(x[k / 16], v), ones);
            all = dpadd_msa(all, __msa_dotp_s_h(v, one), ones);
            bad = (v8i16)__msa_or_v((v16u8)bad, (v16u8)__msa_ceq_h((v8i16)v, both));
        }
        acc[c] = (int32_t)((uint32_t)total_msa(sum) + 128u * (uint32_t)total_msa(all));
    }
    return __msa_test_bz_v((v16u8)bad);
}

static int by_rows(const struct magik_step *n, int32_t first, int32_t end)
{
    const struct gemm_params *p = n->params;
    const int32_t depth = n->in[1]->dims[1], columns = n->in[1]->dims[0];
    const int32_t *bias = n->in[2]->data, *m = n->in[3]->data, *shift = n->in[4]->data;
    v16i8 *x = n->scratch;
    for (int32_t r = 0; r < rows_of(n); r++) {
        const uint8_t *from = (const uint8_t *)n->in[0]->data + r * depth;
        uint8_t *y = (uint8_t *)n->out[0]->data + r * columns;
        for (int32_t k = 0; k < depth; k += 16)
            x[k / 16] = (v16i8)__msa_xori_b((v16u8)load_msa(from + k, depth - k < 16 ? depth - k : 16), 128);
        for (int32_t o = first; o < end; o += 4) {
            int32_t acc[4];
            const int32_t channels = end - o < 4 ? end - o : 4;
            if (!four(x, (const int8_t *)n->in[1]->data + o * depth, depth, channels, acc))
                return 0;
            for (int32_t c = 0; c < channels; c++)
                y[o + c] = fx_u8(fx_rescale(fx_mac(acc[c], 1, bias[o + c]), m[o + c], shift[o + c]) + p->y_zero, p->low, p->high);
        }
    }
    return 1;
}

void magik_gemm_u8_msa(const struct magik_step *n)
{
    int32_t first, end;
    op_span(n, n->in[1]->dims[0], &first, &end);
    if (!covers(n))
        magik_gemm_u8(n);
    else if (!(rows_of(n) < TILE_PIXELS ? by_rows(n, first, end) : by_tiles(n, first, end)))
        one_by_one(n, first, end);
}
