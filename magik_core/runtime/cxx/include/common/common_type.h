/* Enumerations of the API. */
#ifndef __MAGIK_INFERENCEKIT_VENUS_INCLUDE_COMMON_COMMON_TYPE_H__
#define __MAGIK_INFERENCEKIT_VENUS_INCLUDE_COMMON_COMMON_TYPE_H__

#include "common/common_def.h"

namespace magik {
namespace venus {

/* Who shares a net's working memory. */
enum class ShareMemoryMode : int {
    DEFAULT = 0,           /* the steps of one net */
    SHARE_ONE_THREAD = 1,  /* the nets that one thread creates */
    SET_FROM_EXTERNAL = 2, /* the caller gives it: BaseNet::set_forward_memory */
    ALL_SEPARABLE_MEM = 3, /* nobody: every tensor has its own */
    SMART_REUSE_MEM = 4    /* as DEFAULT; the net may free its inputs after a run */
};

enum class ChannelLayout : int { NONE = -1, NV12 = 0, BGRA = 1, RGBA = 2, ARGB = 3, RGB = 4, GRAY = 5, FP = 6 };

enum class TransformType : int { NONE = -1, NV12_NV12 = 0 };

enum class DataType : int {
    NONE = -1,
    AUTO = 0,
    FP32 = 1,
    UINT32 = 2,
    INT32 = 3,
    UINT16 = 4,
    INT16 = 5,
    UINT8 = 6,
    INT8 = 7,
    UINT6B = 8,
    UINT6BP = 9,
    UINT4B = 10,
    UINT2B = 11,
    UINT10 = 12,
    INT10 = 13,
    UINT12 = 14,
    INT12 = 15,
    UINT14 = 16,
    INT14 = 17,
    BOOL = 18
};

} // namespace venus
} // namespace magik

#endif
