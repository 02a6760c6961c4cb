/* @title: made by magik build for this model, and yours to change.
 *
 *   @usage
 *
 * @about
 */
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
    out.resize(size > 0 ? (size_t)size : 0);
    const bool is_read = size >= 0 && fread(out.data(), 1, out.size(), f) == out.size();
    fclose(f);
    return is_read;
}
