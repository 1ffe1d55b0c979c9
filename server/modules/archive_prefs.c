/* server/modules/archive_prefs.c - XEP-0441 Message Archive Management Preferences 0.2.0
 *
 * One small document of the account, the <prefs/> as they were applied; in memory as a sorted list of JIDs, only for
 * accounts that ever set some. */
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_reader.h"
#include "server/base/log.h"
#include "server/im/slots.h"
#include "server/modules/archive.h"
#include "server/storage/storage.h"

#define PREFS_KEY STR("archive-prefs")

enum { PREFS_JIDS_MAX = 1000 };

static const char *const policy_names[] = {
    [CONFIG_ARCHIVE_ALWAYS] = "always", [CONFIG_ARCHIVE_NEVER] = "never", [CONFIG_ARCHIVE_ROSTER] = "roster"};

struct choice {
    struct str jid; /* lies in the prefs' arena */
    bool is_never;
};

struct archive_prefs {
    struct arena *arena;
    enum config_archive_policy policy;
    size_t n;
    struct choice *choices; /* by JID; where one JID is in both lists, the `never` comes first */
};

void archive_prefs_free(struct archive_prefs **p)
{
    if (*p == NULL)
        return;
    struct arena *arena = (*p)->arena; /* the prefs themselves lie inside it */

    *p = NULL;
    arena_free(&arena);
}

/* ---- asking ---- */

