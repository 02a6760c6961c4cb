/* Pictures at physical addresses: frames of the video unit. */
#ifndef VENUS_PHYSICAL_H
#define VENUS_PHYSICAL_H

#include <stddef.h>
#include <stdint.h>

#include "utils/imgproc_type.h"

namespace magik {
namespace venus {

/* Memory that is mapped as long as this lives. */
class Physical {
public:
    Physical() : mapped(nullptr), size(0) {}
    ~Physical();
    /* Where the program sees `bytes` bytes: `input` itself, or for a physical address the virtual one that came
     * with it, or else a mapping of /dev/mem. NULL after a line on stderr. */
    uint8_t *find(const char *function, const void *input, AddressLocate locate, const AddressDesc &known, size_t bytes);

private:
    Physical(const Physical &);
    Physical &operator=(const Physical &);

    void *mapped;
    size_t size;
};

} // namespace venus
} // namespace magik

#endif
