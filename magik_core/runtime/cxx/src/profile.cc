#include "watch.h"

#ifdef VENUS_PROFILE

#include <stdio.h>
#include <time.h>

#include "core.h"

namespace magik {
namespace venus {

namespace {

double now()
{
    timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

/* Multiplications of a step that has weights: per output element, the weights of its channel. */
double macs(const net_step *s)
{
    const char *name = s->kernel->name;
    const magik_step *n = &s->step;
    const CoreTensor *y = n->out[0];
    if (n->n_in < 2 || n->in[1]->rank < 2)
        return 0;
    const CoreTensor *w = n->in[1];
    if (strncmp(name, "conv_transpose_", 15) == 0)
        return (double)n->in[0]->count * w->count / n->in[0]->dims[n->in[0]->rank - 1];
    if (strncmp(name, "conv_", 5) == 0 || strncmp(name, "gemm_", 5) == 0)
        return (double)y->count * w->count / w->dims[0];
    if (strncmp(name, "depthwise_conv_", 15) == 0)
        return (double)y->count * w->count / y->dims[y->rank - 1];
    if (strncmp(name, "mat_mul_", 8) == 0)
        return (double)y->count * n->in[0]->dims[n->in[0]->rank - 1];
    return 0;
}

void print_shape(const CoreTensor *t)
{
    char text[96];
    int at = 0;
    for (int32_t i = 0; i < t->rank && at < 80; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, i == 0 ? "%d" : "x%d", (int)t->dims[i]);
    printf(" %-18s", t->rank == 0 ? "1" : text);
}

void print_kernels(const magik_net *net, const double *microseconds, double total)
{
    printf("INFO(magik): %-24s %6s %12s %7s\n", "kernel", "steps", "us", "%");
    for (int32_t k = 0; magik_kernel_name(k) != NULL; k++) {
        double sum = 0;
        int steps = 0;
        for (int32_t i = 0; i < net->n_steps; i++)
            if (net->steps[i].kernel == &magik_kernels[k]) {
                sum += microseconds[i];
                steps++;
            }
        if (steps > 0)
            printf("INFO(magik): %-24s %6d %12.1f %7.2f\n", magik_kernel_name(k), steps, sum, 100 * sum / total);
    }
}

} // namespace

bool Profile::open(const magik_net *net)
{
    const size_t bytes = sizeof(double) * (size_t)magik_steps(net);
    microseconds = static_cast<double *>(times.take(64, bytes));
    if (microseconds != NULL)
        memset(microseconds, 0, bytes);
    runs = 0;
    return microseconds != NULL;
}

void Profile::close(const magik_net *net)
{
    if (microseconds != NULL && runs > 0)
        print(net);
    times.drop();
    microseconds = NULL;
}

void Profile::before()
{
    started = now();
}

void Profile::after(const magik_net *net, int32_t step)
{
    microseconds[step] += now() - started;
    if (step < magik_steps(net) - 1)
        return;
    runs++;
    if (is_per_frame)
        print(net);
}

/* Means of the runs since the last table. */
void Profile::print(const magik_net *net)
{
    double total = 0, total_macs = 0;
    for (int32_t i = 0; i < net->n_steps; i++) {
        microseconds[i] /= runs;
        total += microseconds[i];
        total_macs += macs(&net->steps[i]);
    }
    total = total > 0 ? total : 1e-3;
    printf("INFO(magik): %5s %-24s %-18s %-18s %-18s %12s %7s %12s\n", "step", "type", "in", "out", "weight", "us", "%",
           "MACs");
    for (int32_t i = 0; i < net->n_steps; i++) {
        const net_step *s = &net->steps[i];
        static const CoreTensor none = {NULL, MAGIK_U8, 1, {0}, 0, 0};
        printf("INFO(magik): %5d %-24s", (int)i, s->kernel->name);
        print_shape(s->step.in[0]);
        print_shape(s->step.out[0]);
        print_shape(s->step.n_in > 1 && s->step.in[1]->is_constant ? s->step.in[1] : &none);
        printf(" %12.1f %7.2f %12.0f\n", microseconds[i], 100 * microseconds[i] / total, macs(s));
        }
    printf("INFO(magik): total of %d runs, mean: %.1f us, %.0f MACs, %.3f GOPs/s\n", (int)runs, total, total_macs,
           2e-3 * total_macs / total);
    print_kernels(net, microseconds, total);
    fflush(stdout);
    memset(microseconds, 0, sizeof(double) * (size_t)net->n_steps);
    runs = 0;
}

} // namespace venus
} // namespace magik

#endif
