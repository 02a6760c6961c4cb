/* From a detector's outputs to boxes. */
#ifndef __MAGIK_INFERENCEKIT_VENUS_INCLUDE_UTILS_POSTPROC_H__
#define __MAGIK_INFERENCEKIT_VENUS_INCLUDE_UTILS_POSTPROC_H__

#include <vector>

#include "common/common_utils.h"
#include "core/tensor.h"

namespace magik {
namespace venus {

/* Append to `output` the boxes that no better box overlaps by more than nms_threshold (area of both by area of
 * either), the best first, whatever their class. SOFT_NMS is the linear one: a box that a better one overlaps by
 * more has its score multiplied by 1 - overlap, and is left out below 0.001. `input` stays as it is. */
VENUS_API void nms(std::vector<ObjBbox_t> &input, std::vector<ObjBbox_t> &output, float nms_threshold = 0.3f,
                   NmsType type = NmsType::HARD_NMS);

/* Append the boxes of YOLO heads, in pixels of the network's input, neither sorted nor clipped.
 *
 * features: f32 NHWC, box_num * (5 + classes) channels: x, y, w, h, object, class… before any activation.
 * strides: one per feature; anchor: box_num pairs w, h per feature, in pixels.
 * A box is kept when its score is at least box_score_threshold; class_id is its best class.
 * multiply_class_score: the score is the object's times the class's; -1: with two classes and more; 0: never;
 * 1: always. img_w and img_h are not used. */
VENUS_API void generate_box(std::vector<Tensor> &features, std::vector<float> &strides, std::vector<float> &anchor,
                            std::vector<ObjBbox_t> &candidate_boxes, int img_w, int img_h, int classes, int box_num,
                            float box_score_threshold, DetectorType detector_type, int multiply_class_score);

/* As above with -1, under the name that older programs are linked to. */
VENUS_API void generate_box(std::vector<Tensor> &features, std::vector<float> &strides, std::vector<float> &anchor,
                            std::vector<ObjBbox_t> &candidate_boxes, int img_w, int img_h, int classes, int box_num,
                            float box_score_threshold, DetectorType detector_type = DetectorType::YOLOV3);

/* Product of matrices of f32. A matrix is {…, rows, columns}, or {…, rows, columns, 1} where the last dimension of
 * all three tensors of four dimensions is 1; the dimensions before are a batch and equal. */
VENUS_API void mat_mul(Tensor &input0, Tensor &input1, Tensor &output);

/* Append the rows x0, y0, x1, y1, score, class of an f32 tensor whose last dimension but ones is 6, as networks end
 * that select boxes themselves. Rows whose score is not above 0 are empty places. */
VENUS_API void get_objbox_from_output(Tensor &input, std::vector<ObjBbox_t> &out_boxes);

} // namespace venus
} // namespace magik

#endif
