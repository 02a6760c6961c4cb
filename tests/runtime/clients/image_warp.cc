/* Warps a picture, or boxes of it all by the same matrix, one after the other into a file.
 *
 *   image_warp affine|perspective|common|legacy IN LAYOUT WIDTH HEIGHT OUT LAYOUT WIDTH HEIGHT NUMBERS M… [BOX]…
 * NUMBERS: 6 or 9 follow; `common` and `legacy` are affine with 6 of them, else perspective. */
#include "image_files.h"

using namespace magik::venus;

struct Job {
    Tensor &input;
    std::vector<Tensor> &outputs, &matrices;
    std::vector<Bbox_t> &boxes;
    BsCommonParam &param;
    bool is_affine;
};

static int warp_common(Job &j)
{
    const void *at = j.input.data<uint8_t>();
    const AddressLocate where = AddressLocate::NMEM_VIRTUAL;
    if (j.boxes.empty())
        return j.is_affine ? common_affine(at, j.outputs[0], j.matrices[0], where, &j.param)
                           : common_perspective(at, j.outputs[0], j.matrices[0], where, &j.param);
    return j.is_affine ? crop_common_affine(at, j.outputs, j.matrices, j.boxes, where, &j.param)
                       : crop_common_perspective(at, j.outputs, j.matrices, j.boxes, where, &j.param);
}

static int warp_bgra(Job &j)
{
    if (j.boxes.empty())
        return j.is_affine ? warp_affine_bgra(j.input, j.outputs[0], j.matrices[0])
                           : warp_perspective_bgra(j.input, j.outputs[0], j.matrices[0]);
    return j.is_affine ? crop_affine_bgra(j.input, j.outputs, j.matrices, j.boxes)
                       : crop_perspective_bgra(j.input, j.outputs, j.matrices, j.boxes);
}

static int warp_nv12(Job &j)
{
    const bool to_bgra = j.param.out_layout == ChannelLayout::BGRA;
    if (j.boxes.empty())
        return j.is_affine ? warp_affine_nv12(j.input, j.outputs[0], j.matrices[0], to_bgra)
                           : warp_perspective_nv12(j.input, j.outputs[0], j.matrices[0], to_bgra);
    return j.is_affine ? crop_affine_nv12(j.input, j.outputs, j.matrices, to_bgra, j.boxes)
                       : crop_perspective_nv12(j.input, j.outputs, j.matrices, to_bgra, j.boxes);
}

static int warp(const char *how, Job &j)
{
    if (strcmp(how, "common") == 0)
        return warp_common(j);
    if (strcmp(how, "legacy") == 0)
        return j.param.in_layout == ChannelLayout::NV12 ? warp_nv12(j) : warp_bgra(j);
    if (j.boxes.empty())
        return strcmp(how, "affine") == 0 ? warp_affine(j.input, j.outputs[0], j.matrices[0], &j.param)
                                          : warp_perspective(j.input, j.outputs[0], j.matrices[0], &j.param);
    return strcmp(how, "affine") == 0 ? crop_affine(j.input, j.outputs, j.matrices, j.boxes, &j.param)
                                      : crop_perspective(j.input, j.outputs, j.matrices, j.boxes, &j.param);
}

int main(int argc, char **argv)
{
    if (argc < 17)
        die("too few words");
    const Kind from = kind_of(argv[3]), to = kind_of(argv[7]);
    const int width = atoi(argv[4]), height = atoi(argv[5]), out_width = atoi(argv[8]), out_height = atoi(argv[9]);
    const int numbers = atoi(argv[10]);
    Tensor input({1, height, width, from.channels}, from.format());
    read_file(argv[2], input.mudata<uint8_t>(), from.bytes(height, width));

    BsCommonParam param; /* pad_type and pad_val are left as they are */
    memset(&param.pad_type, 0x5a, sizeof param.pad_type);
    param.in_layout = from.layout;
    param.out_layout = to.layout;
    param.input_width = width;
    param.input_height = height;
    param.input_line_stride = width * (from.is_nv12() ? 1 : from.channels);

    std::vector<Bbox_t> boxes;
    for (int i = 11 + numbers; i + 3 < argc; i += 4) {
        const Bbox_t box = {static_cast<float>(atof(argv[i])), static_cast<float>(atof(argv[i + 1])),
                            static_cast<float>(atof(argv[i + 2])), static_cast<float>(atof(argv[i + 3]))};
        boxes.push_back(box);
    }
    std::vector<Tensor> outputs, matrices;
    for (size_t i = 0; i < boxes.size() + boxes.empty(); i++) {
        outputs.push_back(Tensor({1, out_height, out_width, to.channels}, to.format()));
        matrices.push_back(Tensor({1, 3, 2, 1})); /* room for 9 as well: tensors have 64 bytes */
        float *m = matrices[i].mudata<float>();
        for (int k = 0; k < numbers; k++)
            m[k] = static_cast<float>(atof(argv[11 + k]));
    }
    Job job = {input, outputs, matrices, boxes, param, numbers == 6};
    const int status = warp(argv[1], job);
    printf("%d\n", status);
    for (size_t i = 0; status == 0 && i < outputs.size(); i++)
        append_file(argv[6], outputs[i].mudata<uint8_t>(), to.bytes(out_height, out_width));
    return 0;
}
