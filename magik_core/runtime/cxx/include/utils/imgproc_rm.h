/* The first image functions, kept for programs that use them; utils/imgproc.h has what replaces them.
 * Without cvtbgra an NV12 picture stays NV12. */
#ifndef __MAGIK_INFERENCEKIT_VENUS_INCLUDE_UTILS_IMGPROC_RM_H__
#define __MAGIK_INFERENCEKIT_VENUS_INCLUDE_UTILS_IMGPROC_RM_H__

#include "utils/imgproc_type.h"

namespace magik {
namespace venus {

VENUS_API int warp_resize_bgra(const Tensor &input, Tensor &output, PaddingType padtype, uint8_t padval);
VENUS_API int warp_resize_nv12(const Tensor &input, Tensor &output, bool cvtbgra, PaddingType padtype, uint8_t padval);
VENUS_API int crop_resize_bgra(const Tensor &input, std::vector<Tensor> &output, std::vector<Bbox_t> &boxes,
                               PaddingType padtype, uint8_t padval);
VENUS_API int crop_resize_nv12(const Tensor &input, std::vector<Tensor> &output, std::vector<Bbox_t> &boxes,
                               bool cvtbgra, PaddingType padtype, uint8_t padval);
VENUS_API int common_resize_nv12(const void *input, Tensor &output, int img_h, int img_w, int line_stride,
                                 bool cvtbgra, PaddingType padtype, uint8_t padval, AddressLocate input_locate);

VENUS_API int warp_affine_bgra(const Tensor &input, Tensor &output, Tensor &matrix);
VENUS_API int warp_affine_nv12(const Tensor &input, Tensor &output, Tensor &matrix, bool cvtbgra);
VENUS_API int crop_affine_bgra(const Tensor &input, std::vector<Tensor> &output, std::vector<Tensor> &matrix,
                               std::vector<Bbox_t> &boxes);
VENUS_API int crop_affine_nv12(const Tensor &input, std::vector<Tensor> &output, std::vector<Tensor> &matrix,
                               bool cvtbgra, std::vector<Bbox_t> &boxes);

VENUS_API int warp_perspective_bgra(const Tensor &input, Tensor &output, Tensor &matrix);
VENUS_API int warp_perspective_nv12(const Tensor &input, Tensor &output, Tensor &matrix, bool cvtbgra);
VENUS_API int crop_perspective_bgra(const Tensor &input, std::vector<Tensor> &output, std::vector<Tensor> &matrix,
                                    std::vector<Bbox_t> &boxes);
VENUS_API int crop_perspective_nv12(const Tensor &input, std::vector<Tensor> &output, std::vector<Tensor> &matrix,
                                    bool cvtbgra, std::vector<Bbox_t> &boxes);

} // namespace venus
} // namespace magik

#endif
