/* server/modules/avatar.c - XEP-0398 User Avatar to vCard-Based Avatars Conversion 1.0.0, between XEP-0084 User Avatar
 * 1.1.4 and XEP-0153 vCard-Based Avatars 1.1.1
 *
 * The picture is what the nodes have. A vCard is given it when somebody asks who may read the nodes (modules/vcard.c);
 * one that is set with a picture publishes that. The hash of the picture is remembered with the account, since it goes
 * into every available presence: contacts and rooms learn from it that there is a new picture, and clients need not
 * fetch their own to know it. When it changes, presence that was broadcast is broadcast anew; what was directed is the
 * clients' to send again (section 5.1).
 *
 *   (account, "account", "avatar")  "hash type", or "-": there is none any more */
#include "server/modules/avatar.h"

#include "common/base64.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_reader.h"
#include "common/xmpp/xml_writer.h"
#include "server/base/log.h"
#include "server/im/presence.h"
#include "server/im/slots.h"
#include "server/modules/module.h"
#include "server/storage/storage.h"
#include "server/stream/credentials.h"

#define DATA     STR(NS_AVATAR_DATA)
#define METADATA STR(NS_AVATAR_METADATA)
#define KEY      STR("avatar")

static unsigned slot; /* [start] of accounts: struct avatar */

static void on_start(struct server *server)
{
    (void)server;
    slot = account_slot_new();
}

/* ---- presence (section 4) ---- */

/* What the presence says of pictures, and the time stamp that it got when it was told to somebody late. */
static bool is_out_of_date(const struct xml_element *child, const void *stamper)
{
    const struct str *host = stamper; /* empty: it is just coming from the client, and has none */

    return avatar_is_update(child, NULL) ||
           (host->len > 0 && xml_is(child, "delay", NS_DELAY) && str_eq(xml_attr(child, "from", NULL), *host));
}

/* The presence with the hash; the caller's reference. NULL: it says what it should. */
static struct stanza *with_hash(struct stanza *st, struct str hash, struct str host)
{
    struct stanza *bare, *with;
    struct buf update = {0};

    if (!avatar_must_update(st, hash))
        return NULL;
    bare = st->root->child == NULL ? stanza_ref(st) : stanza_without(st, is_out_of_date, &host);
    if (bare == NULL)
        return NULL;
    avatar_write_update(&update, hash);
    with = stanza_with(bare, buf_str(&update));
    buf_deinit(&update);
    stanza_unref(&bare);
    return with;
}

static void tell_again(struct account *a, struct str hash)
{
    for (struct session *s = a->sessions; s != NULL; s = s->next_of_account) {
        struct stanza *st = session_is_available(s) ? stanza_from_bytes(str_of(s->presence)) : NULL;
        struct stanza *with = st == NULL ? NULL : with_hash(st, hash, s->host);

        if (with != NULL)
            presence_from_client(s, with);
        stanza_unref(&with);
        stanza_unref(&st);
    }
}

/* ---- what is remembered ---- */

const struct avatar *avatar_peek(const struct account *a)
{
    return account_slot_peek(a, slot);
}

static void forget(struct account *a)
{
    if (account_slot_peek(a, slot) == NULL)
        return;
    free(*account_slot(a, slot));
    *account_slot(a, slot) = NULL;
}

static void remember(struct account *a, struct str hash, struct str type)
{
    struct avatar *p;
    void **mine = account_slot(a, slot);

    if (*mine == NULL)
        *mine = mem_zalloc(sizeof(*p));
    p = *mine;
    p->is_there = hash.len > 0;
    p->type_len = type.len;
    if (p->is_there) {
        memcpy(p->hash, hash.p, AVATAR_HASH_LEN);
        memcpy(p->type, type.p, type.len);
    }
}

/* An empty hash: there is none. */
static void store(struct account *a, struct str hash, struct str type)
{
    struct storage_txn *t = storage_txn_new();
    struct buf b = {0};

    buf_append_str(&b, hash.len > 0 ? hash : STR("-"));
    if (hash.len > 0) {
        buf_append_char(&b, ' ');
        buf_append_str(&b, type);
    }
    storage_txn_require_present(t, a->jid.full, CREDENTIALS_COLLECTION, CREDENTIALS_KEY);
    storage_txn_put(t, a->jid.full, CREDENTIALS_COLLECTION, KEY, buf_str(&b));
    storage_commit(a->worker->server->storage, t, &a->worker->executor, NULL, NULL);
    buf_deinit(&b);
}

static void set_known(struct account *a, struct str hash, struct str type)
{
    if (!account_is_lasting(a))
        return;
    bool is_news = avatar_peek(a) == NULL || !str_eq(avatar_peek_hash(avatar_peek(a)), hash);

    remember(a, hash, type);
    store(a, hash, type);
    if (is_news)
        tell_again(a, hash);
}

