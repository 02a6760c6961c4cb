/* core_hostile FILE...: says for each what load_model gives from the file, and from its bytes if they are as many as
 * the header says. What loads is run on zeros. */
#include "client.h"

using namespace magik::venus;

static void use(BaseNet &net)
{
    for (int i = 0; i < (int)net.get_input_names().size(); i++)
        net.get_input(i)->mudata<unsigned char>();
    printf(" run %d", net.run() == 0);
    for (int i = 0; i < (int)net.get_output_names().size(); i++)
        CHECK(net.get_output(i)->data<float>() != NULL);
}

int main(int argc, char **argv)
{
    if (venus_init(64 << 20) != 0)
        return 2;
    for (int i = 1; i < argc; i++) {
        const std::vector<unsigned char> bytes = read_file(argv[i]);
        std::unique_ptr<BaseNet> net = net_create();
        const int status = net->load_model(argv[i]);
        printf("file %d status %d", i, status);
        if (status == 0)
            use(*net);
        uint32_t said = 0;
        if (bytes.size() >= 32)
            memcpy(&said, &bytes[16], 4);
        if (bytes.size() >= 1024 && said <= bytes.size())
            CHECK((net->load_model((const char *)bytes.data(), true) == 0) == (status == 0));
        printf("\n");
    }
    venus_deinit();
    return client_end();
}
