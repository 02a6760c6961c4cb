#include "fill.h"

#include <string.h>

#include "op.h"

void fill(const struct magik_tensor *t, struct random *r)
{
    static const uint32_t odd[] = {0x7f800000, 0xff800000, 0x7fc00000, 0x80000000, 0x7fffffff, 0x7f7fffff, 0xffffffff, 0};
    const uint32_t way = random_below(r, 4);
    const size_t size = (size_t)t->count * (size_t)magik_dtype_bytes(t->dtype);
    uint8_t *data = t->data;
    for (size_t i = 0; i < size; i += 4) {
        uint32_t word = random_u32(r);
        if (way == 1)
            word = 0x3f000000u + (word & 0x80ffffffu); /* reals about 1 */
        else if (way == 2)
            word = odd[word & 7];
        else if (way == 3)
            word = word % 11;
        memcpy(data + i, &word, size - i < 4 ? size - i : 4);
    }
}
