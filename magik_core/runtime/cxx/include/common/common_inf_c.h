/* common_inf.h for C. */
#ifndef __MAGIK_INFERENCEKIT_VENUS_INCLUDE_COMMON_COMMON_INF_C_H__
#define __MAGIK_INFERENCEKIT_VENUS_INCLUDE_COMMON_COMMON_INF_C_H__

#include "common/common_def.h"

VENUS_C_API int magik_venus_init(int size);
VENUS_C_API int magik_venus_deinit();
VENUS_C_API int magik_venus_check();

#endif
