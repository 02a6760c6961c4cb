/* The working memory of a net, its own or of all nets of a thread, as ShareMemoryMode says. */
#ifndef VENUS_ARENA_H
#define VENUS_ARENA_H

#include "common/common_type.h"
#include "core.h"
#include "memory.h"

namespace magik {
namespace venus {

struct SharedMemory;

class Arena {
public:
    explicit Arena(ShareMemoryMode mode_);
    ~Arena();
    /* Whether the constructor found what it needs. */
    bool is_good() const { return mode != ShareMemoryMode::SHARE_ONE_THREAD || shared != NULL; }

    size_t bytes(const magik_net *net) const;
    /* Gives the net memory where it has none of the right size. 0, or negative after a line. */
    int bind(magik_net *net);
    /* Whether what the net's last run left is still there. */
    bool is_mine(const magik_net *net) const;
    /* Of SET_FROM_EXTERNAL. */
    int set_external(void *memory, const magik_net *net);
    void drop();
    /* The net is gone, or its plan is another. */
    void forget() { bound = NULL; }

private:
    Arena(const Arena &);
    Arena &operator=(const Arena &);
    int give(magik_net *net, uint8_t *memory, size_t size);

    const ShareMemoryMode mode;
    Block own;
    size_t own_bytes;
    uint8_t *external;
    size_t external_bytes; /* that the net wanted when it was given */
    SharedMemory *shared;
    const uint8_t *bound; /* what the net's tensors lie in; NULL: nothing */
};

} // namespace venus
} // namespace magik

#endif
