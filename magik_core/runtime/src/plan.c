/* Plans memory for the sizes that the tensors of a net have now.
 *
 * A tensor that shares its storage takes all of it, from the first byte: a view (its bytes are another
 * tensor's), or an output that overwrites an input which nobody reads later. Storages are then placed one by
 * one, in a few orders, where they fit; the smallest arena counts. No recursion, no more memory than the net
 * has, and a bounded amount of work whatever the file holds.
 */
#include "net.h"

enum {
    BEFORE = -1,         /* the caller fills the inputs before step 0 */
    IN_PLACE_INPUTS = 32, /* that `in_place` has bits for */
    FEW = 1024,          /* storages for which every order is tried */
    MANY = 8192          /* storages for which one is; more of them get a place each */
};
#define MOST_ARENA ((int64_t)INT32_MAX) /* bytes */

enum way { BY_SIZE, BY_AREA, BY_LENGTH, BY_FIRST, WAYS };

static struct net_place *place_of(const struct magik_net *net, const struct magik_tensor *t)
{
    return &net->places[net_index(net, t)];
}

/* ---- sharing ---- */

static void find_lives(struct magik_net *net)
{
    for (int32_t i = 0; i < net->n_tensors; i++)
        net->places[i] = (struct net_place){
            .offset = net->places[i].offset,
            .bytes = (uint32_t)net_round(net_bytes(&net->tensors[i]), NET_LINE),
            .storage = i,
            .first = BEFORE,
            .last = BEFORE,
        };
    for (int32_t i = 0; i < net->n_steps; i++) {
        const struct magik_step *n = &net->steps[i].step;
        for (int32_t k = 0; k < n->n_in; k++)
            place_of(net, n->in[k])->last = i;
        for (int32_t k = 0; k < n->n_out; k++)
            place_of(net, n->out[k])->first = place_of(net, n->out[k])->last = i;
    }
    for (int32_t i = net->n_inputs; i < net->n_ports; i++)
        net->places[net->ports[i].tensor].last = net->n_steps;
    for (int32_t i = 0; i < net->n_states; i++)
        net->places[net->states[i].after].last = net->n_steps;
}

/* Let views take the storage of what they view. Inputs of a step have theirs by then. */
static void share_views(struct magik_net *net)
{
    for (int32_t i = 0; i < net->n_steps; i++) {
        const struct net_step *s = &net->steps[i];
        const struct magik_tensor *x = s->step.in[0], *y = s->step.out[0];
        if (s->kernel->is_view == NULL || x->is_constant || net_bytes(x) != net_bytes(y) || !s->kernel->is_view(&s->step))
            continue;
        struct net_place *p = place_of(net, y), *root = &net->places[place_of(net, x)->storage];
        p->storage = place_of(net, x)->storage;
        root->last = root->last > p->last ? root->last : p->last;
    }
}

/* The storage of a tensor while steps still hand theirs over: of the tensor that it is a view of. */
static int32_t storage_of(const struct magik_net *net, const struct magik_tensor *t)
{
    return net->places[place_of(net, t)->storage].storage;
}

/* Whether the step reads storage `at` only through inputs that are `x` and may be overwritten. */
static int is_read_as(const struct magik_net *net, const struct magik_step *n, uint32_t mask, const struct magik_tensor *x, int32_t at)
{
    for (int32_t k = 0; k < n->n_in; k++) {
        const int may_go = n->in[k] == x && k < IN_PLACE_INPUTS && (mask >> k & 1u) != 0;
        if (!n->in[k]->is_constant && storage_of(net, n->in[k]) == at && !may_go)
            return 0;
    }
    return 1;
}

/* Let first outputs overwrite inputs of as many bytes that are read for the last time. */
static void share_in_place(struct magik_net *net)
{
    for (int32_t i = 0; i < net->n_steps; i++) {
        const struct magik_step *n = &net->steps[i].step;
        const uint32_t mask = net->file_steps[i].in_place;
        const struct magik_tensor *y = n->out[0];
        struct net_place *p = place_of(net, y);
        for (int32_t k = 0; k < n->n_in && k < IN_PLACE_INPUTS && p->storage == net_index(net, y); k++) {
            const struct magik_tensor *x = n->in[k];
            if ((mask >> k & 1u) == 0 || x->is_constant || net_bytes(x) != net_bytes(y))
                continue;
            const int32_t at = storage_of(net, x);
            if (net->places[at].last == i && is_read_as(net, n, mask, x, at)) {
                p->storage = at;
                net->places[at].last = p->last;
            }
        }
    }
    for (int32_t i = 0; i < net->n_tensors; i++)
        net->places[i].storage = net->places[net->places[i].storage].storage;
}

