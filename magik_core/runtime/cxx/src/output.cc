#include "core.h"
#include "port.h"
#include "say.h"

namespace magik {
namespace venus {

namespace {

DataType shown_type(const CoreTensor *t, const Meaning &m)
{
    if (t->dtype == MAGIK_F32 || m.bits > 0)
        return DataType::FP32;
    switch (t->dtype) {
    case MAGIK_S32:
        return DataType::INT32;
    case MAGIK_U16:
        return DataType::UINT16;
    case MAGIK_S16:
        return DataType::INT16;
    case MAGIK_S8:
        return DataType::INT8;
    case MAGIK_BOOL:
        return DataType::BOOL;
    default:
        return DataType::UINT8;
    }
}

int32_t code_at(const CoreTensor *t, int32_t i)
{
    switch (t->dtype) {
    case MAGIK_U8:
        return static_cast<const uint8_t *>(t->data)[i];
    case MAGIK_S8:
        return static_cast<const int8_t *>(t->data)[i];
    case MAGIK_U16:
        return static_cast<const uint16_t *>(t->data)[i];
    case MAGIK_S16:
        return static_cast<const int16_t *>(t->data)[i];
    default:
        return static_cast<const int32_t *>(t->data)[i];
    }
}

} // namespace

bool output_open(Output *output, const magik_net *net, int32_t port)
{
    const int32_t one = 1;
    output->index = magik_output(net, port);
    output->tensor = tensor_new(&one, 1, TensorFormat::NHWC);
    if (output->tensor == NULL)
        return false;
    output_shape(output->tensor, net, output->index);
    return true;
}

void output_shape(TensorImpl *t, const magik_net *net, int32_t index)
{
    const CoreTensor *y = magik_tensor(net, index);
    Meaning m;
    magik_meaning(net, index, &m);
    t->rank = y->rank == 0 ? 1 : y->rank;
    t->dims[0] = 1;
    memcpy(t->dims, y->dims, sizeof t->dims[0] * (size_t)y->rank);
    t->type = shown_type(y, m);
    t->least_size = type_bytes(t->type);
}

int output_fetch(TensorImpl *t, const magik_net *net, int32_t index)
{
    const CoreTensor *y = magik_tensor(net, index);
    Meaning m;
    magik_meaning(net, index, &m);
    output_shape(t, net, index); /* programs may have given it another, or memory for that */
    void *to = tensor_storage(t, shown_type(y, m));
    if (to == NULL)
        return FAILED;
    if (m.bits == 0 || y->dtype == MAGIK_F32) {
        memcpy(to, y->data, (size_t)y->count * (size_t)magik_dtype_bytes(y->dtype));
        return 0;
    }
    for (int32_t i = 0; i < y->count; i++)
        static_cast<float *>(to)[i] = fx_dequantize(code_at(y, i), m.scale, m.zero_point);
    return 0;
}

} // namespace venus
} // namespace magik
