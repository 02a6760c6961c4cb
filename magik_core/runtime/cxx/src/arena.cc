#include "arena.h"

#include <pthread.h>

#include <new>

#include "core.h"
#include "say.h"

namespace magik {
namespace venus {

/* One block for all nets of a thread: as large as the largest wants. Held by the thread and by each net. */
struct SharedMemory {
    int holders; /* changed atomically: a net may be destroyed by another thread */
    Block block;
    size_t bytes;
    const void *user; /* the net that ran last */

    SharedMemory() : holders(0), bytes(0), user(NULL) {}
};

namespace {

void let_go(SharedMemory *shared)
{
    if (shared == NULL || __atomic_sub_fetch(&shared->holders, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    shared->block.drop();
    memory_give(shared);
}

/* A key of the system's threads, not thread_local: that may end the program where there is no memory. */
pthread_key_t key;
pthread_once_t key_once = PTHREAD_ONCE_INIT;
bool has_key = false;

void end_of_thread(void *shared)
{
    let_go(static_cast<SharedMemory *>(shared));
}

void make_key()
{
    has_key = pthread_key_create(&key, end_of_thread) == 0;
}

/* The calling thread's, with one more holder; NULL without memory. */
SharedMemory *hold_of_thread()
{
    pthread_once(&key_once, make_key);
    SharedMemory *mine = has_key ? static_cast<SharedMemory *>(pthread_getspecific(key)) : NULL;
    if (mine == NULL && has_key) {
        mine = static_cast<SharedMemory *>(memory_take(64, sizeof *mine));
        if (mine == NULL)
            return NULL;
        new (mine) SharedMemory();
        mine->holders = 1;
        if (pthread_setspecific(key, mine) != 0) {
            let_go(mine);
            return NULL;
        }
    }
    if (mine != NULL)
        __atomic_add_fetch(&mine->holders, 1, __ATOMIC_RELAXED);
    return mine;
}

size_t scratch_bytes(const magik_net *net)
{
    return magik_arena_bytes(net, 2) - magik_arena_bytes(net, 1);
}

size_t plan_bytes(const magik_net *net)
{
    return magik_arena_bytes(net, 1) - scratch_bytes(net);
}

/* Puts every tensor beside every other, from `memory` on unless that is NULL; the bytes that they take,
 * which are no fewer than the plan's. */
size_t lay_out(const magik_net *net, uint8_t *memory)
{
    size_t total = 0;
    for (int32_t i = 0; i < magik_tensors(net); i++) {
        const CoreTensor *t = magik_tensor(net, i);
        if (t->is_constant)
            continue;
        /* kernels copy where a plan would have let tensors share bytes */
        if (memory != NULL)
            const_cast<CoreTensor *>(t)->data = memory + total;
        total += round64((size_t)t->count * (size_t)magik_dtype_bytes(t->dtype));
    }
    return total < plan_bytes(net) ? plan_bytes(net) : total;
}

} // namespace

Arena::Arena(ShareMemoryMode mode_)
    : mode(mode_), own_bytes(0), external(NULL), external_bytes(0),
      shared(mode_ == ShareMemoryMode::SHARE_ONE_THREAD ? hold_of_thread() : NULL), bound(NULL)
{
}

Arena::~Arena()
{
    /* the last net frees the block though the thread goes on; only the thread's own nets get here at once */
    if (shared != NULL && __atomic_load_n(&shared->holders, __ATOMIC_ACQUIRE) == 2)
        drop();
    let_go(shared);
}

size_t Arena::bytes(const magik_net *net) const
{
    if (mode == ShareMemoryMode::ALL_SEPARABLE_MEM)
        return lay_out(net, NULL) + scratch_bytes(net);
    return magik_arena_bytes(net, 1);
}

int Arena::give(magik_net *net, uint8_t *memory, size_t size)
{
    /* the scratch lies behind the plan's bytes, and so behind the tensors where they are apart */
    const size_t before = mode == ShareMemoryMode::ALL_SEPARABLE_MEM ? lay_out(net, NULL) - plan_bytes(net) : 0;
    if (magik_set_arena(net, memory + before, size - before, 1) != MAGIK_OK)
        return say("run", "the working memory does not fit the net");
    if (mode == ShareMemoryMode::ALL_SEPARABLE_MEM)
        lay_out(net, memory);
    bound = memory;
    return 0;
}

bool Arena::is_mine(const magik_net *net) const
{
    if (mode == ShareMemoryMode::SHARE_ONE_THREAD && (shared->user != net || shared->block.bytes() != bound))
        return false;
    return bound != NULL;
}

int Arena::bind(magik_net *net)
{
    const size_t need = bytes(net);
    if (mode == ShareMemoryMode::SET_FROM_EXTERNAL) {
        if (external == NULL || external_bytes < need)
            return say("run", "the net needs %zu bytes of working memory, set_forward_memory gave %zu", need,
                       external_bytes);
        return bound == external ? 0 : give(net, external, need);
    }
    Block *block = shared != NULL ? &shared->block : &own;
    size_t *size = shared != NULL ? &shared->bytes : &own_bytes;
    if (block->bytes() == NULL || *size < need) {
        block->drop();
        *size = 0;
        bound = NULL;
        if (block->take(64, need) == NULL)
            return say("run", "there is no memory for %zu bytes of working memory", need);
        *size = need;
    }
    if (shared != NULL)
        shared->user = net;
    return bound == block->bytes() ? 0 : give(net, block->bytes(), *size);
}

int Arena::set_external(void *memory, const magik_net *net)
{
    if (mode != ShareMemoryMode::SET_FROM_EXTERNAL)
        return say("set_forward_memory", "the net was not created with SET_FROM_EXTERNAL");
    if (memory == NULL || (uintptr_t)memory % 64 != 0)
        return say("set_forward_memory", "memory at %p: needs some, at a multiple of 64", memory);
    external = static_cast<uint8_t *>(memory);
    external_bytes = bytes(net);
    bound = NULL;
    return 0;
}

void Arena::drop()
{
    bound = NULL;
    external = NULL;
    external_bytes = 0;
    own.drop();
    own_bytes = 0;
    if (shared != NULL) {
        shared->block.drop();
        shared->bytes = 0;
        shared->user = NULL;
    }
}

} // namespace venus
} // namespace magik