/* ---- placing ---- */

/* What comes first has more of it. */
static int64_t weight(const struct net_place *p, enum way way)
{
    const int64_t length = (int64_t)p->last - p->first + 1;
    switch (way) {
    case BY_SIZE:
        return p->bytes;
    case BY_AREA:
        return p->bytes * length;
    case BY_LENGTH:
        return length;
    default:
        return -(int64_t)p->first;
    }
}

static int comes_before(const struct net_place *a, const struct net_place *b, enum way way)
{
    const int64_t one = weight(a, way), other = weight(b, way);
    return one > other || (one == other && a->bytes > b->bytes);
}

/* Sort net->order; storages that are alike stay in the order of the file. */
static void sort(struct magik_net *net, int32_t count, enum way way)
{
    int32_t *order = net->order;
    for (int32_t i = 1; i < count; i++) {
        const int32_t item = order[i];
        int32_t at = i;
        for (; at > 0 && comes_before(&net->places[item], &net->places[order[at - 1]], way); at--)
            order[at] = order[at - 1];
        order[at] = item;
    }
}

/* The lowest free offset for `p` beside what is placed, or that in the tightest gap. */
static int64_t fit(const struct magik_net *net, const struct net_place *p, int32_t placed, int is_tight)
{
    int64_t base = 0, best = -1, slack = 0;
    for (int32_t i = 0; i < placed; i++) {
        const struct net_place *q = &net->places[net->placed[i]];
        if (q->last < p->first || p->last < q->first)
            continue;
        const int64_t left = q->found - base - (int64_t)p->bytes;
        if (left >= 0 && (best < 0 || left < slack)) {
            best = base;
            slack = left;
            if (!is_tight)
                break;
        }
        const int64_t end = (int64_t)q->found + q->bytes;
        base = end > base ? end : base;
    }
    return best < 0 ? base : best;
}

/* Place the storages in this order; returns the size of the arena, or `limit` where it is no smaller. */
static int64_t place(struct magik_net *net, const int32_t *order, int32_t count, int is_tight, int64_t limit)
{
    int64_t peak = 0;
    for (int32_t i = 0; i < count; i++) {
        struct net_place *p = &net->places[order[i]];
        const int64_t base = fit(net, p, i, is_tight);
        peak = base + p->bytes > peak ? base + p->bytes : peak;
        if (peak >= limit)
            return limit;
        p->found = (uint32_t)base;
        int32_t at = i;
        for (; at > 0 && net->places[net->placed[at - 1]].found > p->found; at--)
            net->placed[at] = net->placed[at - 1];
        net->placed[at] = order[i];
    }
    return peak;
}

/* The best of several orders, placed; the size of the arena, above MOST_ARENA where there is no room. */
static int64_t search(struct magik_net *net, int32_t count)
{
    const int32_t ways = count <= FEW ? WAYS : 1, fits = count <= FEW ? 2 : 1;
    int64_t least = MOST_ARENA + 1;
    int is_best_tight = 0;
    for (int32_t way = 0; way < ways; way++) {
        sort(net, count, (enum way)way);
        for (int is_tight = 0; is_tight < fits; is_tight++) {
            const int64_t peak = place(net, net->order, count, is_tight, least);
            if (peak == least)
                continue;
            least = peak;
            is_best_tight = is_tight;
            memcpy(net->best, net->order, sizeof *net->best * (size_t)count);
        }
    }
    if (least <= MOST_ARENA)
        place(net, net->best, count, is_best_tight, least + 1);
    return least;
}

/* One after the other, for nets of more storages than any real one has. */
static int64_t stack(struct magik_net *net, int32_t count)
{
    int64_t end = 0;
    for (int32_t i = 0; i < count && end <= MOST_ARENA; i++) {
        net->places[net->order[i]].found = (uint32_t)end;
        end += net->places[net->order[i]].bytes;
    }
    return end;
}

int32_t net_plan(struct magik_net *net)
{
    int32_t count = 0, largest = 0;
    find_lives(net);
    share_views(net);
    share_in_place(net);
    for (int32_t i = 0; i < net->n_tensors; i++)
        if (!net->tensors[i].is_constant && net->places[i].storage == i) {
            largest = net->places[i].bytes > net->places[largest].bytes || count == 0 ? i : largest;
            net->order[count++] = i;
        }
    const int64_t bytes = count <= MANY ? search(net, count) : stack(net, count);
    if (bytes > MOST_ARENA)
        return largest;
    for (int32_t i = 0; i < net->n_tensors; i++)
        if (!net->tensors[i].is_constant)
            net->places[i].offset = net->places[net->places[i].storage].found;
    net->plan_bytes = (size_t)bytes;
    return -1;
}
