#include "core.h"
#include "nv12.h"
#include "port.h"
#include "say.h"

namespace magik {
namespace venus {

namespace {

ChannelLayout layout_of(int32_t color)
{
    switch (color) {
    case MAGIK_RGB:
        return ChannelLayout::RGBA;
    case MAGIK_BGR:
        return ChannelLayout::BGRA;
    case MAGIK_GRAY:
        return ChannelLayout::GRAY;
    default:
        return ChannelLayout::FP;
    }
}

DataType type_of(const CoreTensor *t)
{
    switch (t->dtype) {
    case MAGIK_F32:
        return DataType::FP32;
    case MAGIK_S32:
        return DataType::INT32;
    case MAGIK_U16:
        return DataType::UINT16;
    case MAGIK_S16:
        return DataType::INT16;
    case MAGIK_S8:
        return DataType::INT8;
    case MAGIK_BOOL:
        return DataType::BOOL;
    default:
        return DataType::UINT8;
    }
}

InputKind kind_of(const CoreTensor *t, int32_t color, TensorFormat format)
{
    const bool is_image = t->dtype == MAGIK_U8 && t->rank == 4 && color != MAGIK_NO_COLOR;
    if (!is_image || t->dims[3] != (color == MAGIK_GRAY ? 1 : 3))
        return STORED;
    if (format == TensorFormat::NV12)
        return YUV;
    return color == MAGIK_GRAY ? STORED : PIXELS;
}

bool is_real(DataType type)
{
    return type == DataType::FP32;
}

/* Whether elements that the caller wrote as `type` are what the net's tensor holds, to be copied as bytes. */
bool is_same(DataType type, const CoreTensor *t)
{
    const size_t size = type_bytes(type), own = (size_t)magik_dtype_bytes(t->dtype);
    if (is_real(type))
        return t->dtype == MAGIK_F32;
    /* bytes may hold anything */
    return size == 1 || (size == own && t->dtype != MAGIK_F32);
}

int quantize(const Input *input, const float *x, const CoreTensor *t)
{
    const Meaning *m = &input->meaning;
    const int32_t top = (int32_t)((1u << m->bits) - 1);
    for (int32_t i = 0; i < t->count; i++) {
        const int32_t q = fx_quantize(x[i], m->scale, m->zero_point, top);
        if (t->dtype == MAGIK_U8)
            static_cast<uint8_t *>(t->data)[i] = (uint8_t)q;
        else
            static_cast<uint16_t *>(t->data)[i] = (uint16_t)q;
    }
    return 0;
}

int feed_stored(const Input *input, const CoreTensor *t)
{
    const TensorImpl *x = input->tensor;
    if (is_same(x->type, t)) {
        memcpy(t->data, x->data, (size_t)t->count * (size_t)magik_dtype_bytes(t->dtype));
        return 0;
    }
    if (is_real(x->type) && input->meaning.bits > 0)
        return quantize(input, reinterpret_cast<const float *>(x->data), t);
    return say("run", "input '%s' was filled with elements of another type: needs %s", input_name(input),
               input->meaning.bits > 0 ? "float, or codes" : "the type of the model's input");
}

int feed_pixels(const Input *input, const CoreTensor *t)
{
    const TensorImpl *x = input->tensor;
    if (type_bytes(x->type) != 1)
        return say("run", "input '%s' is an image: needs unsigned char", input_name(input));
    const uint8_t *from = x->data;
    uint8_t *to = static_cast<uint8_t *>(t->data);
    for (int32_t i = 0; i < t->count; i += 3, from += 4) {
        to[i] = from[0];
        to[i + 1] = from[1];
        to[i + 2] = from[2];
    }
    return 0;
}

int feed_yuv(const Input *input, const CoreTensor *t)
{
    const TensorImpl *x = input->tensor;
    const int32_t h = t->dims[1], w = t->dims[2], channels = t->dims[3];
    const size_t luma = (size_t)h * (size_t)w;
    uint8_t *to = static_cast<uint8_t *>(t->data);
    for (int32_t i = 0; i < t->dims[0]; i++) {
        const uint8_t *from = x->data + (size_t)i * (luma * 3 / 2);
        nv12_to_pixels(from, from + luma, h, w, channels, input->layout == ChannelLayout::BGRA, to);
        to += luma * (size_t)channels;
    }
    return 0;
}

int wrong_shape(const Input *input, const char *need)
{
    return say("run", "the shape of input '%s' does not fit the model: needs %s", input_name(input), need);
}

} // namespace

bool input_open(Input *input, const magik_net *net, int32_t port, TensorFormat format)
{
    input->index = magik_input(net, port);
    const CoreTensor *t = magik_tensor(net, input->index);
    magik_meaning(net, input->index, &input->meaning);
    input->kind = kind_of(t, input->meaning.color, format);
    input->layout = layout_of(input->meaning.color);
    int32_t dims[TENSOR_DIMS] = {1};
    memcpy(dims, t->dims, sizeof dims[0] * (size_t)t->rank);
    if (input->kind != STORED)
        dims[3] = input->kind == YUV ? 1 : 4;
    const size_t rank = t->rank == 0 ? 1 : (size_t)t->rank;
    input->tensor = tensor_new(dims, rank, input->kind == YUV ? TensorFormat::NV12 : TensorFormat::NHWC);
    if (input->tensor == NULL)
        return false;
    input->tensor->type = type_of(t);
    /* programs copy a file of the model's elements to where mudata<uint8_t>() points */
    input->tensor->least_size = type_bytes(input->tensor->type);
    return true;
}

const char *input_name(const Input *input)
{
    return input->meaning.name;
}

void input_set_layout(Input *input, ChannelLayout layout)
{
    switch (layout) {
    case ChannelLayout::RGB: /* three channels have no fourth that could be first or last */
    case ChannelLayout::RGBA:
    case ChannelLayout::ARGB:
        layout = ChannelLayout::RGBA;
        break;
    case ChannelLayout::BGRA:
        break;
    default:
        layout = ChannelLayout::NONE;
    }
    if (input->kind != YUV || input->meaning.color == MAGIK_GRAY || layout == ChannelLayout::NONE)
        say("set_input_channel_layout", "input '%s' stays as it is: needs a color image given as NV12, and RGB, "
                                        "RGBA, ARGB or BGRA", input_name(input));
    else
        input->layout = layout;
}

int input_dims(const Input *input, const magik_net *net, int32_t *dims)
{
    const TensorImpl *x = input->tensor;
    const CoreTensor *t = magik_tensor(net, input->index);
    memset(dims, 0, sizeof dims[0] * MAGIK_MAX_DIMS);
    if (t->rank == 0)
        return x->rank == 1 && x->dims[0] == 1 ? 0 : wrong_shape(input, "{1}");
    if (x->rank != t->rank)
        return wrong_shape(input, "as many sizes as it had");
    memcpy(dims, x->dims, sizeof dims[0] * (size_t)x->rank);
    if (input->kind == PIXELS && x->dims[3] != 4)
        return wrong_shape(input, "4 channels");
    if (input->kind == YUV && (x->dims[1] % 2 != 0 || x->dims[2] % 2 != 0))
        return wrong_shape(input, "an even height and width, for NV12");
    if (input->kind != STORED)
        dims[3] = t->dims[3];
    return 0;
}

int input_feed(const Input *input, const magik_net *net)
{
    const TensorImpl *x = input->tensor;
    const CoreTensor *t = magik_tensor(net, input->index);
    size_t bytes = tensor_count(x) * type_bytes(x->type);
    if (input->kind == STORED && type_bytes(x->type) == 1)
        bytes = (size_t)t->count * (size_t)magik_dtype_bytes(t->dtype);
    if (x->data == NULL || x->capacity < bytes)
        return say("run", "input '%s' has %zu bytes, needs %zu: fill get_input()->mudata() first", input_name(input),
                   x->capacity, bytes);
    if (input->kind == PIXELS)
        return feed_pixels(input, t);
    return input->kind == YUV ? feed_yuv(input, t) : feed_stored(input, t);
}

} // namespace venus
} // namespace magik
