/* Calls with wrong arguments. Prints for each its status and "<function>: <a part of the line on stderr>". */
#include <math.h>

#include "image_files.h"

using namespace magik::venus;

static const float NOT_A_NUMBER = NAN;

static void expect(int status, const char *words)
{
    printf("%d %s\n", status, words);
}

static BsCommonParam param_of(ChannelLayout from, ChannelLayout to)
{
    BsCommonParam p;
    p.in_layout = from;
    p.out_layout = to;
    p.pad_type = BsPadType::NONE;
    p.pad_val = 0;
    p.input_height = 32;
    p.input_width = 32;
    p.input_line_stride = 32;
    return p;
}

static int resize(shape_t from, ChannelLayout in, shape_t to, ChannelLayout out)
{
    const TensorFormat formats[2] = {in == ChannelLayout::NV12 ? TensorFormat::NV12 : TensorFormat::NHWC,
                                     out == ChannelLayout::NV12 ? TensorFormat::NV12 : TensorFormat::NHWC};
    Tensor input(from, formats[0]), output(to, formats[1]);
    BsCommonParam p = param_of(in, out);
    return warp_resize(input, output, &p);
}

static void sizes()
{
    const ChannelLayout gray = ChannelLayout::GRAY, nv12 = ChannelLayout::NV12, bgra = ChannelLayout::BGRA;
    expect(resize({1, 8193, 8, 1}, gray, {1, 8, 8, 1}, gray), "warp_resize: the input is 8193x8");
    expect(resize({1, 8, 8193, 1}, gray, {1, 8, 8, 1}, gray), "warp_resize: need 2x2 to 8192x8192");
    expect(resize({1, 1, 8, 1}, gray, {1, 8, 8, 1}, gray), "warp_resize: the input is 1x8");
    expect(resize({1, 8, 8, 1}, gray, {1, 8, 1, 1}, gray), "warp_resize: the output is 8x1");
    expect(resize({1, 8, 8, 1}, gray, {1, 8, 9000, 1}, gray), "warp_resize: the output is 8x9000");
    expect(resize({1, 8, 7, 4}, bgra, {1, 8, 8, 4}, bgra), "warp_resize: BGRA needs an even width");
    expect(resize({1, 8, 7, 1}, nv12, {1, 8, 8, 4}, bgra), "warp_resize: NV12 needs both even");
    expect(resize({1, 7, 8, 1}, nv12, {1, 8, 8, 4}, bgra), "warp_resize: NV12 needs both even");
    expect(resize({1, 8, 8, 1}, nv12, {1, 8, 7, 2}, nv12), "warp_resize: the output is 8x7");
    expect(resize({8, 8, 4}, bgra, {1, 8, 8, 4}, bgra), "warp_resize: the shape of the input is not");
    expect(resize({2, 8, 8, 4}, bgra, {1, 8, 8, 4}, bgra), "warp_resize: the shape of the input is not");
    expect(resize({1, 8, 8, 4}, bgra, {1, 8, 8, 4, 1}, bgra), "warp_resize: the shape of the output is not");
    expect(resize({1, 8, 8, 3}, bgra, {1, 8, 8, 4}, bgra), "warp_resize: 3 channels, BGRA needs 4");
    expect(resize({1, 8, 8, 1}, gray, {1, 8, 8, 4}, gray), "warp_resize: 4 channels, GRAY needs 1");
}

static void layouts()
{
    const ChannelLayout bgra = ChannelLayout::BGRA, odd = static_cast<ChannelLayout>(77);
    const ChannelLayout none = ChannelLayout::NONE, fp = ChannelLayout::FP, rgba = ChannelLayout::RGBA;
    const shape_t shape = {1, 8, 8, 4};
    expect(resize(shape, bgra, shape, rgba), "warp_resize: from BGRA (1) to RGBA (2)");
    expect(resize(shape, ChannelLayout::GRAY, shape, rgba), "warp_resize: from GRAY (5) to RGBA (2)");
    expect(resize(shape, bgra, shape, odd), "warp_resize: to an unknown layout (77)");
    expect(resize(shape, none, shape, none), "warp_resize: from an unknown layout (-1)");
    expect(resize(shape, fp, shape, fp), "warp_resize: from an unknown layout (6)");

    Tensor input({1, 8, 8, 1}, TensorFormat::NV12), plain({1, 8, 8, 1}), output(shape), small({1, 6, 8, 4});
    BsCommonParam p = param_of(ChannelLayout::NV12, bgra);
    expect(warp_resize(plain, output, &p), "warp_resize: the input has 64 bytes, need 96");
    expect(warp_resize(input, output, NULL), "warp_resize: param is NULL");
    expect(warp_covert_nv2bgr(input, small), "warp_covert_nv2bgr: need equal sizes");
    p.pad_type = static_cast<BsPadType>(5);
    expect(warp_resize(input, output, &p), "warp_resize: pad_type is 5");
    expect(warp_resize_nv12(input, output, true, static_cast<PaddingType>(-9), 0), "warp_resize_nv12: pad_type is -9");
    p.pad_type = BsPadType::NONE;
    p.coef_off_enable = true;
    memset(p.coef, 0x7f, sizeof p.coef);
    p.offset[0] = p.offset[1] = 0;
    expect(warp_resize(input, output, &p), "warp_resize: coef and offset are out of range");
    memset(p.coef, 0, sizeof p.coef);
    p.offset[1] = 0x80000000u;
    expect(warp_resize(input, output, &p), "warp_resize: coef and offset are out of range");
    p = param_of(ChannelLayout::GRAY, ChannelLayout::GRAY);
    expect(warp_resize(input, plain, &p), "warp_resize: NV12 and 1 channels");
    Tensor nothing(static_cast<void *>(NULL));
    expect(warp_resize(nothing, plain, &p), "warp_resize: the shape of the input is not");
    expect(warp_resize(plain, nothing, &p), "warp_resize: the shape of the output is not");
}

