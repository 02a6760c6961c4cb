/* core_memory MODEL INPUT MODEL2 INPUT2: several nets, in one thread and in several, in every memory mode. */
#include <pthread.h>

#include "client.h"

using namespace magik::venus;

struct Case {
    const char *path;
    std::vector<unsigned char> input, want;
};

static std::unique_ptr<BaseNet> load(const Case &c, ShareMemoryMode mode)
{
    std::unique_ptr<BaseNet> net = net_create(TensorFormat::NHWC, mode);
    CHECK(net->load_model(c.path) == 0);
    return net;
}

static void fill(BaseNet &net, const Case &c)
{
    memcpy(net.get_input(0)->mudata<unsigned char>(), c.input.data(), c.input.size());
}

static bool is_right(BaseNet &net, const Case &c)
{
    fill(net, c);
    return net.run() == 0 && outputs_of(net) == c.want;
}

static void one_thread(const Case &a, const Case &b)
{
    std::unique_ptr<BaseNet> own[2] = {load(a, ShareMemoryMode::DEFAULT), load(b, ShareMemoryMode::DEFAULT)};
    size_t need_a = 0, need_b = 0;
    CHECK(own[0]->get_forward_memory_size(need_a) == 0 && own[1]->get_forward_memory_size(need_b) == 0);

    std::unique_ptr<BaseNet> x = load(a, ShareMemoryMode::SHARE_ONE_THREAD), y = load(b, ShareMemoryMode::SHARE_ONE_THREAD);
    for (int i = 0; i < 3; i++)
        CHECK(is_right(*x, a) && is_right(*y, b));
    const uint32_t both = venus_get_used_mem_size();
    CHECK(x->free_forward_memory() == 0);
    const uint32_t freed = both - venus_get_used_mem_size(), larger = (uint32_t)(need_a > need_b ? need_a : need_b);
    CHECK(freed >= larger && freed < larger + 256);
    CHECK(is_right(*y, b) && is_right(*x, a));

    CHECK(x->run_step() == 0 && is_right(*y, b));
    CHECK(x->run_step() != 0); /* what it computed is gone */
    CHECK(is_right(*x, a));
    x.reset();
    CHECK(is_right(*y, b)); /* the memory stays for who is left */
    CHECK(is_right(*own[0], a) && is_right(*own[1], b));
}

static void external(const Case &a)
{
    std::unique_ptr<BaseNet> net = load(a, ShareMemoryMode::SET_FROM_EXTERNAL), plain = load(a, ShareMemoryMode::DEFAULT);
    size_t size = 0;
    CHECK(net->get_forward_memory_size(size) == 0 && size > 0);
    fill(*net, a);
    CHECK(net->run() != 0); /* there is none yet */
    unsigned char *memory = (unsigned char *)nmem_memalign(64, (unsigned)size);
    CHECK(net->set_forward_memory(NULL) != 0 && net->set_forward_memory(memory + 1) != 0);
    CHECK(plain->set_forward_memory(memory) != 0);
    const uint32_t before = venus_get_used_mem_size();
    CHECK(net->set_forward_memory(memory) == 0);
    CHECK(is_right(*net, a) && is_right(*net, a));
    CHECK(venus_get_used_mem_size() - before < 4096); /* outputs alone */
    CHECK(net->free_forward_memory() == 0 && net->run() != 0);
    CHECK(net->set_forward_memory(memory) == 0 && is_right(*net, a));
    net.reset();
    nmem_free(memory);
}

/* reshape is const, so programs may give outputs shapes; the model's hold. */
static void outputs_reshaped(const Case &a)
{
    std::unique_ptr<BaseNet> net = load(a, ShareMemoryMode::DEFAULT);
    const shape_t shape = net->get_output(0)->shape();
    net->get_output(0)->reshape({1});
    CHECK(is_right(*net, a) && net->get_output(0)->shape() == shape);
    net->get_output(0)->free_data();
    net->get_output(0)->reshape({1});
    CHECK(is_right(*net, a));
    void *small = nmem_memalign(64, 64);
    Tensor output(*net->get_output(0));
    CHECK(output.set_data(small, 1) == 0);
    output.reshape({1});
    CHECK(net->run() != 0); /* too small for the model's */
    output.free_data();
    CHECK(is_right(*net, a));
    nmem_free(small);
}

