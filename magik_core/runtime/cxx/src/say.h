/* The line on stderr that stands beside every failure. */
#ifndef VENUS_SAY_H
#define VENUS_SAY_H

namespace magik {
namespace venus {

enum { FAILED = -1 };

/* Prints "magik: <where>: <what>" and gives FAILED. */
int say(const char *where, const char *what, ...) __attribute__((format(printf, 2, 3)));

} // namespace venus
} // namespace magik

#endif
