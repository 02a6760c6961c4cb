/* What board programs bring along: pictures, letterbox arithmetic, boxes, and the work after a YOLOv5. */
#ifndef BOARD_PICTURE_H
#define BOARD_PICTURE_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include <fstream>
#include <iostream>
#include <string>

#include "venus.h"

#ifdef VENUS_PROFILE
#define RUN_CNT 10
#else
#define RUN_CNT 1
#endif

typedef struct {
    unsigned char *image; /* R G B 0 */
    int w;
    int h;
} input_info_t;

struct PixelOffset {
    int top;
    int bottom;
    int left;
    int right;
};

/* Samples stay on one core, and go on where they may not. */
static inline void pin_to_cpu0()
{
    cpu_set_t mask;
    CPU_ZERO(&mask);
    CPU_SET(0, &mask);
    if (sched_setaffinity(0, sizeof(mask), &mask) == -1)
        printf("warning: could not set CPU affinity, continuing...\n");
}

/* A binary PPM as four bytes per pixel. */
static inline bool load_picture(const char *path, std::vector<uint8_t> &bytes, int &w, int &h)
{
    std::ifstream file(path, std::ios::binary);
    std::string magic;
    int most = 0;
    if (!(file >> magic >> w >> h >> most) || magic != "P6" || most != 255)
        return false;
    file.get();
    bytes.assign((size_t)w * h * 4, 0);
    for (size_t i = 0; i < (size_t)w * h; i++)
        file.read((char *)&bytes[4 * i], 3);
    return (bool)file;
}

static inline std::vector<char> load_file(const char *path)
{
    std::ifstream file(path, std::ios::binary);
    if (!file) {
        std::cerr << "cannot open " << path << std::endl;
        exit(2);
    }
    return std::vector<char>((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
}

static inline void save_file(const std::string &path, const void *data, size_t bytes)
{
    std::ofstream file(path.c_str(), std::ios::binary);
    file.write((const char *)data, (std::streamsize)bytes);
}

static inline void check_pixel_offset(PixelOffset &p)
{
    if (p.left % 2 == 1) {
        p.left += 1;
        p.right -= 1;
    }
    if (p.top % 2 == 1) {
        p.top += 1;
        p.bottom -= 1;
    }
}

/* Where SYMMETRY puts a picture of w x h, as the samples compute it. */
static inline PixelOffset letterbox(int w, int h, int in_w, int in_h, float &scale)
{
    float scale_x = (float)in_w / (float)w;
    float scale_y = (float)in_h / (float)h;
    scale = scale_x < scale_y ? scale_x : scale_y;
    printf("scale---> %f\n", scale);
    int valid_w = (int)(scale * w);
    int valid_h = (int)(scale * h);
    valid_w += valid_w % 2;
    valid_h += valid_h % 2;
    float dw = (float)(in_w - valid_w) / 2;
    float dh = (float)(in_h - valid_h) / 2;
    PixelOffset p;
    p.top = (int)round(dh - 0.1);
    p.bottom = (int)round(dh + 0.1);
    p.left = (int)round(dw - 0.1);
    p.right = (int)round(dw + 0.1);
    check_pixel_offset(p);
    printf("padding info top :%d bottom %d left:%d right:%d \n", p.top, p.bottom, p.left, p.right);
    return p;
}

/* Boxes of the net's picture on the camera's. */
static inline void trans_coords(std::vector<magik::venus::ObjBbox_t> &boxes, const PixelOffset &p, float scale, int w, int h)
{
    for (size_t i = 0; i < boxes.size(); i++) {
        magik::venus::Bbox_t &b = boxes[i].box;
        b.x0 = fminf(fmaxf((b.x0 - p.left) / scale, 0.f), (float)(w - 1));
        b.x1 = fminf(fmaxf((b.x1 - p.left) / scale, 0.f), (float)(w - 1));
        b.y0 = fminf(fmaxf((b.y0 - p.top) / scale, 0.f), (float)(h - 1));
        b.y1 = fminf(fmaxf((b.y1 - p.top) / scale, 0.f), (float)(h - 1));
    }
}

static inline void manyclass_nms(std::vector<venus::ObjBbox_t> &input, std::vector<venus::ObjBbox_t> &output, int classnums,
                                 int type, float nms_threshold)
{
    if (input.size() == 0)
        return;
    std::vector<venus::ObjBbox_t> classbuf;
    for (int clsid = 0; clsid < classnums; clsid++) {
        classbuf.clear();
        for (size_t i = 0; i < input.size(); i++)
            if (clsid == input[i].class_id)
                classbuf.push_back(input[i]);
        if (classbuf.size() > 0)
            magik::venus::nms(classbuf, output, nms_threshold, (magik::venus::NmsType_t)type);
    }
}

/* Three maps of a YOLOv5 with 3 classes and 3 boxes per cell, to boxes of the net's picture. */
static inline void decode_yolov5(std::vector<venus::Tensor> &maps, int in_w, int in_h, std::vector<venus::ObjBbox_t> &output)
{
    std::vector<float> strides = {8.0, 16.0, 32.0};
    std::vector<float> anchor = {16, 16, 18, 14, 33, 23, 32, 32, 36, 28, 59, 119, 64, 64, 72, 56, 373, 326};
    std::vector<venus::ObjBbox_t> temp_boxes;
    const int classes = 3, box_num = 3;
    const float box_score_threshold = 0.5, nms_threshold = 0.45;
    venus::generate_box(maps, strides, anchor, temp_boxes, in_w, in_h, classes, box_num, box_score_threshold,
                        magik::venus::DetectorType::YOLOV5);
    printf("candidates %d\n", (int)temp_boxes.size());
    manyclass_nms(temp_boxes, output, classes, 0, nms_threshold);
}

static inline void print_boxes(const std::vector<venus::ObjBbox_t> &boxes)
{
    for (int i = 0; i < int(boxes.size()); i++) {
        const magik::venus::ObjBbox_t &person = boxes[i];
        printf("box:   %d %d %d %d %.2f\n", (int)person.box.x0, (int)person.box.y0, (int)person.box.x1, (int)person.box.y1,
               person.score);
        printf("exact %.9g %.9g %.9g %.9g %.9g %d\n", person.box.x0, person.box.y0, person.box.x1, person.box.y1, person.score,
               person.class_id);
    }
}

#endif