static int crop(ChannelLayout layout, Bbox_t box)
{
    const bool is_nv12 = layout == ChannelLayout::NV12;
    const int channels = layout == ChannelLayout::BGRA ? 4 : 1;
    const TensorFormat format = is_nv12 ? TensorFormat::NV12 : TensorFormat::NHWC;
    Tensor input({1, 32, 32, channels}, format);
    std::vector<Tensor> outputs(1, Tensor({1, 8, 8, channels}, format));
    std::vector<Bbox_t> boxes(1, box);
    BsCommonParam p = param_of(layout, layout);
    return crop_resize(input, outputs, boxes, &p);
}

static void boxes()
{
    const ChannelLayout gray = ChannelLayout::GRAY, nv12 = ChannelLayout::NV12;
    const float least = -1e-3f, huge = 1e30f;
    expect(crop(gray, {least, 0, 8, 8}), "crop_resize: box 0 is (-0.001 0 8 8)");
    expect(crop(gray, {0, 0, 33, 8}), "crop_resize: box 0 is (0 0 33 8)");
    expect(crop(gray, {0, 0, 8, huge}), "crop_resize: box 0 is (0 0 8 1e+30)");
    expect(crop(gray, {40, 40, 50, 50}), "crop_resize: box 0 is (40 40 50 50)");
    expect(crop(gray, {8, 0, 8, 8}), "crop_resize: need x0 < x1 <= 32");
    expect(crop(gray, {8, 8, 0, 0}), "crop_resize: need x0 < x1 <= 32");
    expect(crop(gray, {NOT_A_NUMBER, 0, 8, 8}), "crop_resize: box 0 is (");
    expect(crop(gray, {0, 0, NOT_A_NUMBER, NOT_A_NUMBER}), "crop_resize: box 0 is (0 0 ");
    expect(crop(gray, {-INFINITY, 0, INFINITY, 8}), "crop_resize: box 0 is (-inf 0 inf 8)");
    expect(crop(gray, {0, 0, 1, 8}), "crop_resize: a box is 8x1");
    expect(crop(nv12, {1, 0, 9, 8}), "crop_resize: box 0 begins at (1 0)");
    expect(crop(nv12, {0, 0, 7, 8}), "crop_resize: a box is 8x7");
    expect(crop(nv12, {0, 3, 8, 9}), "crop_resize: box 0 begins at (0 3)");
    expect(crop(ChannelLayout::BGRA, {0, 0, 7, 8}), "crop_resize: a box is 7 wide");

    Tensor input({1, 32, 32, 1});
    std::vector<Tensor> outputs, one(1, Tensor({1, 8, 8, 1})), two(2, Tensor({1, 8, 8, 1}));
    const Bbox_t good = {0, 0, 8, 8}, bad = {0, 0, 99, 8};
    std::vector<Bbox_t> pair(1, good);
    pair.push_back(bad);
    BsCommonParam p = param_of(gray, gray);
    expect(crop_resize(input, outputs, pair, &p), "crop_resize: 2 boxes, 0 outputs");
    expect(crop_affine(input, two, one, pair, &p), "crop_affine: 2 boxes, 2 outputs and 1 matrices");
    memset(input.mudata<uint8_t>(), 9, 1024);
    memset(two[0].mudata<uint8_t>(), 5, 64);
    const int status = crop_resize(input, two, pair, &p);
    const bool is_whole = two[0].data<uint8_t>()[0] == 5 && two[0].data<uint8_t>()[63] == 5;
    expect(is_whole ? status : 0, "crop_resize: box 1 is (0 0 99 8)");
}

