/* Matrices: prints them as the bits of their floats.
 *
 *   image_matrix similar|affine|nv12|perspective ROWS POINTS FROM… TO…    ROWS of the output: 2 or 3
 *   image_matrix rotation ANGLE SCALE X Y
 *   image_matrix product BATCH ROWS INNER COLUMNS FILE      the floats of both, one after the other */
#include "image_files.h"

using namespace magik::venus;

static void print(const float *m, int count)
{
    for (int i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, m + i, sizeof bits);
        printf("%08x ", static_cast<unsigned>(bits));
    }
    printf("\n");
}

static int points(int argc, char **argv)
{
    const int rows = atoi(argv[2]), count = atoi(argv[3]);
    if (argc != 4 + 4 * count)
        die("too few points");
    Tensor from({1, count, 2, 1}), to({1, count, 2, 1}), out({1, 3, rows, 1});
    for (int i = 0; i < 2 * count; i++) {
        from.mudata<float>()[i] = static_cast<float>(atof(argv[4 + i]));
        to.mudata<float>()[i] = static_cast<float>(atof(argv[4 + 2 * count + i]));
    }
    float *m = out.mudata<float>();
    for (int i = 0; i < 16; i++)
        m[i] = -77;
    int status = 0;
    if (strcmp(argv[1], "similar") == 0)
        status = similar_transform(from, to, out);
    else if (strcmp(argv[1], "perspective") == 0)
        status = get_perspective_transform(from, to, out, TransformType::NONE);
    else
        status = get_affine_transform(from, to, out,
                                      strcmp(argv[1], "nv12") == 0 ? TransformType::NV12_NV12 : TransformType::NONE);
    printf("%d\n", status);
    print(m, 16); /* and what lies behind */
    return 0;
}

static int product(char **argv)
{
    const int batch = atoi(argv[2]), rows = atoi(argv[3]), inner = atoi(argv[4]), columns = atoi(argv[5]);
    const size_t first = static_cast<size_t>(batch * rows * inner), second = static_cast<size_t>(batch * inner * columns);
    std::vector<float> all(first + second);
    read_file(argv[6], all.data(), all.size() * sizeof(float));
    Tensor a({batch, rows, inner, 1}), b({batch, inner, columns, 1}), c({batch, rows, columns, 1});
    memcpy(a.mudata<float>(), all.data(), first * sizeof(float));
    memcpy(b.mudata<float>(), all.data() + first, second * sizeof(float));
    mat_mul(a, b, c);
    print(c.data<float>(), batch * rows * columns);
    Tensor d({batch, rows, inner}), e({batch, inner, columns}), f({batch, rows, columns});
    memcpy(d.mudata<float>(), all.data(), first * sizeof(float));
    memcpy(e.mudata<float>(), all.data() + first, second * sizeof(float));
    mat_mul(d, e, f);
    print(f.data<float>(), batch * rows * columns);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 6)
        die("too few words");
    if (strcmp(argv[1], "product") == 0)
        return product(argv);
    if (strcmp(argv[1], "rotation") != 0)
        return points(argc, argv);
    float m[6] = {0, 0, 0, 0, 0, 0};
    printf("%d\n", get_affine_rotation_matrix(static_cast<float>(atof(argv[2])), static_cast<float>(atof(argv[3])),
                                              atoi(argv[4]), atoi(argv[5]), m));
    print(m, 6);
    return 0;
}
