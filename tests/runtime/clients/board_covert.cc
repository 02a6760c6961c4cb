/* prog file.nv12 w h writes the frame as BGRA. */
#include "board_menu.h"

int main(int argc, char **argv)
{
    pin_to_cpu0();
    if (argc != 4 || venus_init() != 0)
        return 1;
    const int w = atoi(argv[2]), h = atoi(argv[3]);
    std::vector<char> bytes = load_file(argv[1]);
    Tensor input({1, h, w, 2}, TensorFormat::NV12), output({1, h, w, 4});
    memcopy(input.mudata<uint8_t>(), bytes.data(), w * h * 3 / 2);
    int ret = warp_covert_nv2bgr(input, output);
    save_file("warp_covert_nv2bgr.bin", output.data<uint8_t>(), (size_t)w * h * 4);
    venus_deinit();
    return ret;
}
