/* Everything that a board program may get wrong: prog model.bin; says what was not refused, and must not crash. */
#include <limits.h>
#include <string.h>

#include "board_picture.h"

using namespace magik::venus;

static int wrong = 0;

static void expect(bool is_so, const char *what)
{
    if (!is_so) {
        printf("not so: %s\n", what);
        wrong++;
    }
}
#define REFUSED(call) expect((call) != 0, #call)
#define DONE(call) expect((call) == 0, #call)

static void before_load()
{
    auto net = net_create();
    std::string name = "x";
    size_t size = 7;
    REFUSED(net->run());
    REFUSED(net->run_step());
    expect(net->steps() <= 0, "steps before load");
    expect(!net->get_input(0) && !net->get_output(0), "tensors before load");
    expect(!net->get_input_by_name(name) && !net->get_output_by_name(name), "named tensors before load");
    expect(net->get_input_names().empty() && net->get_output_names().empty(), "names before load");
    expect(net->get_output_names_step(0).empty(), "names of steps before load");
    REFUSED(net->get_forward_memory_size(size));
    REFUSED(net->set_forward_memory(NULL));
    net->free_forward_memory();
    net->free_inputs_memory();
    net->set_profiler_per_frame(true);
    net->set_input_channel_layout("x", ChannelLayout::RGB);
    expect(net->get_input_channel_layout(name) == ChannelLayout::NONE, "layout before load");
    REFUSED(net->load_model(NULL));
    REFUSED(net->load_model(NULL, true));
    REFUSED(net->load_model(""));
    REFUSED(net->load_model("/"));
    REFUSED(net->load_model("no such file"));
    const char garbage[256] = "this is not a model, but it is long enough to be looked at";
    REFUSED(net->load_model(garbage, true));
    REFUSED(net->run());
}

static void loads(const char *path)
{
    std::vector<char> model = load_file(path);
    auto net = net_create();
    REFUSED(net->load_model(path, false, -1));
    REFUSED(net->load_model(path, false, 1));
    REFUSED(net->load_model(path, false, INT_MAX));
    REFUSED(net->load_model(path, false, (int)model.size()));
    DONE(net->load_model(path));
    net->load_model(path); /* again: done or refused, but the net goes on */
    std::unique_ptr<Tensor> input = net->get_input(0);
    expect((bool)input, "input after a second load");
    uint8_t *bytes = input->mudata<uint8_t>();
    shape_t shape = input->shape();
    memset(bytes, 9, (size_t)shape[1] * shape[2] * shape[3]);
    DONE(net->run());
    net->load_model("no such file"); /* and whatever it is now, it does not crash */
    net->run();
    expect((bool)input->mudata<uint8_t>(), "a tensor that was there before");
    for (size_t cut : {size_t(0), size_t(4), size_t(31), model.size() / 2, model.size() - 1}) {
        save_file("cut.bin", model.data(), cut);
        auto other = net_create();
        REFUSED(other->load_model("cut.bin"));
        REFUSED(other->run());
    }
}

static void indices(BaseNet &net)
{
    std::string nobody = "nobody", empty, long_name(100000, 'x');
    for (int i : {-1, 1, 2, 1000, INT_MAX, INT_MIN})
        expect(!net.get_input(i), "an input out of range");
    for (int i : {-1, 2, 1000, INT_MAX, INT_MIN})
        expect(!net.get_output(i), "an output out of range");
    for (int i : {-1, 1000, INT_MAX, INT_MIN})
        expect(net.get_output_names_step(i).empty(), "names of a step out of range");
    for (std::string *name : {&nobody, &empty, &long_name}) {
        expect(!net.get_input_by_name(*name) && !net.get_output_by_name(*name), "an unknown name");
        expect(net.get_input_channel_layout(*name) == ChannelLayout::NONE, "layout of an unknown name");
        net.set_input_channel_layout(*name, ChannelLayout::RGB);
    }
    std::string name = net.get_input_names()[0];
    net.set_input_channel_layout(name, ChannelLayout::FP);
    net.set_input_channel_layout(name, (ChannelLayout)77);
    net.set_input_channel_layout(name, ChannelLayout::NV12);
}

static void shapes(const char *path)
{
    auto net = net_create();
    DONE(net->load_model(path));
    auto input = net->get_input(0);
    const shape_t good = input->shape();
    const std::vector<shape_t> bad = {{},
                                      {1},
                                      {0, 0, 0, 0},
                                      {1, -8, 12, 4},
                                      {1, 8, 12, 0},
                                      {1, 8, 12, 3, 1},
                                      {1, 8, 12, 7},
                                      {1, INT_MAX, INT_MAX, 4},
                                      {INT_MAX, INT_MAX, INT_MAX, INT_MAX},
                                      {INT_MIN, 1, 1, 4},
                                      {1, 1, 1, 4},
                                      {1, 40000, 40000, 4}};
    for (shape_t shape : bad) {
        input->reshape(shape);
        uint8_t *bytes = input->mudata<uint8_t>();
        if (bytes)
            bytes[0] = 1;
        net->run();
        net->get_output(0);
        size_t size;
        net->get_forward_memory_size(size);
    }
    input->reshape({1, 65536, 65536, 4});
    net->run();
    shape_t back = good;
    input->reshape(back);
    expect(input->shape() == good, "a good shape after bad ones");
    memset(input->mudata<uint8_t>(), 100, (size_t)good[1] * good[2] * good[3]);
    DONE(net->run());
    expect((bool)net->get_output(0), "an output after bad shapes");
}

