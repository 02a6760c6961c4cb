
/* ---- pictures: PPM, PGM and BMP files, NV12 frames ---------------------------------------------------- */

enum { MOST_SIDE = 16384, MOST_HEIGHT = 1024, MOST_WIDTH = 2048 }; /* of a file; of what the library resizes */

/* Pixels R, G, B from the top left. */
struct Image {
    int width, height;
    Bytes rgb;
};

/* The next number of a PPM header; comments begin with #. */
static int header_number(const Bytes &file, size_t &at)
{
    while (at < file.size() && (file[at] == '#' || file[at] <= ' ')) {
        if (file[at] == '#')
            while (at < file.size() && file[at] != '\n')
                at++;
        else
            at++;
    }
    int n = 0;
    for (; at < file.size() && file[at] >= '0' && file[at] <= '9' && n <= MOST_SIDE * 4; at++)
        n = n * 10 + (file[at] - '0');
    return n;
}

static bool is_possible(int width, int height)
{
    return width > 0 && height > 0 && width <= MOST_SIDE && height <= MOST_SIDE;
}

/* P6 and P5 with 8 bits. */
static bool decode_ppm(const Bytes &file, Image &image)
{
    size_t at = 2;
    const int channels = file[1] == '6' ? 3 : 1;
    image.width = header_number(file, at);
    image.height = header_number(file, at);
    const int top = header_number(file, at);
    const size_t pixels = (size_t)image.width * (size_t)image.height;
    at++; /* one space */
    if (!is_possible(image.width, image.height) || top != 255 || at + pixels * (size_t)channels > file.size())
        return false;
    image.rgb.resize(pixels * 3);
    for (size_t i = 0; i < pixels * 3; i++)
        image.rgb[i] = file[at + (channels == 3 ? i : i / 3)];
    return true;
}

static uint32_t little(const Bytes &file, size_t at, int bytes)
{
    uint32_t n = 0;
    for (int i = 0; i < bytes; i++)
        n |= (uint32_t)file[at + (size_t)i] << (8 * i);
    return n;
}

/* Uncompressed, 24 or 32 bits a pixel. */
static bool decode_bmp(const Bytes &file, Image &image)
{
    if (file.size() < 54)
        return false;
    const size_t start = little(file, 10, 4);
    const int32_t signed_height = (int32_t)little(file, 22, 4);
    const size_t bytes = little(file, 28, 2) / 8;
    const uint32_t compression = little(file, 30, 4);
    image.width = (int32_t)little(file, 18, 4);
    if (signed_height == INT32_MIN)
        return false;
    image.height = signed_height < 0 ? -signed_height : signed_height;
    const bool is_plain = compression == 0 || (compression == 3 && bytes == 4);
    if (!is_possible(image.width, image.height) || (bytes != 3 && bytes != 4) || !is_plain)
        return false;
    const size_t w = (size_t)image.width, h = (size_t)image.height, line = (w * bytes + 3) / 4 * 4;
    if (start > file.size() || line * h > file.size() - start)
        return false;
    image.rgb.resize(w * h * 3);
    for (size_t y = 0; y < h; y++)
        for (size_t x = 0; x < w; x++)
            for (size_t c = 0; c < 3; c++) {
                const size_t row = signed_height < 0 ? y : h - 1 - y;
                image.rgb[(y * w + x) * 3 + c] = file[start + row * line + x * bytes + 2 - c];
            }
    return true;
}

static bool decode(const Bytes &file, Image &image)
{
    if (file.size() > 2 && file[0] == 'P' && (file[1] == '6' || file[1] == '5'))
        return decode_ppm(file, image);
    return file.size() > 2 && file[0] == 'B' && file[1] == 'M' && decode_bmp(file, image);
}

/* Half the size: each pixel the mean of four. */
static void halve(Image &image)
{
    const int w = image.width / 2, h = image.height / 2, line = image.width * 3;
    Bytes out((size_t)w * (size_t)h * 3);
    for (int y = 0; y < h; y++)
        for (int i = 0; i < w * 3; i++) {
            const uint8_t *p = &image.rgb[(size_t)(2 * y * line + i / 3 * 6 + i % 3)];
            out[(size_t)(y * w * 3 + i)] = (uint8_t)((p[0] + p[3] + p[line] + p[line + 3] + 2) / 4);
        }
    image.width = w;
    image.height = h;
    image.rgb.swap(out);
}

/* How the network's input lies over the picture: network = picture * scale + offset. */
struct Fit {
    float scale_x, scale_y, left, top;
};

