/* A net per thread: prog model.bin pixels.bin threads; every thread runs it ten times and compares. */
#include <pthread.h>

#include "board_picture.h"

static const char *model;
static std::vector<char> pixels;
static std::vector<float> wanted;

static std::vector<float> floats_of(venus::BaseNet &net)
{
    std::vector<float> out;
    for (size_t i = 0; i < net.get_output_names().size(); i++) {
        std::unique_ptr<const venus::Tensor> y = net.get_output((int)i);
        const float *from = y->data<float>();
        size_t count = 1;
        for (int d : y->shape())
            count *= d;
        out.insert(out.end(), from, from + count);
    }
    return out;
}

static void *work(void *result)
{
    int *wrong = (int *)result;
    std::unique_ptr<venus::BaseNet> net =
        venus::net_create(venus::TensorFormat::NHWC, venus::ShareMemoryMode::SHARE_ONE_THREAD);
    if (net->load_model(model) != 0) {
        *wrong = 100;
        return NULL;
    }
    std::unique_ptr<venus::Tensor> input = net->get_input(0);
    for (int i = 0; i < 10; i++) {
        venus::memcopy(input->mudata<uint8_t>(), pixels.data(), (int)pixels.size());
        venus::venus_lock();
        int ret = net->run();
        venus::venus_unlock();
        *wrong += ret != 0 || floats_of(*net) != wanted;
    }
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc != 4 || venus::venus_init() != 0)
        return 1;
    model = argv[1];
    pixels = load_file(argv[2]);
    const int count = atoi(argv[3]);
    auto net = venus::net_create();
    if (net->load_model(model) != 0)
        return 2;
    venus::memcopy(net->get_input(0)->mudata<uint8_t>(), pixels.data(), (int)pixels.size());
    if (net->run() != 0)
        return 3;
    wanted = floats_of(*net);
    save_file("threads.out", wanted.data(), wanted.size() * sizeof(float));
    std::vector<pthread_t> threads(count);
    std::vector<int> wrong(count, 0);
    for (int i = 0; i < count; i++)
        pthread_create(&threads[i], NULL, work, &wrong[i]);
    int sum = 0;
    for (int i = 0; i < count; i++) {
        pthread_join(threads[i], NULL);
        sum += wrong[i];
    }
    printf("wrong %d\n", sum);
    venus::venus_deinit();
    return sum != 0;
}
