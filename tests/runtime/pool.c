/* Rounds of a pool of threads: every part of every round is done once, and what it wrote is there when the round ends.
 * Nothing here is atomic: a handover that orders nothing is a race that ThreadSanitizer sees. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "threads.h"

enum { MOST = 9, ROUNDS = 3000, PAUSES = 40, STARTS = 60, NS = 400000 /* longer than a pool spins */ };

struct round {
    int32_t number, parts, is_slow;
    int32_t done[MOST]; /* per part: the number of the last round, and how often */
    int32_t times[MOST];
};

static void rest(void)
{
    const struct timespec t = {0, NS};
    nanosleep(&t, NULL);
}

static void part_of(void *arg, int32_t part)
{
    struct round *r = arg;
    if (r->is_slow && part == r->parts - 1)
        rest();
    r->done[part] = r->number;
    r->times[part]++;
}

/* 0 where every part of every round was done once. */
static int rounds(int32_t threads, int32_t count, int32_t pauses)
{
    struct round r = {0};
    struct magik_threads *pool = magik_threads_start(threads);
    struct magik_parallel p;
    magik_threads_parallel(pool, &p);
    if (p.parts != threads)
        return printf("%d threads: %d parts\n", threads, p.parts);
    for (r.number = 1; r.number <= count; r.number++) {
        r.parts = 1 + r.number % threads; /* fewer parts than threads, too */
        r.is_slow = r.number <= pauses && r.number % 2;
        if (r.number <= pauses && r.number % 4 < 2)
            rest(); /* the workers fall asleep */
        memset(r.times, 0, sizeof r.times);
        p.run(p.context, part_of, &r, r.parts);
        for (int32_t i = 0; i < MOST; i++)
            if (r.times[i] != (i < r.parts) || (i < r.parts && r.done[i] != r.number))
                return printf("%d threads, round %d of %d parts: part %d was done %d times\n", threads, r.number, r.parts, i, r.times[i]);
    }
    magik_threads_stop(pool);
    return 0;
}

static void *other(void *arg)
{
    return rounds(3, ROUNDS, 0) ? arg : NULL;
}

int main(void)
{
    int bad = 0;
    for (int32_t threads = 1; threads <= MOST && !bad; threads++)
        bad = rounds(threads, ROUNDS, PAUSES);
    for (int32_t i = 0; i < STARTS && !bad; i++) /* stopped while workers look for work, or before they began */
        bad = rounds(1 + i % 5, i % 3, 0);
    pthread_t thread;
    void *found = NULL;
    pthread_create(&thread, NULL, other, &bad); /* two pools at once */
    bad = rounds(2, ROUNDS, 0) || bad;
    pthread_join(thread, &found);
    return bad != 0 || found != NULL;
}