/* What BsPadType::SYMMETRY does, or the stretching of NONE. */
static Fit fit_of(int width, int height)
{
    Fit f = {(float)WIDTH / (float)width, (float)HEIGHT / (float)height, 0, 0};
    if (KEEP_ASPECT) {
        const float scale = std::min(f.scale_x, f.scale_y);
        const int w = ((int)(scale * (float)width) + 1) / 2 * 2, h = ((int)(scale * (float)height) + 1) / 2 * 2;
        int left = (int)roundf((float)(WIDTH - w) / 2 - 0.1f), top = (int)roundf((float)(HEIGHT - h) / 2 - 0.1f);
        left += left % 2;
        top += top % 2;
        f.scale_x = f.scale_y = scale;
        f.left = (float)left;
        f.top = (float)top;
    }
    return f;
}

static void set_layouts(BsBaseParam &param, ChannelLayout in)
{
    param.in_layout = in;
    param.out_layout = LAYOUT;
}

/* Four bytes a pixel (one for gray models) in the order of the model, an even number of columns. */
static int resize_image(const Image &image, const Tensor &input)
{
    const int w = image.width - image.width % 2, channels = LAYOUT == ChannelLayout::GRAY ? 1 : 4;
    Tensor picture({1, image.height, w, channels});
    uint8_t *out = picture.mudata<uint8_t>();
    if (out == NULL)
        return -1;
    for (int y = 0; y < image.height; y++)
        for (int x = 0; x < w; x++) {
            const uint8_t *p = &image.rgb[(size_t)(y * image.width + x) * 3];
            uint8_t *q = out + (size_t)(y * w + x) * (size_t)channels;
            if (channels == 1) {
                q[0] = (uint8_t)((19595 * p[0] + 38470 * p[1] + 7471 * p[2] + 32768) >> 16);
                continue;
            }
            for (int c = 0; c < 3; c++)
                q[c] = p[LAYOUT == ChannelLayout::BGRA ? 2 - c : c];
            q[3] = 0;
        }
    BsExtendParam param;
    set_layouts(param, LAYOUT);
    param.pad_type = KEEP_ASPECT ? BsPadType::SYMMETRY : BsPadType::NONE;
    param.pad_val = PAD;
    Tensor target(input);
    return warp_resize(picture, target, &param);
}

static int resize_nv12(const Bytes &frame, int width, int height, const Tensor &input)
{
    const size_t bytes = (size_t)width * (size_t)height * 3 / 2;
    uint8_t *memory = (uint8_t *)nmem_memalign(64, (unsigned)bytes);
    if (memory == NULL)
        return -1;
    memcpy(memory, frame.data(), bytes);
    BsCommonParam param;
    set_layouts(param, LAYOUT == ChannelLayout::GRAY ? ChannelLayout::GRAY : ChannelLayout::NV12);
    param.pad_type = KEEP_ASPECT ? BsPadType::SYMMETRY : BsPadType::NONE;
    param.pad_val = PAD;
    param.input_height = height;
    param.input_width = width;
    param.input_line_stride = width;
    param.addr_attr.vir_addr = memory;
    Tensor target(input);
    const int status = common_resize(memory, target, AddressLocate::NMEM_VIRTUAL, &param);
    nmem_free(memory);
    return status;
}

/* A dump of the input: as the tensor is, or three bytes a pixel. */
static int copy_raw(const Bytes &file, const Tensor &input)
{
    const size_t pixels = (size_t)WIDTH * (size_t)HEIGHT, channels = LAYOUT == ChannelLayout::GRAY ? 1 : 4;
    uint8_t *out = input.mudata<uint8_t>();
    if (out == NULL || (file.size() != pixels * channels && file.size() != pixels * 3))
        return -1;
    const size_t given = file.size() / pixels;
    for (size_t i = 0; i < pixels; i++)
        for (size_t c = 0; c < channels; c++)
            out[i * channels + c] = c < given ? file[i * given + c] : 0;
    return 0;
}

/* Fills the input from the command line and says how the picture lies in it. */
static int feed(BaseNet &net, int argc, char **argv, int &width, int &height)
{
    std::unique_ptr<Tensor> input = net.get_input(0);
    Bytes file;
    Image image;
    if (!read_file(argv[2], file))
        return fail(argv[2], "cannot be read");
    width = WIDTH;
    height = HEIGHT;
    if (argc > 4) {
        width = atoi(argv[3]);
        height = atoi(argv[4]);
        const bool is_even = width % 2 == 0 && height % 2 == 0;
        if (!is_possible(width, height) || !is_even || file.size() < (size_t)width * (size_t)height * 3 / 2)
            return fail(argv[2], "is no NV12 frame of this width and height");
        return resize_nv12(file, width, height, *input) ? fail(argv[2], "cannot be resized") : 0;
    }
    if (!decode(file, image))
        return copy_raw(file, *input) ? fail(argv[2], "is no PPM, BMP (24 or 32 bits) or dump of the input") : 0;
    width = image.width;
    height = image.height;
    while (image.width > MOST_WIDTH || image.height > MOST_HEIGHT)
        halve(image);
    return resize_image(image, *input) ? fail(argv[2], "cannot be resized") : 0;
}
