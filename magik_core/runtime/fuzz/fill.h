#ifndef FUZZ_FILL_H
#define FUZZ_FILL_H

#include "magik/magik.h"
#include "random.h"

/* Fill a tensor with codes, reals, extremes or noise. */
void fill(const struct magik_tensor *t, struct random *r);

#endif