static enum verdict on_loaded(struct hook_event *e)
{
    for (size_t i = 0; i < e->rows->n; i++) {
        struct str bytes = e->rows->rows[i].bytes;
        struct str hash = str_make(bytes.p, bytes.len < AVATAR_HASH_LEN ? bytes.len : AVATAR_HASH_LEN);

        if (!str_eq(e->rows->rows[i].key, KEY))
            continue;
        if (avatar_is_hash(hash) && bytes.len > AVATAR_HASH_LEN + 1 &&
            bytes.len <= AVATAR_HASH_LEN + 1 + AVATAR_TYPE_MAX)
            remember(e->account, hash, str_make(bytes.p + AVATAR_HASH_LEN + 1, bytes.len - AVATAR_HASH_LEN - 1));
        else
            remember(e->account, STR(""), STR(""));
    }
    return CONTINUE;
}

static enum verdict on_gone(struct hook_event *e)
{
    forget(e->account);
    return CONTINUE;
}

/* ---- a picture that clients publish (section 3.1) ---- */

struct check {
    struct account *account; /* pinned */
    bool is_withdrawal;      /* there is nothing to be looked at, but others' turn comes first */
    char hash[AVATAR_HASH_LEN];
    size_t type_len;
    char type[AVATAR_TYPE_MAX];
};

/* The base64 in an item of the data node; empty: it is none. Lies in *ret_arena. */
static struct str base64_of(struct str payload, struct arena **ret_arena)
{
    const struct xml_element *data;

    *ret_arena = NULL;
    if (xml_parse(payload, STR(""), ret_arena, &data) != LN_OK)
        return STR("");
    return xml_is(data, "data", NS_AVATAR_DATA) ? data->text : STR("");
}

static bool has_hash(struct str payload, struct str hash)
{
    struct arena *arena;
    struct buf picture = {0};
    char found[AVATAR_HASH_LEN];
    bool is_it = avatar_decode(base64_of(payload, &arena), &picture) && picture.len > 0 &&
                 str_eq(avatar_hash(buf_str(&picture), found), hash);

    arena_free(&arena);
    buf_deinit(&picture);
    return is_it;
}

static void on_data(void *ctx, enum ln_err err, const struct pubsub_item *items, size_t n)
{
    struct check *c = ctx;
    struct str hash = str_make(c->hash, AVATAR_HASH_LEN);

    if (!c->is_withdrawal && err == LN_OK && n == 1 && has_hash(items[0].payload, hash))
        set_known(c->account, hash, str_make(c->type, c->type_len));
    else if (c->is_withdrawal || err == LN_OK || err == LN_E_NOT_FOUND)
        set_known(c->account, STR(""), STR(""));
    account_unpin(c->account);
    free(c);
}

/* What the metadata promises counts when the data is what it says; what it says last counts, so that is looked at in
 * the order of the changes. An empty hash: there is no picture any more. */
static void check(struct account *a, struct str hash, struct str type)
{
    struct check *c = mem_alloc(sizeof(*c));

    c->account = a;
    c->is_withdrawal = hash.len == 0;
    if (!c->is_withdrawal) {
        memcpy(c->hash, hash.p, AVATAR_HASH_LEN);
        memcpy(c->type, type.p, type.len);
    }
    c->type_len = type.len;
    account_pin(a);
    pubsub_get_items(a, DATA, hash, on_data, c);
}

static enum verdict on_node_changed(struct hook_event *e)
{
    const struct node_change *change = e->change;
    const struct xml_element *metadata;
    struct arena *arena = NULL;
    struct str hash = STR(""), type = STR("");

    if (change->is_by_module || change->makes_room || !str_eq(change->node, METADATA))
        return CONTINUE;
    if (!change->is_retracted && xml_parse(change->payload, STR(""), &arena, &metadata) == LN_OK)
        (void)avatar_of_metadata(metadata, &hash, &type);
    check(e->account, hash, type);
    arena_free(&arena);
    return CONTINUE;
}

/* ---- a picture that came in a vCard (section 3.2) ---- */

struct publication {
    struct account *account; /* pinned */
    pubsub_on_done done;
    void *ctx;
    bool is_withdrawal;
    size_t bytes;
    char hash[AVATAR_HASH_LEN];
    size_t type_len;
    char type[AVATAR_TYPE_MAX];
};

static void end_publication(struct publication *p, enum ln_err err)
{
    struct account *a = p->account;

    if (err == LN_OK && p->is_withdrawal)
        set_known(a, STR(""), STR(""));
    else if (err == LN_OK)
        set_known(a, str_make(p->hash, AVATAR_HASH_LEN), str_make(p->type, p->type_len));
    else
        log_info(LOG_MODULE, 0, "avatar.not_converted", F_STR("jid", a->jid.full), F_ERR("err", err));
    p->done(p->ctx, err);
    free(p);
    account_unpin(a);
}

