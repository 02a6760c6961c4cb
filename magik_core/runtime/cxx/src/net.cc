/* Loading, memory and running. names.cc has what asks for inputs and outputs. */
#include "core.h"
#include "net_impl.h"
#include "say.h"

namespace magik {
namespace venus {

namespace {

enum { MOST_PORTS = 4096 };

} // namespace

Net::Net(TensorFormat format_, ShareMemoryMode mode_)
    : format(format_), mode(mode_), arena(mode_), inputs(NULL), outputs(NULL), n_inputs(0), n_outputs(0), at(0),
      done(0), frees_inputs(false)
{
}

Net::~Net()
{
    close();
}

void Net::close()
{
    if (model.net != NULL)
        profile.close(model.net);
    for (int32_t i = 0; i < n_inputs; i++)
        tensor_release(inputs[i].tensor);
    for (int32_t i = 0; i < n_outputs; i++)
        tensor_release(outputs[i].tensor);
    n_inputs = n_outputs = at = done = 0;
    arena.forget();
    model.drop();
}

int Net::load_model(const char *model_path, bool memory_model, int start_off)
{
    close();
    const int status = memory_model ? model.load_memory(reinterpret_cast<const uint8_t *>(model_path), start_off)
                                    : model.load_path(model_path, start_off);
    if (status != 0) {
        model.drop();
        return status;
    }
    if (!open_ports() || !profile.open(model.net)) {
        close();
        return say("load_model", "there is no memory for the model's inputs and outputs");
    }
    memory_report();
    return 0;
}

bool Net::open_ports()
{
    const int32_t ins = magik_inputs(model.net), outs = magik_outputs(model.net);
    if (ins > MOST_PORTS || outs > MOST_PORTS)
        return false;
    inputs = static_cast<Input *>(input_block.take(64, sizeof(Input) * (size_t)ins));
    outputs = static_cast<Output *>(output_block.take(64, sizeof(Output) * (size_t)outs));
    if (inputs == NULL || outputs == NULL ||
        dims_block.take(64, sizeof(int32_t) * MAGIK_MAX_DIMS * (size_t)ins) == NULL)
        return false;
    while (n_inputs < ins && input_open(&inputs[n_inputs], model.net, n_inputs, format))
        n_inputs++;
    while (n_outputs < outs && output_open(&outputs[n_outputs], model.net, n_outputs))
        n_outputs++;
    return n_inputs == ins && n_outputs == outs;
}

/* ---- memory ------------------------------------------------------------------------------------------- */

int Net::get_forward_memory_size(size_t &memory_size)
{
    const int status = follow_shapes("get_forward_memory_size");
    if (status == 0)
        memory_size = arena.bytes(model.net);
    return status;
}

int Net::set_forward_memory(void *memory)
{
    const int status = follow_shapes("set_forward_memory");
    at = done = 0;
    return status != 0 ? status : arena.set_external(memory, model.net);
}

int Net::free_forward_memory()
{
    at = done = 0;
    arena.drop();
    return 0;
}

int Net::free_inputs_memory()
{
    for (int32_t i = 0; i < n_inputs; i++)
        tensor_drop(inputs[i].tensor);
    return 0;
}

void Net::set_internal_mm_status(bool status)
{
    if (mode == ShareMemoryMode::ALL_SEPARABLE_MEM || mode == ShareMemoryMode::SMART_REUSE_MEM)
        frees_inputs = status;
    else
        say("set_internal_mm_status", "the net was not created with ALL_SEPARABLE_MEM or SMART_REUSE_MEM");
}

bool Net::get_internal_mm_status()
{
    return frees_inputs;
}

void Net::set_profiler_per_frame(bool status)
{
    profile.set_per_frame(status);
}

/* ---- running ------------------------------------------------------------------------------------------ */

/* Gives the net the sizes that the inputs were reshaped to. */
int Net::follow_shapes(const char *where)
{
    if (model.net == NULL)
        return say(where, "no model is loaded");
    int32_t *dims = reinterpret_cast<int32_t *>(dims_block.bytes());
    bool is_same = true;
    for (int32_t i = 0; i < n_inputs; i++) {
        int32_t *own = dims + i * MAGIK_MAX_DIMS;
        const int status = input_dims(&inputs[i], model.net, own);
        if (status != 0)
            return status;
        const CoreTensor *t = magik_tensor(model.net, inputs[i].index);
        is_same = is_same && memcmp(own, t->dims, sizeof own[0] * (size_t)t->rank) == 0;
    }
    return is_same ? 0 : reshape(where, dims);
}

int Net::reshape(const char *where, const int32_t *dims)
{
    magik_fault fault = {0, -1, -1};
    const int32_t status = magik_reshape(model.net, dims, &fault);
    if (status != MAGIK_OK && fault.step >= 0 && fault.step < magik_steps(model.net))
        return say(where, "the model cannot have these input sizes: step %d, %s: %s", (int)fault.step,
                   magik_step_kernel(model.net, fault.step), magik_phrase(status));
    if (status != MAGIK_OK)
        return say(where, "the model cannot have these input sizes: %s", magik_phrase(status));
    arena.forget();
    at = done = 0;
    for (int32_t i = 0; i < n_outputs; i++)
        output_shape(outputs[i].tensor, model.net, outputs[i].index);
    return 0;
}

int Net::begin()
{
    int status = follow_shapes("run");
    at = done = 0;
    if (status != 0 || (status = arena.bind(model.net)) != 0)
        return status;
    for (int32_t i = 0; i < n_inputs && status == 0; i++)
        status = input_feed(&inputs[i], model.net);
    return status;
}

int Net::one_step()
{
    profile.before();
    magik_run_step(model.net, at, NULL);
    profile.after(model.net, at);
    const int status = dump.after(model.net, at);
    done = ++at;
    return status;
}

/* Fills the outputs that a step has made; all of them for a negative one. */
int Net::fetch(int32_t step)
{
    int status = 0;
    for (int32_t i = 0; i < n_outputs && status == 0; i++) {
        bool is_made = step < 0;
        for (int32_t k = 0; !is_made && k < magik_step_outputs(model.net, step); k++)
            is_made = magik_step_output(model.net, step, k) == outputs[i].index;
        if (is_made)
            status = output_fetch(outputs[i].tensor, model.net, outputs[i].index);
    }
    return status;
}

int Net::finish()
{
    at = 0;
    const int status = fetch(-1);
    if (frees_inputs)
        free_inputs_memory();
    memory_report();
    return status;
}

int Net::run()
{
    int status = begin();
    while (status == 0 && at < magik_steps(model.net))
        status = one_step();
    if (status == 0)
        return finish();
    at = done = 0;
    return status;
}

int Net::steps()
{
    return model.net == NULL ? say("steps", "no model is loaded") : (int)magik_steps(model.net);
}

int Net::run_step()
{
    int status = at == 0 ? begin() : 0;
    if (status == 0 && at > 0 && !arena.is_mine(model.net))
        status = say("run_step", "another net of this thread has used the memory that both share: begin again");
    if (status == 0 && magik_steps(model.net) > 0)
        status = one_step();
    if (status != 0) {
        at = done = 0;
        return status;
    }
    return at >= magik_steps(model.net) ? finish() : fetch(at - 1);
}

int Net::reset()
{
    if (model.net == NULL)
        return say("reset", "no model is loaded");
    at = done = 0;
    magik_reset(model.net);
    return 0;
}

} // namespace venus
} // namespace magik
