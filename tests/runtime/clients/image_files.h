/* Whole files, and words of the command line, for the image clients. */
#ifndef IMAGE_FILES_H
#define IMAGE_FILES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vector>

#include "utils/all.h"

inline void die(const char *what)
{
    fprintf(stderr, "client: %s\n", what);
    exit(70);
}

inline void read_file(const char *path, void *to, size_t bytes)
{
    FILE *file = fopen(path, "rb");
    if (!file || fread(to, 1, bytes, file) != bytes || fgetc(file) != EOF)
        die(path);
    fclose(file);
}

inline void append_file(const char *path, const void *from, size_t bytes)
{
    FILE *file = fopen(path, "ab");
    if (!file || fwrite(from, 1, bytes, file) != bytes || fclose(file) != 0)
        die(path);
}

/* Layout by name, channels of a tensor, format, and bytes of a picture. */
struct Kind {
    const char *name;
    magik::venus::ChannelLayout layout;
    int channels;
    bool is_nv12() const { return layout == magik::venus::ChannelLayout::NV12; }
    magik::venus::TensorFormat format() const
    {
        return is_nv12() ? magik::venus::TensorFormat::NV12 : magik::venus::TensorFormat::NHWC;
    }
    size_t bytes(int height, int width) const
    {
        const size_t area = static_cast<size_t>(height * width);
        return is_nv12() ? area * 3 / 2 : area * static_cast<size_t>(channels);
    }
};

inline Kind kind_of(const char *name)
{
    using magik::venus::ChannelLayout;
    static const Kind kinds[] = {{"NV12", ChannelLayout::NV12, 2}, {"BGRA", ChannelLayout::BGRA, 4},
                                 {"RGBA", ChannelLayout::RGBA, 4}, {"ARGB", ChannelLayout::ARGB, 4},
                                 {"RGB", ChannelLayout::RGB, 3},   {"GRAY", ChannelLayout::GRAY, 1}};
    for (const Kind &kind : kinds)
        if (strcmp(kind.name, name) == 0)
            return kind;
    die(name);
    return kinds[0];
}

#endif
