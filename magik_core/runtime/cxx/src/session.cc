/* Begin, end, checks and the lock of a process. */
#include <float.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "common/common_inf_c.h"
#include "core.h"
#include "memory.h"
#include "say.h"
#include "venus.h"
#include "version.h"

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)
#define VERSION TEXT(VENUS_MAJOR) "." TEXT(VENUS_MINOR) "." TEXT(VENUS_PATCH)

#ifndef VENUS_BUILT
#define VENUS_BUILT "from-source" /* no date: a library is the same bytes whenever it is built */
#endif

#if defined(__UCLIBC__)
#define LIBC "uclibc"
#elif defined(__GLIBC__)
#define LIBC "glibc"
#else
#define LIBC "libc"
#endif

#if defined(__mips__)
#define MACHINE "mips"
#else
#define MACHINE "host"
#endif

namespace magik {
namespace venus {

namespace {

/* Held from venus_lock to venus_unlock. A flag of ours, so that whoever misuses it is told and not stopped. */
pthread_mutex_t lock_mutex = PTHREAD_MUTEX_INITIALIZER;
pthread_cond_t lock_free = PTHREAD_COND_INITIALIZER;
pthread_t lock_owner;
bool lock_is_held = false;

bool is_little_endian()
{
    const uint32_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    return first == 1;
}

/* Bits are promised to be the same everywhere; a CPU set to other float arithmetic breaks that. */
bool keeps_small_floats()
{
    volatile float least = FLT_MIN;
    volatile float half = least * 0.5f;
    return half != 0.0f;
}

bool rounds_to_even()
{
    volatile float one = 1.0f, tie = FLT_EPSILON / 2;
    volatile float down = one + tie, up = one + FLT_EPSILON + tie;
    return down == 1.0f && up == 1.0f + 2 * FLT_EPSILON;
}

} // namespace

int venus_init(int size)
{
    if (size < 0)
        return say("venus_init", "size is %d, needs to be 0 (no limit) or more", size);
    memory_limit((size_t)size);
    printf("The soc-nna version is 00000000 (none: kernels run on the CPU)\n");
    printf("INFO(magik): venus memory map size: %d\n", size);
    printf("INFO(magik): venus version:%s(%08x_magik) built:%s(%s %s %s@CPU)\n", VERSION,
           (unsigned)venus_get_version_info(), VENUS_BUILT, __VERSION__, LIBC, MACHINE);
    fflush(stdout);
    memory_report();
    return venus_check();
}

int venus_deinit(void)
{
    memory_report();
    memory_limit(0);
    return 0;
}

int venus_check()
{
    if (!is_little_endian())
        return say("venus_check", "this CPU is big endian, model files are little endian");
    if (!keeps_small_floats())
        return say("venus_check", "this CPU flushes small floats to 0: results would differ from the PC's");
    if (!rounds_to_even())
        return say("venus_check", "this CPU does not round floats to nearest: results would differ from the PC's");
    if (magik_kernel_name(0) == NULL)
        return say("venus_check", "this library was built without kernels");
    return 0;
}

int venus_lock()
{
    pthread_mutex_lock(&lock_mutex);
    const bool is_mine = lock_is_held && pthread_equal(lock_owner, pthread_self());
    while (lock_is_held && !is_mine)
        pthread_cond_wait(&lock_free, &lock_mutex);
    lock_is_held = true;
    lock_owner = pthread_self();
    pthread_mutex_unlock(&lock_mutex);
    return is_mine ? say("venus_lock", "this thread holds the lock already") : 0;
}

int venus_unlock()
{
    pthread_mutex_lock(&lock_mutex);
    const bool is_mine = lock_is_held && pthread_equal(lock_owner, pthread_self());
    if (is_mine)
        lock_is_held = false;
    pthread_cond_signal(&lock_free);
    pthread_mutex_unlock(&lock_mutex);
    return is_mine ? 0 : say("venus_unlock", "this thread does not hold the lock");
}

uint32_t venus_get_version_info()
{
    return VENUS_MAJOR << 16 | VENUS_MINOR << 8 | VENUS_PATCH;
}

} // namespace venus
} // namespace magik

int magik_venus_init(int size)
{
    return magik::venus::venus_init(size);
}

int magik_venus_deinit()
{
    return magik::venus::venus_deinit();
}

int magik_venus_check()
{
    return magik::venus::venus_check();
}
