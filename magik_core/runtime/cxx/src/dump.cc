#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core.h"
#include "say.h"
#include "watch.h"

namespace magik {
namespace venus {

namespace {

enum { NAME_BYTES = 256 };

int write_tensor(const char *path, const CoreTensor *t)
{
    FILE *file = fopen(path, "wb");
    const size_t bytes = (size_t)t->count * (size_t)magik_dtype_bytes(t->dtype);
    if (file == NULL)
        return say(path, "it cannot be written");
    const bool is_written = fwrite(t->data, 1, bytes, file) == bytes;
    return fclose(file) == 0 && is_written ? 0 : say(path, "it cannot be written");
}

#ifdef VENUS_DEBUG
/* <step>_<kernel>_out.bin; further outputs as _out1, _out2. */
int write_outputs(const net_step *s, int32_t step)
{
    char path[NAME_BYTES];
    int status = 0;
    for (int32_t k = 0; k < s->step.n_out && status == 0; k++) {
        snprintf(path, sizeof path, k == 0 ? "%d_%s_out.bin" : "%d_%s_out%d.bin", (int)step, s->kernel->name, (int)k);
        status = write_tensor(path, s->step.out[k]);
    }
    return status;
}

/* The first constant as _weight.bin, the others, which are biases and tables, as _bt.bin, _bt1.bin and so on. */
int write_weights(const net_step *s, int32_t step)
{
    char path[NAME_BYTES];
    int status = 0, tables = -1;
    for (int32_t k = 0; k < s->step.n_in && status == 0; k++) {
        if (!s->step.in[k]->is_constant)
            continue;
        if (tables < 0)
            snprintf(path, sizeof path, "%d_%s_weight.bin", (int)step, s->kernel->name);
        else
            snprintf(path, sizeof path, tables == 0 ? "%d_%s_bt.bin" : "%d_%s_bt%d.bin", (int)step, s->kernel->name, tables);
        tables++;
        status = write_tensor(path, s->step.in[k]);
    }
    return status;
}
#endif

/* Four sizes of a tensor of any rank: 1 in front, or the first ones multiplied. */
void four_sizes(const CoreTensor *t, int32_t *sizes)
{
    for (int i = 0; i < 4; i++)
        sizes[i] = 1;
    for (int32_t i = 0; i < t->rank; i++) {
        const int32_t to = 4 - t->rank + i;
        sizes[to < 0 ? 0 : to] *= t->dims[i];
    }
}

} // namespace

Dump::Dump() : is_asked(getenv("MAGIK_CPP_DUMPDATA") != NULL && strcmp(getenv("MAGIK_CPP_DUMPDATA"), "true") == 0),
               has_weights(false)
{
}

int Dump::after(const magik_net *net, int32_t step)
{
    int status = 0;
    const net_step *s = &net->steps[step];
#ifdef VENUS_DEBUG
    if ((status = write_outputs(s, step)) != 0 || (!has_weights && (status = write_weights(s, step)) != 0))
        return status;
    has_weights = has_weights || step == net->n_steps - 1;
#endif
    if (!is_asked)
        return status;
    if (mkdir("MAGIK_DATA_DUMP", 0777) != 0 && errno != EEXIST)
        return say("MAGIK_DATA_DUMP", "the folder cannot be made");
    for (int32_t k = 0; k < s->step.n_out && status == 0; k++) {
        char path[NAME_BYTES], which[16] = "";
        int32_t d[4];
        four_sizes(s->step.out[k], d);
        if (k > 0)
            snprintf(which, sizeof which, "_out%d", (int)k);
        snprintf(path, sizeof path, "MAGIK_DATA_DUMP/%d_%s%s_%d_%d_%d_%d.bin", (int)step, s->kernel->name, which,
                 (int)d[0], (int)d[1], (int)d[2], (int)d[3]);
        status = write_tensor(path, s->step.out[k]);
    }
    return status;
}

} // namespace venus
} // namespace magik
