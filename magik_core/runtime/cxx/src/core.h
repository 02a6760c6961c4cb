/* The C core in C++. Its inside tells what magik.h does not: steps' inputs, sizes of elements. */
#ifndef VENUS_CORE_H
#define VENUS_CORE_H

#include <string.h>

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow" /* functions that are named as a struct */
extern "C" {
#include "fixed.h"
#include "net.h"
}
#pragma GCC diagnostic pop

namespace magik {
namespace venus {

typedef struct ::magik_tensor CoreTensor;
typedef struct ::magik_meaning Meaning;

} // namespace venus
} // namespace magik

#endif
