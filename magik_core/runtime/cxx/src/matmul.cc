#include "say.h"
#include "tensor_impl.h"
#include "utils/postproc.h"

namespace magik {
namespace venus {

namespace {

/* A tensor as `batch` matrices. */
struct Matrix {
    int32_t batch, rows, columns;
    size_t floats;
};

bool is_column(const TensorImpl *t)
{
    return t->rank == 4 && t->dims[3] == 1;
}

bool matrix_of(const TensorImpl *t, bool has_one, Matrix *out)
{
    const int32_t rank = t->rank - (has_one ? 1 : 0);
    if (rank < 2)
        return false;
    *out = {1, t->dims[rank - 2], t->dims[rank - 1], tensor_count(t)};
    for (int32_t i = 0; i < rank - 2; i++)
        out->batch *= t->dims[i];
    return true;
}

/* Sums in the order of the columns, each step rounded. */
void multiply(const float *a, const float *b, const Matrix &x, const Matrix &y, float *out)
{
    for (int32_t i = 0; i < x.rows; i++, a += x.columns)
        for (int32_t j = 0; j < y.columns; j++) {
            float sum = 0.0f;
            for (int32_t k = 0; k < x.columns; k++)
                sum += a[k] * b[k * y.columns + j];
            *out++ = sum;
        }
}

} // namespace

void mat_mul(Tensor &input0, Tensor &input1, Tensor &output)
{
    const TensorImpl *x = tensor_of(input0), *y = tensor_of(input1), *z = tensor_of(output);
    Matrix a, b, c;
    const bool has_one = x && y && z && is_column(x) && is_column(y) && is_column(z);
    if (!x || !y || !z || !matrix_of(x, has_one, &a) || !matrix_of(y, has_one, &b) || !matrix_of(z, has_one, &c)) {
        say(__func__, "a tensor has fewer than two dimensions");
        return;
    }
    if (a.columns != b.rows || a.rows != c.rows || b.columns != c.columns || a.batch != b.batch || a.batch != c.batch) {
        say(__func__, "%d of %dx%d times %d of %dx%d to %d of %dx%d", a.batch, a.rows, a.columns, b.batch, b.rows,
            b.columns, c.batch, c.rows, c.columns);
        return;
    }
    float *out = output.mudata<float>(); /* first: an input may be the same tensor, whose storage moves */
    const float *p = input0.data<float>(), *q = input1.data<float>();
    if (!p || !q || !out || x->capacity < a.floats * sizeof *p || y->capacity < b.floats * sizeof *q) {
        say(__func__, "a tensor does not hold floats");
        return;
    }
    for (int32_t i = 0; i < a.batch; i++, p += a.rows * a.columns, q += b.rows * b.columns, out += c.rows * c.columns)
        multiply(p, q, a, b, out);
}

} // namespace venus
} // namespace magik
