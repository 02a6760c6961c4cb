#ifndef __MAGIK_INFERENCEKIT_VENUS_INCLUDE_CORE_TYPE_H__
#define __MAGIK_INFERENCEKIT_VENUS_INCLUDE_CORE_TYPE_H__

#include <stdint.h>

#include <vector>

#include "common/common_type.h"

namespace magik {
namespace venus {

using shape_t = std::vector<int32_t>;

/* NV12: a plane of H*W luma bytes, then H/2 rows of W/2 pairs U V. */
enum class TensorFormat : int { NHWC = 1, NV12 = 5 };

} // namespace venus
} // namespace magik

#endif
