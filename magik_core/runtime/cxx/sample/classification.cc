
/* ---- the classes with the highest scores --------------------------------------------------------------- */

static int show(BaseNet &net, int, int)
{
    std::unique_ptr<const Tensor> output = net.get_output(0);
    const float *scores = output->data<float>();
    std::vector<int> order(CLASSES);
    for (int i = 0; i < CLASSES; i++)
        order[(size_t)i] = i;
    const auto is_better = [scores](int a, int b) { return scores[a] != scores[b] ? scores[a] > scores[b] : a < b; };
    const int shown = std::min(BEST, (int)CLASSES);
    std::partial_sort(order.begin(), order.begin() + shown, order.end(), is_better);
    for (int i = 0; i < shown; i++)
        printf("class: %d %s %.6f\n", order[(size_t)i], label(order[(size_t)i]), scores[order[(size_t)i]]);
    return 0;
}
