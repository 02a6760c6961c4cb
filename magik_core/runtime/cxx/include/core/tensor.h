/* An array with a shape. Its storage is made when a pointer to it is first asked for, for elements of that
 * type, 64-byte aligned and at least 64 bytes. Copies share shape and storage.
 */
#ifndef __MAGIK_INFERENCEKIT_VENUS_INCLUDE_CORE_TENSOR_H__
#define __MAGIK_INFERENCEKIT_VENUS_INCLUDE_CORE_TENSOR_H__

#include <stddef.h>

#include <initializer_list>

#include "core/type.h"

namespace magik {
namespace venus {

class VENUS_API Tensor {
public:
    Tensor(shape_t shape, TensorFormat fmt = TensorFormat::NHWC);
    Tensor(std::initializer_list<int32_t> shape, TensorFormat fmt = TensorFormat::NHWC);
    /* Wraps the caller's memory, 64-byte aligned, as {1, 1, 1, bytes_size} until reshape. */
    Tensor(void *data, size_t bytes_size, TensorFormat fmt = TensorFormat::NHWC);
    Tensor(const Tensor &t);
    /* Of the library's own object behind a tensor. */
    Tensor(void *tsx);
    Tensor(const void *tsx);
    /* Also shares, and lets go of what it had. */
    Tensor &operator=(const Tensor &t);
    virtual ~Tensor();

    shape_t shape() const;
    DataType data_type() const;
    /* 1 to 8 sizes of 1 or more; anything else leaves it as it was. Pointers have to be asked for again. */
    void reshape(shape_t &shape) const;
    void reshape(std::initializer_list<int32_t> shape) const;

    /* T: float, int, unsigned, short, unsigned short, signed char or unsigned char. NULL without memory.
     * mudata makes T the type of the elements; data leaves the type of existing storage alone. */
    template <typename T> const T *data() const;
    template <typename T> T *mudata() const;
    /* Drop the storage. */
    void free_data() const;
    /* Use the caller's memory, 64-byte aligned, instead. 0 or negative. */
    int set_data(void *data, size_t bytes_size);
    void *get_tsx() const;
    /* Elements from one index of a dimension to the next; of NV12, whose dimension 0 has planes, bytes. */
    int step(int dim) const;

private:
    void *tensorx;
    int *ref_count;
};

} // namespace venus
} // namespace magik

#endif
