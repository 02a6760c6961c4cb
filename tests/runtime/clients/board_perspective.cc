/* Choices: 0 warp_perspective, 1 crop_perspective; nine floats in a tensor of six, as the samples have it. */
#include "board_menu.h"

static void fill(Tensor &matrix)
{
    const float bent[9] = {0.75, 0.125, 4, 0.0625, 0.875, 2, 0.001, 0.0005, 1};
    float *to = matrix.mudata<float>();
    for (int i = 0; i < 9; i++)
        to[i] = bent[i];
}

int main(int argc, char **argv)
{
    pin_to_cpu0();
    Menu m = read_menu(argc, argv);
    if (venus_init() != 0)
        return 1;
    Tensor input = read_input(m);
    BsExtendParam param;
    param.in_layout = layout_of(m.ic);
    param.out_layout = layout_of(m.oc);
    int ret;
    if (m.choice == 0) {
        Tensor output = make_output(m);
        Tensor matrix({1, 3, 2, 1});
        fill(matrix);
        ret = warp_perspective(input, output, matrix, &param);
        save_output(m, output, "warp_perspective.bin");
    } else {
        std::vector<Bbox_t> boxes = diagonal(m.box_num, 512, 288, 32);
        std::vector<Tensor> outputs, matrices;
        for (int i = 0; i < m.box_num; i++) {
            outputs.push_back(make_output(m));
            matrices.push_back(Tensor({1, 3, 2, 1}));
            fill(matrices[i]);
        }
        ret = crop_perspective(input, outputs, matrices, boxes, &param);
        save_outputs(m, outputs, "crop_perspective_");
    }
    printf("returned %d\n", ret);
    venus_deinit();
    return ret == 0 ? 0 : 3;
}
