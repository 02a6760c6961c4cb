/* core_steps MODEL INPUT OUT: step by step; every step's first output is written to OUT as f32 or what it is. */
#include "client.h"

using namespace magik::venus;

static void fill(BaseNet &net, const std::vector<unsigned char> &input)
{
    memcpy(net.get_input(0)->mudata<unsigned char>(), input.data(), input.size());
}

static std::vector<unsigned char> bytes_by_name(BaseNet &net, std::string name)
{
    std::unique_ptr<const Tensor> y = net.get_output_by_name(name);
    if (!y)
        return std::vector<unsigned char>();
    const unsigned char *bytes = y->data<unsigned char>();
    return std::vector<unsigned char>(bytes, bytes + bytes_of(*y));
}

int main(int argc, char **argv)
{
    if (argc != 4 || venus_init() != 0)
        return 2;
    const std::vector<unsigned char> input = read_file(argv[2]);
    std::unique_ptr<BaseNet> whole = net_create(), net = net_create(TensorFormat::NHWC, ShareMemoryMode::ALL_SEPARABLE_MEM);
    std::unique_ptr<BaseNet> steps = net_create();
    CHECK(whole->load_model(argv[1]) == 0 && net->load_model(argv[1]) == 0 && steps->load_model(argv[1]) == 0);
    fill(*whole, input);
    fill(*net, input);
    fill(*steps, input);
    CHECK(whole->run() == 0 && net->run() == 0);
    CHECK(outputs_of(*net) == outputs_of(*whole));

    std::vector<unsigned char> all;
    const int n = steps->steps();
    CHECK(n > 1);
    CHECK(bytes_by_name(*steps, steps->get_output_names_step(0)[0]).empty() ||
          steps->get_output_names_step(0)[0] == steps->get_output_names()[0]);
    for (int round = 0; round < 2; round++)
        for (int i = 0; i < n; i++) {
            CHECK(steps->run_step() == 0);
            const std::vector<std::string> names = steps->get_output_names_step(i);
            CHECK(!names.empty());
            const std::vector<unsigned char> bytes = bytes_by_name(*steps, names[0]);
            CHECK(!bytes.empty());
            CHECK(bytes == bytes_by_name(*net, names[0])); /* where nothing is reused it is there after a run, too */
            if (round == 0) {
                all.insert(all.end(), bytes.begin(), bytes.end());
                printf("step %d %s %d\n", i, names[0].c_str(), (int)bytes.size());
            }
        }
    CHECK(outputs_of(*steps) == outputs_of(*whole));
    CHECK(steps->run_step() == 0);
    CHECK(steps->run() == 0); /* a run begins again */
    CHECK(outputs_of(*steps) == outputs_of(*whole));

    for (std::string name : whole->get_output_names())
        printf("output %s %d\n", name.c_str(), (int)bytes_by_name(*whole, name).size());
    for (std::string name : whole->get_input_names()) {
        std::unique_ptr<Tensor> x = whole->get_input_by_name(name);
        printf("input %s %d\n", name.c_str(), (int)bytes_of(*x));
    }
    write_file(argv[3], all);
    venus_deinit();
    return client_end();
}
