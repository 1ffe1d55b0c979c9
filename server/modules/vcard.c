/* server/modules/vcard.c - XEP-0054 vcard-temp 1.3.0
 *
 * A document (bare JID, "vcard", "vcard"), just as the client set it. Everybody may read it: it is what an account
 * shows to the world. An account that has none is answered for like one that does not exist (section 3.3).
 *
 * Where the modules vcard4 and avatar are on, what the account's nodes say counts more, for those who may read these:
 * the card they are given is put together when they ask. To others nothing is told that was not set here, and no
 * picture that is not the current one any more. */
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/vcard4.h"
#include "common/xmpp/xml_reader.h"
#include "common/xmpp/xml_writer.h"
#include "server/base/config.h"
#include "server/modules/avatar.h"
#include "server/modules/module.h"
#include "server/modules/vcard4.h"
#include "server/storage/storage.h"

#define COLLECTION STR("vcard")
#define KEY        STR("vcard")

/* ---- get ---- */

/* A card that is being put together. */
struct asking {
    struct iq *iq;
    struct buf card; /* empty: there is none so far */
};

static void answer(struct asking *q)
{
    struct iq *iq = q->iq;

    if (q->card.len > 0)
        (void)iq_result(iq, buf_str(&q->card));
    else if (iq->target == IQ_TO_OWN_ACCOUNT)
        (void)iq_result(iq, STR("<vCard xmlns='" NS_VCARD "'/>"));
    else
        (void)iq_error(iq, STANZA_ERR_SERVICE_UNAVAILABLE, NULL);
    buf_deinit(&q->card);
    free(q);
}

/* NULL: there is none. The card is a view of *ret_arena. */
static const struct xml_element *parse_card(const struct asking *q, struct arena **ret_arena)
{
    const struct xml_element *card = NULL;

    *ret_arena = NULL;
    if (q->card.len > 0)
        (void)xml_parse(buf_str(&q->card), STR(NS_CLIENT), ret_arena, &card);
    return card;
}

/* Is the picture in the card the one that the account shows? */
static bool is_current(const struct xml_element *card, const struct avatar *avatar)
{
    struct buf picture = {0};
    struct str type;
    char hash[AVATAR_HASH_LEN];
    bool is_it = avatar_of_vcard(card, &picture, &type) &&
                 str_eq(avatar_hash(buf_str(&picture), hash), avatar_peek_hash(avatar));

    buf_deinit(&picture);
    return is_it;
}

static void replace_picture(struct asking *q, struct str type, struct str base64)
{
    struct arena *arena;
    const struct xml_element *card = parse_card(q, &arena);
    struct buf with = {0};

    if (base64.len == 0 &&
        (card == NULL || xml_child(card, "PHOTO", NS_VCARD) == NULL || is_current(card, avatar_peek(q->iq->account)))) {
        arena_free(&arena);
        return;
    }
    avatar_write_vcard(&with, card, type, base64);
    arena_free(&arena);
    buf_deinit(&q->card);
    q->card = with;
}

static void on_picture(void *ctx, struct str type, struct str base64)
{
    struct asking *q = ctx;

    replace_picture(q, type, base64);
    answer(q);
}

static void look_for_picture(struct asking *q)
{
    struct account *a = q->iq->account;
    const struct avatar *avatar = hooks_is_on(&module_avatar, iq_host(q->iq)) ? avatar_peek(a) : NULL;

    if (avatar == NULL) {
        answer(q);
    } else if (!avatar->is_there) {
        replace_picture(q, STR(""), STR(""));
        answer(q);
    } else {
        avatar_get(a, jid_bare(&q->iq->st->from), on_picture, q);
    }
}

static void replace_words(struct asking *q, struct str vcard4)
{
    struct arena *arena, *four_arena;
    const struct xml_element *card = parse_card(q, &arena), *four;
    struct buf with = {0};

    if (xml_parse(vcard4, STR(""), &four_arena, &four) == LN_OK) {
        if (xml_is(four, "vcard", NS_VCARD4) && (card == NULL || !vcard4_agrees(four, card)))
            vcard_temp_of_4(&with, four, card);
        arena_free(&four_arena);
    }
    arena_free(&arena);
    if (with.len > 0) {
        buf_deinit(&q->card);
        q->card = with;
    }
}

