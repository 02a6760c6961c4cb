/* A pool of POSIX threads. The caller does part 0 and then, like every worker, takes whatever part nobody has
 * taken yet, so that a worker who is late or has no CPU costs nothing. A step may take a few microseconds, less
 * than waking a thread: who waits looks for work a while, first alone, then letting others run, and only
 * then sleeps. */
#include "threads.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 64, LOOKS = 64, ALONE_NS = 20000, SPIN_NS = 100000 };

struct magik_threads {
    void (*fn)(void *arg, int32_t part); /* of this round; written while no part is left or undone */
    void *arg;
    int32_t started, spin_ns;
    pthread_t *threads;
    char space_1[LINE]; /* what is written often, on lines of its own */
    atomic_int left;    /* parts [1, left] are nobody's yet */
    char space_2[LINE];
    atomic_int undone; /* parts but 0 that are not done */
    char space_3[LINE];
    atomic_int sleeping; /* workers who must be woken */
    atomic_int is_waiting, is_stopping; /* is_waiting: the caller must be woken */
    pthread_mutex_t lock;
    pthread_cond_t begin, end;
};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int has_part(struct magik_threads *pool)
{
    return atomic_load(&pool->left) > 0 || atomic_load(&pool->is_stopping);
}

static int is_done(struct magik_threads *pool)
{
    return atomic_load(&pool->undone) == 0;
}

/* Look for `what` until it holds, or for as long as the pool spins; whether it held. */
static int spin(struct magik_threads *pool, int (*what)(struct magik_threads *pool))
{
    if (what(pool))
        return 1;
    const int64_t start = pool->spin_ns > 0 ? now_ns() : 0;
    for (int64_t spent = 0; spent < pool->spin_ns; spent = now_ns() - start) {
        for (int32_t i = 0; i < LOOKS; i++)
            if (what(pool))
                return 1;
        if (spent > ALONE_NS)
            sched_yield();
    }
    return 0;
}

/* A part that is nobody's yet, 0 if there is none. That the count was changed by others in between and is the
 * same again does no harm: what is taken is a part of the round that is then open. */
static int32_t take(struct magik_threads *pool)
{
    int left = atomic_load(&pool->left);
    while (left > 0 && !atomic_compare_exchange_weak(&pool->left, &left, left - 1)) {
    }
    return left;
}

/* Do what is left of the round. After the last part it belongs to the caller again. */
static void help(struct magik_threads *pool)
{
    for (int32_t part; (part = take(pool)) > 0;) {
        pool->fn(pool->arg, part);
        if (atomic_fetch_sub(&pool->undone, 1) == 1 && atomic_load(&pool->is_waiting)) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->end);
            pthread_mutex_unlock(&pool->lock);
        }
    }
}

/* Once woken, a worker looks around again even where its part was taken: more will follow. */
static void *work(void *arg)
{
    struct magik_threads *pool = arg;
    while (!atomic_load(&pool->is_stopping)) {
        help(pool);
        if (spin(pool, has_part))
            continue;
        pthread_mutex_lock(&pool->lock);
        atomic_fetch_add(&pool->sleeping, 1);
        if (!has_part(pool)) /* spurious wakeups do no harm */
            pthread_cond_wait(&pool->begin, &pool->lock);
        atomic_fetch_sub(&pool->sleeping, 1);
        pthread_mutex_unlock(&pool->lock);
    }
    return NULL;
}

static void wake(struct magik_threads *pool)
{
    pthread_mutex_lock(&pool->lock);
    pthread_cond_broadcast(&pool->begin);
    pthread_mutex_unlock(&pool->lock);
}

static void run(void *context, void (*fn)(void *arg, int32_t part), void *arg, int32_t parts)
{
    struct magik_threads *pool = context;
    pool->fn = fn;
    pool->arg = arg;
    atomic_store(&pool->undone, parts - 1);
    atomic_store(&pool->left, parts - 1);
    /* either this sees who sleeps, or who is about to sleep sees the parts */
    if (parts > 1 && atomic_load(&pool->sleeping) > 0)
        wake(pool);
    fn(arg, 0);
    help(pool);
    if (spin(pool, is_done))
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->is_waiting, 1);
    while (!is_done(pool))
        pthread_cond_wait(&pool->end, &pool->lock);
    atomic_store(&pool->is_waiting, 0);
    pthread_mutex_unlock(&pool->lock);
}

struct magik_threads *magik_threads_start(int32_t threads)
{
    if (threads < 1)
        return NULL;
    struct magik_threads *pool = calloc(1, sizeof *pool);
    pthread_t *workers = calloc((size_t)threads, sizeof *workers);
    if (pool == NULL || workers == NULL) {
        free(workers);
        free(pool);
        return NULL;
    }
    pool->threads = workers;
    /* more threads than CPUs would take them from each other by looking */
    pool->spin_ns = sysconf(_SC_NPROCESSORS_ONLN) >= threads ? SPIN_NS : 0;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->begin, NULL);
    pthread_cond_init(&pool->end, NULL);
    for (; pool->started < threads - 1; pool->started++)
        if (pthread_create(&workers[pool->started], NULL, work, pool) != 0) {
            magik_threads_stop(pool);
            return NULL;
        }
    return pool;
}

void magik_threads_stop(struct magik_threads *pool)
{
    atomic_store(&pool->is_stopping, 1);
    wake(pool);
    for (int32_t i = 0; i < pool->started; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->begin);
    pthread_cond_destroy(&pool->end);
    pthread_mutex_destroy(&pool->lock);
    free(pool->threads);
    free(pool);
}

void magik_threads_parallel(struct magik_threads *pool, struct magik_parallel *parallel)
{
    *parallel = (struct magik_parallel){run, pool, pool->started + 1};
}
