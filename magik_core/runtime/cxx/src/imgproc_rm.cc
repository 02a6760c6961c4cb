#include "utils/imgproc_rm.h"

#include "imgproc_call.h"

namespace magik {
namespace venus {

namespace {

BsCommonParam param_of(ChannelLayout from, ChannelLayout to, PaddingType pad = PaddingType::NONE, uint8_t value = 0)
{
    BsCommonParam p = BsCommonParam();
    p.in_layout = from;
    p.out_layout = to;
    p.pad_type = static_cast<BsPadType>(pad);
    p.pad_val = value;
    return p;
}

BsCommonParam bgra(PaddingType pad = PaddingType::NONE, uint8_t value = 0)
{
    return param_of(ChannelLayout::BGRA, ChannelLayout::BGRA, pad, value);
}

BsCommonParam nv12(bool cvtbgra, PaddingType pad = PaddingType::NONE, uint8_t value = 0)
{
    return param_of(ChannelLayout::NV12, cvtbgra ? ChannelLayout::BGRA : ChannelLayout::NV12, pad, value);
}

} // namespace

int warp_resize_bgra(const Tensor &input, Tensor &output, PaddingType padtype, uint8_t padval)
{
    const BsCommonParam p = bgra(padtype, padval);
    return ImageCall(__func__, Kind::RESIZE, &p).from(input).to(output).run();
}

int warp_resize_nv12(const Tensor &input, Tensor &output, bool cvtbgra, PaddingType padtype, uint8_t padval)
{
    const BsCommonParam p = nv12(cvtbgra, padtype, padval);
    return ImageCall(__func__, Kind::RESIZE, &p).from(input).to(output).run();
}

int crop_resize_bgra(const Tensor &input, std::vector<Tensor> &output, std::vector<Bbox_t> &boxes,
                     PaddingType padtype, uint8_t padval)
{
    const BsCommonParam p = bgra(padtype, padval);
    return ImageCall(__func__, Kind::RESIZE, &p).from(input).to(output, boxes).run();
}

int crop_resize_nv12(const Tensor &input, std::vector<Tensor> &output, std::vector<Bbox_t> &boxes, bool cvtbgra,
                     PaddingType padtype, uint8_t padval)
{
    const BsCommonParam p = nv12(cvtbgra, padtype, padval);
    return ImageCall(__func__, Kind::RESIZE, &p).from(input).to(output, boxes).run();
}

int common_resize_nv12(const void *input, Tensor &output, int img_h, int img_w, int line_stride, bool cvtbgra,
                       PaddingType padtype, uint8_t padval, AddressLocate input_locate)
{
    BsCommonParam p = nv12(cvtbgra, padtype, padval);
    p.input_height = img_h;
    p.input_width = img_w;
    p.input_line_stride = line_stride;
    return ImageCall(__func__, Kind::RESIZE, &p).from(input, input_locate, &p).to(output).run();
}

int warp_affine_bgra(const Tensor &input, Tensor &output, Tensor &matrix)
{
    const BsCommonParam p = bgra();
    return ImageCall(__func__, Kind::AFFINE, &p).from(input).to(output, &matrix).run();
}

int warp_affine_nv12(const Tensor &input, Tensor &output, Tensor &matrix, bool cvtbgra)
{
    const BsCommonParam p = nv12(cvtbgra);
    return ImageCall(__func__, Kind::AFFINE, &p).from(input).to(output, &matrix).run();
}

int crop_affine_bgra(const Tensor &input, std::vector<Tensor> &output, std::vector<Tensor> &matrix,
                     std::vector<Bbox_t> &boxes)
{
    const BsCommonParam p = bgra();
    return ImageCall(__func__, Kind::AFFINE, &p).from(input).to(output, boxes, &matrix).run();
}

int crop_affine_nv12(const Tensor &input, std::vector<Tensor> &output, std::vector<Tensor> &matrix, bool cvtbgra,
                     std::vector<Bbox_t> &boxes)
{
    const BsCommonParam p = nv12(cvtbgra);
    return ImageCall(__func__, Kind::AFFINE, &p).from(input).to(output, boxes, &matrix).run();
}

int warp_perspective_bgra(const Tensor &input, Tensor &output, Tensor &matrix)
{
    const BsCommonParam p = bgra();
    return ImageCall(__func__, Kind::PERSPECTIVE, &p).from(input).to(output, &matrix).run();
}

int warp_perspective_nv12(const Tensor &input, Tensor &output, Tensor &matrix, bool cvtbgra)
{
    const BsCommonParam p = nv12(cvtbgra);
    return ImageCall(__func__, Kind::PERSPECTIVE, &p).from(input).to(output, &matrix).run();
}

int crop_perspective_bgra(const Tensor &input, std::vector<Tensor> &output, std::vector<Tensor> &matrix,
                          std::vector<Bbox_t> &boxes)
{
    const BsCommonParam p = bgra();
    return ImageCall(__func__, Kind::PERSPECTIVE, &p).from(input).to(output, boxes, &matrix).run();
}

int crop_perspective_nv12(const Tensor &input, std::vector<Tensor> &output, std::vector<Tensor> &matrix, bool cvtbgra,
                          std::vector<Bbox_t> &boxes)
{
    const BsCommonParam p = nv12(cvtbgra);
    return ImageCall(__func__, Kind::PERSPECTIVE, &p).from(input).to(output, boxes, &matrix).run();
}

} // namespace venus
} // namespace magik