static void on_vcard4(void *ctx, struct str vcard4)
{
    struct asking *q = ctx;

    if (vcard4.len > 0)
        replace_words(q, vcard4);
    look_for_picture(q);
}

static void on_document(void *ctx, const struct storage_rows *rows)
{
    struct asking *q = ctx;

    if (rows->err != LN_OK) {
        (void)iq_error(q->iq, stanza_err_of_storage(rows->err), NULL);
        free(q);
        return;
    }
    if (rows->n > 0)
        buf_append_str(&q->card, rows->rows[0].bytes);
    if (hooks_is_on(&module_vcard4, iq_host(q->iq)))
        vcard4_get(q->iq->account, jid_bare(&q->iq->st->from), on_vcard4, q);
    else
        look_for_picture(q);
}

static enum iq_verdict on_get(struct iq *iq)
{
    struct storage_query q = {
        .kind = STORAGE_GET, .owner = iq->account->jid.full, .collection = COLLECTION, .key = KEY};
    struct asking *asking = mem_zalloc(sizeof(*asking));

    asking->iq = iq_keep(iq);
    storage_read(iq->worker->server->storage, &q, &iq->worker->executor, on_document, asking);
    return IQ_LATER;
}

/* ---- set ---- */

/* The picture comes last: presence says its hash, and the client's next presence is not read before. */
static void on_done(void *ctx, enum ln_err err)
{
    struct iq *iq = ctx;

    session_resume(iq->session);
    iq_on_committed(iq, err);
}

static void publish_picture(void *ctx, enum ln_err err)
{
    struct iq *iq = ctx;
    struct account *a = iq->account;
    const struct avatar *avatar = avatar_peek(a);
    struct buf picture = {0};
    struct str type;

    if (err != LN_OK || !hooks_is_on(&module_avatar, iq_host(iq))) {
        on_done(iq, err);
    } else if (avatar_of_vcard(iq->query, &picture, &type)) {
        if (is_current(iq->query, avatar))
            on_done(iq, LN_OK);
        else
            avatar_publish(a, type, buf_str(&picture), on_done, iq);
    } else if (avatar != NULL && avatar->is_there && xml_child(iq->query, "PHOTO", NS_VCARD) == NULL) {
        avatar_withdraw(a, on_done, iq); /* a card is set as a whole */
    } else {
        on_done(iq, LN_OK);
    }
    buf_deinit(&picture);
}

static void on_stored(void *ctx, enum ln_err err)
{
    struct iq *iq = ctx;
    struct buf xml = {0};
    struct xml_writer w = xml_writer_to(&xml);

    if (err != LN_OK || !hooks_is_on(&module_vcard4, iq_host(iq))) {
        publish_picture(iq, err);
        return;
    }
    xml_put_element(&w, iq->query, "");
    vcard4_follow(iq->account, buf_str(&xml), publish_picture, iq);
    buf_deinit(&xml);
}

static enum iq_verdict on_set(struct iq *iq)
{
    struct buf xml = {0};
    struct xml_writer w = xml_writer_to(&xml);

    xml_put_element(&w, iq->query, NS_CLIENT);
    if (xml.len > iq->worker->config->limits.vcard_bytes) {
        buf_deinit(&xml);
        return iq_error(iq, STANZA_ERR_POLICY_VIOLATION, "too large");
    }
    struct storage_txn *t = storage_txn_new();

    iq_require_account(iq, t);
    storage_txn_put(t, iq->account->jid.full, COLLECTION, KEY, buf_str(&xml));
    session_pause(iq->session);
    storage_commit(iq->worker->server->storage, t, &iq->worker->executor, on_stored, iq_keep(iq));
    buf_deinit(&xml);
    return IQ_LATER;
}

const struct module module_vcard = {
    .name = "vcard",
    .features = {NS_VCARD},
    .account_features = {NS_VCARD},
    .iq = {{IQ_GET, NS_VCARD, "vCard", IQ_TO_OWN_ACCOUNT | IQ_TO_OTHER_ACCOUNT, on_get},
           {IQ_SET, NS_VCARD, "vCard", IQ_TO_OWN_ACCOUNT, on_set}},
};
