/* server/modules/vcard4.c - XEP-0292 vCard4 Over XMPP 0.12.0
 *
 * The card is the last item of the node urn:xmpp:vcard4, which clients publish and read by themselves. It is kept
 * together with that of the old form: who may read the node is given what it says in either form, and a card that is
 * set in the old form is published here, too. What only one of them can say stays where it is
 * (common/xmpp/vcard4.h). */
#include "server/modules/vcard4.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/vcard4.h"
#include "common/xmpp/xml_reader.h"
#include "server/modules/module.h"

#define NODE STR(NS_VCARD4_NODE)
#define ITEM STR("current")

struct request {
    struct account *account; /* pinned */
    vcard4_on_card on_card;
    pubsub_on_done on_done;
    void *ctx;
    struct str text; /* the reader, or the card of the old form; the request's own */
    char bytes[];
};

static struct request *request_new(struct account *a, struct str text, void *ctx)
{
    struct request *r = mem_zalloc(sizeof(*r) + text.len);

    r->account = a;
    r->ctx = ctx;
    memcpy(r->bytes, text.p, text.len);
    r->text = str_make(r->bytes, text.len);
    account_pin(a);
    return r;
}

static void request_free(struct request *r)
{
    account_unpin(r->account);
    free(r);
}

/* ---- reading ---- */

static void on_item(void *ctx, enum ln_err err, const struct pubsub_item *items, size_t n)
{
    struct request *r = ctx;
    bool may_read = str_eq(r->text, r->account->jid.full) || pubsub_may_read(r->account, NODE, r->text);

    r->on_card(r->ctx, err == LN_OK && n > 0 && may_read ? items[n - 1].payload : STR(""));
    request_free(r);
}

void vcard4_get(struct account *a, struct str reader_bare, vcard4_on_card done, void *ctx)
{
    struct request *r = request_new(a, reader_bare, ctx);

    r->on_card = done;
    pubsub_get_items(a, NODE, STR(""), on_item, r);
}

/* ---- following ---- */

static void on_published(void *ctx, enum ln_err err)
{
    struct request *r = ctx;

    r->on_done(r->ctx, err);
    request_free(r);
}

/* The new card, given the old one (empty: there is none). */
static void convert(struct buf *out, struct str temp, struct str had)
{
    const struct xml_element *from, *old = NULL;
    struct arena *arena, *old_arena = NULL;

    if (xml_parse(temp, STR(""), &arena, &from) != LN_OK)
        return;
    if (had.len > 0 && xml_parse(had, STR(""), &old_arena, &old) == LN_OK && !xml_is(old, "vcard", NS_VCARD4))
        old = NULL;
    vcard4_of_temp(out, from, old);
    arena_free(&arena);
    arena_free(&old_arena);
}

static void on_item_had(void *ctx, enum ln_err err, const struct pubsub_item *items, size_t n)
{
    struct request *r = ctx;
    struct pubsub_item had = {.id = ITEM};
    struct buf card = {0};

    if (err != LN_OK) {
        on_published(r, err);
        return;
    }
    if (n > 0)
        had = items[n - 1];
    convert(&card, r->text, had.payload);
    if (card.len == 0 || str_eq(buf_str(&card), had.payload))
        on_published(r, LN_OK);
    else
        pubsub_publish(r->account, NODE, had.id, buf_str(&card), on_published, r);
    buf_deinit(&card);
}

void vcard4_follow(struct account *a, struct str temp, pubsub_on_done done, void *ctx)
{
    struct request *r = request_new(a, temp, ctx);

    r->on_done = done;
    pubsub_get_items(a, NODE, STR(""), on_item_had, r);
}

const struct module module_vcard4 = {
    .name = "vcard4",
    .account_features = {NS_VCARD4},
};
