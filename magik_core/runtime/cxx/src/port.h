/* Inputs and outputs of a net as Tensors: what shape they show, and how their elements become codes and back. */
#ifndef VENUS_PORT_H
#define VENUS_PORT_H

#include "core.h"
#include "tensor_impl.h"

namespace magik {
namespace venus {

enum InputKind {
    STORED, /* the tensor as the net has it */
    PIXELS, /* {n, h, w, 4}, of which the first three are the net's */
    YUV     /* NV12, converted */
};

struct Input {
    int32_t index; /* of the net's tensor */
    InputKind kind;
    ChannelLayout layout;
    Meaning meaning;
    TensorImpl *tensor;
};

struct Output {
    int32_t index;
    TensorImpl *tensor;
};

/* Make the Tensors; false without memory. */
bool input_open(Input *input, const magik_net *net, int32_t port, TensorFormat format);
bool output_open(Output *output, const magik_net *net, int32_t port);
const char *input_name(const Input *input);
void input_set_layout(Input *input, ChannelLayout layout);

/* Sizes of the net's tensor that the input's shape asks for; 0, or negative after a line. */
int input_dims(const Input *input, const magik_net *net, int32_t *dims);
/* Write the net's tensor from the input's storage; 0, or negative after a line. */
int input_feed(const Input *input, const magik_net *net);

/* Shape and type as the net's tensor has them. */
void output_shape(TensorImpl *t, const magik_net *net, int32_t index);
/* Reals where the net's tensor holds codes, else its elements; 0, or negative after a line. */
int output_fetch(TensorImpl *t, const magik_net *net, int32_t index);

} // namespace venus
} // namespace magik

#endif
