/* The C core in C++. Its inside tells what magik.h does not: steps' inputs, sizes of elements. */
#ifndef VENUS_CORE_H
#define VENUS_CORE_H

#include <string.h>

extern "C" {
#include "fixed.h"
#include "net.h"
}

namespace magik {
namespace venus {

/* functions of the core have the same names */
typedef struct ::magik_tensor CoreTensor;
typedef struct ::magik_meaning Meaning;

} // namespace venus
} // namespace magik

#endif
