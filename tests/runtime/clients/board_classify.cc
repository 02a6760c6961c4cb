/* Digits: prog model.bin pixels.bin prints the forward memory's size and ten scores. */
#include "board_picture.h"

int main(int argc, char **argv)
{
    pin_to_cpu0();
    if (argc != 3 || magik::venus::venus_init() != 0)
        return 1;
    std::unique_ptr<magik::venus::BaseNet> mnist_net;
    mnist_net = magik::venus::net_create();
    if (mnist_net->load_model(argv[1]) != 0)
        return 2;
    size_t forward_memory_size = 0;
    if (mnist_net->get_forward_memory_size(forward_memory_size) != 0)
        return 3;
    printf("forward memory size: %zu\n", forward_memory_size);

    std::unique_ptr<magik::venus::Tensor> input = mnist_net->get_input(0);
    magik::venus::shape_t shape = input->shape();
    printf("input %d %d %d %d\n", shape[0], shape[1], shape[2], shape[3]);
    std::vector<char> pixels = load_file(argv[2]);
    input->reshape({1, 28, 28, 1});
    uint8_t *indata = input->mudata<uint8_t>();
    for (int i = 0; i < 28 * 28; i++)
        indata[i] = (uint8_t)pixels[i];
    if (mnist_net->run() != 0)
        return 4;
    std::unique_ptr<const magik::venus::Tensor> output = mnist_net->get_output(0);
    const float *output_data = output->data<float>();
    int best = 0;
    for (int i = 0; i < 10; i++) {
        printf("%d: %.9g\n", i, output_data[i]);
        if (output_data[i] > output_data[best])
            best = i;
    }
    printf("the digit is %d\n", best);
    magik::venus::venus_deinit();
    return 0;
}
