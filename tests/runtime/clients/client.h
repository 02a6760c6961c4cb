/* What the clients share: checks that say where they fail, and files. */
#ifndef CLIENT_H
#define CLIENT_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "venus.h"

/* An expectation; a client goes on, and its exit code counts what was wrong. */
#define CHECK(condition)                                                         \
    do {                                                                         \
        if (!(condition)) {                                                      \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
            client_wrong++;                                                      \
        }                                                                        \
    } while (0)

static int client_wrong = 0;

static inline int client_end()
{
    printf("wrong: %d\n", client_wrong);
    return client_wrong == 0 ? 0 : 3;
}

static inline std::vector<unsigned char> read_file(const char *path)
{
    std::vector<unsigned char> out;
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(2);
    }
    unsigned char block[4096];
    size_t n;
    while ((n = fread(block, 1, sizeof block, file)) > 0)
        out.insert(out.end(), block, block + n);
    fclose(file);
    return out;
}

/* Bytes of a tensor of one-byte, two-byte or four-byte elements. */
static inline size_t bytes_of(const magik::venus::Tensor &t)
{
    size_t n = 1;
    for (int d : t.shape())
        n *= (size_t)d;
    switch (t.data_type()) {
    case magik::venus::DataType::FP32:
    case magik::venus::DataType::INT32:
        return 4 * n;
    case magik::venus::DataType::UINT16:
    case magik::venus::DataType::INT16:
        return 2 * n;
    default:
        return n;
    }
}

/* All outputs, one after the other. */
static inline std::vector<unsigned char> outputs_of(magik::venus::BaseNet &net)
{
    std::vector<unsigned char> out;
    for (int i = 0; i < (int)net.get_output_names().size(); i++) {
        std::unique_ptr<const magik::venus::Tensor> y = net.get_output(i);
        const unsigned char *bytes = y->data<unsigned char>();
        out.insert(out.end(), bytes, bytes + bytes_of(*y));
    }
    return out;
}

static inline void write_file(const char *path, const std::vector<unsigned char> &bytes)
{
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(bytes.data(), 1, bytes.size(), file) != bytes.size()) {
        fprintf(stderr, "%s cannot be written\n", path);
        exit(2);
    }
    fclose(file);
}

#endif
