/* Memory of tensors and nets. */
#ifndef __MAGIK_INFERENCEKIT_VENUS_INCLUDE_UTILS_MEM_H__
#define __MAGIK_INFERENCEKIT_VENUS_INCLUDE_UTILS_MEM_H__

#include "common/common_def.h"

namespace magik {
namespace venus {

/* 64-byte aligned. NULL on failure. */
VENUS_API void *nmem_malloc(unsigned int size);
/* `align`: a power of two. NULL on failure. */
VENUS_API void *nmem_memalign(unsigned int align, unsigned int size);
VENUS_API void nmem_free(void *ptr);
VENUS_API void memcopy(void *dst, void *src, int n);

} // namespace venus
} // namespace magik

#endif
