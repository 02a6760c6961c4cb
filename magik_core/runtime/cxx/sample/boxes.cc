
/* Boxes in the network's pixels to boxes in the picture's, cut at its edges; class by class, the best first. */
static int print_boxes(std::vector<ObjBbox_t> &found, int width, int height)
{
    std::vector<ObjBbox_t> kept;
    for (int one = 0; one < CLASSES; one++) {
        std::vector<ObjBbox_t> of_class;
        for (const ObjBbox_t &box : found)
            if (box.class_id == one)
                of_class.push_back(box);
        nms(of_class, kept, NMS_THRESHOLD, NmsType::HARD_NMS);
    }
    const Fit f = fit_of(width, height);
    for (const ObjBbox_t &b : kept) {
        const float x0 = (b.box.x0 - f.left) / f.scale_x, x1 = (b.box.x1 - f.left) / f.scale_x;
        const float y0 = (b.box.y0 - f.top) / f.scale_y, y1 = (b.box.y1 - f.top) / f.scale_y;
        const float w = (float)width, h = (float)height;
        printf("box: %.1f %.1f %.1f %.1f %.4f%s%s\n", std::min(std::max(x0, 0.0f), w), std::min(std::max(y0, 0.0f), h),
               std::min(std::max(x1, 0.0f), w), std::min(std::max(y1, 0.0f), h), b.score, CLASSES > 1 ? " " : "",
               CLASSES > 1 ? label(b.class_id) : "");
    }
    printf("%d box%s\n", (int)kept.size(), kept.size() == 1 ? "" : "es");
    return 0;
}
