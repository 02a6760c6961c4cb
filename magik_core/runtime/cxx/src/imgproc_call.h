/* The one way that all image functions go: check every argument, then draw. */
#ifndef VENUS_IMGPROC_CALL_H
#define VENUS_IMGPROC_CALL_H

#include <vector>

#include "core/tensor.h"
#include "utils/imgproc_type.h"

namespace magik {
namespace venus {

enum class Kind { RESIZE, AFFINE, PERSPECTIVE };

/* What an image function was given; what it does not have is NULL. Without boxes the whole picture is meant. */
struct ImageCall {
    const char *name;
    Kind kind;
    const BsExtendParam *param;
    const Tensor *tensor; /* the input, or else: */
    const void *address;
    AddressLocate locate;
    const BsCommonParam *common;
    std::vector<Tensor> *outputs; /* with boxes; or else: */
    Tensor *output;
    std::vector<Tensor> *matrices; /* as outputs */
    Tensor *matrix;
    const std::vector<Bbox_t> *boxes;

    ImageCall(const char *function, Kind what, const BsExtendParam *p)
        : name(function), kind(what), param(p), tensor(nullptr), address(nullptr), locate(AddressLocate::NMEM_VIRTUAL),
          common(nullptr), outputs(nullptr), output(nullptr), matrices(nullptr), matrix(nullptr), boxes(nullptr)
    {
    }
    ImageCall &from(const Tensor &input);
    ImageCall &from(const void *input, AddressLocate where, const BsCommonParam *p);
    ImageCall &to(Tensor &one, Tensor *its_matrix = nullptr);
    ImageCall &to(std::vector<Tensor> &all, const std::vector<Bbox_t> &of, std::vector<Tensor> *their = nullptr);
    /* 0, or a negative code after a line on stderr. */
    int run() const;
};

} // namespace venus
} // namespace magik

#endif