static void memory(const char *path)
{
    auto net = net_create();
    DONE(net->load_model(path));
    auto input = net->get_input(0);
    const shape_t shape = input->shape();
    const size_t bytes = (size_t)shape[1] * shape[2] * shape[3];
    memset(input->mudata<uint8_t>(), 100, bytes);
    DONE(net->run());
    auto output = net->get_output(0);
    DONE(net->free_forward_memory());
    output->data<float>();
    net->run();
    net->free_inputs_memory();
    net->run();
    memset(input->mudata<uint8_t>(), 100, bytes);
    DONE(net->run());
    input->free_data();
    input->free_data();
    net->run();
    REFUSED(input->set_data(NULL, bytes));
    char *mine = (char *)nmem_memalign(64, (unsigned)bytes + 64);
    input->set_data(mine, bytes - 1); /* a reshape could still follow */
    REFUSED(net->run());
    REFUSED(input->set_data(mine, 0));
    input->set_data(mine + 1, bytes);
    net->run();
    REFUSED(net->set_forward_memory(mine)); /* of a net that has memory of its own */
    net.reset();
    input->shape();
    output->shape();
    input->mudata<uint8_t>();
    nmem_free(mine);
    auto outside = net_create(TensorFormat::NHWC, ShareMemoryMode::SET_FROM_EXTERNAL);
    DONE(outside->load_model(path));
    memset(outside->get_input(0)->mudata<uint8_t>(), 100, bytes);
    REFUSED(outside->run()); /* nobody gave it memory */
    REFUSED(outside->set_forward_memory(NULL));
    REFUSED(outside->run());
    auto odd = net_create((TensorFormat)99, (ShareMemoryMode)-5);
    if (odd)
        odd->load_model(path);
    nmem_free(NULL);
    expect(nmem_memalign(0, 10) == NULL, "an alignment of 0");
    expect(nmem_memalign(48, 10) == NULL, "an alignment of 48");
    expect(nmem_memalign(64, UINT_MAX) == NULL, "4 GiB");
    nmem_free(nmem_malloc(0));
    memcopy(NULL, NULL, 0);
    memcopy(&wrong, &wrong, 0);
    memcopy(&wrong, &wrong, -4);
    memcopy(NULL, &wrong, 4);
    memcopy(&wrong, NULL, 4);
}

static void steps(const char *path)
{
    auto net = net_create();
    DONE(net->load_model(path));
    auto input = net->get_input(0);
    memset(input->mudata<uint8_t>(), 100, 8 * 12 * 4);
    for (int i = 0; i < net->steps(); i++)
        DONE(net->run_step());
    net->run_step(); /* one too many: begins again, or is refused */
    net->run_step();
    DONE(net->run());
}

static void tensors()
{
    Tensor none(NULL, 0);
    none.shape();
    none.data<float>();
    none.step(0);
    Tensor wild({-1, INT_MAX, INT_MAX, INT_MAX});
    expect(wild.mudata<float>() == NULL, "a wild tensor's data");
    Tensor nothing((shape_t()));
    nothing.mudata<uint8_t>();
    for (int d : {-1, 0, 3, 4, INT_MAX, INT_MIN})
        nothing.step(d), none.step(d), wild.step(d);
    none.set_data(NULL, 0);
    none.free_data();
    Tensor inner((void *)NULL);
    inner.shape();
    inner.mudata<uint8_t>();
    inner.reshape({1, 2, 2, 1});
    inner.get_tsx();
    inner.data_type();
    Tensor typed({1, 1, 1, 4});
    typed.mudata<uint8_t>()[3] = 1;
    expect(typed.mudata<float>() != NULL, "another type later");
    typed.mudata<float>()[3] = 1;
    Tensor copy(typed);
    typed.reshape({1, 100, 100, 4});
    typed.mudata<float>()[39999] = 1;
    copy.mudata<float>()[39999] = 2;
}

