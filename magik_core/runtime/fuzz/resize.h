/* Other sizes for a loaded net. */
#ifndef MAGIK_RESIZE_H
#define MAGIK_RESIZE_H

#include "net.h"
#include "random.h"

/* Reshape to sizes made from `r`. Returns what magik_reshape does; aborts where a refusal changed the net. */
int32_t resize(struct magik_net *net, struct random *r);

#endif
