#include "utils/postproc.h"

#include <string.h>

#include "fmath.h"
#include "say.h"
#include "tensor_impl.h"

namespace magik {
namespace venus {

namespace {

const float LEAST_SOFT_SCORE = 0.001f;
enum { BOX = 5, ROW = 6 }; /* x y w h object; x0 y0 x1 y1 score class */

/* Not inlined: a decoder calls it six times, and boards have little room. */
__attribute__((noinline)) float sigmoid(float t)
{
    return fm_sigmoid(t);
}

float overlap(const Bbox_t &a, const Bbox_t &b)
{
    const float x0 = a.x0 > b.x0 ? a.x0 : b.x0, x1 = a.x1 < b.x1 ? a.x1 : b.x1;
    const float y0 = a.y0 > b.y0 ? a.y0 : b.y0, y1 = a.y1 < b.y1 ? a.y1 : b.y1;
    if (!(x1 > x0 && y1 > y0))
        return 0.0f;
    const float both = (x1 - x0) * (y1 - y0);
    const float first = (a.x1 - a.x0) * (a.y1 - a.y0), second = (b.x1 - b.x0) * (b.y1 - b.y0);
    return both / (first + second - both);
}

/* Move the best box, the first of equal ones, out of the front `count` of `left`; false where none has a score. */
bool take_best(ObjBbox_t *left, size_t *count, ObjBbox_t *best)
{
    size_t at = *count;
    for (size_t i = 0; i < *count; i++)
        if (left[i].score == left[i].score && (at == *count || left[i].score > left[at].score))
            at = i;
    if (at == *count)
        return false;
    *best = left[at];
    *count -= 1;
    memmove(left + at, left + at + 1, (*count - at) * sizeof *left);
    return true;
}

/* Drop or weaken what `best` overlaps. */
size_t suppress(ObjBbox_t *left, size_t count, const ObjBbox_t &best, float threshold, bool is_soft)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        const float over = overlap(best.box, left[i].box);
        if (over > threshold && is_soft)
            left[i].score *= 1.0f - over;
        if (!(over > threshold) || (is_soft && left[i].score >= LEAST_SOFT_SCORE))
            left[kept++] = left[i];
    }
    return kept;
}

/* f32 elements; NULL after a line. */
const float *floats(const char *name, const char *what, const Tensor &tensor)
{
    const TensorImpl *t = tensor_of(tensor);
    const float *at = t ? tensor.data<float>() : nullptr;
    if (at && t->type == DataType::FP32 && t->capacity >= tensor_count(t) * sizeof *at)
        return at;
    say(name, "%s is not a tensor of floats", what);
    return nullptr;
}

/* What generate_box was asked, and where it is. */
struct Heads {
    std::vector<ObjBbox_t> *out;
    int32_t classes, boxes;
    float threshold;
    bool is_v5, is_multiplied;
    float stride;
    const float *anchors; /* w, h of each box of this feature */
};

bool is_finite(const Bbox_t &b)
{
    const float sum = (b.x0 - b.x0) + (b.y0 - b.y0) + (b.x1 - b.x1) + (b.y1 - b.y1);
    return sum == 0.0f;
}

void decode(const Heads &h, const float *t, float column, float row, const float *anchor)
{
    float score = sigmoid(t[4]);
    if (!(score >= h.threshold)) /* a class can only make it less */
        return;
    int32_t best = 0;
    for (int32_t c = 1; c < h.classes; c++)
        best = t[BOX + c] > t[BOX + best] ? c : best;
    if (h.is_multiplied)
        score = score * sigmoid(t[BOX + best]);
    if (!(score >= h.threshold))
        return;
    const float sx = sigmoid(t[0]), sy = sigmoid(t[1]);
    float x, y, width, height;
    if (h.is_v5) {
        const float w = 2.0f * sigmoid(t[2]), v = 2.0f * sigmoid(t[3]);
        x = (sx * 2.0f - 0.5f + column) * h.stride;
        y = (sy * 2.0f - 0.5f + row) * h.stride;
        width = w * w * anchor[0];
        height = v * v * anchor[1];
    } else {
        x = (sx + column) * h.stride;
        y = (sy + row) * h.stride;
        width = fm_exp(t[2]) * anchor[0];
        height = fm_exp(t[3]) * anchor[1];
    }
    const float dx = width * 0.5f, dy = height * 0.5f;
    const ObjBbox_t found = {{x - dx, y - dy, x + dx, y + dy}, score, best};
    if (is_finite(found.box))
        h.out->push_back(found);
}

void decode_feature(const Heads &h, const float *t, int32_t height, int32_t width)
{
    for (int32_t y = 0; y < height; y++)
        for (int32_t x = 0; x < width; x++)
            for (int32_t b = 0; b < h.boxes; b++, t += BOX + h.classes)
                decode(h, t, static_cast<float>(x), static_cast<float>(y), h.anchors + 2 * b);
}

bool has_channels(const Tensor &feature, int32_t channels)
{
    const TensorImpl *t = tensor_of(feature);
    return t && t->rank == 4 && t->dims[0] == 1 && t->dims[3] == channels;
}

void generate(const char *name, std::vector<Tensor> &features, std::vector<float> &strides,
              std::vector<float> &anchor, DetectorType type, int multiply, Heads h)
{
    const size_t count = features.size();
    const bool is_type = type == DetectorType::YOLOV3 || type == DetectorType::YOLOV5;
    if (!is_type || multiply < -1 || multiply > 1) {
        say(name, "detector_type is %d, multiply_class_score %d, need 0 or 1, and -1, 0 or 1", static_cast<int>(type),
            multiply);
        return;
    }
    const int32_t most = 1 << 16;
    if (h.classes < 1 || h.classes > most || h.boxes < 1 || h.boxes > 64 || strides.size() != count ||
        anchor.size() != 2 * count * static_cast<size_t>(h.boxes)) {
        say(name, "%d classes, %d boxes, %zu features, %zu strides, %zu anchors; need a stride and 2 anchors per box "
            "of each feature", h.classes, h.boxes, count, strides.size(), anchor.size());
        return;
    }
    h.is_v5 = type == DetectorType::YOLOV5;
    h.is_multiplied = multiply == 1 || (multiply == -1 && h.classes > 1);
    const int32_t channels = h.boxes * (BOX + h.classes);
    for (size_t i = 0; i < count; i++)
        if (!has_channels(features[i], channels)) {
            say(name, "feature %zu is not {1, height, width, %d}", i, channels);
            return;
        }
    for (size_t i = 0; i < count; i++) {
        const TensorImpl *t = tensor_of(features[i]);
        const float *at = floats(name, "a feature", features[i]);
        h.stride = strides[i];
        h.anchors = anchor.data() + 2 * i * static_cast<size_t>(h.boxes);
        if (!at)
            return;
        decode_feature(h, at, t->dims[1], t->dims[2]);
    }
}

} // namespace