static void on_metadata_published(void *ctx, enum ln_err err)
{
    end_publication(ctx, err);
}

static void on_data_published(void *ctx, enum ln_err err)
{
    struct publication *p = ctx;
    struct str hash = str_make(p->hash, AVATAR_HASH_LEN);
    struct buf metadata = {0};

    if (err != LN_OK) {
        end_publication(p, err);
        return;
    }
    avatar_write_metadata(&metadata, hash, str_make(p->type, p->type_len), p->bytes);
    pubsub_publish(p->account, METADATA, hash, buf_str(&metadata), on_metadata_published, p);
    buf_deinit(&metadata);
}

static struct publication *publication_new(struct account *a, pubsub_on_done done, void *ctx)
{
    struct publication *p = mem_zalloc(sizeof(*p));

    p->account = a;
    p->done = done;
    p->ctx = ctx;
    account_pin(a);
    return p;
}

void avatar_publish(struct account *a, struct str type, struct str picture, pubsub_on_done done, void *ctx)
{
    struct publication *p = publication_new(a, done, ctx);
    struct buf data = {0}, base64 = {0};
    struct xml_writer w = xml_writer_to(&data);

    p->bytes = picture.len;
    p->type_len = type.len;
    memcpy(p->type, type.p, type.len);
    base64_encode(&base64, picture);
    xml_start(&w, "data", NS_AVATAR_DATA);
    xml_put_text(&w, buf_str(&base64));
    xml_end(&w);
    pubsub_publish(a, DATA, avatar_hash(picture, p->hash), buf_str(&data), on_data_published, p);
    buf_deinit(&data);
    buf_deinit(&base64);
}

void avatar_withdraw(struct account *a, pubsub_on_done done, void *ctx)
{
    struct publication *p = publication_new(a, done, ctx);
    struct buf metadata = {0};

    p->is_withdrawal = true;
    avatar_write_metadata(&metadata, STR(""), STR(""), 0);
    pubsub_publish(a, METADATA, STR(""), buf_str(&metadata), on_metadata_published, p);
    buf_deinit(&metadata);
}

/* ---- for vCards (section 5.2) ---- */

struct request {
    struct account *account; /* pinned */
    avatar_on_picture done;
    void *ctx;
    struct str reader;
    char bytes[];
};

static void on_picture(void *ctx, enum ln_err err, const struct pubsub_item *items, size_t n)
{
    struct request *r = ctx;
    struct account *a = r->account;
    const struct avatar *p = avatar_peek(a);
    bool may_read = str_eq(r->reader, a->jid.full) ||
                    (pubsub_may_read(a, DATA, r->reader) && pubsub_may_read(a, METADATA, r->reader));
    struct arena *arena = NULL;
    struct str base64 = STR("");

    if (err == LN_OK && n == 1 && may_read && p != NULL)
        base64 = base64_of(items[0].payload, &arena);
    r->done(r->ctx, p == NULL ? STR("") : str_make(p->type, p->type_len), base64);
    arena_free(&arena);
    free(r);
    account_unpin(a);
}

void avatar_get(struct account *a, struct str reader_bare, avatar_on_picture done, void *ctx)
{
    struct request *r = mem_alloc(sizeof(*r) + reader_bare.len);

    r->account = a;
    r->done = done;
    r->ctx = ctx;
    memcpy(r->bytes, reader_bare.p, reader_bare.len);
    r->reader = str_make(r->bytes, reader_bare.len);
    account_pin(a);
    pubsub_get_items(a, DATA, avatar_peek_hash(avatar_peek(a)), on_picture, r);
}

static enum verdict on_presence(struct hook_event *e)
{
    const struct avatar *p = avatar_peek(e->session->account);
    struct stanza *with = p == NULL ? NULL : with_hash(e->stanza, avatar_peek_hash(p), STR(""));

    if (with != NULL)
        hook_replace_stanza(e, with);
    return CONTINUE;
}

const struct module module_avatar = {
    .name = "avatar",
    .account_features = {NS_PEP_VCARD},
    .hooks = {{HOOK_PRESENCE_FROM_CLIENT, PRIORITY_LAST, on_presence},
              {HOOK_NODE_CHANGED, PRIORITY_NORMAL, on_node_changed},
              {HOOK_ACCOUNT_LOADED, PRIORITY_NORMAL, on_loaded},
              {HOOK_ACCOUNT_UNLOADED, PRIORITY_NORMAL, on_gone},
              {HOOK_ACCOUNT_DELETED, PRIORITY_NORMAL, on_gone}},
    .on_start = on_start,
};
