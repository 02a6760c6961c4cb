/* A frame of a 1080p camera to a net's size: prog frame.nv12 width height stride out_w out_h; writes frame.bin. */
#include "board_picture.h"

int main(int argc, char **argv)
{
    pin_to_cpu0();
    if (argc != 7 || venus::venus_init() != 0)
        return 1;
    std::vector<char> frame = load_file(argv[1]);
    const int w = atoi(argv[2]), h = atoi(argv[3]), stride = atoi(argv[4]), ow = atoi(argv[5]), oh = atoi(argv[6]);
    /* as IMP hands frames over: an address of its own, rows longer than the picture */
    void *address = venus::nmem_memalign(64, (unsigned int)frame.size());
    venus::memcopy(address, frame.data(), (int)frame.size());
    venus::BsCommonParam param;
    param.pad_type = venus::BsPadType::BOTTOM_RIGHT;
    param.pad_val = 0;
    param.input_height = h;
    param.input_width = w;
    param.input_line_stride = stride;
    param.in_layout = venus::ChannelLayout::NV12;
    param.out_layout = venus::ChannelLayout::BGRA;
    param.addr_attr.vir_addr = address;
    venus::Tensor small({1, oh, ow, 4});
    if (venus::common_resize(address, small, venus::AddressLocate::RMEM_PHYSICAL, &param) != 0)
        return 2;
    save_file("frame.bin", small.data<uint8_t>(), (size_t)ow * oh * 4);

    /* two regions of the frame, each to the size of a second network */
    std::vector<venus::Tensor> crops;
    std::vector<venus::Bbox_t> boxes;
    for (int i = 0; i < 2; i++) {
        venus::Bbox_t box = {(float)(w / 4 * i * 2), (float)(h / 4), (float)(w / 4 * i * 2 + w / 2), (float)h};
        boxes.push_back(box);
        crops.push_back(venus::Tensor({1, 32, 64, 4}));
    }
    param.pad_type = venus::BsPadType::NONE;
    if (venus::crop_common_resize(address, crops, boxes, venus::AddressLocate::NMEM_VIRTUAL, &param) != 0)
        return 3;
    for (int i = 0; i < 2; i++)
        save_file("crop" + std::to_string(i) + ".bin", crops[i].data<uint8_t>(), 64 * 32 * 4);
    venus::nmem_free(address);
    return venus::venus_deinit();
}
