/* Habits of board programs: prog model.bin; nothing but the one header, both namespaces, tensors that outlive
 * venus_deinit, tensors assigned and moved about in vectors. */
#include "venus.h"

#include <stdio.h>

using namespace magik::venus;

extern "C" int trio(void);

VENUS_C_API int from_c(int x);
VENUS_EXTERN_C int from_c(int x)
{
    return x + 1;
}

VENUS_API int visible(void);
int visible(void)
{
    return 5;
}

class DLL_EXPORTS Detector
{
  public:
    std::unique_ptr<venus::BaseNet> net;
    std::vector<venus::Tensor> frames;
    std::string label;
};

static_assert((int)ShareMemoryMode::SMART_REUSE_MEM == 4 && (int)DataType::BOOL == 18 && (int)ChannelLayout::FP == 6, "");
static_assert((int)TensorFormat::NV12 == 5 && (int)AddressLocate::RMEM_PHYSICAL == 1 && (int)PaddingType::SYMMETRY == 1, "");
static_assert(sizeof(ObjBbox_t) == 24 && sizeof(Tensor) == 3 * sizeof(void *), "");
static_assert(std::is_same<ObjBbox_t, ObjectBbox_t>::value && std::is_same<Bbox_t, Box_t>::value, "");

static int fill_frames(Detector &d)
{
    int wrong = 0;
    for (int i = 0; i < 40; i++) { /* grows several times */
        venus::Tensor t({1, 2, 2, 4});
        t.mudata<uint8_t>()[3] = (uint8_t)i;
        d.frames.push_back(t);
    }
    std::vector<Tensor> more(d.frames);
    more.insert(more.begin() + 3, d.frames[7]);
    more.erase(more.begin(), more.begin() + 3);
    wrong += more[0].data<uint8_t>()[3] != 7 || more.size() != 38;
    d.frames[0] = d.frames[39]; /* of the compiler's own making */
    wrong += d.frames[0].data<uint8_t>()[3] != 39;
    Tensor other({1, 1, 1, 4});
    other = more[5];
    wrong += other.data<uint8_t>() != more[5].data<uint8_t>();
    more.clear();
    for (int i = 1; i < 40; i++)
        wrong += d.frames[i].data<uint8_t>()[3] != i;
    return wrong;
}

int main(int argc, char **argv)
{
    Detector d;
    Tensor late({1, 4, 4, 1});
    std::unique_ptr<Tensor> input;
    std::unique_ptr<const Tensor> output;
    printf("check %d\n", venus_check());
    if (argc != 2 || magik::venus::venus_init() != 0)
        return 1;
    printf("check %d\n", venus::venus_check());
    printf("trio %d\n", trio());
    printf("macros %d\n", from_c(visible()));
    if (venus::venus_init(1 << 20) != 0) /* after the C functions have ended it */
        return 1;
    printf("version %d\n", venus_get_version_info() != 0);
    d.net = venus::net_create();
    if (d.net->load_model(argv[1]) != 0)
        return 2;
    input = d.net->get_input(0);
    uint8_t *bytes = input->mudata<uint8_t>();
    for (int i = 0; i < input->shape()[1] * input->shape()[2] * 4; i++)
        bytes[i] = (uint8_t)i;
    printf("run %d\n", d.net->run());
    output = d.net->get_output(0);
    late.mudata<float>()[15] = 3;
    printf("frames wrong %d\n", fill_frames(d));
    printf("deinit %d\n", venus::venus_deinit());
    return 0;
}
