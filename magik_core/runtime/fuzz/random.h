/* A small generator of pseudo-random numbers: the same seed gives the same mutants everywhere. */
#ifndef MAGIK_RANDOM_H
#define MAGIK_RANDOM_H

#include <stdint.h>

struct random {
    uint64_t state;
};

/* splitmix64 (Steele, Lea, Flood, 2014): any seed, 0 included, gives a full period */
static inline uint32_t random_u32(struct random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) >> 32);
}

/* [0, below); 0 when there is nothing to choose from */
static inline uint32_t random_below(struct random *r, uint32_t below)
{
    return below == 0 ? 0 : random_u32(r) % below;
}

#endif
