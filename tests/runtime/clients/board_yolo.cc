/* A YOLOv5 on a picture: prog model.bin picture.ppm; debug library: prog model.bin name_N_H_W_C.bin. */
#include <sys/time.h>

#include "board_picture.h"

using namespace std;
using namespace magik::venus;

static const int IN_W = 160, IN_H = 96;

static double now_ms()
{
    struct timeval tv;
    gettimeofday(&tv, NULL);
    return tv.tv_sec * 1000.0 + tv.tv_usec / 1000.0;
}

#ifdef VENUS_DEBUG
/* N, H, W, C are the last four fields before the first dot. */
static int run_stored(venus::BaseNet &net, const string &path)
{
    string name = path.substr(path.find_last_of('/') + 1);
    name = name.substr(0, name.find_first_of('.'));
    int fields[4];
    for (int i = 3; i >= 0; i--) {
        size_t at = name.find_last_of('_');
        fields[i] = atoi(name.substr(at + 1).c_str());
        name = name.substr(0, at);
    }
    const int n = fields[0], h = fields[1], w = fields[2], c = fields[3];
    vector<char> bytes = load_file(path.c_str());
    std::unique_ptr<venus::Tensor> input = net.get_input(0);
    input->reshape({n, h, w, 4});
    uint8_t *to = input->mudata<uint8_t>();
    for (int i = 0; i < n * h * w; i++) {
        for (int k = 0; k < 3; k++)
            to[4 * i + k] = (uint8_t)bytes[c * i + k];
        to[4 * i + 3] = 0;
    }
    return net.run();
}
#endif

int main(int argc, char **argv)
{
    pin_to_cpu0();
    if (argc != 3) {
        printf("%s model_path image_path\n", argv[0]);
        exit(0);
    }
    std::string model_path = argv[1];
    int ret = venus::venus_init(0);
    if (0 != ret) {
        fprintf(stderr, "venus init failed.\n");
        exit(0);
    }
    std::unique_ptr<venus::BaseNet> test_net;
    test_net = venus::net_create(TensorFormat::NHWC);
    ret = test_net->load_model(model_path.c_str());
    if (ret != 0)
        return 1;
#ifdef VENUS_DEBUG
    return run_stored(*test_net, argv[2]);
#endif
    std::unique_ptr<venus::Tensor> input = test_net->get_input(0);
    magik::venus::shape_t rgba_input_shape = input->shape();
    printf("model-->%d ,%d %d \n", rgba_input_shape[1], rgba_input_shape[2], rgba_input_shape[3]);
    input->reshape({1, IN_H, IN_W, 4});

    vector<uint8_t> picture;
    input_info_t info;
    if (!load_picture(argv[2], picture, info.w, info.h))
        return 2;
    info.image = picture.data();
    printf("ori_image w,h: %d ,%d\n", info.w, info.h);
    venus::Tensor ori_img({1, info.h, info.w, 4}, TensorFormat::NHWC);
    uint8_t *tensor_data = ori_img.mudata<uint8_t>();
    if (((unsigned long)tensor_data & 0x3F) != 0) {
        printf("not aligned\n");
        abort();
    }
    magik::venus::memcopy((void *)tensor_data, (void *)info.image, info.w * info.h * 4 * (int)sizeof(uint8_t));

    float scale = 1.0;
    PixelOffset pixel_offset = letterbox(info.w, info.h, IN_W, IN_H, scale);
    magik::venus::BsExtendParam param;
    param.pad_val = 114;
    param.pad_type = magik::venus::BsPadType::SYMMETRY;
    param.in_layout = magik::venus::ChannelLayout::RGBA;
    param.out_layout = magik::venus::ChannelLayout::RGBA;
    if (warp_resize(ori_img, *input, &param) != 0)
        return 3;
    save_file("input.bin", input->data<uint8_t>(), IN_H * IN_W * 4);

    double begin = now_ms();
    for (int i = 0; i < RUN_CNT; i++)
        if (test_net->run() != 0)
            return 4;
    printf("test_net run time_ms:%fms\n", now_ms() - begin);

    begin = now_ms();
    std::vector<venus::Tensor> out_res;
    for (int i = 0; i < 3; i++) {
        std::unique_ptr<const venus::Tensor> out = test_net->get_output(i);
        auto shape = out->shape();
        int size = shape[0] * shape[1] * shape[2] * shape[3];
        venus::Tensor temp(shape);
        memcopy((void *)temp.mudata<float>(), (void *)out->data<float>(), size * (int)sizeof(float));
        save_file("map" + to_string(i) + ".bin", temp.data<float>(), size * sizeof(float));
        printf("map %d %d %d %d\n", shape[0], shape[1], shape[2], shape[3]);
        out_res.push_back(temp);
    }
    std::vector<ObjBbox_t> output_boxes;
    decode_yolov5(out_res, IN_W, IN_H, output_boxes);
    trans_coords(output_boxes, pixel_offset, scale, info.w, info.h);
    printf("post net time_ms:%fms\n", now_ms() - begin);
    print_boxes(output_boxes);

    ret = venus::venus_deinit();
    if (0 != ret)
        fprintf(stderr, "venus deinit failed.\n");
    return ret;
}
