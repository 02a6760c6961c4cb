/* A BaseNet: a model, its inputs and outputs as Tensors, and working memory. */
#ifndef VENUS_NET_IMPL_H
#define VENUS_NET_IMPL_H

#include "arena.h"
#include "model.h"
#include "port.h"
#include "venus.h"
#include "watch.h"

namespace magik {
namespace venus {

class Net : public BaseNet {
public:
    Net(TensorFormat format_, ShareMemoryMode mode_);
    ~Net();
    bool is_good() const { return arena.is_good(); }

    int load_model(const char *model_path, bool memory_model, int start_off);
    int get_forward_memory_size(size_t &memory_size);
    int set_forward_memory(void *memory);
    int free_forward_memory();
    int free_inputs_memory();
    void set_internal_mm_status(bool status);
    bool get_internal_mm_status();
    void set_profiler_per_frame(bool status);
    std::unique_ptr<Tensor> get_input(int index);
    std::unique_ptr<Tensor> get_input_by_name(std::string &name);
    std::vector<std::string> get_input_names();
    std::unique_ptr<const Tensor> get_output(int index);
    std::unique_ptr<const Tensor> get_output_by_name(std::string &name);
    std::vector<std::string> get_output_names();
    std::vector<std::string> get_output_names_step(int step);
    ChannelLayout get_input_channel_layout(std::string &name);
    void set_input_channel_layout(std::string name, ChannelLayout layout);
    int run();
    int steps();
    int run_step();
    int reset();

private:
    Input *input_named(const char *where, const std::string &name);
    bool open_ports();
    void close();
    int follow_shapes(const char *where);
    int reshape(const char *where, const int32_t *dims);
    int begin();
    int one_step();
    int fetch(int32_t step);
    int finish();
    std::string name_of(int32_t step, int32_t k) const;
    TensorImpl *passing(const std::string &name);

    const TensorFormat format;
    const ShareMemoryMode mode;
    Model model;
    Arena arena;
    Profile profile;
    Dump dump;
    Block input_block, output_block, dims_block;
    Input *inputs;
    Output *outputs;
    int32_t n_inputs, n_outputs;
    int32_t at;        /* the step that runs next */
    int32_t done;      /* steps whose outputs may be looked at */
    bool frees_inputs; /* after each run */
};

} // namespace venus
} // namespace magik

#endif
