/* What the image programs share: a choice read from stdin, and prog file iw ih ic ow oh oc [box_num]. */
#ifndef BOARD_MENU_H
#define BOARD_MENU_H

#include "board_picture.h"

using namespace magik::venus;

struct Menu {
    int choice, iw, ih, ic, ow, oh, oc, box_num;
    const char *file;
};

/* c: 1 gray, 3 RGB, 4 BGRA; anything else is NV12. */
static inline ChannelLayout layout_of(int c)
{
    return c == 4 ? ChannelLayout::BGRA : c == 3 ? ChannelLayout::RGB : c == 1 ? ChannelLayout::GRAY : ChannelLayout::NV12;
}

static inline TensorFormat format_of(int c)
{
    return layout_of(c) == ChannelLayout::NV12 ? TensorFormat::NV12 : TensorFormat::NHWC;
}

static inline int size_of(int w, int h, int c)
{
    return layout_of(c) == ChannelLayout::NV12 ? w * h * 3 / 2 : w * h * c;
}

static inline Menu read_menu(int argc, char **argv)
{
    Menu m;
    std::cin >> m.choice;
    if (argc < 8) {
        printf("%s file iw ih ic ow oh oc [box_num]\n", argv[0]);
        exit(1);
    }
    m.file = argv[1];
    m.iw = atoi(argv[2]), m.ih = atoi(argv[3]), m.ic = atoi(argv[4]);
    m.ow = atoi(argv[5]), m.oh = atoi(argv[6]), m.oc = atoi(argv[7]);
    m.box_num = argc > 8 ? atoi(argv[8]) : 0;
    return m;
}

static inline Tensor read_input(const Menu &m)
{
    Tensor input({1, m.ih, m.iw, m.ic}, format_of(m.ic));
    std::vector<char> bytes = load_file(m.file);
    if ((int)bytes.size() != size_of(m.iw, m.ih, m.ic))
        exit(2);
    memcopy(input.mudata<uint8_t>(), bytes.data(), (int)bytes.size());
    return input;
}

static inline Tensor make_output(const Menu &m)
{
    return Tensor({1, m.oh, m.ow, m.oc}, format_of(m.oc));
}

static inline void save_output(const Menu &m, const Tensor &output, const std::string &name)
{
    save_file(name, output.data<uint8_t>(), (size_t)size_of(m.ow, m.oh, m.oc));
}

static inline void save_outputs(const Menu &m, const std::vector<Tensor> &outputs, const std::string &stem)
{
    for (size_t i = 0; i < outputs.size(); i++)
        save_output(m, outputs[i], stem + std::to_string(i) + ".bin");
}

/* Boxes of one size, one behind the other along the diagonal. */
static inline std::vector<Bbox_t> diagonal(int count, int w, int h, int pace)
{
    std::vector<Bbox_t> boxes;
    for (int i = 0; i < count; i++) {
        Bbox_t box;
        box.x0 = (float)(pace * i);
        box.y0 = (float)(pace * i);
        box.x1 = box.x0 + w;
        box.y1 = box.y0 + h;
        boxes.push_back(box);
    }
    return boxes;
}

#endif
