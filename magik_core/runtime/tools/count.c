/* A plugin of QEMU's user mode: how many instructions the guest executes, exactly.
 *
 *   qemu-mipsel -plugin count.so -d plugin PROGRAM
 *
 * Writes "mark N" at every mark of the program and "end N" at its end, N counted from its start. A program
 * marks by a system call whose first argument is COUNT_MARK: close(COUNT_MARK), which does nothing else.
 * Counts are added where a block begins, and a system call ends its block, so that a mark is exact.
 * QEMU's packages bring no header: the prototypes below are those of its plugin interface, version 1.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>

#include "count.h"

#define PUBLIC __attribute__((visibility("default")))

struct qemu_plugin_tb;
typedef uint64_t plugin_id;
typedef void syscall_fn(plugin_id id, unsigned int vcpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                        uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8);

enum { ADD_U64 = 0 };
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id id, void (*fn)(plugin_id id, struct qemu_plugin_tb *tb));
void qemu_plugin_register_vcpu_tb_exec_inline(struct qemu_plugin_tb *tb, int operation, void *at, uint64_t value);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
void qemu_plugin_register_vcpu_syscall_cb(plugin_id id, syscall_fn *fn);
void qemu_plugin_register_atexit_cb(plugin_id id, void (*fn)(plugin_id id, void *context), void *context);
void qemu_plugin_outs(const char *text);

PUBLIC extern int qemu_plugin_version;
PUBLIC int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);

int qemu_plugin_version = 1;
static uint64_t executed;

static void say(const char *what)
{
    char line[64];
    snprintf(line, sizeof line, "%s %" PRIu64 "\n", what, executed);
    qemu_plugin_outs(line);
}

static void on_block(plugin_id id, struct qemu_plugin_tb *tb)
{
    (void)id;
    qemu_plugin_register_vcpu_tb_exec_inline(tb, ADD_U64, &executed, qemu_plugin_tb_n_insns(tb));
}

static void on_syscall(plugin_id id, unsigned int vcpu, int64_t number, uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4,
                       uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    (void)id, (void)vcpu, (void)number, (void)a2, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if ((int32_t)a1 == COUNT_MARK)
        say("mark");
}

static void on_end(plugin_id id, void *context)
{
    (void)id, (void)context;
    say("end");
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
    qemu_plugin_register_vcpu_syscall_cb(id, on_syscall);
    qemu_plugin_register_atexit_cb(id, on_end, NULL);
    return 0;
}
