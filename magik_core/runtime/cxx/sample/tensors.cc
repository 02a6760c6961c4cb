
/* A file for each input: its floats, or its codes or integers as they are stored. */
static int feed(BaseNet &net, int argc, char **argv, int &width, int &height)
{
    width = height = 0;
    if (argc - 2 < INPUTS)
        return fail("usage", "a file for each input is needed");
    for (int i = 0; i < INPUTS; i++) {
        std::unique_ptr<Tensor> input = net.get_input(i);
        Bytes file;
        if (!read_file(argv[2 + i], file))
            return fail(argv[2 + i], "cannot be read");
        size_t count = 1;
        for (int32_t n : input->shape())
            count *= (size_t)n;
        void *data = NULL;
        if (file.size() == count * sizeof(float))
            data = IS_INTEGER[i] ? (void *)input->mudata<int>() : (void *)input->mudata<float>();
        else if (file.size() == count)
            data = input->mudata<uint8_t>();
        if (data == NULL)
            return fail(argv[2 + i], "has neither 4 bytes nor 1 for each element of its input");
        memcpy(data, file.data(), file.size());
    }
    return 0;
}
