/* A YOLOv5 on a frame: prog model.bin file.nv12 w h [nv12]; with the last word the net itself takes NV12. */
#include "board_picture.h"

using magik::venus::ChannelLayout;
using magik::venus::TensorFormat;

int main(int argc, char **argv)
{
    pin_to_cpu0();
    if (argc < 5) {
        printf("%s model_path nv12_path w h\n", argv[0]);
        exit(0);
    }
    const bool cvtbgra = argc == 5;
    const int ori_w = atoi(argv[3]), ori_h = atoi(argv[4]);
    const int in_w = 160, in_h = 96;
    if (0 != venus::venus_init()) {
        fprintf(stderr, "venus init failed.\n");
        exit(0);
    }
    std::unique_ptr<venus::BaseNet> test_net;
    if (cvtbgra)
        test_net = venus::net_create(TensorFormat::NHWC);
    else
        test_net = venus::net_create(TensorFormat::NV12);
    if (test_net->load_model(argv[1]) != 0)
        return 1;
    std::unique_ptr<venus::Tensor> input = test_net->get_input(0);
    if (cvtbgra) {
        input->reshape({1, in_h, in_w, 4});
    } else {
        std::string name = test_net->get_input_names()[0];
        test_net->set_input_channel_layout(name, ChannelLayout::RGB);
        venus::shape_t shape = {1, in_h, in_w, 1};
        input->reshape(shape);
    }

    std::vector<char> frame = load_file(argv[2]);
    if (frame.size() != (size_t)(ori_w * ori_h * 3 / 2))
        return 2;
    uint8_t *nmem = (uint8_t *)venus::nmem_memalign(64, ori_w * ori_h * 3 / 2);
    if (nmem == NULL)
        return 2;
    venus::memcopy(nmem, frame.data(), (int)frame.size());

    float scale = 1.0;
    PixelOffset pixel_offset = letterbox(ori_w, ori_h, in_w, in_h, scale);
    venus::BsCommonParam param;
    param.pad_val = 114;
    param.pad_type = venus::BsPadType::SYMMETRY;
    param.input_height = ori_h;
    param.input_width = ori_w;
    param.input_line_stride = ori_w;
    param.in_layout = ChannelLayout::NV12;
    param.out_layout = cvtbgra ? ChannelLayout::RGBA : ChannelLayout::NV12;
    param.addr_attr.vir_addr = nmem;
    if (venus::common_resize((const void *)nmem, *input, venus::AddressLocate::NMEM_VIRTUAL, &param) != 0)
        return 3;
    save_file("input.bin", input->data<uint8_t>(), cvtbgra ? in_h * in_w * 4 : in_h * in_w * 3 / 2);
    for (int i = 0; i < RUN_CNT; i++)
        if (test_net->run() != 0)
            return 4;

    std::unique_ptr<const venus::Tensor> out0 = test_net->get_output(0);
    std::unique_ptr<const venus::Tensor> out1 = test_net->get_output(1);
    std::unique_ptr<const venus::Tensor> out2 = test_net->get_output(2);
    venus::shape_t shape0 = out0->shape();
    save_file("out_res.bin", out0->data<float>(), sizeof(float) * shape0[0] * shape0[1] * shape0[2] * shape0[3]);
    std::vector<venus::Tensor> out_res;
    out_res.push_back(*out0);
    out_res.push_back(*out1);
    out_res.push_back(*out2);
    std::vector<venus::ObjBbox_t> output_boxes;
    decode_yolov5(out_res, in_w, in_h, output_boxes);
    trans_coords(output_boxes, pixel_offset, scale, ori_w, ori_h);
    print_boxes(output_boxes);

    venus::nmem_free(nmem);
    return venus::venus_deinit();
}
