/* Items for those who ask for them (XEP-0060 section 6.5), in pages where there are many (XEP-0059). */
#include "common/xmpp/ns.h"
#include "common/xmpp/rsm.h"
#include "server/base/config.h"
#include "server/pubsub/request.h"

/* What is given: items [first, end). */
struct range {
    size_t first, end;
    bool is_cut; /* there are more, and the answer says so */
};

static void write_item(struct xml_writer *w, const struct pubsub_request *r, const struct item *item)
{
    xml_start(w, "item", NULL);
    xml_put_attr(w, "id", item_id(item));
    if (!str_eq(item_publisher(item), r->service->jid.full))
        xml_put_attr_opt(w, "publisher", item_publisher(item));
    xml_put_raw(w, item_payload(item));
    xml_end(w);
}

static void start_answer(struct xml_writer *w, const struct pubsub_request *r)
{
    xml_start(w, "pubsub", NS_PUBSUB);
    xml_start(w, "items", NULL);
    xml_put_attr(w, "node", r->node_name);
}

/* What a client can be sent in one go, when others' answers wait as well. */
static size_t bytes_allowed(const struct pubsub_request *r)
{
    return pubsub_limits(r->service)->out_queue_bytes / 4;
}

/* Those that are named, as many as there are (section 6.5.8). What is too much for one answer is not asked for in one
 * request. */
static void answer_named(struct pubsub_request *r)
{
    const struct item_ring *ring = &r->node->items;
    struct xml_writer w = xml_writer_to(&r->answer);
    unsigned n = 0;

    start_answer(&w, r);
    for (const struct xml_element *e = xml_child(r->e, "item", NS_PUBSUB); e != NULL;
         e = xml_next(e, "item", NS_PUBSUB)) {
        ptrdiff_t at = item_ring_find(ring, xml_attr(e, "id", NULL));

        if (at < 0)
            continue;
        if (n++ > 0 && r->answer.len + ring->items[at]->payload_len > bytes_allowed(r)) {
            buf_clear(&r->answer);
            request_error(r, STANZA_ERR_POLICY_VIOLATION, NULL);
            return;
        }
        write_item(&w, r, ring->items[at]);
    }
    xml_end(&w);
    xml_end(&w);
    request_done(r);
}

/* Takes items from the front, or from the back, until there are `max`, or they become too large for one answer. */
static void cut(const struct pubsub_request *r, struct range *range, size_t max, bool from_back)
{
    const struct item_ring *ring = &r->node->items;
    size_t allowed = bytes_allowed(r), bytes = 0, n = 0;

    while (n < range->end - range->first && n < max) {
        const struct item *item = ring->items[from_back ? range->end - 1 - n : range->first + n];

        bytes += item->payload_len + item->id_len;
        if (n > 0 && bytes > allowed)
            break;
        n++;
    }
    range->is_cut = n < range->end - range->first;
    if (from_back)
        range->first = range->end - n;
    else
        range->end = range->first + n;
}

/* False: an id that is not there, which XEP-0059 section 2.2 answers with item-not-found. */
static bool select_page(const struct pubsub_request *r, const struct rsm_request *rsm, struct range *range)
{
    const struct item_ring *ring = &r->node->items;
    bool from_back = rsm->has_before;

    if (rsm->has_after && rsm->after.len > 0) {
        ptrdiff_t at = item_ring_find(ring, rsm->after);

        if (at < 0)
            return false;
        range->first = (size_t)at + 1;
    }
    if (rsm->has_before && rsm->before.len > 0) {
        ptrdiff_t at = item_ring_find(ring, rsm->before);

        if (at < 0)
            return false;
        range->end = (size_t)at;
    }
    if (rsm->has_index)
        range->first = rsm->index < ring->n ? rsm->index : ring->n;
    cut(r, range, rsm->has_max ? rsm->max : SIZE_MAX, from_back);
    return true;
}

static void answer_range(struct pubsub_request *r, const struct range *range, bool is_paged)
{
    const struct item_ring *ring = &r->node->items;
    struct xml_writer w = xml_writer_to(&r->answer);

    start_answer(&w, r);
    for (size_t i = range->first; i < range->end; i++)
        write_item(&w, r, ring->items[i]);
    xml_end(&w);
    if (is_paged) {
        struct rsm_page page = {.has_count = true, .count = ring->n};

        if (range->first < range->end) {
            page.first = item_id(ring->items[range->first]);
            page.last = item_id(ring->items[range->end - 1]);
            page.has_index = true;
            page.index = range->first;
        }
        rsm_write(&w, &page);
    }
    xml_end(&w);
    request_done(r);
}

void request_items(struct pubsub_request *r)
{
    struct range range = {.end = r->node->items.n};
    struct rsm_request rsm;
    bool has_newest;
    struct str newest = xml_attr(r->e, "max_items", &has_newest);
    uint64_t n = 0;

    if (!r->node->meta->config.persist_items) {
        request_unsupported(r, "persistent-items");
    } else if ((has_newest && !str_to_u64(newest, UINT64_MAX, &n)) || !rsm_parse(r->query, &rsm)) {
        request_error(r, STANZA_ERR_BAD_REQUEST, NULL);
    } else if (xml_child(r->e, "item", NS_PUBSUB) != NULL) {
        answer_named(r);
    } else if (rsm.is_there) {
        if (select_page(r, &rsm, &range))
            answer_range(r, &range, true);
        else
            request_error(r, STANZA_ERR_ITEM_NOT_FOUND, NULL);
    } else {
        cut(r, &range, has_newest && n < SIZE_MAX ? (size_t)n : SIZE_MAX, true);
        answer_range(r, &range, range.is_cut && !has_newest);
    }
}
