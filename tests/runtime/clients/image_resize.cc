/* Resizes a picture, or boxes of it, one after the other into a file.
 *
 *   image_resize warp|common|legacy IN LAYOUT WIDTH HEIGHT STRIDE OUT LAYOUT WIDTH HEIGHT PAD VALUE [X0 Y0 X1 Y1]…
 *   image_resize coef …: as warp, with a matrix that takes U as B, Y as G, V as R
 *   image_resize covert …: as warp, of the same size
 *   image_resize physical …: as common, of a frame whose two addresses are known
 * STRIDE is of `common` and `physical` alone, in bytes; the others have none. */
#include "image_files.h"

using namespace magik::venus;

static int resize(const char *how, Tensor &input, const void *address, std::vector<Tensor> &outputs,
                  std::vector<Bbox_t> &boxes, BsCommonParam &param)
{
    const PaddingType pad = static_cast<PaddingType>(param.pad_type);
    const bool to_bgra = param.out_layout == ChannelLayout::BGRA, is_nv12 = param.in_layout == ChannelLayout::NV12;
    if (strcmp(how, "covert") == 0)
        return warp_covert_nv2bgr(input, outputs[0]);
    if (strcmp(how, "physical") == 0) {
        param.addr_attr.phy_addr = reinterpret_cast<void *>(0x1000);
        param.addr_attr.vir_addr = const_cast<void *>(address);
        return common_resize(param.addr_attr.phy_addr, outputs[0], AddressLocate::RMEM_PHYSICAL, &param);
    }
    if (strcmp(how, "common") == 0 && boxes.empty())
        return common_resize(address, outputs[0], AddressLocate::NMEM_VIRTUAL, &param);
    if (strcmp(how, "common") == 0)
        return crop_common_resize(address, outputs, boxes, AddressLocate::NMEM_VIRTUAL, &param);
    if (strcmp(how, "legacy") == 0 && boxes.empty())
        return is_nv12 ? warp_resize_nv12(input, outputs[0], to_bgra, pad, param.pad_val)
                       : warp_resize_bgra(input, outputs[0], pad, param.pad_val);
    if (strcmp(how, "legacy") == 0)
        return is_nv12 ? crop_resize_nv12(input, outputs, boxes, to_bgra, pad, param.pad_val)
                       : crop_resize_bgra(input, outputs, boxes, pad, param.pad_val);
    return boxes.empty() ? warp_resize(input, outputs[0], &param) : crop_resize(input, outputs, boxes, &param);
}

int main(int argc, char **argv)
{
    if (argc < 13)
        die("too few words");
    const char *how = argv[1];
    const Kind from = kind_of(argv[3]), to = kind_of(argv[8]);
    const int width = atoi(argv[4]), height = atoi(argv[5]), out_width = atoi(argv[9]), out_height = atoi(argv[10]);

    BsCommonParam param;
    memset(param.coef, 0, sizeof param.coef);
    param.in_layout = from.layout;
    param.out_layout = to.layout;
    param.pad_type = static_cast<BsPadType>(atoi(argv[11]));
    param.pad_val = static_cast<uint8_t>(atoi(argv[12]));
    param.input_width = width;
    param.input_height = height;
    param.input_line_stride = atoi(argv[6]);
    if (strcmp(how, "coef") == 0) {
        param.coef_off_enable = true;
        param.coef[1] = param.coef[3] = param.coef[8] = 1 << 20;
        param.offset[0] = param.offset[1] = 0;
    }

    Tensor input({1, height, width, from.channels}, from.format());
    void *address = NULL;
    if (strcmp(how, "common") == 0 || strcmp(how, "physical") == 0) {
        const size_t rows = static_cast<size_t>(from.is_nv12() ? height * 3 / 2 : height);
        const size_t bytes = rows * static_cast<size_t>(param.input_line_stride);
        address = nmem_memalign(64, static_cast<unsigned>(bytes));
        read_file(argv[2], address, bytes);
    } else {
        read_file(argv[2], input.mudata<uint8_t>(), from.bytes(height, width));
    }
    std::vector<Bbox_t> boxes;
    for (int i = 13; i + 3 < argc; i += 4) {
        const Bbox_t box = {static_cast<float>(atof(argv[i])), static_cast<float>(atof(argv[i + 1])),
                            static_cast<float>(atof(argv[i + 2])), static_cast<float>(atof(argv[i + 3]))};
        boxes.push_back(box);
    }
    std::vector<Tensor> outputs;
    for (size_t i = 0; i < boxes.size() + boxes.empty(); i++)
        outputs.push_back(Tensor({1, out_height, out_width, to.channels}, to.format()));

    const int status = resize(how, input, address, outputs, boxes, param);
    printf("%d\n", status);
    for (size_t i = 0; status == 0 && i < outputs.size(); i++)
        append_file(argv[7], outputs[i].mudata<uint8_t>(), to.bytes(out_height, out_width));
    nmem_free(address);
    return 0;
}
