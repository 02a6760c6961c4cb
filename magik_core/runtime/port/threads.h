/* A pool of POSIX threads for magik_parallel. */
#ifndef MAGIK_THREADS_H
#define MAGIK_THREADS_H

#include "magik/magik.h"

struct magik_threads;

/* A pool of `threads` in all, the caller's included; NULL when there is no memory or no thread. */
struct magik_threads *magik_threads_start(int32_t threads);
void magik_threads_stop(struct magik_threads *pool);
void magik_threads_parallel(struct magik_threads *pool, struct magik_parallel *parallel);

#endif
