/* core_model MODEL INPUT OUT: one model from a file, behind other bytes in a file, from memory, from memory at
 * an odd address and behind other bytes; each computes the same, which is written to OUT. INPUT holds the first
 * input's storage as this API shows it. */
#include "client.h"

using namespace magik::venus;

static std::vector<unsigned char> run(BaseNet &net, const std::vector<unsigned char> &input)
{
    std::unique_ptr<Tensor> x = net.get_input(0);
    unsigned char *to = x->mudata<unsigned char>();
    CHECK(((size_t)to & 0x3f) == 0);
    memcpy(to, input.data(), input.size());
    CHECK(net.run() == 0);
    return outputs_of(net);
}

static void check_misuse(const char *path)
{
    std::unique_ptr<BaseNet> net = net_create();
    size_t size = 0;
    std::string name = "x";
    CHECK(net->run() != 0 && net->run_step() != 0 && net->steps() < 0);
    CHECK(net->get_forward_memory_size(size) != 0 && net->set_forward_memory(&size) != 0);
    CHECK(!net->get_input(0) && !net->get_output(0) && !net->get_input_by_name(name));
    CHECK(net->get_input_names().empty() && net->get_output_names().empty());
    CHECK(net->get_output_names_step(0).empty());
    CHECK(net->load_model(NULL) != 0 && net->load_model("no such file") != 0);
    CHECK(net->load_model(path, false, -1) != 0 && net->load_model(NULL, true) != 0);
    CHECK(net->load_model(path, false, 1) != 0);
    CHECK(net->load_model(path, false, 1 << 30) != 0);
    CHECK(net->load_model(path) == 0);
    CHECK(net->run() != 0); /* the input was not filled */
    CHECK(!net->get_input(-1) && !net->get_input(99) && !net->get_output(-1) && !net->get_output(99));
    std::string unknown = "no such name";
    CHECK(!net->get_input_by_name(unknown) && !net->get_output_by_name(unknown));
    CHECK(net->get_input_channel_layout(unknown) == ChannelLayout::NONE);
    net->set_input_channel_layout(unknown, ChannelLayout::RGBA);
    CHECK(net->get_output_names_step(-1).empty() && net->get_output_names_step(1 << 20).empty());
    CHECK(net->load_model("no such file") != 0);
    CHECK(net->run() != 0 && !net->get_input(0)); /* what was loaded before is gone */
}

int main(int argc, char **argv)
{
    if (argc != 4 || venus_init() != 0)
        return 2;
    const std::vector<unsigned char> model = read_file(argv[1]), input = read_file(argv[2]);
    std::unique_ptr<BaseNet> net = net_create();
    CHECK(net->load_model(argv[1]) == 0);
    const std::vector<unsigned char> want = run(*net, input);
    CHECK(run(*net, input) == want);
    write_file(argv[3], want);

    std::vector<unsigned char> blob(37, 0xaa); /* neither a multiple of 4 nor of 64 */
    blob.insert(blob.end(), model.begin(), model.end());
    blob.insert(blob.end(), 13, 0xbb);
    std::unique_ptr<BaseNet> moved = net_create();
    CHECK(moved->load_model((const char *)blob.data(), true, 37) == 0);
    CHECK(moved->load_model((const char *)blob.data() + 37, true) == 0);
    std::vector<unsigned char>().swap(blob); /* a program may free it */
    CHECK(run(*moved, input) == want);

    const std::string together = std::string(argv[3]) + ".two";
    blob = model;
    blob.insert(blob.end(), model.begin(), model.end());
    write_file(together.c_str(), blob);
    std::unique_ptr<BaseNet> second = net_create();
    CHECK(second->load_model(together.c_str(), false, (int)model.size()) == 0);
    CHECK(run(*second, input) == want);
    CHECK(second->load_model(argv[1]) == 0); /* again, into the same net */
    CHECK(run(*second, input) == want);

    std::unique_ptr<const Tensor> y = net->get_output(0);
    const float *before = y->data<float>();
    net.reset();
    CHECK(memcmp(before, want.data(), bytes_of(*y)) == 0); /* outputs outlive their net */
    check_misuse(argv[1]);
    venus_deinit();
    return client_end();
}
