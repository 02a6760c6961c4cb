/* Choices: 0 similar_transform of points on a face, no arguments; 1 the transform that brings a picture of iw ih
 * to a quarter, into six floats. */
#include "board_menu.h"

static Tensor points(const float *xy)
{
    Tensor t({1, 3, 2, 1});
    memcopy(t.mudata<float>(), (void *)xy, 6 * sizeof(float));
    return t;
}

static void show(Tensor &t, const char *file)
{
    shape_t shape = t.shape();
    const int count = shape[0] * shape[1] * shape[2] * shape[3];
    printf("shape: %d %d %d %d\n", shape[0], shape[1], shape[2], shape[3]);
    const float *values = t.data<float>();
    for (int i = 0; i < count; i++)
        printf("%.9g ", values[i]);
    printf("\n");
    save_file(file, values, count * sizeof(float));
}

int main(int argc, char **argv)
{
    pin_to_cpu0();
    int choice = -1;
    std::cin >> choice;
    if (venus_init() != 0)
        return 1;
    int ret;
    if (choice == 0) {
        const float face[6] = {30, 40, 70, 36, 52, 80}, frontal[6] = {16, 20, 48, 20, 32, 52};
        Tensor src = points(face), dst = points(frontal), output({1, 3, 3, 1});
        ret = similar_transform(src, dst, output);
        show(output, "similar_transform.bin");
    } else {
        if (argc != 3)
            return 1;
        const float w = (float)atoi(argv[1]), h = (float)atoi(argv[2]);
        const float whole[6] = {0, 0, w, 0, 0, h}, quarter[6] = {0, 0, w / 4, 0, 0, h / 4};
        Tensor src = points(whole), dst = points(quarter), output({1, 3, 2, 1});
        ret = similar_transform(src, dst, output);
        show(output, "get_affine_transform.bin");
        Tensor affine({1, 3, 2, 1});
        ret |= get_affine_transform(src, dst, affine, TransformType::NV12_NV12);
        show(affine, "affine.bin");
        float turn[6];
        ret |= get_affine_rotation_matrix(90, 1, (int)w / 2, (int)h / 2, turn);
        for (int i = 0; i < 6; i++)
            printf("%.9g%c", turn[i], i == 5 ? '\n' : ' ');
    }
    printf("returned %d\n", ret);
    venus_deinit();
    return ret == 0 ? 0 : 3;
}
