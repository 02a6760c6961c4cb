#include "physical.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "say.h"

namespace magik {
namespace venus {

Physical::~Physical()
{
    if (mapped)
        munmap(mapped, size);
}

uint8_t *Physical::find(const char *function, const void *input, AddressLocate locate, const AddressDesc &known,
                        size_t bytes)
{
    const bool is_physical = locate == AddressLocate::RMEM_PHYSICAL;
    if (!is_physical && locate != AddressLocate::NMEM_VIRTUAL) {
        say(function, "input_locate is %d, need 0 or 1", static_cast<int>(locate));
        return nullptr;
    }
    const void *seen = is_physical ? known.vir_addr : input;
    if (seen)
        return static_cast<uint8_t *>(const_cast<void *>(seen));
    if (!input) {
        say(function, "the input is NULL");
        return nullptr;
    }
    const uintptr_t at = reinterpret_cast<uintptr_t>(input);
    const uintptr_t page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE)), inside = at % page;
    const int file = open("/dev/mem", O_RDONLY | O_SYNC);
    void *found = MAP_FAILED;
    if (file >= 0) {
        size = bytes + inside;
        found = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, static_cast<off_t>(at - inside));
    }
    const int reason = errno;
    if (file >= 0)
        close(file);
    if (found == MAP_FAILED) {
        say(function, "physical address %p cannot be read by /dev/mem: %s", input, strerror(reason));
        return nullptr;
    }
    mapped = found;
    return static_cast<uint8_t *>(found) + inside;
}

} // namespace venus
} // namespace magik
