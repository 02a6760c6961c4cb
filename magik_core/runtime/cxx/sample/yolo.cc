
/* ---- YOLO heads -------------------------------------------------------------------------------------------- */

static int show(BaseNet &net, int width, int height)
{
    std::vector<Tensor> features;
    std::vector<float> strides(STRIDES, STRIDES + HEADS), anchors(ANCHORS, ANCHORS + HEADS * BOXES * 2);
    for (int i = 0; i < HEADS; i++) {
        std::unique_ptr<const Tensor> output = net.get_output(i);
        features.push_back(*output);
    }
    std::vector<ObjBbox_t> found;
    generate_box(features, strides, anchors, found, WIDTH, HEIGHT, CLASSES, BOXES, THRESHOLD, DETECTOR, -1);
    return print_boxes(found, width, height);
}
