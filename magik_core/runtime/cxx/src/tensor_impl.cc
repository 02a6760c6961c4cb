#include "tensor_impl.h"

#include <string.h>

#include "memory.h"
#include "say.h"

namespace magik {
namespace venus {

size_t type_bytes(DataType type)
{
    switch (type) {
    case DataType::FP32:
    case DataType::UINT32:
    case DataType::INT32:
        return 4;
    case DataType::UINT16:
    case DataType::INT16:
    case DataType::UINT10:
    case DataType::INT10:
    case DataType::UINT12:
    case DataType::INT12:
    case DataType::UINT14:
    case DataType::INT14:
        return 2;
    default:
        return 1;
    }
}

bool shape_is_sane(const int32_t *dims, size_t rank)
{
    if (dims == NULL || rank < 1 || rank > TENSOR_DIMS)
        return false;
    int64_t count = 1;
    for (size_t i = 0; i < rank; i++) {
        if (dims[i] < 1 || count * dims[i] > INT32_MAX / 4)
            return false;
        count *= dims[i];
    }
    return true;
}

TensorImpl *tensor_new(const int32_t *dims, size_t rank, TensorFormat format)
{
    if (!shape_is_sane(dims, rank)) {
        say("Tensor", "a shape has %zu sizes, needs 1 to 8 of 1 or more, and below 2^29 elements", rank);
        return NULL;
    }
    TensorImpl *t = static_cast<TensorImpl *>(memory_take(64, sizeof *t));
    if (t == NULL) {
        say("Tensor", "there is no memory");
        return NULL;
    }
    memset(t, 0, sizeof *t);
    t->refs = 1;
    t->format = format;
    t->type = DataType::UINT8;
    t->rank = (int32_t)rank;
    memcpy(t->dims, dims, rank * sizeof *dims);
    return t;
}

void tensor_hold(TensorImpl *t)
{
    __atomic_add_fetch(&t->refs, 1, __ATOMIC_RELAXED);
}

void tensor_release(TensorImpl *t)
{
    if (t == NULL || __atomic_sub_fetch(&t->refs, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    tensor_drop(t);
    memory_give(t);
}

size_t tensor_count(const TensorImpl *t)
{
    size_t count = 1;
    if (t->format == TensorFormat::NV12 && t->rank == 4)
        return (size_t)t->dims[0] * ((size_t)t->dims[1] * (size_t)t->dims[2] * 3 / 2);
    for (int32_t i = 0; i < t->rank; i++)
        count *= (size_t)t->dims[i];
    return count;
}

bool tensor_reshape(TensorImpl *t, const int32_t *dims, size_t rank)
{
    if (!shape_is_sane(dims, rank))
        return false;
    t->rank = (int32_t)rank;
    memcpy(t->dims, dims, rank * sizeof *dims);
    t->is_bytes = false;
    return true;
}

void *tensor_storage(TensorImpl *t, DataType type)
{
    const size_t size = type_bytes(type) < t->least_size ? t->least_size : type_bytes(type);
    const size_t bytes = t->is_bytes ? 0 : tensor_count(t) * size;
    if (t->data == NULL || bytes > t->capacity) {
        if (t->data != NULL && !t->is_own) {
            say("Tensor", "its shape needs %zu bytes, the memory that was attached has %zu", bytes, t->capacity);
            return NULL;
        }
        uint8_t *data = static_cast<uint8_t *>(memory_take(64, bytes));
        if (data == NULL) {
            say("Tensor", "there is no memory for %zu bytes", bytes);
            return NULL;
        }
        memset(data, 0, round64(bytes == 0 ? 1 : bytes));
        if (t->data != NULL)
            memcpy(data, t->data, t->capacity);
        tensor_drop(t);
        t->data = data;
        t->capacity = round64(bytes == 0 ? 1 : bytes);
        t->is_own = true;
    }
    t->type = type;
    return t->data;
}

void tensor_drop(TensorImpl *t)
{
    if (t->is_own)
        memory_give(t->data);
    t->data = NULL;
    t->capacity = 0;
    t->is_own = false;
    t->is_bytes = false;
}

} // namespace venus
} // namespace magik
