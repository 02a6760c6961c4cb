/* A model file in memory of ours, loaded. */
#ifndef VENUS_MODEL_H
#define VENUS_MODEL_H

#include "core.h"
#include "memory.h"

namespace magik {
namespace venus {

struct Model {
    Block file, memory, prepared;
    magik_net *net; /* NULL until one is loaded */

    Model() : net(NULL) {}
    /* 0, or negative after a line; then nothing is loaded. */
    int load_path(const char *path, int offset);
    int load_memory(const uint8_t *bytes, int offset);
    void drop();

private:
    int take(const char *name, size_t bytes);
};

} // namespace venus
} // namespace magik

#endif
