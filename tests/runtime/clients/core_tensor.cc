/* Tensors: storage made when asked for, alignment, copies, attached memory, life after venus_deinit. */
#include "client.h"

using namespace magik::venus;

static bool is_aligned(const void *p)
{
    return p != NULL && ((size_t)p & 0x3f) == 0;
}

static void storage()
{
    Tensor floats({1, 3, 2, 1});
    CHECK(is_aligned(floats.mudata<float>()));
    CHECK(floats.data_type() == DataType::FP32);
    for (int i = 0; i < 16; i++) /* 9 are written into 6 by programs: 64 bytes have to be there */
        floats.mudata<float>()[i] = (float)i;
    CHECK(floats.data<float>()[8] == 8.0f);
    CHECK(floats.data<unsigned char>() == (const unsigned char *)floats.data<float>());
    CHECK(floats.data_type() == DataType::FP32);

    Tensor bytes(shape_t(4, 2));
    CHECK(is_aligned(bytes.mudata<unsigned char>()));
    CHECK(bytes.data_type() == DataType::UINT8);
    bytes.mudata<unsigned char>()[63] = 1;
    CHECK(bytes.mudata<signed char>() != NULL && bytes.data_type() == DataType::INT8);
    CHECK(bytes.mudata<short>() != NULL && bytes.data_type() == DataType::INT16);
    CHECK(bytes.mudata<unsigned short>() != NULL && bytes.data_type() == DataType::UINT16);
    CHECK(bytes.mudata<int>() != NULL && bytes.data_type() == DataType::INT32);
    CHECK(bytes.mudata<unsigned>() != NULL && bytes.data_type() == DataType::UINT32);
    bytes.mudata<int>()[15] = 1;

    const uint32_t before = venus_get_used_mem_size();
    Tensor large({1, 100, 100, 4});
    const uint32_t empty = venus_get_used_mem_size();
    CHECK(empty - before < 1024); /* no storage yet */
    CHECK(is_aligned(large.mudata<unsigned char>()));
    CHECK(venus_get_used_mem_size() - empty >= 40000);
    large.free_data();
    CHECK(venus_get_used_mem_size() == empty);
    CHECK(large.data<unsigned char>()[39999] == 0);
}

static void shapes()
{
    Tensor t({1, 4, 6, 4});
    CHECK(t.shape() == shape_t({1, 4, 6, 4}));
    CHECK(t.step(0) == 96 && t.step(1) == 24 && t.step(2) == 4 && t.step(3) == 1);
    CHECK(t.step(-1) < 0 && t.step(4) < 0);
    t.mudata<unsigned char>();
    t.reshape({1, 40, 60, 4});
    memset(t.mudata<unsigned char>(), 1, 9600);
    CHECK(t.step(1) == 240);
    shape_t wrong = {1, 0, 6, 4};
    t.reshape(wrong);
    CHECK(t.shape() == shape_t({1, 40, 60, 4}));
    t.reshape({1, 65536, 65536, 4});
    CHECK(t.shape() == shape_t({1, 40, 60, 4}));

    Tensor nv12({1, 4, 6, 1}, TensorFormat::NV12);
    CHECK(nv12.step(0) == 36 && nv12.step(1) == 6);
    memset(nv12.mudata<unsigned char>(), 1, 36);
    Tensor two({1, 32, 32, 2}, TensorFormat::NV12); /* the channels of NV12 say nothing */
    memset(two.mudata<unsigned char>(), 1, 32 * 32 * 3 / 2);

    Tensor none({});
    CHECK(none.shape().empty() && none.mudata<float>() == NULL && none.data<int>() == NULL);
    CHECK(none.set_data(NULL, 0) != 0 && none.step(0) < 0 && none.data_type() == DataType::NONE);
    Tensor copy(none);
    none.free_data();
    CHECK(copy.get_tsx() == NULL);
}

