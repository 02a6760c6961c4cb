/* A net's inputs and outputs for those who ask. Here alone the standard library may throw: it is caught. */
#include <stdio.h>

#include <new>

#include "core.h"
#include "net_impl.h"
#include "say.h"

namespace magik {
namespace venus {

namespace {

/* `make()`, or what an empty T is when there is no memory. */
template <typename T, typename Make> T guarded(const char *where, const Make &make)
{
    try {
        return make();
    } catch (...) {
        say(where, "there is no memory");
    }
    return T();
}

Tensor *handle(const char *where, TensorImpl *impl)
{
    Tensor *t = new (std::nothrow) Tensor(static_cast<void *>(impl));
    if (t == NULL)
        say(where, "there is no memory");
    return t;
}

template <typename Port> std::vector<std::string> names(const magik_net *net, const Port *ports, int32_t count)
{
    std::vector<std::string> out;
    for (int32_t i = 0; i < count; i++) {
        Meaning m;
        magik_meaning(net, ports[i].index, &m);
        out.push_back(m.name);
    }
    return out;
}

} // namespace

std::unique_ptr<Tensor> Net::get_input(int index)
{
    if (index < 0 || index >= n_inputs) {
        say("get_input", "there is no input %d of %d", index, (int)n_inputs);
        return std::unique_ptr<Tensor>();
    }
    return std::unique_ptr<Tensor>(handle("get_input", inputs[index].tensor));
}

Input *Net::input_named(const char *where, const std::string &name)
{
    for (int32_t i = 0; i < n_inputs; i++)
        if (name == input_name(&inputs[i]))
            return &inputs[i];
    say(where, "there is no input '%s'", name.c_str());
    return NULL;
}

std::unique_ptr<Tensor> Net::get_input_by_name(std::string &name)
{
    Input *input = input_named("get_input_by_name", name);
    return std::unique_ptr<Tensor>(input == NULL ? NULL : handle("get_input_by_name", input->tensor));
}

std::vector<std::string> Net::get_input_names()
{
    return guarded<std::vector<std::string>>("get_input_names", [this] { return names(model.net, inputs, n_inputs); });
}

std::unique_ptr<const Tensor> Net::get_output(int index)
{
    if (index < 0 || index >= n_outputs) {
        say("get_output", "there is no output %d of %d", index, (int)n_outputs);
        return std::unique_ptr<const Tensor>();
    }
    return std::unique_ptr<const Tensor>(handle("get_output", outputs[index].tensor));
}

std::unique_ptr<const Tensor> Net::get_output_by_name(std::string &name)
{
    const char *where = "get_output_by_name";
    for (int32_t i = 0; i < n_outputs; i++) {
        Meaning m;
        magik_meaning(model.net, outputs[i].index, &m);
        if (name == m.name)
            return std::unique_ptr<const Tensor>(handle(where, outputs[i].tensor));
    }
    TensorImpl *found = guarded<TensorImpl *>(where, [this, &name] { return passing(name); });
    const Tensor *t = found == NULL ? NULL : handle(where, found);
    tensor_release(found);
    return std::unique_ptr<const Tensor>(t);
}

/* A step's output as it stands in the working memory, in a Tensor of its own. */
TensorImpl *Net::passing(const std::string &name)
{
    const int32_t one = 1;
    for (int32_t step = 0; model.net != NULL && step < magik_steps(model.net); step++)
        for (int32_t k = 0; k < magik_step_outputs(model.net, step); k++) {
            if (name != name_of(step, k))
                continue;
            if (step >= done || !arena.is_mine(model.net)) {
                say("get_output_by_name", "'%s' is not there: run its step first", name.c_str());
                return NULL;
            }
            TensorImpl *t = tensor_new(&one, 1, TensorFormat::NHWC);
            const int32_t index = magik_step_output(model.net, step, k);
            if (t != NULL)
                output_shape(t, model.net, index);
            if (t == NULL || output_fetch(t, model.net, index) == 0)
                return t;
            tensor_release(t);
            return NULL;
        }
    say("get_output_by_name", "there is no output '%s'", name.c_str());
    return NULL;
}

std::vector<std::string> Net::get_output_names()
{
    return guarded<std::vector<std::string>>("get_output_names",
                                             [this] { return names(model.net, outputs, n_outputs); });
}

/* The model's name, or one made of step and kernel: model files of boards have no others. */
std::string Net::name_of(int32_t step, int32_t k) const
{
    Meaning m;
    magik_meaning(model.net, magik_step_output(model.net, step, k), &m);
    if (m.name[0] != 0)
        return m.name;
    char number[16], which[16] = "";
    snprintf(number, sizeof number, "%d_", (int)step);
    if (k > 0)
        snprintf(which, sizeof which, "_%d", (int)k);
    return std::string(number) + magik_step_kernel(model.net, step) + which;
}

std::vector<std::string> Net::get_output_names_step(int step)
{
    typedef std::vector<std::string> Names;
    if (model.net == NULL || step < 0 || step >= magik_steps(model.net)) {
        say("get_output_names_step", "there is no step %d", step);
        return Names();
    }
    return guarded<Names>("get_output_names_step", [this, step] {
        Names out;
        for (int32_t k = 0; k < magik_step_outputs(model.net, step); k++)
            out.push_back(name_of(step, k));
        return out;
    });
}

ChannelLayout Net::get_input_channel_layout(std::string &name)
{
    const Input *input = input_named("get_input_channel_layout", name);
    return input == NULL ? ChannelLayout::NONE : input->layout;
}

void Net::set_input_channel_layout(std::string name, ChannelLayout layout)
{
    Input *input = input_named("set_input_channel_layout", name);
    if (input != NULL)
        input_set_layout(input, layout);
}

BaseNet::BaseNet()
{
}

BaseNet::~BaseNet()
{
}

std::unique_ptr<BaseNet> net_create(TensorFormat input_data_fmt, ShareMemoryMode smem_mode)
{
    Net *net = new (std::nothrow) Net(input_data_fmt, smem_mode);
    if (net == NULL || !net->is_good()) {
        say("net_create", "there is no memory");
        delete net;
        return std::unique_ptr<BaseNet>();
    }
    return std::unique_ptr<BaseNet>(net);
}

} // namespace venus
} // namespace magik
