#include "imgproc_call.h"

#include "image.h"
#include "physical.h"
#include "say.h"
#include "tensor_impl.h"

namespace magik {
namespace venus {

using image::Picture;

namespace {

const int32_t MOST_STRIDE = 1 << 16;

const char *name_of(ChannelLayout layout)
{
    static const char *const names[] = {"NV12", "BGRA", "RGBA", "ARGB", "RGB", "GRAY"};
    return image::channels(layout) != 0 ? names[static_cast<int>(layout)] : "an unknown layout";
}

/* Sizes of a picture; those of a box of the input have the rules of the input. */
int check_size(const char *name, const char *what, ChannelLayout layout, bool is_input, int32_t height, int32_t width)
{
    if (height < image::LEAST || height > image::MOST || width < image::LEAST || width > image::MOST)
        return say(name, "%s is %dx%d (height x width), need 2x2 to %dx%d", what, height, width, image::MOST,
                      image::MOST);
    if (layout == ChannelLayout::NV12 && (height % 2 != 0 || width % 2 != 0))
        return say(name, "%s is %dx%d (height x width), NV12 needs both even", what, height, width);
    if (is_input && image::is_four(layout) && width % 2 != 0)
        return say(name, "%s is %d wide, %s needs an even width", what, width, name_of(layout));
    return 0;
}

/* A tensor as a picture. Its storage is made where it has none. */
int picture_of(const char *name, const char *what, const Tensor &tensor, ChannelLayout layout, bool is_input,
               Picture *out)
{
    const TensorImpl *t = tensor_of(tensor);
    if (!t || t->rank != 4 || t->dims[0] != 1)
        return say(name, "the shape of %s is not {1, height, width, channels}", what);
    const int32_t height = t->dims[1], width = t->dims[2], channels = t->dims[3];
    const int status = check_size(name, what, layout, is_input, height, width);
    if (status != 0)
        return status;
    if (layout != ChannelLayout::NV12 && (channels != image::channels(layout) || t->format == TensorFormat::NV12))
        return say(name, "%s is a tensor of %s%d channels, %s needs %d", what,
                      t->format == TensorFormat::NV12 ? "NV12 and " : "", channels, name_of(layout),
                      image::channels(layout));
    uint8_t *at = is_input ? const_cast<uint8_t *>(tensor.data<uint8_t>()) : tensor.mudata<uint8_t>();
    if (!at)
        return FAILED; /* said already */
    const int32_t area = height * width, bytes = layout == ChannelLayout::NV12 ? area / 2 * 3 : area * channels;
    if (t->capacity < static_cast<size_t>(bytes))
        return say(name, "%s has %u bytes, need %d", what, static_cast<unsigned>(t->capacity), bytes);
    *out = image::picture(layout, at, height, width, width * image::channels(layout));
    return 0;
}

int picture_at(const char *name, uint8_t *at, const BsCommonParam &p, Picture *out)
{
    const int status = check_size(name, "the input", p.in_layout, true, p.input_height, p.input_width);
    if (status != 0)
        return status;
    const int32_t least = p.input_width * image::channels(p.in_layout);
    if (p.input_line_stride < least || p.input_line_stride > MOST_STRIDE)
        return say(name, "input_line_stride is %d, need %d to %d bytes", p.input_line_stride, least, MOST_STRIDE);
    *out = image::picture(p.in_layout, at, p.input_height, p.input_width, p.input_line_stride);
    return 0;
}

size_t bytes_of(const BsCommonParam &p)
{
    const int32_t rows = p.in_layout == ChannelLayout::NV12 ? p.input_height / 2 * 3 : p.input_height;
    return static_cast<size_t>(rows) * static_cast<size_t>(p.input_line_stride);
}

/* The whole number below; false for a NaN and beyond what a picture has. */
bool whole(float v, int32_t most, int32_t *out)
{
    if (!(v >= 0.0f && v <= static_cast<float>(most)))
        return false;
    *out = static_cast<int32_t>(v);
    return true;
}

int cut(const char *name, const Bbox_t &box, size_t index, Picture *in)
{
    const unsigned number = static_cast<unsigned>(index);
    int32_t x0, y0, x1, y1;
    if (!whole(box.x0, in->width, &x0) || !whole(box.y0, in->height, &y0) || !whole(box.x1, in->width, &x1) ||
        !whole(box.y1, in->height, &y1) || x1 <= x0 || y1 <= y0)
        return say(name, "box %u is (%g %g %g %g), need x0 < x1 <= %d and y0 < y1 <= %d from 0 on", number,
                      static_cast<double>(box.x0), static_cast<double>(box.y0), static_cast<double>(box.x1),
                      static_cast<double>(box.y1), in->width, in->height);
    const int status = check_size(name, "a box", in->layout, true, y1 - y0, x1 - x0);
    if (status != 0)
        return status;
    if (in->layout == ChannelLayout::NV12 && (x0 % 2 != 0 || y0 % 2 != 0))
        return say(name, "box %u begins at (%d %d), NV12 needs even numbers", number, x0, y0);
    *in = image::crop(*in, {x0, y0, x1 - x0, y1 - y0});
    return 0;
}

/* The storage of a tensor has 64 bytes and more, so a matrix of 9 may lie in one of shape {1, 3, 2, 1}. */
int map_of(const char *name, Kind kind, const Tensor &matrix, image::Map *map)
{
    const TensorImpl *t = tensor_of(matrix);
    const size_t need = kind == Kind::AFFINE ? 6 : 9;
    const float *at = t && tensor_count(t) >= 6 ? matrix.data<float>() : nullptr;
    if (!at || t->capacity < need * sizeof *at)
        return say(name, "a matrix has too little room, need %u floats", static_cast<unsigned>(need));
    if (!image::warping(at, kind == Kind::AFFINE, map))
        return say(name, "a matrix has no inverse");
    return 0;
}

int check_layouts(const char *name, const BsExtendParam &p, Kind kind, image::Colors *colors)
{
    if (!image::is_possible(p.in_layout, p.out_layout))
        return say(name, "from %s (%d) to %s (%d), need equal layouts, NV12 to any, or RGB to four channels",
                      name_of(p.in_layout), static_cast<int>(p.in_layout), name_of(p.out_layout),
                      static_cast<int>(p.out_layout));
    const int pad = static_cast<int>(p.pad_type);
    if (kind == Kind::RESIZE && (pad < static_cast<int>(BsPadType::NONE) || pad > static_cast<int>(BsPadType::SYMMETRY)))
        return say(name, "pad_type is %d, need -1, 0 or 1", pad);
    if (p.in_layout == ChannelLayout::NV12 && p.out_layout != p.in_layout && !image::given_colors(p, colors))
        return say(name, "coef and offset are out of range, need sizes of a row that sum to 8 * 2^20, offsets to 255");
    return 0;
}

int draw(const char *name, const ImageCall &call, const Picture &whole_input, size_t i, const image::Colors &colors,
         bool is_drawn)
{
    const BsExtendParam &p = *call.param;
    const Tensor &output = call.outputs ? (*call.outputs)[i] : *call.output;
    Picture in = whole_input, out;
    int status = call.boxes ? cut(name, (*call.boxes)[i], i, &in) : 0;
    if (status == 0)
        status = picture_of(name, "the output", output, p.out_layout, false, &out);
    image::Map map = image::scaling();
    if (status == 0 && call.kind != Kind::RESIZE)
        status = map_of(name, call.kind, call.matrices ? (*call.matrices)[i] : *call.matrix, &map);
    if (status != 0 || !is_drawn)
        return status;
    if (call.kind == Kind::RESIZE) {
        const image::Rect at = image::place(in.height, in.width, out.height, out.width, p.pad_type);
        if (at.width < out.width || at.height < out.height)
            image::fill(out, p.pad_val);
        out = image::crop(out, at);
    }
    image::draw(in, out, map, colors);
    return 0;
}

} // namespace

ImageCall &ImageCall::from(const Tensor &input)
{
    tensor = &input;
    return *this;
}

ImageCall &ImageCall::from(const void *input, AddressLocate where, const BsCommonParam *p)
{
    address = input;
    locate = where;
    common = p;
    return *this;
}

ImageCall &ImageCall::to(Tensor &one, Tensor *its_matrix)
{
    output = &one;
    matrix = its_matrix;
    return *this;
}

ImageCall &ImageCall::to(std::vector<Tensor> &all, const std::vector<Bbox_t> &of, std::vector<Tensor> *their)
{
    outputs = &all;
    boxes = &of;
    matrices = their;
    return *this;
}

int ImageCall::run() const
{
    if (!param)
        return say(name, "param is NULL");
    image::Colors colors = image::bt601();
    int status = check_layouts(name, *param, kind, &colors);
    if (status != 0)
        return status;
    const size_t count = boxes ? boxes->size() : 1;
    if (boxes && (outputs->size() != count || (matrices && matrices->size() != count)))
        return say(name, "%u boxes, %u outputs and %u matrices, need as many of each", static_cast<unsigned>(count),
                      static_cast<unsigned>(outputs->size()), static_cast<unsigned>((matrices ? matrices : outputs)->size()));
    Picture in;
    Physical memory;
    if (tensor)
        status = picture_of(name, "the input", *tensor, param->in_layout, true, &in);
    else
        status = picture_at(name, nullptr, *common, &in);
    if (status == 0 && !tensor) {
        uint8_t *at = memory.find(name, address, locate, common->addr_attr, bytes_of(*common));
        if (!at)
            return FAILED;
        status = picture_at(name, at, *common, &in);
    }
    for (size_t i = 0; i < 2 * count && status == 0; i++) /* all are checked, then all are drawn */
        status = draw(name, *this, in, i % count, colors, i >= count);
    return status;
}

} // namespace venus
} // namespace magik