static void copies()
{
    Tensor a({1, 2, 2, 1});
    {
        Tensor b(a);
        CHECK(b.get_tsx() == a.get_tsx());
        b.mudata<int>()[3] = 7;
        b.reshape({1, 1, 4, 1});
    }
    CHECK(a.data<int>()[3] == 7 && a.shape()[2] == 4);
    std::vector<Tensor> many;
    for (int i = 0; i < 20; i++)
        many.push_back(a);
    many.erase(many.begin(), many.begin() + 10);
    CHECK(many[9].data<int>()[3] == 7);
    Tensor inner(a.get_tsx());
    CHECK(inner.data<int>() == a.data<int>());
    Tensor const_inner((const void *)a.get_tsx());
    CHECK(const_inner.data<int>() == a.data<int>());
}

/* Storage that moves when it becomes floats, of a tensor that is input and output at once. */
static void product_in_place()
{
    Tensor t({1, 16, 16});
    t.mudata<unsigned char>();
    mat_mul(t, t, t);
    CHECK(t.data_type() == DataType::FP32 && t.data<float>()[255] == 0.0f);
}

static void attached()
{
    unsigned char *block = (unsigned char *)nmem_memalign(64, 256);
    CHECK(is_aligned(block));
    Tensor t(block, 256);
    CHECK(t.mudata<unsigned char>() == block && t.mudata<float>() == (float *)block);
    t.reshape({1, 8, 8, 1});
    CHECK(t.mudata<float>() == (float *)block);
    t.reshape({1, 8, 8, 4});
    CHECK(t.mudata<float>() == NULL); /* 1024 bytes in 256 */
    CHECK(t.mudata<unsigned char>() == block);

    Tensor own({1, 8, 8, 4});
    memset(own.mudata<unsigned char>(), 5, 256);
    CHECK(own.set_data(block + 1, 255) != 0);
    CHECK(own.set_data(NULL, 256) != 0);
    unsigned char *mine = own.mudata<unsigned char>();
    CHECK(own.set_data(mine, 64) != 0 && own.mudata<unsigned char>() == mine);
    mine[0] = 5;
    CHECK(own.data<unsigned char>()[0] == 5);
    CHECK(own.set_data(block, 256) == 0 && own.mudata<unsigned char>() == block);
    own.free_data();
    CHECK(own.mudata<unsigned char>() != block);
    nmem_free(block);
}

static void memory()
{
    CHECK(nmem_malloc(0x90000000u) == NULL);
    CHECK(nmem_memalign(3, 64) == NULL && nmem_memalign(0, 64) == NULL);
    void *page = nmem_memalign(4096, 10);
    CHECK(page != NULL && ((size_t)page & 4095) == 0);
    unsigned char to[4] = {0, 0, 0, 9}, from[4] = {1, 2, 3, 4};
    memcopy(to, from, 3);
    CHECK(to[0] == 1 && to[2] == 3 && to[3] == 9);
    memcopy(to, from, -1);
    nmem_free(page);
    nmem_free(NULL);

    const uint32_t before = venus_get_used_mem_size();
    CHECK(venus_init(1 << 20) == 0); /* no more than a MiB, with what there is */
    CHECK(nmem_malloc(1 << 20) == NULL);
    void *half = nmem_malloc(1 << 19);
    CHECK(half != NULL && nmem_malloc(1 << 19) == NULL);
    CHECK(venus_get_used_mem_size() - before >= 1u << 19);
    nmem_free(half);
    CHECK(venus_get_used_mem_size() == before);
    CHECK(venus_init(-1) != 0);
    CHECK(venus_init() == 0);
}

int main()
{
    CHECK(venus_init() == 0);
    CHECK(venus_check() == 0);
    CHECK(sizeof(Tensor) == 3 * sizeof(void *));
    CHECK(venus_lock() == 0 && venus_lock() != 0 && venus_unlock() == 0 && venus_unlock() != 0);
    Tensor lasting({1, 2, 2, 1});
    lasting.mudata<float>()[0] = 3;
    storage();
    shapes();
    copies();
    attached();
    product_in_place();
    memory();
    printf("version %08x\n", (unsigned)venus_get_version_info());
    CHECK(venus_deinit() == 0);
    CHECK(lasting.data<float>()[0] == 3);
    return client_end();
}
