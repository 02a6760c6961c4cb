/* All memory that the library takes, in one place; only what delete and std:: classes free is taken by new. */
#ifndef VENUS_MEMORY_H
#define VENUS_MEMORY_H

#include <stddef.h>
#include <stdint.h>

namespace magik {
namespace venus {

struct MemoryUse {
    size_t limit;     /* 0: none */
    size_t asked;     /* bytes that blocks were asked for, now and at most */
    size_t asked_peak;
    size_t used;      /* with what they are rounded up to */
    size_t used_peak;
};

inline size_t round64(size_t bytes)
{
    return (bytes + 63) & ~(size_t)63;
}

/* A block at a multiple of `align`, a power of two that becomes at least 64; its size is rounded up to 64.
 * NULL on failure; says nothing. */
void *memory_take(size_t align, size_t bytes);
void memory_give(void *block);
/* Later blocks fail beyond `bytes` in all; 0: no limit. */
void memory_limit(size_t bytes);
MemoryUse memory_use();
/* With VENUS_NMEM writes VENUS_NMEM_FILE, /tmp/nmem_memory.txt; else nothing. */
void memory_report();

/* Gives its block back at the end of the scope. */
class Block {
public:
    Block() : block(NULL) {}
    ~Block() { memory_give(block); }
    /* A new block in place of the old one; its address, or NULL. */
    void *take(size_t align, size_t bytes)
    {
        memory_give(block);
        return block = memory_take(align, bytes);
    }
    void drop()
    {
        memory_give(block);
        block = NULL;
    }
    void swap(Block &other)
    {
        void *mine = block;
        block = other.block;
        other.block = mine;
    }
    uint8_t *bytes() const { return static_cast<uint8_t *>(block); }

private:
    Block(const Block &);
    Block &operator=(const Block &);
    void *block;
};

} // namespace venus
} // namespace magik

#endif
