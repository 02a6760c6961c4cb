/* core_states MODEL FRAMES OUT: a net with memory on each frame, its first output written to OUT after every run.
 * The same with the memory shared, taken away between runs and given from outside, with two nets in turns, and
 * again after a reset. */
#include "client.h"

using namespace magik::venus;

typedef std::vector<unsigned char> Bytes;

static Bytes step(BaseNet &net, const Bytes &frames, size_t frame)
{
    std::unique_ptr<Tensor> x = net.get_input(0);
    const size_t size = bytes_of(*x);
    memcpy(x->mudata<unsigned char>(), frames.data() + frame * size, size);
    CHECK(net.run() == 0);
    return outputs_of(net);
}

static Bytes all(BaseNet &net, const Bytes &frames, size_t count)
{
    Bytes out;
    for (size_t i = 0; i < count; i++) {
        const Bytes y = step(net, frames, i);
        out.insert(out.end(), y.begin(), y.end());
    }
    return out;
}

int main(int argc, char **argv)
{
    if (argc != 4 || venus_init() != 0)
        return 2;
    const Bytes frames = read_file(argv[2]);
    std::unique_ptr<BaseNet> net = net_create();
    CHECK(net->reset() < 0); /* nothing is loaded */
    CHECK(net->load_model(argv[1]) == 0);
    const size_t count = frames.size() / bytes_of(*net->get_input(0));
    CHECK(net->get_input_names().size() == 1 && net->get_output_names().size() == 1 && count > 2);
    const Bytes first = all(*net, frames, count);
    CHECK(all(*net, frames, count) != first);
    CHECK(net->reset() == 0 && all(*net, frames, count) == first);
    CHECK(net->load_model(argv[1]) == 0 && all(*net, frames, count) == first);

    const ShareMemoryMode modes[] = {ShareMemoryMode::SHARE_ONE_THREAD, ShareMemoryMode::ALL_SEPARABLE_MEM,
                                     ShareMemoryMode::SMART_REUSE_MEM};
    for (ShareMemoryMode mode : modes) {
        std::unique_ptr<BaseNet> one = net_create(TensorFormat::NHWC, mode), other = net_create(TensorFormat::NHWC, mode);
        CHECK(one->load_model(argv[1]) == 0 && other->load_model(argv[1]) == 0);
        Bytes mine, back, alone;
        for (size_t i = 0; i < count; i++) {
            const Bytes y = step(*one, frames, i), z = step(*other, frames, count - 1 - i);
            mine.insert(mine.end(), y.begin(), y.end());
            back.insert(back.end(), z.begin(), z.end());
            CHECK(one->free_forward_memory() == 0);
        }
        CHECK(mine == first);
        CHECK(net->reset() == 0);
        for (size_t i = 0; i < count; i++) {
            const Bytes z = step(*net, frames, count - 1 - i);
            alone.insert(alone.end(), z.begin(), z.end());
        }
        CHECK(back == alone);
    }

    std::unique_ptr<BaseNet> steps = net_create();
    CHECK(steps->load_model(argv[1]) == 0);
    step(*steps, frames, 0);
    CHECK(steps->run_step() == 0); /* broken off: the next run goes on from the first frame */
    CHECK(net->reset() == 0);
    step(*net, frames, 0);
    CHECK(step(*steps, frames, 1) == step(*net, frames, 1));

    FILE *out = fopen(argv[3], "wb");
    CHECK(out != NULL && fwrite(first.data(), 1, first.size(), out) == first.size() && fclose(out) == 0);
    return client_end();
}
