/* What stands behind a Tensor. Nets hold them too, so the last of all who hold one frees it. */
#ifndef VENUS_TENSOR_IMPL_H
#define VENUS_TENSOR_IMPL_H

#include <stddef.h>
#include <stdint.h>

#include "core/tensor.h"

namespace magik {
namespace venus {

enum { TENSOR_DIMS = 8 };

struct TensorImpl {
    int refs; /* changed atomically */
    int32_t rank;
    int32_t dims[TENSOR_DIMS];
    TensorFormat format;
    DataType type;      /* of the elements */
    uint8_t *data;      /* NULL: not asked for yet */
    size_t capacity;    /* bytes at `data` */
    size_t least_size;  /* bytes that storage has per element, whatever its type */
    bool is_own;        /* whether `data` is freed with it */
    bool is_bytes;      /* wrapped memory without a shape: as many elements as fit */
};

/* NULL without memory, or for a shape that no tensor has. It has one holder: who asked. */
TensorImpl *tensor_new(const int32_t *dims, size_t rank, TensorFormat format);
void tensor_hold(TensorImpl *t);
void tensor_release(TensorImpl *t);

inline TensorImpl *tensor_of(const Tensor &t)
{
    return static_cast<TensorImpl *>(t.get_tsx());
}

size_t type_bytes(DataType type);
/* Whether these are 1 to 8 sizes, each 1 or more, with bytes that an int32_t counts. */
bool shape_is_sane(const int32_t *dims, size_t rank);
/* Elements; of NV12, bytes of both planes whatever the channels say. */
size_t tensor_count(const TensorImpl *t);
bool tensor_reshape(TensorImpl *t, const int32_t *dims, size_t rank);
/* Storage for elements of `type`; NULL without memory, or where attached memory is too small. */
void *tensor_storage(TensorImpl *t, DataType type);
void tensor_drop(TensorImpl *t);

} // namespace venus
} // namespace magik

#endif
