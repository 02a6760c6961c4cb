/* Matrices from points, computed in doubles: the same on every machine. */
#include <string.h>

#include "fmath.h"
#include "say.h"
#include "tensor_impl.h"
#include "utils/imgproc.h"

namespace magik {
namespace venus {

namespace {

enum { MOST_POINTS = 64, UNKNOWNS = 8 };

struct Points {
    int32_t count;
    double x[MOST_POINTS], y[MOST_POINTS];
};

struct Pairs {
    Points from, to;
};

bool is_finite(double v)
{
    return v - v == 0.0;
}

__attribute__((noinline)) int read_points(const char *name, const Tensor &tensor, int32_t least, int32_t most, Points *out)
{
    const TensorImpl *t = tensor_of(tensor);
    const int32_t count = t ? static_cast<int32_t>(tensor_count(t)) : 0;
    const float *at = count > 0 ? tensor.data<float>() : nullptr;
    if (!at || count % 2 != 0 || count < 2 * least || count > 2 * most)
        return say(name, "points are a tensor of %d floats, need x and y of %d to %d points", count, least, most);
    if (t->capacity < static_cast<size_t>(count) * sizeof *at)
        return say(name, "points have %zu bytes, need %d floats", t->capacity, count);
    out->count = count / 2;
    for (int32_t i = 0; i < out->count; i++) {
        out->x[i] = static_cast<double>(at[2 * i]);
        out->y[i] = static_cast<double>(at[2 * i + 1]);
        if (!is_finite(out->x[i]) || !is_finite(out->y[i]))
            return say(name, "point %d is (%g %g), need finite numbers", i, out->x[i], out->y[i]);
    }
    return 0;
}

int read_pairs(const char *name, const Tensor &from, const Tensor &to, int32_t least, int32_t most, Pairs *out)
{
    int status = read_points(name, from, least, most, &out->from);
    if (status == 0)
        status = read_points(name, to, least, most, &out->to);
    if (status == 0 && out->from.count != out->to.count)
        status = say(name, "%d points to %d points, need as many", out->from.count, out->to.count);
    return status;
}

/* As many whole rows of three as the output has room for, at least two. */
int write_rows(const char *name, const double *m, Tensor &output)
{
    const TensorImpl *t = tensor_of(output);
    const size_t room = t ? tensor_count(t) : 0, count = room >= 9 ? 9 : 6;
    for (size_t i = 0; i < 9; i++)
        if (!is_finite(m[i]) || !is_finite(static_cast<double>(static_cast<float>(m[i]))))
            return say(name, "the points determine no matrix");
    float *at = room >= 6 ? output.mudata<float>() : nullptr;
    if (!at)
        return say(name, "the output has %zu floats, need 6 or 9", room);
    for (size_t i = 0; i < count; i++)
        at[i] = static_cast<float>(m[i]);
    return 0;
}

/* Gauss with the largest pivot; rows of `size` coefficients and the right side. Singular: infinities or NaNs. */
__attribute__((noinline)) void solve(double a[UNKNOWNS][UNKNOWNS + 1], int32_t size, double *x)
{
    for (int32_t k = 0; k < size; k++) {
        int32_t best = k;
        for (int32_t i = k + 1; i < size; i++)
            if (a[i][k] * a[i][k] > a[best][k] * a[best][k])
                best = i;
        for (int32_t j = 0; j <= size; j++) {
            const double kept = a[k][j];
            a[k][j] = a[best][j];
            a[best][j] = kept;
        }
        for (int32_t i = k + 1; i < size; i++) {
            const double ratio = a[i][k] / a[k][k];
            for (int32_t j = k; j <= size; j++)
                a[i][j] = a[i][j] - ratio * a[k][j];
        }
    }
    for (int32_t i = size - 1; i >= 0; i--) {
        double rest = a[i][size];
        for (int32_t j = i + 1; j < size; j++)
            rest = rest - a[i][j] * x[j];
        x[i] = rest / a[i][i];
    }
}

int check_type(const char *name, TransformType type)
{
    if (type == TransformType::NONE || type == TransformType::NV12_NV12)
        return 0;
    return say(name, "transform_type is %d, need -1 or 0", static_cast<int>(type));
}

} // namespace

/* The least squares of u = a x - b y + c, v = b x + a y + d, about the points' means. */
int similar_transform(Tensor &input_src, Tensor &input_dst, Tensor &output)
{
    Pairs p;
    const int status = read_pairs(__func__, input_src, input_dst, 2, MOST_POINTS, &p);
    if (status != 0)
        return status;
    double mean[4] = {0, 0, 0, 0}, size = 0, same = 0, turned = 0;
    const double count = static_cast<double>(p.from.count);
    for (int32_t i = 0; i < p.from.count; i++) {
        mean[0] += p.from.x[i];
        mean[1] += p.from.y[i];
        mean[2] += p.to.x[i];
        mean[3] += p.to.y[i];
    }
    for (double &m : mean)
        m /= count;
    for (int32_t i = 0; i < p.from.count; i++) {
        const double x = p.from.x[i] - mean[0], y = p.from.y[i] - mean[1];
        const double u = p.to.x[i] - mean[2], v = p.to.y[i] - mean[3];
        size += x * x + y * y;
        same += x * u + y * v;
        turned += x * v - y * u;
    }
    const double a = same / size, b = turned / size;
    const double m[9] = {a, -b, mean[2] - (a * mean[0] - b * mean[1]), b, a, mean[3] - (b * mean[0] + a * mean[1]),
                         0, 0,  1};
    return write_rows(__func__, m, output);
}

int get_affine_transform(Tensor &input_src, Tensor &input_dst, Tensor &output, TransformType transform_type)
{
    Pairs p;
    int status = check_type(__func__, transform_type);
    if (status == 0)
        status = read_pairs(__func__, input_src, input_dst, 3, 3, &p);
    if (status != 0)
        return status;
    double m[9] = {0, 0, 0, 0, 0, 0, 0, 0, 1};
    for (int32_t row = 0; row < 2; row++) {
        double a[UNKNOWNS][UNKNOWNS + 1];
        for (int32_t i = 0; i < 3; i++) {
            a[i][0] = p.from.x[i];
            a[i][1] = p.from.y[i];
            a[i][2] = 1;
            a[i][3] = row == 0 ? p.to.x[i] : p.to.y[i];
        }
        solve(a, 3, m + 3 * row);
    }
    return write_rows(__func__, m, output);
}

int get_perspective_transform(Tensor &input_src, Tensor &input_dst, Tensor &output, TransformType transform_type)
{
    Pairs p;
    int status = check_type(__func__, transform_type);
    if (status == 0)
        status = read_pairs(__func__, input_src, input_dst, 4, 4, &p);
    if (status != 0)
        return status;
    double a[UNKNOWNS][UNKNOWNS + 1], m[9];
    memset(a, 0, sizeof a);
    for (int32_t i = 0; i < 8; i++) { /* u of four points, then v */
        const int32_t n = i % 4, at = i < 4 ? 0 : 3;
        const double x = p.from.x[n], y = p.from.y[n], to = i < 4 ? p.to.x[n] : p.to.y[n];
        a[i][at] = x;
        a[i][at + 1] = y;
        a[i][at + 2] = 1;
        a[i][6] = -x * to;
        a[i][7] = -y * to;
        a[i][8] = to;
    }
    solve(a, UNKNOWNS, m);
    m[8] = 1;
    return write_rows(__func__, m, output);
}

int get_affine_rotation_matrix(float angle, float scale, int center_w, int center_h, float *M)
{
    const float most = 1e6f;
    if (!M || !(fm_abs(angle) <= most) || !(fm_abs(scale) <= most))
        return say(__func__, "angle %g, scale %g, M %p: need numbers in [-1e6, 1e6] and room for 6 floats",
                   static_cast<double>(angle), static_cast<double>(scale), static_cast<void *>(M));
    const float quarters = fm_round(angle / 90.0f), rest = (angle - quarters * 90.0f) * 0.017453292f;
    const uint32_t n = static_cast<uint32_t>(static_cast<int32_t>(quarters));
    const double sine = static_cast<double>(fm_sin_of_quarter(rest, n));
    const double cosine = static_cast<double>(fm_sin_of_quarter(rest, n + 1));
    const double a = static_cast<double>(scale) * cosine, b = static_cast<double>(scale) * sine;
    const double x = center_w, y = center_h;
    const double m[6] = {a, b, (1 - a) * x - b * y, -b, a, b * x + (1 - a) * y};
    for (int i = 0; i < 6; i++)
        M[i] = static_cast<float>(m[i]);
    return 0;
}

} // namespace venus
} // namespace magik
