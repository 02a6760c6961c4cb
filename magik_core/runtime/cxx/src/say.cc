#include "say.h"

#include <stdarg.h>
#include <stdio.h>

namespace magik {
namespace venus {

int say(const char *where, const char *what, ...)
{
    char line[512];
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(line, sizeof line, what, arguments);
    va_end(arguments);
    fprintf(stderr, "magik: %s: %s\n", where, line);
    return FAILED;
}

} // namespace venus
} // namespace magik
