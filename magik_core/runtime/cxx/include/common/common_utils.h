/* What image functions are told, and boxes. The order of members is part of the interface. */
#ifndef __MAGIK_INFERENCEKIT_VENUS_INCLUDE_COMMON_COMMON_UTILS_H__
#define __MAGIK_INFERENCEKIT_VENUS_INCLUDE_COMMON_COMMON_UTILS_H__

#include <stddef.h>
#include <stdint.h>
#include <vector>

#include "common/common_type.h"

namespace magik {
namespace venus {

enum class BsPadType : int {
    NONE = -1,        /* stretch */
    BOTTOM_RIGHT = 0, /* keep the aspect, content at the top left */
    SYMMETRY = 1,     /* keep the aspect, content in the middle */
};

/* Layouts and the way from NV12 to color. A default is 1.164 (Y - 16) + 2.018 (U - 128) for B and so on;
 * with coef_off_enable, in units of 2^-20 and negative numbers as two's complement:
 * coef = rows B, G, R of columns Y, U, V; offset = what is taken from Y, what is taken from U and V. */
struct VENUS_API BsBaseParam {
    ChannelLayout in_layout;
    ChannelLayout out_layout;
    bool coef_off_enable = false;
    uint32_t coef[9];
    uint32_t offset[2];
};

/* pad_type and pad_val are read by resizing alone; scale_x and scale_y by nothing. */
struct VENUS_API BsExtendParam : public BsBaseParam {
    BsPadType pad_type;
    uint8_t pad_val;
    float scale_x = 0.0;
    float scale_y = 0.0;
};

struct VENUS_API AddressDesc {
    void *phy_addr = NULL;
    void *vir_addr = NULL;
};

/* A picture at an address; input_line_stride in bytes. */
struct VENUS_API BsCommonParam : public BsExtendParam {
    int input_height;
    int input_width;
    int input_line_stride;
    AddressDesc addr_attr;
};

struct VENUS_API GetZoneParam {
    std::vector<int32_t> input_shape;  /* height, width, channels */
    std::vector<int32_t> output_shape; /* height, width, channels */
    float threshold;
};

/* Pixels x0 <= x < x1, y0 <= y < y1. */
typedef struct VENUS_API Bbox_t {
    float x0;
    float y0;
    float x1;
    float y1;
} Box_t;

typedef struct VENUS_API ObjBbox_t {
    Bbox_t box;
    float score;
    int class_id;
} ObjectBbox_t;

enum class NmsType : int { HARD_NMS = 0, SOFT_NMS = 1 };
enum class DetectorType : int { YOLOV3 = 0, YOLOV5 = 1 };

typedef NmsType NmsType_t;
typedef DetectorType DetectorType_t;

} // namespace venus
} // namespace magik

#endif
