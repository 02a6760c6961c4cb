/* Names that only the image functions use. */
#ifndef __MAGIK_INFERENCEKIT_VENUS_INCLUDE_UTILS_IMGPROC_TYPE_H__
#define __MAGIK_INFERENCEKIT_VENUS_INCLUDE_UTILS_IMGPROC_TYPE_H__

#include "common/common_utils.h"
#include "core/tensor.h"

namespace magik {
namespace venus {

enum class PaddingType : int { NONE = -1, BOTTOM_RIGHT = 0, SYMMETRY = 1 };

/* Where the bytes of a picture are: a pointer of this program, or a physical address of a video frame. */
enum class AddressLocate : int { NMEM_VIRTUAL = 0, RMEM_PHYSICAL = 1 };

} // namespace venus
} // namespace magik

#endif