void nms(std::vector<ObjBbox_t> &input, std::vector<ObjBbox_t> &output, float nms_threshold, NmsType type)
{
    if (type != NmsType::HARD_NMS && type != NmsType::SOFT_NMS) {
        say(__func__, "type is %d, need 0 or 1", static_cast<int>(type));
        return;
    }
    try {
        std::vector<ObjBbox_t> left(input);
        size_t count = left.size();
        ObjBbox_t best;
        while (take_best(left.data(), &count, &best)) {
            output.push_back(best);
            count = suppress(left.data(), count, best, nms_threshold, type == NmsType::SOFT_NMS);
        }
    } catch (...) {
        say(__func__, "there is no memory");
    }
}

void generate_box(std::vector<Tensor> &features, std::vector<float> &strides, std::vector<float> &anchor,
                  std::vector<ObjBbox_t> &candidate_boxes, int, int, int classes, int box_num,
                  float box_score_threshold, DetectorType detector_type, int multiply_class_score)
{
    const Heads heads = {&candidate_boxes, classes, box_num, box_score_threshold, false, false, 0, nullptr};
    try {
        generate(__func__, features, strides, anchor, detector_type, multiply_class_score, heads);
    } catch (...) {
        say(__func__, "there is no memory");
    }
}

void generate_box(std::vector<Tensor> &features, std::vector<float> &strides, std::vector<float> &anchor,
                  std::vector<ObjBbox_t> &candidate_boxes, int img_w, int img_h, int classes, int box_num,
                  float box_score_threshold, DetectorType detector_type)
{
    generate_box(features, strides, anchor, candidate_boxes, img_w, img_h, classes, box_num, box_score_threshold,
                 detector_type, -1);
}

void get_objbox_from_output(Tensor &input, std::vector<ObjBbox_t> &out_boxes)
{
    const TensorImpl *t = tensor_of(input);
    int32_t last = t ? t->rank - 1 : -1;
    while (last >= 0 && t->dims[last] == 1)
        last--;
    if (last < 0 || t->dims[last] != ROW) {
        say(__func__, "the input has no rows of 6 floats: x0, y0, x1, y1, score, class");
        return;
    }
    const float *row = floats(__func__, "the input", input);
    try {
        for (size_t left = row ? tensor_count(t) / ROW : 0; left > 0; left--, row += ROW)
            if (row[4] > 0.0f && fm_abs(row[5]) < 16777216.0f) {
                const ObjBbox_t found = {{row[0], row[1], row[2], row[3]}, row[4], static_cast<int>(row[5])};
                out_boxes.push_back(found);
            }
    } catch (...) {
        say(__func__, "there is no memory");
    }
}

} // namespace venus
} // namespace magik