static void status(const Case &a)
{
    std::unique_ptr<BaseNet> net = load(a, ShareMemoryMode::SMART_REUSE_MEM);
    CHECK(!net->get_internal_mm_status() && is_right(*net, a));
    CHECK(net->run() == 0); /* the input is still there */
    net->set_internal_mm_status(true);
    CHECK(net->get_internal_mm_status() && is_right(*net, a));
    CHECK(net->run() != 0); /* freed after the run */
    net->set_internal_mm_status(false);
    CHECK(is_right(*net, a) && net->run() == 0);
    const uint32_t before = venus_get_used_mem_size();
    CHECK(net->free_inputs_memory() == 0 && venus_get_used_mem_size() < before && net->run() != 0);
    CHECK(is_right(*net, a));
    std::unique_ptr<BaseNet> plain = load(a, ShareMemoryMode::DEFAULT);
    plain->set_internal_mm_status(true);
    CHECK(!plain->get_internal_mm_status());
    std::unique_ptr<BaseNet> apart = load(a, ShareMemoryMode::ALL_SEPARABLE_MEM);
    size_t one = 0, other = 0;
    CHECK(is_right(*apart, a) && apart->get_forward_memory_size(one) == 0);
    CHECK(plain->get_forward_memory_size(other) == 0 && one >= other);
    plain->set_profiler_per_frame(true);
    CHECK(is_right(*plain, a));
}

struct Work {
    const Case *a, *b;
    int wrong;
};

static void *work(void *argument)
{
    Work *w = (Work *)argument;
    std::unique_ptr<BaseNet> x = net_create(TensorFormat::NHWC, ShareMemoryMode::SHARE_ONE_THREAD);
    std::unique_ptr<BaseNet> y = net_create(TensorFormat::NHWC, ShareMemoryMode::SHARE_ONE_THREAD);
    w->wrong = x->load_model(w->a->path) != 0 || y->load_model(w->b->path) != 0;
    for (int i = 0; i < 10 && w->wrong == 0; i++) {
        w->wrong = !is_right(*x, *w->a) || !is_right(*y, *w->b);
        w->wrong += venus_lock() != 0 || venus_unlock() != 0;
    }
    return NULL;
}

static void threads(const Case &a, const Case &b)
{
    enum { N = 4 };
    pthread_t ids[N];
    Work works[N];
    for (int i = 0; i < N; i++) {
        works[i].a = i % 2 == 0 ? &a : &b;
        works[i].b = i % 2 == 0 ? &b : &a;
        works[i].wrong = 1;
        CHECK(pthread_create(&ids[i], NULL, work, &works[i]) == 0);
    }
    for (int i = 0; i < N; i++) {
        CHECK(pthread_join(ids[i], NULL) == 0);
        CHECK(works[i].wrong == 0);
    }
}

int main(int argc, char **argv)
{
    if (argc != 5 || venus_init() != 0)
        return 2;
    const uint32_t before = venus_get_used_mem_size();
    {
        Case cases[2];
        for (int i = 0; i < 2; i++) {
            cases[i].path = argv[1 + 2 * i];
            cases[i].input = read_file(argv[2 + 2 * i]);
            std::unique_ptr<BaseNet> net = load(cases[i], ShareMemoryMode::DEFAULT);
            fill(*net, cases[i]);
            CHECK(net->run() == 0);
            cases[i].want = outputs_of(*net);
        }
        one_thread(cases[0], cases[1]);
        one_thread(cases[1], cases[0]);
        external(cases[0]);
        outputs_reshaped(cases[0]);
        outputs_reshaped(cases[1]);
        status(cases[1]);
        threads(cases[0], cases[1]);
    }
    CHECK(venus_get_used_mem_size() - before < 512); /* this thread's place for shared memory */
    /* a net and its tensors may be destroyed after the end */
    std::unique_ptr<BaseNet> late = net_create(TensorFormat::NHWC, ShareMemoryMode::SHARE_ONE_THREAD);
    CHECK(late->load_model(argv[1]) == 0);
    std::unique_ptr<Tensor> x = late->get_input(0);
    x->mudata<float>();
    venus_deinit();
    return client_end();
}
