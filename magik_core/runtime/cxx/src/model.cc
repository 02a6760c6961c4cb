#include "model.h"

#include <stdio.h>
#include <string.h>

#include "crc32.h"
#include "file.h"
#include "say.h"

namespace magik {
namespace venus {

namespace {

enum { HEAD_BYTES = sizeof(file_header) + MAX_SECTIONS * sizeof(file_section) };

/* A header with its section table, wherever in memory the file lies. */
struct Head {
    uint8_t bytes[HEAD_BYTES];
    file_header header;
};

/* Bytes of the header alone; 0 or a line. What they say is not trusted yet. */
int check_header(const char *name, const Head &head)
{
    const file_header &h = head.header;
    if (memcmp(h.magic, FILE_MAGIC, sizeof h.magic) != 0)
        return say(name, "%s", magik_phrase(MAGIK_NOT_A_MODEL));
    if (h.reader > MAGIK_READER_VERSION)
        return say(name, "the model needs version %u of the library's reader, this library has version %d: build "
                         "the program with a newer library", (unsigned)h.reader, MAGIK_READER_VERSION);
    if (h.sections > MAX_SECTIONS || h.bytes < sizeof h + h.sections * sizeof(file_section))
        return say(name, "%s", magik_phrase(MAGIK_TRUNCATED));
    if (h.bytes > INT32_MAX || h.arena > INT32_MAX)
        return say(name, "the model wants %u bytes of file and %u of memory, needs less than 2 GiB of each",
                   (unsigned)h.bytes, (unsigned)h.arena);
    return 0;
}

/* Header and section table are whole: only then is the file's size believed. */
int check_table(const char *name, Head *head)
{
    const uint32_t crc = head->header.crc;
    memset(head->bytes + offsetof(file_header, crc), 0, sizeof crc);
    const size_t bytes = sizeof(file_header) + head->header.sections * sizeof(file_section);
    return crc32_of(head->bytes, bytes) == crc ? 0 : say(name, "%s", magik_phrase(MAGIK_BAD_CHECKSUM));
}

/* A section of a file whose sections the core found whole. */
const file_section *section_of(const uint8_t *file, uint32_t kind)
{
    const file_header *header = reinterpret_cast<const file_header *>(file);
    const file_section *sections = reinterpret_cast<const file_section *>(file + sizeof *header);
    for (uint32_t i = 0; i < header->sections; i++)
        if (sections[i].kind == kind)
            return &sections[i];
    return NULL;
}

/* The name of a step's kernel in a file that was refused for it. */
const char *kernel_of(const uint8_t *file, int32_t step)
{
    const file_section *steps = section_of(file, FOURCC('S', 'T', 'E', 'P'));
    const file_section *strings = section_of(file, FOURCC('S', 'T', 'R', 'S'));
    if (steps == NULL || strings == NULL || (size_t)step >= steps->bytes / sizeof(file_step))
        return "without a name";
    const uint32_t at = reinterpret_cast<const file_step *>(file + steps->offset)[step].kernel;
    return at < strings->bytes ? reinterpret_cast<const char *>(file + strings->offset) + at : "without a name";
}

/* Says where in the file the core found fault. */
int refuse(const char *name, const uint8_t *file, int32_t status, const magik_fault &fault)
{
    const char *what = magik_phrase(status);
    if (status == MAGIK_UNKNOWN_KERNEL && fault.step >= 0)
        return say(name, "step %d: the kernel %s is not in this library: build the program for this model, or with "
                         "magik build --ops all", (int)fault.step, kernel_of(file, fault.step));
    if (fault.step >= 0)
        return say(name, "step %d: %s", (int)fault.step, what);
    if (fault.tensor >= 0)
        return say(name, "tensor %d: %s", (int)fault.tensor, what);
    return say(name, "%s", what);
}

int read_from(FILE *stream, const char *path, int offset, Head *head, Block *file)
{
    if (fseek(stream, offset, SEEK_SET) != 0 || fread(head->bytes, 1, sizeof head->header, stream) != sizeof head->header)
        return say(path, "%s", magik_phrase(MAGIK_TRUNCATED));
    memcpy(&head->header, head->bytes, sizeof head->header);
    int status = check_header(path, *head);
    if (status != 0)
        return status;
    const size_t table = head->header.sections * sizeof(file_section);
    if (fread(head->bytes + sizeof head->header, 1, table, stream) != table)
        return say(path, "%s", magik_phrase(MAGIK_TRUNCATED));
    if ((status = check_table(path, head)) != 0)
        return status;
    const size_t bytes = head->header.bytes;
    if (fseek(stream, 0, SEEK_END) != 0 || ftell(stream) < offset || (size_t)(ftell(stream) - offset) < bytes)
        return say(path, "%s", magik_phrase(MAGIK_TRUNCATED));
    if (file->take(64, bytes) == NULL)
        return say(path, "there is no memory for the file's %zu bytes", bytes);
    if (fseek(stream, offset, SEEK_SET) != 0 || fread(file->bytes(), 1, bytes, stream) != bytes)
        return say(path, "it cannot be read");
    return 0;
}

} // namespace

int Model::load_path(const char *path, int offset)
{
    if (path == NULL || offset < 0)
        return say("load_model", "the path is %s and start_off %d", path == NULL ? "NULL" : path, offset);
    FILE *stream = fopen(path, "rb");
    if (stream == NULL)
        return say(path, "it cannot be opened");
    Head head;
    const int status = read_from(stream, path, offset, &head, &file);
    fclose(stream);
    return status != 0 ? status : take(path, head.header.bytes);
}

int Model::load_memory(const uint8_t *bytes, int offset)
{
    const char *name = "model in memory";
    if (bytes == NULL || offset < 0)
        return say("load_model", "the model is at %p and start_off %d", (const void *)bytes, offset);
    bytes += offset;
    Head head;
    memcpy(head.bytes, bytes, sizeof head.header);
    memcpy(&head.header, head.bytes, sizeof head.header);
    int status = check_header(name, head);
    if (status != 0)
        return status;
    memcpy(head.bytes, bytes, sizeof head.header + head.header.sections * sizeof(file_section));
    if ((status = check_table(name, &head)) != 0)
        return status;
    if (file.take(64, head.header.bytes) == NULL)
        return say(name, "there is no memory for its %u bytes", (unsigned)head.header.bytes);
    memcpy(file.bytes(), bytes, head.header.bytes);
    return take(name, head.header.bytes);
}

/* Loads the bytes that stand in `file`. */
int Model::take(const char *name, size_t bytes)
{
    const size_t net_bytes = magik_net_bytes(file.bytes(), bytes);
    if (memory.take(64, net_bytes) == NULL)
        return say(name, "there is no memory for the net's %zu bytes", net_bytes);
    magik_fault fault = {0, -1, -1};
    magik_net *loaded = NULL;
    const int32_t status = magik_load(&loaded, file.bytes(), bytes, memory.bytes(), net_bytes, &fault);
    if (status != MAGIK_OK)
        return refuse(name, file.bytes(), status, fault);
    if (magik_outputs(loaded) == 0)
        return say(name, "it has no outputs");
    const size_t prepared_bytes = magik_prepared_bytes(loaded);
    if (prepared_bytes > 0 && prepared.take(64, prepared_bytes) == NULL)
        return say(name, "there is no memory for %zu bytes of prepared weights", prepared_bytes);
    if (prepared_bytes > 0 && magik_prepare(loaded, prepared.bytes(), prepared_bytes) != MAGIK_OK)
        return say(name, "its weights cannot be prepared");
    const file_header *header = reinterpret_cast<const file_header *>(file.bytes());
    printf("INFO(magik): model version:%u.%u.CPU_%08x\n", (unsigned)header->format, (unsigned)header->reader,
           (unsigned)header->crc);
    fflush(stdout);
    net = loaded;
    return 0;
}

void Model::drop()
{
    net = NULL;
    file.drop();
    memory.drop();
    prepared.drop();
}

} // namespace venus
} // namespace magik