static void images()
{
    Tensor a({1, 16, 16, 4}), b({1, 8, 8, 4}), none(NULL, 0), m({1, 3, 2, 1});
    BsExtendParam p;
    memset((void *)&p, 0xA5, sizeof p);
    a.mudata<uint8_t>();
    REFUSED(warp_resize(a, b, NULL));
    REFUSED(warp_resize(a, b, &p));
    REFUSED(warp_resize(none, b, &p));
    p.in_layout = p.out_layout = ChannelLayout::BGRA;
    p.pad_type = BsPadType::SYMMETRY;
    p.coef_off_enable = false;
    REFUSED(warp_resize(none, b, &p));
    REFUSED(warp_resize(a, none, &p));
    REFUSED(warp_affine(a, b, m, &p));
    REFUSED(warp_affine(a, b, none, &p));
    std::vector<Tensor> outs, matrices;
    std::vector<Bbox_t> boxes;
    crop_resize(a, outs, boxes, &p);
    boxes.push_back(Bbox_t{0, 0, 8, 8});
    REFUSED(crop_resize(a, outs, boxes, &p));
    outs.push_back(b);
    DONE(crop_resize(a, outs, boxes, &p));
    REFUSED(crop_affine(a, outs, matrices, boxes, &p));
    for (Bbox_t box : {Bbox_t{-2, 0, 8, 8}, Bbox_t{8, 8, 0, 0}, Bbox_t{0, 0, 1e30f, 1e30f}, Bbox_t{NAN, NAN, NAN, NAN},
                       Bbox_t{0, 0, 0, 0}, Bbox_t{0, 0, INFINITY, 8}, Bbox_t{0, 0, 18, 18}}) {
        boxes[0] = box;
        REFUSED(crop_resize(a, outs, boxes, &p));
    }
    BsCommonParam c;
    memset((void *)&c, 0, sizeof c);
    REFUSED(common_resize(NULL, b, AddressLocate::NMEM_VIRTUAL, &c));
    REFUSED(common_resize(a.data<uint8_t>(), b, AddressLocate::NMEM_VIRTUAL, NULL));
    c.in_layout = c.out_layout = ChannelLayout::BGRA;
    c.input_height = INT_MAX, c.input_width = INT_MAX, c.input_line_stride = INT_MAX;
    REFUSED(common_resize(a.data<uint8_t>(), b, AddressLocate::NMEM_VIRTUAL, &c));
    c.input_height = 8, c.input_width = 8, c.input_line_stride = 3;
    REFUSED(common_resize(a.data<uint8_t>(), b, AddressLocate::NMEM_VIRTUAL, &c));
    c.input_line_stride = -32;
    REFUSED(common_resize(a.data<uint8_t>(), b, AddressLocate::NMEM_VIRTUAL, &c));
    REFUSED(warp_covert_nv2bgr(none, b));
    REFUSED(similar_transform(none, none, none));
    REFUSED(get_affine_transform(m, m, none, TransformType::NONE));
    REFUSED(get_perspective_transform(m, m, m, TransformType::NONE));
    REFUSED(get_affine_rotation_matrix(0, 1, 0, 0, NULL));
}

static void boxes()
{
    std::vector<ObjBbox_t> in, out;
    nms(in, out);
    ObjBbox_t b = {{NAN, 0, INFINITY, 1}, NAN, -7};
    in.assign(5, b);
    nms(in, out, NAN, (NmsType)9);
    nms(in, in, 0.5);
    std::vector<Tensor> maps;
    std::vector<float> strides, anchor;
    out.clear();
    generate_box(maps, strides, anchor, out, 0, 0, 0, 0, 0.f);
    maps.push_back(Tensor({1, 2, 2, 8}));
    generate_box(maps, strides, anchor, out, 16, 16, 3, 1, 0.5f, DetectorType::YOLOV5);
    strides.push_back(8);
    generate_box(maps, strides, anchor, out, 16, 16, 3, 1, 0.5f, DetectorType::YOLOV5);
    anchor.assign(2, 8);
    generate_box(maps, strides, anchor, out, 16, 16, 300, 1, 0.5f, DetectorType::YOLOV5);
    generate_box(maps, strides, anchor, out, 16, 16, INT_MAX, INT_MAX, 0.5f, DetectorType::YOLOV5);
    generate_box(maps, strides, anchor, out, 16, 16, -5, 0, 0.5f, (DetectorType)5);
    expect(out.empty(), "boxes of nothing");
    Tensor a({1, 1, 2, 3}), c({1, 1, 5, 7}), none(NULL, 0);
    mat_mul(a, c, none);
    mat_mul(none, none, none);
    get_objbox_from_output(none, out);
    get_objbox_from_output(a, out);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 1;
    net_create(); /* before venus_init */
    venus_deinit();
    venus_unlock();
    expect(venus_init(-1) != 0 || venus_deinit() == 0, "venus_init(-1)");
    DONE(venus_init());
    DONE(venus_init());
    before_load();
    loads(argv[1]);
    {
        auto net = net_create();
        DONE(net->load_model(argv[1]));
        indices(*net);
    }
    shapes(argv[1]);
    memory(argv[1]);
    steps(argv[1]);
    tensors();
    images();
    boxes();
    venus_unlock();
    venus_deinit();
    venus_deinit();
    auto late = net_create();
    if (late && late->load_model(argv[1]) == 0)
        late->run();
    printf("wrong %d\n", wrong);
    return wrong != 0;
}
