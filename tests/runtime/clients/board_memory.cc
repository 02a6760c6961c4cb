/* Models in memory: prog pixels.bin a.bin b.bin. The first model is compiled in (-DMODEL_FILE, -DMODEL_ARRAY); a.bin and
 * b.bin follow one another in one block. Then the same net in memory of its own, and tensor by tensor. */
#include "board_picture.h"
#include MODEL_FILE

static std::vector<char> pixels;

static void feed(venus::BaseNet &net)
{
    std::string name = net.get_input_names().at(0);
    std::unique_ptr<venus::Tensor> input = net.get_input_by_name(name);
    venus::memcopy(input->mudata<uint8_t>(), pixels.data(), (int)pixels.size());
}

/* All outputs by name, in the order of the model. */
static void save_all(venus::BaseNet &net, const std::string &path)
{
    std::ofstream file(path.c_str(), std::ios::binary);
    for (std::string name : net.get_output_names()) {
        std::unique_ptr<const venus::Tensor> y = net.get_output_by_name(name);
        size_t count = 1;
        for (int d : y->shape())
            count *= d;
        if (y->data_type() != venus::DataType::FP32)
            exit(9);
        file.write((const char *)y->data<float>(), count * sizeof(float));
    }
}

static void from_header()
{
    auto net = venus::net_create();
    printf("header: load %d\n", net->load_model((const char *)MODEL_ARRAY, true));
    feed(*net);
    printf("header: run %d\n", net->run());
    save_all(*net, "header.out");
}

/* Two networks of one thread, from one block. */
static void from_block(const char *a, const char *b)
{
    std::vector<char> first = load_file(a), second = load_file(b), block = first;
    block.insert(block.end(), second.begin(), second.end());
    auto one = venus::net_create(venus::TensorFormat::NHWC, venus::ShareMemoryMode::SHARE_ONE_THREAD);
    auto two = venus::net_create(venus::TensorFormat::NHWC, venus::ShareMemoryMode::SHARE_ONE_THREAD);
    printf("block: load %d", one->load_model(block.data(), true));
    printf(" %d\n", two->load_model(block.data(), true, (int)first.size()));
    std::ofstream("block.bin", std::ios::binary).write(block.data(), (std::streamsize)block.size());
    auto three = venus::net_create(venus::TensorFormat::NHWC, venus::ShareMemoryMode::SHARE_ONE_THREAD);
    printf("block: file %d\n", three->load_model("block.bin", false, (int)first.size()));
    block.assign(block.size(), 0); /* a net does not need the block any more */
    for (int i = 0; i < 2; i++) {
        std::string n = std::to_string(i);
        feed(*one);
        printf("block: run %d\n", one->run());
        save_all(*one, "one" + n + ".out");
        feed(*two);
        printf("block: run %d\n", two->run());
        save_all(*two, "two" + n + ".out");
        feed(*three);
        printf("block: run %d\n", three->run());
        save_all(*three, "three" + n + ".out");
    }
}

static void in_own_memory(const char *path)
{
    auto net = venus::net_create(venus::TensorFormat::NHWC, venus::ShareMemoryMode::SET_FROM_EXTERNAL);
    size_t size = 0;
    printf("own: load %d", net->load_model(path));
    printf(" size %d\n", net->get_forward_memory_size(size));
    void *memory = venus::nmem_memalign(64, (unsigned int)size);
    printf("own: set %d\n", net->set_forward_memory(memory));
    feed(*net);
    printf("own: run %d\n", net->run());
    save_all(*net, "own.out");
    net.reset();
    venus::nmem_free(memory);
}

static void with_attached_input(const char *path)
{
    auto net = venus::net_create();
    net->load_model(path);
    auto input = net->get_input(0);
    void *mine = venus::nmem_memalign(64, (unsigned int)pixels.size());
    venus::memcopy(mine, pixels.data(), (int)pixels.size());
    printf("attached: set_data %d\n", input->set_data(mine, pixels.size()));
    printf("attached: same %d\n", input->data<uint8_t>() == mine);
    printf("attached: run %d\n", net->run());
    save_all(*net, "attached.out");
    venus::nmem_free(mine);
}

static void step_by_step(const char *path)
{
    auto net = venus::net_create(venus::TensorFormat::NHWC, venus::ShareMemoryMode::ALL_SEPARABLE_MEM);
    net->set_internal_mm_status(false);
    net->load_model(path);
    feed(*net);
    const int steps = net->steps();
    for (int i = 0; i < steps; i++) {
        int ret = net->run_step();
        std::vector<std::string> names = net->get_output_names_step(i);
        printf("step %d of %d: %d, %d names\n", i, steps, ret, (int)names.size());
        for (std::string &name : names)
            if (!net->get_output_by_name(name))
                printf("%s is missing\n", name.c_str());
    }
    save_all(*net, "steps.out");
}

static void free_and_go_on(const char *path)
{
    auto net = venus::net_create(venus::TensorFormat::NHWC, venus::ShareMemoryMode::SMART_REUSE_MEM);
    net->load_model(path);
    feed(*net);
    printf("again: run %d\n", net->run());
    printf("again: free %d %d\n", net->free_forward_memory(), net->free_inputs_memory());
    feed(*net);
    printf("again: run %d\n", net->run());
    save_all(*net, "again.out");
    std::string name = net->get_input_names()[0];
    printf("layout %d\n", (int)net->get_input_channel_layout(name));
}

int main(int argc, char **argv)
{
    pin_to_cpu0();
    if (argc != 4 || venus::venus_init() != 0)
        return 1;
    pixels = load_file(argv[1]);
    from_header();
    from_block(argv[2], argv[3]);
    in_own_memory(argv[2]);
    with_attached_input(argv[2]);
    step_by_step(argv[2]);
    free_and_go_on(argv[2]);
    printf("used %d\n", venus::venus_get_used_mem_size() != 0);
    return venus::venus_deinit();
}
