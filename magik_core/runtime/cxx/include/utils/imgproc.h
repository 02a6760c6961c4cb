/* Resize, crop and warp pictures; matrices of warps. docs/board-images.md states every rule.
 *
 * All return 0 or a negative code, and then one line on stderr says what was wrong. Outputs exist before the
 * call and have their final shape; where an argument is refused, no output is written. */
#ifndef __MAGIK_INFERENCEKIT_VENUS_INCLUDE_UTILS_IMGPROC_H__
#define __MAGIK_INFERENCEKIT_VENUS_INCLUDE_UTILS_IMGPROC_H__

#include "utils/imgproc_rm.h"
#include "utils/imgproc_type.h"

namespace magik {
namespace venus {

/* NV12 to BGRA of the same size; the fourth byte is 0. */
VENUS_API int warp_covert_nv2bgr(const Tensor &input, Tensor &output);

/* Matrices from points: tensors of x, y pairs such as {1, 3, 2, 1}. As many whole rows are written as fit. */
VENUS_API int similar_transform(Tensor &input_src, Tensor &input_dst, Tensor &output);
VENUS_API int get_affine_transform(Tensor &input_src, Tensor &input_dst, Tensor &output, TransformType transform_type);
VENUS_API int get_perspective_transform(Tensor &input_src, Tensor &input_dst, Tensor &output,
                                        TransformType transform_type);

/* Turn by `angle` degrees, counterclockwise on the screen, around a point; M has 6 floats. */
VENUS_API int get_affine_rotation_matrix(float angle, float scale, int center_w, int center_h, float *M);

VENUS_API int warp_resize(const Tensor &input, Tensor &output, BsExtendParam *param);
VENUS_API int crop_resize(const Tensor &input, std::vector<Tensor> &output, std::vector<Bbox_t> &boxes,
                          BsExtendParam *param);
VENUS_API int common_resize(const void *input, Tensor &output, AddressLocate input_locate, BsCommonParam *param);
VENUS_API int crop_common_resize(const void *input, std::vector<Tensor> &output, std::vector<Bbox_t> &boxes,
                                 AddressLocate input_locate, BsCommonParam *param);

/* Matrices map the source (the box, for crop_*) to the destination. */
VENUS_API int warp_affine(const Tensor &input, Tensor &output, Tensor &matrix, BsExtendParam *param);
VENUS_API int common_affine(const void *input, Tensor &output, Tensor &matrix, AddressLocate input_locate,
                            BsCommonParam *param);
VENUS_API int crop_affine(const Tensor &input, std::vector<Tensor> &output, std::vector<Tensor> &matrix,
                          std::vector<Bbox_t> &boxes, BsExtendParam *param);
VENUS_API int crop_common_affine(const void *input, std::vector<Tensor> &output, std::vector<Tensor> &matrix,
                                 std::vector<Bbox_t> &boxes, AddressLocate input_locate, BsCommonParam *param);

VENUS_API int warp_perspective(const Tensor &input, Tensor &output, Tensor &matrix, BsExtendParam *param);
VENUS_API int common_perspective(const void *input, Tensor &output, Tensor &matrix, AddressLocate input_locate,
                                 BsCommonParam *param);
VENUS_API int crop_perspective(const Tensor &input, std::vector<Tensor> &output, std::vector<Tensor> &matrix,
                               std::vector<Bbox_t> &boxes, BsExtendParam *param);
VENUS_API int crop_common_perspective(const void *input, std::vector<Tensor> &output, std::vector<Tensor> &matrix,
                                      std::vector<Bbox_t> &boxes, AddressLocate input_locate, BsCommonParam *param);

} // namespace venus
} // namespace magik

#endif