static const struct choice *find(const struct archive_prefs *p, struct str jid)
{
    size_t from = 0, to = p->n;

    while (from < to) {
        size_t middle = from + (to - from) / 2;

        if (str_cmp(p->choices[middle].jid, jid) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    return from < p->n && str_eq(p->choices[from].jid, jid) ? &p->choices[from] : NULL;
}

/* A request that waits for an answer makes nobody a contact. */
static bool is_contact(const struct account *a, struct str bare)
{
    const struct roster_item *item = roster_get(&a->roster, bare);

    return item != NULL && (item->state & SUB_LISTED) != 0;
}

static bool policy_allows(const struct account *a, enum config_archive_policy policy, const struct jid *peer)
{
    switch (policy) {
    case CONFIG_ARCHIVE_ALWAYS:
        return true;
    case CONFIG_ARCHIVE_NEVER:
        return false;
    case CONFIG_ARCHIVE_ROSTER:
        return str_eq(jid_bare(peer), a->jid.full) || is_contact(a, jid_bare(peer));
    }
    return true;
}

/* XEP-0441 section 2.3; an address in full is the more particular one. */
bool archive_prefs_allow(const struct account *a, const struct config_host *host, const struct jid *peer)
{
    const struct archive_account *mine = archive_account_peek(a);
    const struct archive_prefs *p = mine != NULL ? mine->prefs : NULL;
    const struct choice *choice = NULL;

    if (p == NULL)
        return host != NULL && policy_allows(a, host->archive.policy, peer);
    if (!jid_is_bare(peer))
        choice = find(p, jid_full(peer));
    if (choice == NULL)
        choice = find(p, jid_bare(peer));
    return choice != NULL ? !choice->is_never : policy_allows(a, p->policy, peer);
}

/* ---- reading <prefs/> ---- */

static int compare_choices(const void *a, const void *b)
{
    const struct choice *x = a, *y = b;
    int c = str_cmp(x->jid, y->jid);

    return c != 0 ? c : y->is_never - x->is_never;
}

static bool take_policy(struct archive_prefs *p, struct str name)
{
    for (unsigned i = 0; i < ARRAY_LEN(policy_names); i++) {
        if (str_is(name, policy_names[i])) {
            p->policy = (enum config_archive_policy)i;
            return true;
        }
    }
    return false;
}

static enum ln_err take_list(struct archive_prefs *p, const struct xml_element *list, bool is_never)
{
    struct jid_buf mem;
    struct jid jid;

    for (const struct xml_element *e = xml_child(list, "jid", NS_MAM); e != NULL; e = xml_next(e, "jid", NS_MAM)) {
        if (p->n == PREFS_JIDS_MAX)
            return LN_E_LIMIT;
        if (jid_parse(str_trim(e->text), &mem, &jid) != LN_OK)
            return LN_E_INVALID;
        p->choices[p->n++] = (struct choice){arena_copy(p->arena, jid_full(&jid)), is_never};
    }
    return LN_OK;
}

static size_t count_jids(const struct xml_element *prefs)
{
    size_t n = 0;

    for (const struct xml_element *list = prefs->child; list != NULL; list = list->next)
        n += xml_count_children(list);
    return n;
}

/* LN_E_INVALID: something is not what it should be; LN_E_LIMIT: too many JIDs. */
static enum ln_err parse(const struct xml_element *prefs, struct archive_prefs **ret)
{
    size_t n = count_jids(prefs);
    struct arena *arena = arena_new(sizeof(**ret) + (n < PREFS_JIDS_MAX ? n : PREFS_JIDS_MAX) * 64);
    struct archive_prefs *p = arena_alloc(arena, sizeof(*p));
    enum ln_err err = LN_OK;

    *p = (struct archive_prefs){.arena = arena};
    p->choices = arena_alloc(arena, (n < PREFS_JIDS_MAX ? n : PREFS_JIDS_MAX) * sizeof(*p->choices) + 1);
    if (!take_policy(p, xml_attr(prefs, "default", NULL)))
        err = LN_E_INVALID;
    for (const struct xml_element *list = prefs->child; list != NULL && err == LN_OK; list = list->next) {
        if (xml_is(list, "always", NS_MAM) || xml_is(list, "never", NS_MAM))
            err = take_list(p, list, str_is(list->name, "never"));
    }
    if (err != LN_OK)
        archive_prefs_free(&p);
    else
        qsort(p->choices, p->n, sizeof(*p->choices), compare_choices);
    *ret = p;
    return err;
}

void archive_prefs_take(struct account *a, const struct storage_rows *rows)
{
    for (size_t i = 0; i < rows->n; i++) {
        const struct xml_element *prefs;
        struct arena *arena;

        if (!str_eq(rows->rows[i].key, PREFS_KEY))
            continue;
        if (xml_parse(rows->rows[i].bytes, STR(NS_CLIENT), &arena, &prefs) != LN_OK) {
            log_error(LOG_MODULE, 0, "archive.prefs_damaged", F_STR("jid", a->jid.full));
            return;
        }
        archive_prefs_free(&archive_account(a)->prefs);
        (void)parse(prefs, &archive_account(a)->prefs);
        arena_free(&arena);
    }
}

/* ---- writing them ---- */

static void write_list(struct xml_writer *w, const struct archive_prefs *p, const char *name, bool is_never)
{
    xml_start(w, name, NULL);
    for (size_t i = 0; p != NULL && i < p->n; i++) {
        if (p->choices[i].is_never == is_never)
            xml_put_text_element(w, "jid", p->choices[i].jid);
    }
    xml_end(w);
}

static void write_prefs(struct buf *out, const struct archive_prefs *p, enum config_archive_policy policy)
{
    struct xml_writer w = xml_writer_to(out);

    xml_start(&w, "prefs", NS_MAM);
    xml_put_attr(&w, "default", str_of(policy_names[p != NULL ? p->policy : policy]));
    write_list(&w, p, "always", false);
    write_list(&w, p, "never", true);
    xml_end(&w);
}

/* ---- requests ---- */

static enum iq_verdict answer(struct iq *iq)
{
    const struct config_host *host = iq_host(iq);
    const struct archive_account *mine = archive_account_peek(iq->account);
    struct buf payload = {0};

    write_prefs(&payload, mine != NULL ? mine->prefs : NULL,
                host != NULL ? (enum config_archive_policy)host->archive.policy : CONFIG_ARCHIVE_ALWAYS);
    enum iq_verdict verdict = iq_result(iq, buf_str(&payload));

    buf_deinit(&payload);
    return verdict;
}

enum iq_verdict archive_prefs_get(struct iq *iq)
{
    return answer(iq);
}

struct change {
    struct iq *iq;
    struct archive_prefs *prefs;
};

/* They count once they are on disk. */
static void on_stored(void *ctx, enum ln_err err)
{
    struct change *c = ctx;
    struct iq *iq = c->iq;

    session_resume(iq->session);
    if (err == LN_OK) {
        struct archive_account *mine = archive_account(iq->account);

        archive_prefs_free(&mine->prefs);
        mine->prefs = c->prefs;
        (void)answer(iq);
    } else {
        archive_prefs_free(&c->prefs);
        iq_on_committed(iq, err);
    }
    free(c);
}

static void store(struct iq *iq, struct archive_prefs *own_prefs)
{
    struct storage_txn *t = storage_txn_new();
    struct change *c = mem_alloc(sizeof(*c));
    struct buf bytes = {0};

    *c = (struct change){iq_keep(iq), own_prefs};
    write_prefs(&bytes, own_prefs, own_prefs->policy);
    iq_require_account(iq, t);
    storage_txn_put(t, iq->account->jid.full, STR("account"), PREFS_KEY, buf_str(&bytes));
    buf_deinit(&bytes);
    session_pause(iq->session); /* two sets in a row take effect in their order */
    storage_commit(iq->worker->server->storage, t, &iq->worker->executor, on_stored, c);
}

enum iq_verdict archive_prefs_set(struct iq *iq)
{
    struct archive_prefs *prefs;
    enum ln_err err = parse(iq->query, &prefs);

    if (err == LN_E_LIMIT)
        return iq_error(iq, STANZA_ERR_RESOURCE_CONSTRAINT, "too many addresses");
    if (err != LN_OK)
        return iq_error(iq, STANZA_ERR_BAD_REQUEST, "default is always, never or roster, and each <jid/> an address");
    store(iq, prefs);
    return IQ_LATER;
}
