#include "utils/imgproc.h"

#include "imgproc_call.h"
#include "say.h"
#include "tensor_impl.h"

namespace magik {
namespace venus {

int warp_covert_nv2bgr(const Tensor &input, Tensor &output)
{
    BsExtendParam p = BsExtendParam();
    p.in_layout = ChannelLayout::NV12;
    p.out_layout = ChannelLayout::BGRA;
    p.pad_type = BsPadType::NONE;
    const TensorImpl *from = tensor_of(input), *to = tensor_of(output);
    if (from && to && (from->dims[1] != to->dims[1] || from->dims[2] != to->dims[2]))
        return say(__func__, "from %dx%d to %dx%d (height x width), need equal sizes", from->dims[1], from->dims[2],
                   to->dims[1], to->dims[2]);
    return ImageCall(__func__, Kind::RESIZE, &p).from(input).to(output).run();
}

int warp_resize(const Tensor &input, Tensor &output, BsExtendParam *param)
{
    return ImageCall(__func__, Kind::RESIZE, param).from(input).to(output).run();
}

int crop_resize(const Tensor &input, std::vector<Tensor> &output, std::vector<Bbox_t> &boxes, BsExtendParam *param)
{
    return ImageCall(__func__, Kind::RESIZE, param).from(input).to(output, boxes).run();
}

int common_resize(const void *input, Tensor &output, AddressLocate input_locate, BsCommonParam *param)
{
    return ImageCall(__func__, Kind::RESIZE, param).from(input, input_locate, param).to(output).run();
}

int crop_common_resize(const void *input, std::vector<Tensor> &output, std::vector<Bbox_t> &boxes,
                       AddressLocate input_locate, BsCommonParam *param)
{
    return ImageCall(__func__, Kind::RESIZE, param).from(input, input_locate, param).to(output, boxes).run();
}

int warp_affine(const Tensor &input, Tensor &output, Tensor &matrix, BsExtendParam *param)
{
    return ImageCall(__func__, Kind::AFFINE, param).from(input).to(output, &matrix).run();
}

int common_affine(const void *input, Tensor &output, Tensor &matrix, AddressLocate input_locate, BsCommonParam *param)
{
    return ImageCall(__func__, Kind::AFFINE, param).from(input, input_locate, param).to(output, &matrix).run();
}

int crop_affine(const Tensor &input, std::vector<Tensor> &output, std::vector<Tensor> &matrix,
                std::vector<Bbox_t> &boxes, BsExtendParam *param)
{
    return ImageCall(__func__, Kind::AFFINE, param).from(input).to(output, boxes, &matrix).run();
}

int crop_common_affine(const void *input, std::vector<Tensor> &output, std::vector<Tensor> &matrix,
                       std::vector<Bbox_t> &boxes, AddressLocate input_locate, BsCommonParam *param)
{
    return ImageCall(__func__, Kind::AFFINE, param).from(input, input_locate, param).to(output, boxes, &matrix).run();
}

int warp_perspective(const Tensor &input, Tensor &output, Tensor &matrix, BsExtendParam *param)
{
    return ImageCall(__func__, Kind::PERSPECTIVE, param).from(input).to(output, &matrix).run();
}

int common_perspective(const void *input, Tensor &output, Tensor &matrix, AddressLocate input_locate,
                       BsCommonParam *param)
{
    return ImageCall(__func__, Kind::PERSPECTIVE, param).from(input, input_locate, param).to(output, &matrix).run();
}

int crop_perspective(const Tensor &input, std::vector<Tensor> &output, std::vector<Tensor> &matrix,
                     std::vector<Bbox_t> &boxes, BsExtendParam *param)
{
    return ImageCall(__func__, Kind::PERSPECTIVE, param).from(input).to(output, boxes, &matrix).run();
}

int crop_common_perspective(const void *input, std::vector<Tensor> &output, std::vector<Tensor> &matrix,
                            std::vector<Bbox_t> &boxes, AddressLocate input_locate, BsCommonParam *param)
{
    ImageCall call(__func__, Kind::PERSPECTIVE, param);
    return call.from(input, input_locate, param).to(output, boxes, &matrix).run();
}

} // namespace venus
} // namespace magik
