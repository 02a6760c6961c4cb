/* A pool of POSIX threads: each waits for a round, does its part of it, and says so. */
#include "threads.h"

#include <pthread.h>
#include <stdlib.h>

struct magik_threads {
    pthread_mutex_t lock;
    pthread_cond_t begin, end;
    void (*fn)(void *arg, int32_t part);
    void *arg;
    int32_t round, working, started;
    int32_t is_stopping;
    struct worker {
        pthread_t thread;
        struct magik_threads *pool;
        int32_t part;
    } workers[];
};

static void *work(void *arg)
{
    struct worker *w = arg;
    struct magik_threads *pool = w->pool;
    int32_t round = 0;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->round == round && !pool->is_stopping)
            pthread_cond_wait(&pool->begin, &pool->lock);
        if (pool->is_stopping)
            break;
        round = pool->round;
        pthread_mutex_unlock(&pool->lock);
        pool->fn(pool->arg, w->part);
        pthread_mutex_lock(&pool->lock);
        if (--pool->working == 0)
            pthread_cond_signal(&pool->end);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

static void run(void *context, void (*fn)(void *arg, int32_t part), void *arg, int32_t parts)
{
    struct magik_threads *pool = context;
    (void)parts;
    pthread_mutex_lock(&pool->lock);
    pool->fn = fn;
    pool->arg = arg;
    pool->round++;
    pool->working = pool->started;
    pthread_cond_broadcast(&pool->begin);
    pthread_mutex_unlock(&pool->lock);
    fn(arg, 0);
    pthread_mutex_lock(&pool->lock);
    while (pool->working > 0)
        pthread_cond_wait(&pool->end, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

struct magik_threads *magik_threads_start(int32_t threads)
{
    if (threads < 1)
        return NULL;
    struct magik_threads *pool = calloc(1, sizeof *pool + sizeof(struct worker) * (size_t)(threads - 1));
    if (pool == NULL)
        return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->begin, NULL);
    pthread_cond_init(&pool->end, NULL);
    for (int32_t i = 0; i < threads - 1; i++) {
        struct worker *w = &pool->workers[i];
        w->pool = pool;
        w->part = i + 1;
        if (pthread_create(&w->thread, NULL, work, w) != 0) {
            magik_threads_stop(pool);
            return NULL;
        }
        pool->started++;
    }
    return pool;
}

void magik_threads_stop(struct magik_threads *pool)
{
    pthread_mutex_lock(&pool->lock);
    pool->is_stopping = 1;
    pthread_cond_broadcast(&pool->begin);
    pthread_mutex_unlock(&pool->lock);
    for (int32_t i = 0; i < pool->started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->begin);
    pthread_cond_destroy(&pool->end);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}

void magik_threads_parallel(struct magik_threads *pool, struct magik_parallel *parallel)
{
    *parallel = (struct magik_parallel){run, pool, pool->started + 1};
}
