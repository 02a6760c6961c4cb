/* Begin and end. */
#ifndef __MAGIK_INFERENCEKIT_VENUS_INCLUDE_COMMON_COMMON_INF_H__
#define __MAGIK_INFERENCEKIT_VENUS_INCLUDE_COMMON_COMMON_INF_H__

#include "common/common_type.h"

namespace magik {
namespace venus {

/* Say the versions and limit the memory of tensors and nets to `size` bytes, 0: no limit. 0 or negative. */
VENUS_API int venus_init(int size = 0);
/* Lift the limit. Nets and tensors stay valid and may be destroyed later. */
VENUS_API int venus_deinit(void);
/* Whether this CPU runs what the library was built for: 0 or negative. */
VENUS_API int venus_check();

} // namespace venus
} // namespace magik

#endif
