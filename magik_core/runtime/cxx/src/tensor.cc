/* The class Tensor: a handle on a TensorImpl. NULL where there was no memory for one: then it is empty. */
#include "core/tensor.h"

#include "memory.h"
#include "say.h"
#include "tensor_impl.h"

namespace magik {
namespace venus {

namespace {

int *refs_of(void *impl)
{
    return impl == NULL ? NULL : &static_cast<TensorImpl *>(impl)->refs;
}

template <typename T> DataType type_of();
template <> DataType type_of<float>() { return DataType::FP32; }
template <> DataType type_of<int>() { return DataType::INT32; }
template <> DataType type_of<unsigned>() { return DataType::UINT32; }
template <> DataType type_of<short>() { return DataType::INT16; }
template <> DataType type_of<unsigned short>() { return DataType::UINT16; }
template <> DataType type_of<signed char>() { return DataType::INT8; }
template <> DataType type_of<unsigned char>() { return DataType::UINT8; }

void reshape_to(TensorImpl *t, const int32_t *dims, size_t rank)
{
    if (t == NULL || !tensor_reshape(t, dims, rank))
        say("Tensor::reshape", "a shape has %zu sizes, needs 1 to 8 of 1 or more, and below 2^29 elements", rank);
}

bool attach(TensorImpl *t, void *data, size_t bytes, const char *where)
{
    if (t == NULL || data == NULL || bytes == 0 || (uintptr_t)data % 64 != 0) {
        say(where, "memory at %p of %zu bytes: needs some, at a multiple of 64", data, bytes);
        return false;
    }
    const uintptr_t own = (uintptr_t)t->data, at = (uintptr_t)data;
    if (t->is_own && at >= own && at - own < t->capacity) {
        say(where, "memory at %p is the tensor's own", data);
        return false;
    }
    tensor_drop(t);
    t->data = static_cast<uint8_t *>(data);
    t->capacity = bytes;
    return true;
}

} // namespace

Tensor::Tensor(shape_t shape, TensorFormat fmt)
    : tensorx(tensor_new(shape.data(), shape.size(), fmt)), ref_count(refs_of(tensorx))
{
}

Tensor::Tensor(std::initializer_list<int32_t> shape, TensorFormat fmt)
    : tensorx(tensor_new(shape.begin(), shape.size(), fmt)), ref_count(refs_of(tensorx))
{
}

Tensor::Tensor(void *data, size_t bytes_size, TensorFormat fmt) : tensorx(NULL), ref_count(NULL)
{
    const size_t most = INT32_MAX / 4;
    const int32_t dims[4] = {1, 1, 1, (int32_t)(bytes_size < most ? bytes_size : most)};
    TensorImpl *t = tensor_new(dims, 4, fmt);
    if (!attach(t, data, bytes_size, "Tensor")) {
        tensor_release(t);
        return;
    }
    t->is_bytes = true;
    tensorx = t;
    ref_count = refs_of(t);
}

Tensor::Tensor(const Tensor &t) : tensorx(t.tensorx), ref_count(t.ref_count)
{
    if (tensorx != NULL)
        tensor_hold(static_cast<TensorImpl *>(tensorx));
}

Tensor::Tensor(void *tsx) : tensorx(tsx), ref_count(refs_of(tsx))
{
    if (tsx != NULL)
        tensor_hold(static_cast<TensorImpl *>(tsx));
}

Tensor::Tensor(const void *tsx) : Tensor(const_cast<void *>(tsx))
{
}

Tensor &Tensor::operator=(const Tensor &t)
{
    void *const old = tensorx;
    if (t.tensorx != NULL) /* before the old one is let go: it may be the same */
        tensor_hold(static_cast<TensorImpl *>(t.tensorx));
    tensorx = t.tensorx;
    ref_count = t.ref_count;
    tensor_release(static_cast<TensorImpl *>(old));
    return *this;
}

Tensor::~Tensor()
{
    tensor_release(static_cast<TensorImpl *>(tensorx));
}

shape_t Tensor::shape() const
{
    const TensorImpl *t = tensor_of(*this);
    shape_t out;
    try {
        if (t != NULL)
            out.assign(t->dims, t->dims + t->rank);
    } catch (...) {
        say("Tensor::shape", "there is no memory");
    }
    return out;
}

DataType Tensor::data_type() const
{
    return tensorx == NULL ? DataType::NONE : tensor_of(*this)->type;
}

void Tensor::reshape(shape_t &shape) const
{
    reshape_to(tensor_of(*this), shape.data(), shape.size());
}

void Tensor::reshape(std::initializer_list<int32_t> shape) const
{
    reshape_to(tensor_of(*this), shape.begin(), shape.size());
}

template <typename T> const T *Tensor::data() const
{
    TensorImpl *t = tensor_of(*this);
    if (t == NULL)
        return NULL;
    /* reading does not say what the elements are, unless there are none yet */
    const DataType type = t->data == NULL ? type_of<T>() : t->type;
    return static_cast<const T *>(tensor_storage(t, type));
}

template <typename T> T *Tensor::mudata() const
{
    TensorImpl *t = tensor_of(*this);
    return t == NULL ? NULL : static_cast<T *>(tensor_storage(t, type_of<T>()));
}

void Tensor::free_data() const
{
    if (tensorx != NULL)
        tensor_drop(tensor_of(*this));
}

int Tensor::set_data(void *data, size_t bytes_size)
{
    return attach(tensor_of(*this), data, bytes_size, "Tensor::set_data") ? 0 : FAILED;
}

void *Tensor::get_tsx() const
{
    return tensorx;
}

int Tensor::step(int dim) const
{
    const TensorImpl *t = tensor_of(*this);
    if (t == NULL || dim < 0 || dim >= t->rank)
        return say("Tensor::step", "there is no dimension %d", dim);
    if (t->format == TensorFormat::NV12 && t->rank == 4)
        return dim == 0 ? (int)(tensor_count(t) / (size_t)t->dims[0]) : dim == 1 ? t->dims[2] : 1;
    int step = 1;
    for (int i = t->rank - 1; i > dim; i--)
        step *= t->dims[i];
    return step;
}

#define INSTANCES(T)                                       \
    template VENUS_API const T *Tensor::data<T>() const; \
    template VENUS_API T *Tensor::mudata<T>() const;

INSTANCES(float)
INSTANCES(int)
INSTANCES(unsigned)
INSTANCES(short)
INSTANCES(unsigned short)
INSTANCES(signed char)
INSTANCES(unsigned char)

} // namespace venus
} // namespace magik
