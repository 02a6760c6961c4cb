
static int run(int argc, char **argv)
{
    std::unique_ptr<BaseNet> net = net_create(TensorFormat::NHWC);
    if (net == NULL || net->load_model(argv[1]) != 0)
        return fail(argv[1], "cannot be loaded");
    int width, height;
    if (feed(*net, argc, argv, width, height) != 0)
        return 1;
    for (int i = 0; i < RUNS; i++)
        if (net->reset() != 0 || net->run() != 0) /* a net with memory begins anew: this is one frame */
            return fail(argv[1], "cannot be run");
    return show(*net, width, height);
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return fail("usage", "@usage");
    if (venus_init() != 0)
        return fail("venus_init", "failed");
    const int status = run(argc, argv);
    venus_deinit();
    return status;
}
