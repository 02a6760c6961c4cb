/* core_inputs MODEL REALS CODES GRAY PIXELS OUT: inputs that are no color images. */
#include "client.h"

using namespace magik::venus;

static void write_result(BaseNet &net, const std::string &path)
{
    CHECK(net.run() == 0);
    write_file(path.c_str(), outputs_of(net));
}

int main(int argc, char **argv)
{
    if (argc != 7 || venus_init() != 0)
        return 2;
    const std::vector<unsigned char> reals = read_file(argv[2]), codes = read_file(argv[3]), pixels = read_file(argv[5]);
    const std::string out = argv[6];
    std::unique_ptr<BaseNet> net = net_create(TensorFormat::NV12); /* no image: stays as it is */
    CHECK(net->load_model(argv[1]) == 0);
    std::string name = net->get_input_names()[0];
    std::unique_ptr<Tensor> x = net->get_input(0);
    CHECK(x->shape() == shape_t({1, 9, 7, 3}) && x->data_type() == DataType::UINT8);
    CHECK(net->get_input_channel_layout(name) == ChannelLayout::FP);
    memcpy(x->mudata<float>(), reals.data(), reals.size());
    write_result(*net, out + ".reals");
    memcpy(x->mudata<unsigned char>(), codes.data(), codes.size());
    write_result(*net, out + ".codes");
    x->mudata<int>();
    CHECK(net->run() != 0); /* neither reals nor codes */
    CHECK(net->get_output(0)->data_type() == DataType::FP32);

    std::unique_ptr<BaseNet> gray = net_create();
    CHECK(gray->load_model(argv[4]) == 0);
    x = gray->get_input(0);
    name = gray->get_input_names()[0];
    CHECK(x->shape()[3] == 1 && gray->get_input_channel_layout(name) == ChannelLayout::GRAY);
    memcpy(x->mudata<unsigned char>(), pixels.data(), pixels.size());
    write_result(*gray, out + ".gray");

    /* luma of NV12, stretched to the full range */
    std::unique_ptr<BaseNet> nv12 = net_create(TensorFormat::NV12);
    CHECK(nv12->load_model(argv[4]) == 0);
    const int h = x->shape()[1], w = x->shape()[2];
    unsigned char *luma = nv12->get_input(0)->mudata<unsigned char>(), *full = x->mudata<unsigned char>();
    memset(luma, 200, (size_t)(h * w * 3 / 2));
    for (int i = 0; i < h * w; i++) {
        luma[i] = i % 2 == 0 ? 16 : 235;
        full[i] = i % 2 == 0 ? 0 : 255;
    }
    CHECK(gray->run() == 0 && nv12->run() == 0 && outputs_of(*gray) == outputs_of(*nv12));
    venus_deinit();
    return client_end();
}
