/* Boxes: the records of an output vector, 24 bytes each, as a file.
 *
 *   image_boxes nms FILE OUT THRESHOLD TYPE     FILE: records; the output begins with one box that was there
 *   image_boxes yolo FILE OUT THRESHOLD TYPE CLASSES BOXES MULTIPLY WIDTH HEIGHT STRIDE…
 *     FILE: anchors, then the features, HEIGHT / STRIDE rows each; MULTIPLY -2: the signature without it
 *   image_boxes rows FILE OUT COUNT             FILE: rows of 6 floats */
#include "image_files.h"

using namespace magik::venus;

static std::vector<char> whole(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        die(path);
    std::vector<char> bytes;
    for (int c = fgetc(file); c != EOF; c = fgetc(file))
        bytes.push_back(static_cast<char>(c));
    fclose(file);
    return bytes;
}

static void write(const char *path, const std::vector<ObjBbox_t> &boxes)
{
    if (!boxes.empty())
        append_file(path, boxes.data(), boxes.size() * sizeof(ObjBbox_t));
}

static int run_nms(char **argv)
{
    const std::vector<char> bytes = whole(argv[2]);
    std::vector<ObjBbox_t> input(bytes.size() / sizeof(ObjBbox_t)), output;
    if (!input.empty())
        memcpy(static_cast<void *>(input.data()), bytes.data(), bytes.size());
    const ObjBbox_t there = {{1, 2, 3, 4}, 5, 6};
    output.push_back(there);
    nms(input, output, static_cast<float>(atof(argv[4])), static_cast<NmsType>(atoi(argv[5])));
    printf("%d\n", input.empty() ? 0 : memcmp(input.data(), bytes.data(), bytes.size()));
    write(argv[3], output);
    return 0;
}

static int run_yolo(int argc, char **argv)
{
    const std::vector<char> bytes = whole(argv[2]);
    const float *at = reinterpret_cast<const float *>(bytes.data());
    const int classes = atoi(argv[6]), box_num = atoi(argv[7]), multiply = atoi(argv[8]);
    const int width = atoi(argv[9]), height = atoi(argv[10]), channels = box_num * (5 + classes);
    std::vector<float> strides, anchors(at, at + 2 * box_num * (argc - 11));
    std::vector<Tensor> features;
    at += anchors.size();
    for (int i = 11; i < argc; i++) {
        const int stride = atoi(argv[i]), h = height / stride, w = width / stride;
        strides.push_back(static_cast<float>(stride));
        Tensor feature({1, h, w, channels});
        memcpy(feature.mudata<float>(), at, sizeof(float) * static_cast<size_t>(h * w * channels));
        at += h * w * channels;
        features.push_back(feature);
    }
    std::vector<ObjBbox_t> boxes;
    const float threshold = static_cast<float>(atof(argv[4]));
    const DetectorType type = static_cast<DetectorType>(atoi(argv[5]));
    if (multiply == -2)
        generate_box(features, strides, anchors, boxes, width, height, classes, box_num, threshold, type);
    else
        generate_box(features, strides, anchors, boxes, width, height, classes, box_num, threshold, type, multiply);
    printf("%d\n", static_cast<int>(boxes.size()));
    write(argv[3], boxes);
    return 0;
}

static int run_rows(char **argv)
{
    const int count = atoi(argv[4]);
    Tensor input({1, count, 6, 1});
    read_file(argv[2], input.mudata<float>(), sizeof(float) * 6 * static_cast<size_t>(count));
    std::vector<ObjBbox_t> boxes;
    get_objbox_from_output(input, boxes);
    printf("%d\n", static_cast<int>(boxes.size()));
    write(argv[3], boxes);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 5)
        die("too few words");
    if (strcmp(argv[1], "nms") == 0)
        return run_nms(argv);
    return strcmp(argv[1], "yolo") == 0 ? run_yolo(argc, argv) : run_rows(argv);
}
