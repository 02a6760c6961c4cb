
/* ---- a table of boxes and one of their scores ------------------------------------------------------------ */

static int show(BaseNet &net, int width, int height)
{
    const std::unique_ptr<const Tensor> box_output = net.get_output(BOX_OUTPUT), score_output = net.get_output(SCORE_OUTPUT);
    const float *boxes = box_output->data<float>(), *scores = score_output->data<float>();
    std::vector<ObjBbox_t> found;
    int empty = 0; /* boxes without an area, or that are no numbers */
    for (int i = 0; i < ROWS; i++) {
        int best = BACKGROUND == 0 ? 1 : 0;
        for (int c = best; c < COLUMNS; c++)
            if (c != BACKGROUND && scores[i * SCORE_ROW + c * SCORE_COLUMN] > scores[i * SCORE_ROW + best * SCORE_COLUMN])
                best = c;
        const float score = scores[i * SCORE_ROW + best * SCORE_COLUMN];
        if (!(score > THRESHOLD))
            continue;
        float v[4];
        for (int k = 0; k < 4; k++)
            v[k] = boxes[i * BOX_ROW + k * BOX_COLUMN] * (!IS_RELATIVE ? 1.0f : (float)(k % 2 == 0 ? WIDTH : HEIGHT));
        ObjBbox_t box;
        box.box.x0 = IS_CENTER ? v[0] - v[2] / 2 : v[0];
        box.box.y0 = IS_CENTER ? v[1] - v[3] / 2 : v[1];
        box.box.x1 = IS_CENTER ? v[0] + v[2] / 2 : v[2];
        box.box.y1 = IS_CENTER ? v[1] + v[3] / 2 : v[3];
        if (!(box.box.x1 > box.box.x0 && box.box.y1 > box.box.y0)) {
            empty++;
            continue;
        }
        box.score = score;
        box.class_id = BACKGROUND == 0 ? best - 1 : best;
        found.push_back(box);
    }
    if (empty > 0)
        fprintf(stderr, "sample: %d box%s without an area dropped: the outputs look like offsets that need priors\n", empty,
                empty == 1 ? "" : "es");
    return print_boxes(found, width, height);
}
