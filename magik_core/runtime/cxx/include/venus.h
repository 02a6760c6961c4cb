/* magik::venus: load a model file, fill its inputs, run, read its outputs.
 *
 *   venus_init();
 *   std::unique_ptr<BaseNet> net = net_create();
 *   net->load_model("model.bin");
 *   uint8_t *pixels = net->get_input(0)->mudata<uint8_t>();   // {1, H, W, 4}
 *   net->run();
 *   const float *y = net->get_output(0)->data<float>();
 *
 * Functions that return int return 0, or a negative number after a line on stderr. Nothing throws. A net
 * belongs to one thread at a time; nets of different threads share nothing.
 */
#ifndef __MAGIK_INFERENCEKIT_VENUS_INCLUDE_VENUS_H__
#define __MAGIK_INFERENCEKIT_VENUS_INCLUDE_VENUS_H__

#include <stddef.h>
#include <stdint.h>

#include <memory>
#include <string>
#include <vector>

#include "common/common_inf.h"
#include "core/tensor.h"
#include "core/type.h"
#include "utils/all.h"

namespace magik {
namespace venus {

/* The order of the virtual functions is the binary interface. */
class VENUS_API BaseNet {
public:
    BaseNet();
    virtual ~BaseNet() = 0;

    /* A file's path or, with memory_model, the address of its bytes; the first start_off of them are skipped.
     * The bytes are copied. */
    virtual int load_model(const char *model_path, bool memory_model = false, int start_off = 0) = 0;
    /* Bytes of working memory for the inputs' sizes as they are. */
    virtual int get_forward_memory_size(size_t &memory_size) = 0;
    /* Of a net made with SET_FROM_EXTERNAL: as many bytes, 64-byte aligned, until the net is gone. */
    virtual int set_forward_memory(void *memory) = 0;
    /* Give memory back; the next run takes it again. */
    virtual int free_forward_memory() = 0;
    virtual int free_inputs_memory() = 0;
    /* With ALL_SEPARABLE_MEM and SMART_REUSE_MEM: free the inputs' storage after each run. */
    virtual void set_internal_mm_status(bool status) = 0;
    virtual bool get_internal_mm_status() = 0;
    /* Of the profiling library: a table after each run instead of one at the end. */
    virtual void set_profiler_per_frame(bool status = false) = 0;

    virtual std::unique_ptr<Tensor> get_input(int index) = 0;
    virtual std::unique_ptr<Tensor> get_input_by_name(std::string &name) = 0;
    virtual std::vector<std::string> get_input_names() = 0;
    /* f32 in the stored order (NHWC), or integers; filled by run. */
    virtual std::unique_ptr<const Tensor> get_output(int index) = 0;
    /* Also of a step's output, by its name in get_output_names_step, until the memory is used again. */
    virtual std::unique_ptr<const Tensor> get_output_by_name(std::string &name) = 0;
    virtual std::vector<std::string> get_output_names() = 0;
    virtual std::vector<std::string> get_output_names_step(int step) = 0;

    /* Channels of an image input, NONE for an unknown name; FP for what is no image. */
    virtual ChannelLayout get_input_channel_layout(std::string &name) = 0;
    /* Of a net made with NV12: the channels that it is converted to. */
    virtual void set_input_channel_layout(std::string name, ChannelLayout layout) = 0;

    virtual int run() = 0;
    virtual int steps() = 0;
    /* The next step; after the last one the first again. */
    virtual int run_step() = 0;

    /* Of a net with memory: forget what earlier runs have left, and begin the next run anew. load_model does too. */
    virtual int reset() = 0;
};

/* NULL without memory. NV12: images are given as NV12, and run converts them. */
VENUS_API std::unique_ptr<BaseNet> net_create(TensorFormat input_data_fmt = TensorFormat::NHWC,
                                              ShareMemoryMode smem_mode = ShareMemoryMode::DEFAULT);

/* Exclusion among the threads of a process; a thread that holds the lock, or does not, is told. */
VENUS_API int venus_lock();
VENUS_API int venus_unlock();
VENUS_API uint32_t venus_get_version_info(); /* major << 16 | minor << 8 | patch */
VENUS_API uint32_t venus_get_used_mem_size(); /* bytes */

} // namespace venus
} // namespace magik

namespace venus = magik::venus;

#endif
