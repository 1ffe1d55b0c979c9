#include "server/modules/csi_queue.h"

#include <assert.h>

#include "common/datetime.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_writer.h"
#include "server/modules/attention.h"

/* ---- what becomes of a stanza ---- */

static bool is_chat_state(const struct xml_element *e)
{
    return str_is(e->ns, NS_CHAT_STATES);
}

/* What may stand beside a chat state without saying more. */
static bool is_trifle(const struct xml_element *e)
{
    return is_chat_state(e) || str_is(e->ns, NS_HINTS) || str_is(e->ns, NS_SID) || str_is(e->ns, NS_DELAY) ||
           xml_is(e, "thread", NS_CLIENT) || (xml_is(e, "body", NS_CLIENT) && e->text.len == 0);
}

static bool is_only_chat_state(const struct xml_element *message)
{
    bool has_state = false;

    for (const struct xml_element *e = message->child; e != NULL; e = e->next) {
        if (!is_trifle(e))
            return false;
        has_state = has_state || is_chat_state(e);
    }
    return has_state;
}

/* A room says by status 110 that presence is about the client itself: that it has joined, or was thrown out. */
static bool is_about_self(const struct xml_element *presence)
{
    const struct xml_element *x = xml_child(presence, "x", NS_MUC_USER);

    for (const struct xml_element *e = x == NULL ? NULL : xml_child(x, "status", NS_MUC_USER); e != NULL;
         e = xml_next(e, "status", NS_MUC_USER)) {
        if (str_is(xml_attr(e, "code", NULL), "110"))
            return true;
    }
    return false;
}

static enum csi_fate fate_of_presence(const struct stanza *st, struct str own)
{
    if (st->type != TYPE_AVAILABLE && st->type != TYPE_UNAVAILABLE)
        return CSI_SEND; /* a request waits for a person */
    /* Its own presence is the answer to what the client just did, and it may wait for it. */
    return str_eq(jid_full(&st->from), own) || is_about_self(st->root) ? CSI_SEND : CSI_HOLD;
}

enum csi_fate csi_fate_of(const struct stanza *st, struct str own)
{
    /* Requests have to be answered, and answers and errors are awaited. */
    if (st->kind == STANZA_IQ || st->type == TYPE_ERROR)
        return CSI_SEND;
    if (st->kind == STANZA_PRESENCE)
        return fate_of_presence(st, own);
    if (attention_is_wanted(st))
        return CSI_SEND;
    return is_only_chat_state(attention_message(st)) ? CSI_DROP : CSI_HOLD;
}

/* ---- what takes the place of what ---- */

/* The one item that an event is about, published or retracted; NULL: none, or several. */
static const struct xml_element *find_item(const struct xml_element *message, struct str *ret_node)
{
    const struct xml_element *event = xml_child(message, "event", NS_PUBSUB_EVENT);
    const struct xml_element *items = event == NULL ? NULL : event->child;
    const struct xml_element *item = items == NULL ? NULL : items->child;

    if (item == NULL || items->next != NULL || item->next != NULL || !xml_is(items, "items", NS_PUBSUB_EVENT) ||
        !(xml_is(item, "item", NS_PUBSUB_EVENT) || xml_is(item, "retract", NS_PUBSUB_EVENT)))
        return NULL;
    *ret_node = xml_attr(items, "node", NULL);
    return item;
}

/* Parts are divided by a byte that XML cannot carry. Empty: it is merged with nothing.
 *
 * Nodes such as bookmarks have an item for each thing, and a client needs the news of every one of them: so events are
 * merged by item, not by node. Nodes with one item only nearly always name it alike each time. */
static void append_key(struct buf *key, const struct stanza *st)
{
    struct str node = {0};
    const struct xml_element *item = st->kind == STANZA_MESSAGE ? find_item(st->root, &node) : NULL;
    struct str id = item == NULL ? STR("") : xml_attr(item, "id", NULL);

    if (st->kind == STANZA_PRESENCE) {
        buf_append_char(key, 'p');
        buf_append_str(key, jid_full(&st->from));
    } else if (id.len > 0) {
        buf_append_char(key, 'e');
        buf_append_str(key, jid_full(&st->from));
        buf_append_char(key, '\0');
        buf_append_str(key, node);
        buf_append_char(key, '\0');
        buf_append_str(key, id);
    }
}

/* ---- the queue ---- */

enum { SLOT_BYTES = 48 }; /* of the table, and of the allocator: about */

struct csi_held {
    struct csi_held *next, **prev;
    size_t key_len;
    size_t xml_len;
    char bytes[]; /* the key, then the XML */
};

static struct str key_of(const struct csi_held *h)
{
    return str_make(h->bytes, h->key_len);
}

static size_t cost_of(const struct csi_held *h)
{
    return sizeof(*h) + SLOT_BYTES + h->key_len + h->xml_len;
}

void csi_queue_init(struct csi_queue *q, const struct siphash_key *key)
{
    *q = (struct csi_queue){.last = &q->first};
    hash_table_init(&q->by_key, key);
}

static void unlink_held(struct csi_queue *q, struct csi_held *h)
{
    *h->prev = h->next;
    if (h->next != NULL)
        h->next->prev = h->prev;
    else
        q->last = h->prev;
    q->n--;
    q->bytes -= cost_of(h);
}

static void append_held(struct csi_queue *q, struct csi_held *h)
{
    h->next = NULL;
    h->prev = q->last;
    *q->last = h;
    q->last = &h->next;
    q->n++;
    q->bytes += cost_of(h);
}

static void merge(struct csi_queue *q, struct csi_held *h)
{
    struct csi_held *old = h->key_len == 0 ? NULL : hash_table_put(&q->by_key, key_of(h), h);

    if (old == NULL)
        return;
    unlink_held(q, old);
    free(old);
}

static void append_xml(struct buf *out, const struct stanza *st, struct str to, struct str host, int64_t now_ms)
{
    struct buf delay = {0};
    struct xml_writer w = xml_writer_to(&delay);
    char stamp[32];

    if (xml_child(st->root, "delay", NS_DELAY) == NULL) {
        xml_start(&w, "delay", NS_DELAY);
        xml_put_attr(&w, "from", host);
        xml_put_attr(&w, "stamp", datetime_format(now_ms, stamp));
        xml_end(&w);
    }
    stanza_write_with(out, st, to, buf_str(&delay));
    buf_deinit(&delay);
}

void csi_queue_put(struct csi_queue *q, const struct stanza *st, struct str to, struct str host, int64_t now_ms)
{
    struct buf b = {0};

    append_key(&b, st);
    size_t key_len = b.len;

    append_xml(&b, st, to, host, now_ms);
    struct csi_held *h = mem_alloc(sizeof(*h) + b.len);

    h->key_len = key_len;
    h->xml_len = b.len - key_len;
    memcpy(h->bytes, b.p, b.len);
    buf_deinit(&b);
    merge(q, h);
    append_held(q, h);
}

bool csi_queue_take(struct csi_queue *q, struct buf *out)
{
    struct csi_held *h = q->first;

    if (h == NULL)
        return false;
    buf_append(out, h->bytes + h->key_len, h->xml_len);
    if (h->key_len > 0)
        (void)hash_table_remove(&q->by_key, key_of(h));
    unlink_held(q, h);
    free(h);
    return true;
}

void csi_queue_deinit(struct csi_queue *q)
{
    for (struct csi_held *h = q->first, *next; h != NULL; h = next) {
        next = h->next;
        free(h);
    }
    hash_table_deinit(&q->by_key);
}
