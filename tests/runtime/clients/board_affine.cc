/* Choices: 0 warp_affine, 1 crop_affine; to half the size. */
#include "board_menu.h"

int main(int argc, char **argv)
{
    pin_to_cpu0();
    Menu m = read_menu(argc, argv);
    if (venus_init() != 0)
        return 1;
    Tensor input = read_input(m);
    BsExtendParam param; /* pad_type and pad_val stay as they are found */
    param.in_layout = layout_of(m.ic);
    param.out_layout = layout_of(m.oc);
    float half[6] = {0.5, 0, 0, 0, 0.5, 0};
    int ret;
    if (m.choice == 0) {
        Tensor output = make_output(m);
        Tensor matrix({1, 3, 2, 1});
        float *to = matrix.mudata<float>();
        for (int i = 0; i < 6; i++)
            to[i] = half[i];
        ret = warp_affine(input, output, matrix, &param);
        save_output(m, output, "warp_affine.bin");
    } else {
        std::vector<Bbox_t> boxes = diagonal(m.box_num, 512, 288, 32);
        std::vector<Tensor> outputs, matrices;
        for (int i = 0; i < m.box_num; i++) {
            outputs.push_back(make_output(m));
            Tensor matrix({1, 3, 2, 1});
            memcopy(matrix.mudata<float>(), half, sizeof half);
            matrices.push_back(matrix);
        }
        ret = crop_affine(input, outputs, matrices, boxes, &param);
        save_outputs(m, outputs, "crop_affine_");
    }
    printf("returned %d\n", ret);
    venus_deinit();
    return ret == 0 ? 0 : 3;
}
