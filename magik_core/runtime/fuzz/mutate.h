/* Damaged model files for the fuzzer. */
#ifndef MAGIK_MUTATE_H
#define MAGIK_MUTATE_H

#include <stddef.h>
#include <stdint.h>

#include "random.h"

/* A mutant of a valid model file; the caller frees it. A quarter keep the old checksums, so that most are
 * refused at once; the others have right ones and reach the checks of tensors, steps and operators. */
uint8_t *mutate(const uint8_t *file, size_t size, struct random *r, size_t *mutant_size);

#endif
