/* What the variants of the library look at while a net runs: times with VENUS_PROFILE, tensors with VENUS_DEBUG
 * and, in all of them, with MAGIK_CPP_DUMPDATA=true in the environment.
 */
#ifndef VENUS_WATCH_H
#define VENUS_WATCH_H

#include <stdint.h>

#include "core.h"
#include "memory.h"

namespace magik {
namespace venus {

/* Dumps tensors into files. */
class Dump {
public:
    Dump();
    /* A step has run; 0, or negative after a line. */
    int after(const magik_net *net, int32_t step);

private:
    const bool is_asked; /* by the environment */
    bool has_weights;    /* written */
};

/* Adds up the time of each step. */
class Profile {
public:
    Profile() : microseconds(NULL), runs(0), started(0), is_per_frame(false) {}
    void set_per_frame(bool status) { is_per_frame = status; }
    /* A net was loaded; false without memory. */
    bool open(const magik_net *net);
    /* A net goes: prints what was not printed yet. */
    void close(const magik_net *net);
    void before();
    void after(const magik_net *net, int32_t step);

private:
    void print(const magik_net *net);
    Block times;
    double *microseconds;
    int32_t runs;
    double started;
    bool is_per_frame;
};

#ifndef VENUS_PROFILE
inline bool Profile::open(const magik_net *)
{
    return true;
}
inline void Profile::close(const magik_net *)
{
}
inline void Profile::before()
{
}
inline void Profile::after(const magik_net *, int32_t)
{
}
#endif

} // namespace venus
} // namespace magik

#endif
