/* Blocks of the heap with a head in front of each. Boards that reserve a pool of memory for an accelerator
 * lend it to that alone: nets that run on the CPU take memory of the system.
 */
#include "memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <atomic>

#include "utils/mem.h"
#include "venus.h"

#ifndef VENUS_NMEM_FILE
#define VENUS_NMEM_FILE "/tmp/nmem_memory.txt"
#endif

namespace magik {
namespace venus {

namespace {

struct Head {
    void *start; /* of what the system gave */
    size_t asked, used;
};

std::atomic<size_t> limit_bytes(0), asked_bytes(0), asked_peak(0), used_bytes(0), used_peak(0);

void raise_to(std::atomic<size_t> &peak, size_t value)
{
    size_t seen = peak.load();
    while (seen < value && !peak.compare_exchange_weak(seen, value)) {
    }
}

/* Count a block before it is there, so that threads together stay below the limit. */
bool reserve(size_t asked, size_t used)
{
    const size_t limit = limit_bytes.load();
    size_t now = used_bytes.load();
    do {
        if (limit != 0 && (now > limit || used > limit - now))
            return false;
    } while (!used_bytes.compare_exchange_weak(now, now + used));
    raise_to(used_peak, now + used);
    raise_to(asked_peak, asked_bytes.fetch_add(asked) + asked);
    return true;
}

void forget(size_t asked, size_t used)
{
    used_bytes.fetch_sub(used);
    asked_bytes.fetch_sub(asked);
}

} // namespace

void *memory_take(size_t align, size_t bytes)
{
    if ((align & (align - 1)) != 0 || align > 1u << 30 || bytes > 0x7fffff00u)
        return NULL;
    align = align < 64 ? 64 : align;
    const size_t size = bytes == 0 ? 64 : round64(bytes), used = align + size;
    if (used < size || !reserve(bytes, used))
        return NULL;
    void *start = NULL;
    if (posix_memalign(&start, align, used) != 0) {
        forget(bytes, used);
        return NULL;
    }
    uint8_t *block = static_cast<uint8_t *>(start) + align;
    const Head head = {start, bytes, used};
    memcpy(block - sizeof head, &head, sizeof head);
    return block;
}

void memory_give(void *block)
{
    if (block == NULL)
        return;
    Head head;
    memcpy(&head, static_cast<uint8_t *>(block) - sizeof head, sizeof head);
    forget(head.asked, head.used);
    free(head.start);
}

void memory_limit(size_t bytes)
{
    limit_bytes.store(bytes);
}

MemoryUse memory_use()
{
    const MemoryUse use = {limit_bytes.load(), asked_bytes.load(), asked_peak.load(), used_bytes.load(),
                           used_peak.load()};
    return use;
}

void memory_report()
{
#ifdef VENUS_NMEM
    FILE *file = fopen(VENUS_NMEM_FILE, "w");
    if (file == NULL)
        return;
    const MemoryUse use = memory_use();
    fprintf(file, "total: %zu\nref peak: %zu\nused peak: %zu\ncurrent: %zu\nfree: ", use.limit, use.asked_peak,
            use.used_peak, use.used);
    if (use.limit == 0)
        fprintf(file, "unlimited\n");
    else
        fprintf(file, "%zu\n", use.limit > use.used ? use.limit - use.used : 0);
    fclose(file);
#endif
}

void *nmem_malloc(unsigned int size)
{
    return memory_take(64, size);
}

void *nmem_memalign(unsigned int align, unsigned int size)
{
    return align == 0 ? NULL : memory_take(align, size);
}

void nmem_free(void *ptr)
{
    memory_give(ptr);
}

void memcopy(void *dst, void *src, int n)
{
    if (n > 0 && dst != NULL && src != NULL)
        memmove(dst, src, (size_t)n);
}

uint32_t venus_get_used_mem_size()
{
    return (uint32_t)memory_use().used;
}

} // namespace venus
} // namespace magik
