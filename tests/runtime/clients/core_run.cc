/* core_run MODEL INPUT OUT: three runs, the first one profiled by itself; the outputs are written to OUT. */
#include "client.h"

int main(int argc, char **argv)
{
    if (argc != 4 || venus::venus_init() != 0)
        return 2;
    const std::vector<unsigned char> input = read_file(argv[2]);
    std::unique_ptr<venus::BaseNet> net = venus::net_create();
    CHECK(net->load_model(argv[1]) == 0);
    memcpy(net->get_input(0)->mudata<unsigned char>(), input.data(), input.size());
    net->set_profiler_per_frame(true);
    CHECK(net->run() == 0);
    net->set_profiler_per_frame(false);
    CHECK(net->run() == 0);
    CHECK(net->run() == 0);
    write_file(argv[3], outputs_of(*net));
    venus::venus_deinit();
    net.reset();
    return client_end();
}
