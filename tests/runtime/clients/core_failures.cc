/* core_failures MODEL INPUT [PIXELS]: the n-th allocation fails, for n = 1, 2, ... until all is well. Every failure
 * is an error code or an empty value, and nothing is lost. Linked with -Wl,--wrap=posix_memalign. */
#include <errno.h>

#include <new>

#include "client.h"

using namespace magik::venus;

static long left = -1;      /* allocations until one fails; negative: none does */
static bool is_ours = false; /* the client's own allocations do not count */

static bool fails()
{
    return is_ours && left >= 0 && left-- == 0;
}

extern "C" int __real_posix_memalign(void **out, size_t align, size_t size);
extern "C" int __wrap_posix_memalign(void **out, size_t align, size_t size)
{
    return fails() ? ENOMEM : __real_posix_memalign(out, align, size);
}

void *operator new(size_t size)
{
    void *p = fails() ? NULL : malloc(size);
    if (p == NULL)
        throw std::bad_alloc();
    return p;
}

void *operator new(size_t size, const std::nothrow_t &) noexcept
{
    return fails() ? NULL : malloc(size);
}

void operator delete(void *p) noexcept
{
    free(p);
}

void operator delete(void *p, size_t) noexcept
{
    free(p);
}

struct Ours {
    Ours() { is_ours = true; }
    ~Ours() { is_ours = false; }
};

static const char *path;
static std::vector<unsigned char> model, input, want;

/* All that a program does; true where it all went well. Never throws. */
static bool everything(ShareMemoryMode mode, bool in_memory, bool by_step)
{
    Ours ours;
    std::unique_ptr<BaseNet> net = net_create(TensorFormat::NHWC, mode);
    if (!net)
        return false;
    if (in_memory ? net->load_model((const char *)model.data(), true) != 0 : net->load_model(path) != 0)
        return false;
    if (net->get_input_names().empty() || net->get_output_names().empty() || net->get_output_names_step(0).empty())
        return false;
    std::unique_ptr<Tensor> x = net->get_input(0);
    if (!x || x->shape().empty())
        return false;
    unsigned char *to = x->mudata<unsigned char>();
    if (to == NULL)
        return false;
    memcpy(to, input.data(), input.size());
    for (int i = 0; i < (by_step ? net->steps() : 1); i++)
        if ((by_step ? net->run_step() : net->run()) != 0)
            return false;
    std::unique_ptr<const Tensor> y = net->get_output(0);
    if (!y || y->data<float>() == NULL)
        return false;
    CHECK(memcmp(y->data<unsigned char>(), want.data(), bytes_of(*y)) == 0);
    Tensor own({1, 5, 5, 4}), wrapped(to, 64);
    if (own.mudata<float>() == NULL || wrapped.get_tsx() == NULL)
        return false;
    own.mudata<float>()[99] = 1;
    own.reshape({1, 50, 50, 4});
    void *block = nmem_malloc(100);
    nmem_free(block);
    return own.mudata<float>() != NULL && block != NULL;
}

static void inject(ShareMemoryMode mode, bool in_memory, bool by_step)
{
    const uint32_t before = venus_get_used_mem_size();
    int n = 0;
    for (bool is_well = false; !is_well && n < 1000; n++) {
        left = n;
        try {
            is_well = everything(mode, in_memory, by_step);
        } catch (...) {
            CHECK(!"an exception got out");
        }
        is_well = is_well && left >= 0; /* the failure came too late to happen */
        /* the thread keeps its place for shared memory */
        CHECK(venus_get_used_mem_size() - before <= (mode == ShareMemoryMode::SHARE_ONE_THREAD ? 256u : 0u));
    }
    left = -1;
    CHECK(n > 10 && n < 1000);
    printf("mode %d: %d allocations\n", (int)mode, n - 1);
}

int main(int argc, char **argv)
{
    if (argc != 3 || venus_init() != 0)
        return 2;
    path = argv[1];
    model = read_file(argv[1]);
    input = read_file(argv[2]);
    std::unique_ptr<BaseNet> net = net_create();
    CHECK(net->load_model(path) == 0);
    memcpy(net->get_input(0)->mudata<unsigned char>(), input.data(), input.size());
    CHECK(net->run() == 0);
    want = outputs_of(*net);
    net.reset();
    inject(ShareMemoryMode::DEFAULT, false, false);
    inject(ShareMemoryMode::SHARE_ONE_THREAD, true, false);
    inject(ShareMemoryMode::ALL_SEPARABLE_MEM, true, true);
    venus_deinit();
    return client_end();
}
