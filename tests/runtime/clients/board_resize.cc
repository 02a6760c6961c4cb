/* Choices: 0 warp_resize, 1 crop_resize, 2 crop_common_resize, 3 common_resize. */
#include "board_menu.h"

static int at_address(const Menu &m, const BsExtendParam &colors)
{
    std::vector<char> bytes = load_file(m.file);
    const int row = layout_of(m.ic) == ChannelLayout::NV12 ? m.iw : m.iw * m.ic;
    void *frame = nmem_memalign(64, (unsigned)bytes.size());
    memcopy(frame, bytes.data(), (int)bytes.size());
    BsCommonParam param;
    param.in_layout = colors.in_layout;
    param.out_layout = colors.out_layout;
    param.pad_type = colors.pad_type;
    param.pad_val = colors.pad_val;
    param.input_height = m.ih;
    param.input_width = m.iw;
    param.input_line_stride = row;
    param.addr_attr.vir_addr = frame;
    int ret;
    if (m.choice == 3) {
        Tensor output = make_output(m);
        ret = common_resize((const void *)frame, output, AddressLocate::NMEM_VIRTUAL, &param);
        save_output(m, output, "common_resize.bin");
    } else {
        std::vector<Bbox_t> boxes = diagonal(m.box_num, 256, 128, 64);
        std::vector<Tensor> outputs;
        for (int i = 0; i < m.box_num; i++)
            outputs.push_back(make_output(m));
        ret = crop_common_resize(frame, outputs, boxes, AddressLocate::NMEM_VIRTUAL, &param);
        save_outputs(m, outputs, "crop_common_resize_");
    }
    nmem_free(frame);
    return ret;
}

int main(int argc, char **argv)
{
    pin_to_cpu0();
    Menu m = read_menu(argc, argv);
    if (venus_init(0) != 0)
        return 1;
    BsExtendParam param;
    param.in_layout = layout_of(m.ic);
    param.out_layout = layout_of(m.oc);
    param.pad_type = BsPadType::SYMMETRY;
    param.pad_val = 50;
    int ret = -1;
    if (m.choice == 0) {
        Tensor input = read_input(m), output = make_output(m);
        ret = warp_resize(input, output, &param);
        save_output(m, output, "warp_resize.bin");
    } else if (m.choice == 1) {
        Tensor input = read_input(m);
        std::vector<Bbox_t> boxes = diagonal(m.box_num, 256, 128, 64);
        std::vector<Tensor> outputs;
        for (int i = 0; i < m.box_num; i++) {
            Tensor output({1, m.oh, m.ow, m.oc}, format_of(m.oc));
            outputs.push_back(output);
        }
        ret = crop_resize(input, outputs, boxes, &param);
        save_outputs(m, outputs, "crop_resize_");
    } else {
        ret = at_address(m, param);
    }
    printf("returned %d\n", ret);
    venus_deinit();
    return ret == 0 ? 0 : 3;
}
