
/* ---- every output, to a file and in a line ------------------------------------------------------------------- */

static int show(BaseNet &net, int, int)
{
    const std::vector<std::string> names = net.get_output_names();
    for (size_t i = 0; i < names.size(); i++) {
        std::unique_ptr<const Tensor> output = net.get_output((int)i);
        const bool is_float = output->data_type() == DataType::FP32;
        const float *reals = is_float ? output->data<float>() : NULL;
        const int *integers = is_float ? NULL : output->data<int>();
        size_t count = 1;
        std::string sizes;
        for (int32_t n : output->shape()) {
            char text[16];
            snprintf(text, sizeof text, "%s%d", sizes.empty() ? "" : "x", (int)n);
            sizes += text;
            count *= (size_t)n;
        }
        double low = is_float ? reals[0] : integers[0], high = low;
        for (size_t k = 1; k < count; k++) {
            const double v = is_float ? reals[k] : integers[k];
            low = std::min(low, v);
            high = std::max(high, v);
        }
        printf("output: %s %s min %.6g max %.6g\n", names[i].c_str(), sizes.c_str(), low, high);
        char path[32];
        snprintf(path, sizeof path, "output%d.bin", (int)i);
        FILE *f = fopen(path, "wb");
        if (f == NULL || fwrite(is_float ? (const void *)reals : (const void *)integers, 4, count, f) != count)
            return fail(path, "cannot be written");
        fclose(f);
    }
    return 0;
}
