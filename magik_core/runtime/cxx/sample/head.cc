/* @title: made by magik build for this model, and yours to change.
 *
 *   @usage
 *
 * @about
 */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "venus.h"

using namespace magik::venus;

@constants

typedef std::vector<uint8_t> Bytes;

static int fail(const char *where, const char *what)
{
    fprintf(stderr, "sample: %s: %s\n", where, what);
    return 1;
}

static bool read_file(const char *path, Bytes &out)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        return false;
    fseek(f, 0, SEEK_END);
    const long size = ftell(f);
    rewind(f);
    const bool is_file = size >= 0 && size < LONG_MAX; /* a folder opens too, and has no end */
    out.resize(is_file ? (size_t)size : 0);
    const bool is_read = is_file && fread(out.data(), 1, out.size(), f) == out.size();
    fclose(f);
    return is_read;
}
