#ifndef __MAGIK_INFERENCEKIT_VENUS_INCLUDE_UTILS_ALL_H__
#define __MAGIK_INFERENCEKIT_VENUS_INCLUDE_UTILS_ALL_H__

#include "utils/imgproc.h"
#include "utils/mem.h"
#include "utils/postproc.h"

#endif
