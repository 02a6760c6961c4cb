/* core_image MODEL PIXELS NV12 OUT [H W PIXELS_HW]: an image model (RGB) fed with four-byte pixels, with NV12, and at
 * another size. */
#include "client.h"

using namespace magik::venus;

static std::unique_ptr<BaseNet> load(const char *path, TensorFormat format)
{
    std::unique_ptr<BaseNet> net = net_create(format);
    CHECK(net->load_model(path) == 0);
    return net;
}

static void fill(BaseNet &net, const std::vector<unsigned char> &bytes)
{
    memcpy(net.get_input(0)->mudata<unsigned char>(), bytes.data(), bytes.size());
}

static std::vector<unsigned char> result(BaseNet &net)
{
    CHECK(net.run() == 0);
    return outputs_of(net);
}

static void pixels(const char *path, const std::vector<unsigned char> &input, const std::string &out)
{
    std::unique_ptr<BaseNet> net = load(path, TensorFormat::NHWC);
    std::unique_ptr<Tensor> x = net->get_input(0);
    std::string name = net->get_input_names()[0];
    CHECK(x->shape().size() == 4 && x->shape()[3] == 4 && x->data_type() == DataType::UINT8);
    CHECK(net->get_input_channel_layout(name) == ChannelLayout::RGBA);
    net->set_input_channel_layout(name, ChannelLayout::BGRA); /* bytes are consumed as given */
    CHECK(net->get_input_channel_layout(name) == ChannelLayout::RGBA);
    fill(*net, input);
    const std::vector<unsigned char> want = result(*net);
    std::vector<unsigned char> other = input;
    for (size_t i = 3; i < other.size(); i += 4)
        other[i] = (unsigned char)~other[i]; /* nobody reads the fourth byte */
    fill(*net, other);
    CHECK(result(*net) == want);
    unsigned char *block = (unsigned char *)nmem_memalign(64, (unsigned)input.size());
    memcpy(block, input.data(), input.size());
    memset(x->mudata<unsigned char>(), 0, input.size());
    CHECK(x->set_data(block, input.size()) == 0);
    CHECK(result(*net) == want);
    CHECK(x->set_data(block, input.size() - 64) == 0);
    CHECK(net->run() != 0); /* too little */
    x->free_data();
    nmem_free(block);
    x->mudata<float>();
    CHECK(net->run() != 0); /* pixels are bytes */
    write_file((out + ".pixels").c_str(), want);
}

static void nv12(const char *path, const std::vector<unsigned char> &input, const std::string &out)
{
    std::unique_ptr<BaseNet> net = load(path, TensorFormat::NV12);
    std::unique_ptr<Tensor> x = net->get_input(0);
    std::string name = net->get_input_names()[0];
    const int h = x->shape()[1], w = x->shape()[2];
    CHECK(x->shape() == shape_t({1, h, w, 1}) && input.size() == (size_t)(h * w * 3 / 2));
    CHECK(net->get_input_channel_layout(name) == ChannelLayout::RGBA);
    fill(*net, input);
    const std::vector<unsigned char> rgb = result(*net);
    write_file((out + ".nv12").c_str(), rgb);
    net->set_input_channel_layout(name, ChannelLayout::GRAY); /* three channels are not gray */
    CHECK(result(*net) == rgb);
    net->set_input_channel_layout(name, ChannelLayout::BGRA);
    CHECK(net->get_input_channel_layout(name) == ChannelLayout::BGRA);
    const std::vector<unsigned char> bgr = result(*net);
    CHECK(bgr != rgb);

    /* the same picture, converted by the program */
    std::unique_ptr<BaseNet> plain = load(path, TensorFormat::NHWC);
    std::unique_ptr<Tensor> to = plain->get_input(0);
    Tensor from({1, h, w, 1}, TensorFormat::NV12);
    memcpy(from.mudata<unsigned char>(), input.data(), input.size());
    CHECK(warp_covert_nv2bgr(from, *to) == 0);
    CHECK(result(*plain) == bgr);

    x->reshape({1, h - 1, w, 1});
    CHECK(net->run() != 0);
    x->reshape({1, h, w, 1});
    net->set_input_channel_layout(name, ChannelLayout::RGB);
    CHECK(result(*net) == rgb);
}

static void reshaped(const char *path, const std::vector<unsigned char> &input, int h, int w,
                     const std::vector<unsigned char> &larger, const std::string &out)
{
    std::unique_ptr<BaseNet> net = load(path, TensorFormat::NHWC);
    std::unique_ptr<Tensor> x = net->get_input(0);
    const shape_t own = x->shape();
    fill(*net, input);
    const std::vector<unsigned char> want = result(*net);
    size_t small = 0, large = 0;
    CHECK(net->get_forward_memory_size(small) == 0);
    x->reshape({1, h, w, 4});
    CHECK(net->get_forward_memory_size(large) == 0 && large > small);
    fill(*net, larger);
    write_file((out + ".reshaped").c_str(), result(*net));
    for (int d : net->get_output(0)->shape())
        printf("%d ", d);
    printf("\n");
    x->reshape({1, h, w, 3});
    CHECK(net->run() != 0);
    x->reshape({h, w, 4});
    CHECK(net->run() != 0);
    x->reshape({1, 1, 1, 4});
    CHECK(net->run() != 0); /* smaller than the model's windows */
    shape_t back = own;
    x->reshape(back);
    fill(*net, input);
    CHECK(result(*net) == want);
}

int main(int argc, char **argv)
{
    if (argc < 5 || venus_init() != 0)
        return 2;
    const std::vector<unsigned char> input = read_file(argv[2]);
    pixels(argv[1], input, argv[4]);
    nv12(argv[1], read_file(argv[3]), argv[4]);
    if (argc == 8)
        reshaped(argv[1], input, atoi(argv[5]), atoi(argv[6]), read_file(argv[7]), argv[4]);
    venus_deinit();
    return client_end();
}