static void addresses()
{
    const AddressLocate here = AddressLocate::NMEM_VIRTUAL;
    const ChannelLayout gray = ChannelLayout::GRAY;
    static uint8_t bytes[32 * 32 * 4];
    Tensor output({1, 8, 8, 1});
    BsCommonParam p = param_of(gray, gray);
    expect(common_resize(NULL, output, here, &p), "common_resize: the input is NULL");
    expect(common_resize(NULL, output, AddressLocate::RMEM_PHYSICAL, &p), "common_resize: the input is NULL");
    expect(common_resize(bytes, output, static_cast<AddressLocate>(9), &p), "common_resize: input_locate is 9");
    expect(common_resize(bytes, output, here, NULL), "common_resize: param is NULL");
    const void *beyond = reinterpret_cast<const void *>(~static_cast<uintptr_t>(4095));
    expect(common_resize(beyond, output, AddressLocate::RMEM_PHYSICAL, &p), "common_resize: cannot be read by /dev/mem");
    const int strides[] = {31, 0, -32, 1 << 30, -2147483647 - 1};
    for (int stride : strides) {
        p.input_line_stride = stride;
        expect(common_resize(bytes, output, here, &p), "common_resize: input_line_stride is ");
    }
    p = param_of(gray, gray);
    p.input_height = -5;
    expect(common_resize(bytes, output, here, &p), "common_resize: the input is -5x32");
    expect(common_resize_nv12(bytes, output, 31, 32, 32, false, PaddingType::NONE, 0, here),
           "common_resize_nv12: the input is 31x32");
    Tensor packed({1, 8, 8, 4});
    p = param_of(ChannelLayout::BGRA, ChannelLayout::BGRA);
    expect(common_resize(bytes, packed, here, &p), "common_resize: input_line_stride is 32, need 128");
}

static int warp(const float *m, int count, bool is_affine)
{
    Tensor input({1, 8, 8, 1}), output({1, 8, 8, 1}), matrix({1, count, 1, 1});
    memcpy(matrix.mudata<float>(), m, sizeof *m * static_cast<size_t>(count));
    BsCommonParam p = param_of(ChannelLayout::GRAY, ChannelLayout::GRAY);
    return is_affine ? warp_affine(input, output, matrix, &p) : warp_perspective(input, output, matrix, &p);
}

static void matrices()
{
    const float zero[9] = {0, 0, 0, 0, 0, 0, 0, 0, 0}, flat[6] = {1, 2, 0, 2, 4, 0};
    const float broken[6] = {NOT_A_NUMBER, 0, 0, 0, 1, 0}, huge[6] = {INFINITY, 0, 0, 0, 1, 0};
    expect(warp(zero, 6, true), "warp_affine: a matrix has no inverse");
    expect(warp(flat, 6, true), "warp_affine: a matrix has no inverse");
    expect(warp(broken, 6, true), "warp_affine: a matrix has no inverse");
    expect(warp(huge, 6, true), "warp_affine: a matrix has no inverse");
    expect(warp(zero, 9, false), "warp_perspective: a matrix has no inverse");
    expect(warp(zero, 4, true), "warp_affine: a matrix has too little room, need 6 floats");

    Tensor three({1, 3, 2, 1}), four({1, 4, 2, 1}), room({1, 3, 3, 1}), tiny({1, 1, 4, 1}), odd({1, 1, 5, 1});
    float *at = three.mudata<float>(); /* all points are one */
    expect(similar_transform(three, three, room), "similar_transform: the points determine no matrix");
    expect(get_affine_transform(three, three, room, TransformType::NONE),
           "get_affine_transform: the points determine no matrix");
    four.mudata<float>();
    expect(get_perspective_transform(four, four, room, TransformType::NONE),
           "get_perspective_transform: the points determine no matrix");
    expect(get_perspective_transform(three, four, room, TransformType::NONE),
           "get_perspective_transform: points are a tensor of 6 floats");
    expect(similar_transform(three, four, room), "similar_transform: 3 points to 4 points");
    expect(similar_transform(odd, odd, room), "similar_transform: points are a tensor of 5 floats");
    expect(get_affine_transform(three, three, room, static_cast<TransformType>(3)),
           "get_affine_transform: transform_type is 3");
    const float corners[6] = {0, 0, 1, 0, 0, 1};
    memcpy(at, corners, sizeof corners);
    expect(similar_transform(three, three, tiny), "similar_transform: the output has 4 floats");
    at[3] = NOT_A_NUMBER;
    expect(similar_transform(three, three, room), "similar_transform: need finite numbers");
    float m[6];
    expect(get_affine_rotation_matrix(30, 1, 0, 0, NULL), "get_affine_rotation_matrix: angle 30");
    expect(get_affine_rotation_matrix(INFINITY, 1, 0, 0, m), "get_affine_rotation_matrix: angle inf");
    expect(get_affine_rotation_matrix(0, NOT_A_NUMBER, 0, 0, m), "get_affine_rotation_matrix: angle 0");
}

/* Matrices that can be inverted, and throw every pixel far away or divide it by nothing: no failure. */
static void far_away()
{
    const float far[6] = {1e-30f, 0, 1e30f, 0, 1e-30f, -1e30f}, near[6] = {1e18f, 0, 0, 0, 1e18f, 0};
    const float bent[9] = {1, 0, 0, 0, 1, 0, 1, 0, -4};
    if (warp(far, 6, true) != 0 || warp(near, 6, true) != 0 || warp(bent, 9, false) != 0)
        die("a matrix with an inverse was refused");
}

int main()
{
    sizes();
    layouts();
    boxes();
    addresses();
    matrices();
    far_away();
    return 0;
}
