/* The model file's records, as docs/model-format.md specifies them. All fields little endian. */
#ifndef MAGIK_FILE_H
#define MAGIK_FILE_H

#include "magik/magik.h"

#define FILE_MAGIC "\x89magik\r\n"
#define FOURCC(a, b, c, d) ((uint32_t)(a) | (uint32_t)(b) << 8 | (uint32_t)(c) << 16 | (uint32_t)(d) << 24)

enum { MAX_SECTIONS = 32, MAX_COUNT = 1 << 20, MAX_INPUTS = 512, MAX_OUTPUTS = 64 };

struct file_header {
    char magic[8];
    uint32_t format;   /* version of this layout */
    uint32_t reader;   /* oldest reader that understands the file */
    uint32_t bytes;    /* of the whole file */
    uint32_t sections;
    uint32_t arena;    /* bytes of working memory */
    uint32_t crc;      /* of the header (this field 0) and the section table */
};

struct file_section {
    uint32_t kind; /* FOURCC */
    uint32_t offset, bytes;
    uint32_t crc;
};

struct file_tensor {
    uint32_t dtype;  /* enum magik_dtype */
    uint32_t rank;
    uint32_t is_constant;
    uint32_t offset; /* bytes, in the arena or in section DATA */
    uint32_t bytes;
    uint32_t bits;   /* of a code; 0 without quantization */
    float scale, zero_point;
    int32_t dims[MAGIK_MAX_DIMS];
    int32_t axes[MAGIK_MAX_DIMS];
};

struct file_step {
    uint32_t kernel;  /* offset of its name in section STRS */
    uint32_t in, n_in;   /* into section LIST: indices of tensors */
    uint32_t out, n_out;
    uint32_t params, n_params; /* into section PARM: words */
    uint32_t in_place; /* bit i: output 0 may overwrite input i, where it has as many bytes */
};

/* A state: what a run leaves in `after` is in `before` when the next one begins. */
struct file_state {
    uint32_t before, after; /* tensors of one type, size and meaning */
    uint32_t name; /* offset in STRS */
};

/* An input or output of the net. */
struct file_port {
    uint32_t tensor;
    uint32_t name; /* offset in STRS */
    uint32_t is_output;
    uint32_t color; /* enum magik_color, of an input */
};

#endif
