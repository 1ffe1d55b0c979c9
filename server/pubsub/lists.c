/* A node's lists of subscribers and of affiliations, in its owner's hands (XEP-0060 sections 8.8 and 8.9).
 *
 * The owner sends what is to be different. Entries that cannot be are given back with the error, as they are; the
 * others are carried out all the same. */
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/base/config.h"
#include "server/pubsub/request.h"

static void start_list(struct xml_writer *w, const struct pubsub_request *r, const char *element)
{
    xml_start(w, "pubsub", NS_PUBSUB_OWNER);
    xml_start(w, element, NULL);
    xml_put_attr(w, "node", r->node_name);
}

static void write_entry(struct xml_writer *w, const char *element, struct str jid, const char *value)
{
    xml_start(w, element, NULL);
    xml_put_attr(w, "jid", jid);
    xml_put_attr(w, element, str_of(value));
    xml_end(w);
}

/* ---- get ---- */

void request_get_subscriptions(struct pubsub_request *r)
{
    const struct node_meta *m = r->node->meta;
    struct xml_writer w = xml_writer_to(&r->answer);

    start_list(&w, r, "subscriptions");
    for (uint32_t i = 0; i < m->n_subscribers; i++) {
        if (m->subscribers[i].state == SUBSCRIPTION_SUBSCRIBED)
            write_entry(&w, "subscription", str_of(m->subscribers[i].jid), "subscribed");
    }
    xml_end(&w);
    xml_end(&w);
    request_done(r);
}

void request_get_affiliations(struct pubsub_request *r)
{
    const struct node_meta *m = r->node->meta;
    struct xml_writer w = xml_writer_to(&r->answer);

    start_list(&w, r, "affiliations");
    if (r->service->jid.local_len > 0) /* an account, which is on no list of its own */
        write_entry(&w, "affiliation", r->service->jid.full, "owner");
    for (uint32_t i = 0; i < m->n_affiliates; i++)
        write_entry(&w, "affiliation", str_of(m->affiliates[i].jid), affiliation_name(m->affiliates[i].affiliation));
    xml_end(&w);
    xml_end(&w);
    request_done(r);
}

/* ---- set ---- */

/* One entry: changes `m`, or returns false and says in *ret_value how it is. */
typedef bool (*change_entry)(const struct pubsub_request *r, struct node_meta *m, const struct xml_element *e,
                             const struct jid *jid, const char **ret_value);

static bool change_subscription(const struct pubsub_request *r, struct node_meta *m, const struct xml_element *e,
                                const struct jid *jid, const char **ret_value)
{
    enum subscription has = node_meta_subscription(m, jid->full), wanted = has;
    bool is_given;
    struct str word = xml_attr(e, "subscription", &is_given);

    *ret_value = subscription_state_name(has);
    if (!is_given)
        return true;
    if (!subscription_state_parse(word, &wanted) || (wanted == SUBSCRIPTION_PENDING && has != SUBSCRIPTION_PENDING))
        return false;
    if (wanted != SUBSCRIPTION_NONE && has == SUBSCRIPTION_NONE &&
        m->n_subscribers >= pubsub_limits(r->service)->pubsub_affiliates)
        return false;
    node_meta_set_subscription(m, jid->full, wanted);
    return true;
}

static bool is_last_owner(const struct pubsub_request *r, const struct node_meta *m, struct str bare)
{
    unsigned others = r->service->jid.local_len > 0 && !str_eq(bare, r->service->jid.full);

    for (uint32_t i = 0; i < m->n_affiliates; i++)
        others += m->affiliates[i].affiliation == AFFILIATION_OWNER && !str_is(bare, m->affiliates[i].jid);
    return others == 0;
}

static bool change_affiliation(const struct pubsub_request *r, struct node_meta *m, const struct xml_element *e,
                               const struct jid *jid, const char **ret_value)
{
    bool is_service = str_eq(jid->full, r->service->jid.full), is_given;
    enum affiliation has = is_service ? AFFILIATION_OWNER : node_meta_affiliation(m, jid->full), wanted = has;
    struct str word = xml_attr(e, "affiliation", &is_given);

    *ret_value = affiliation_name(has);
    if (!is_given)
        return true;
    if (!affiliation_parse(word, &wanted) || !jid_is_bare(jid) || (is_service && wanted != AFFILIATION_OWNER) ||
        (wanted != AFFILIATION_OWNER && has == AFFILIATION_OWNER && is_last_owner(r, m, jid->full)))
        return false;
    if (has == AFFILIATION_NONE && m->n_affiliates >= pubsub_limits(r->service)->pubsub_affiliates)
        return false;
    if (!is_service)
        node_meta_set_affiliation(m, jid->full, wanted);
    return true;
}

/* More entries than a list may have are not looked at. */
static bool are_too_many(const struct pubsub_request *r, const char *element)
{
    uint64_t n = 0, max = pubsub_limits(r->service)->pubsub_affiliates;

    for (const struct xml_element *e = xml_child(r->e, element, NS_PUBSUB_OWNER); e != NULL && n <= max;
         e = xml_next(e, element, NS_PUBSUB_OWNER))
        n++;
    return n > max;
}

/* Each entity may be named once (section 8.9.2.4). */
static bool names_one_twice(const struct pubsub_request *r, const char *element)
{
    for (const struct xml_element *e = xml_child(r->e, element, NS_PUBSUB_OWNER); e != NULL;
         e = xml_next(e, element, NS_PUBSUB_OWNER)) {
        for (const struct xml_element *f = xml_next(e, element, NS_PUBSUB_OWNER); f != NULL;
             f = xml_next(f, element, NS_PUBSUB_OWNER)) {
            if (str_eq(xml_attr(e, "jid", NULL), xml_attr(f, "jid", NULL)))
                return true;
        }
    }
    return false;
}

/* Changes `m`; what could not be done is written. Returns how many that are. */
static unsigned change_entries(struct pubsub_request *r, struct node_meta *m, const char *element, change_entry change,
                               struct xml_writer *failed)
{
    unsigned n = 0;

    for (const struct xml_element *e = xml_child(r->e, element, NS_PUBSUB_OWNER); e != NULL;
         e = xml_next(e, element, NS_PUBSUB_OWNER)) {
        const char *value = "none";
        struct jid_buf mem;
        struct jid jid;

        if (jid_parse(xml_attr(e, "jid", NULL), &mem, &jid) == LN_OK && change(r, m, e, &jid, &value))
            continue;
        write_entry(failed, element, xml_attr(e, "jid", NULL), value);
        n++;
    }
    return n;
}

/* Committed, but not all of what was asked for. */
static void on_partly_committed(void *ctx, enum ln_err err)
{
    struct pubsub_request *r = ctx;

    if (err == LN_OK) {
        request_error(r, STANZA_ERR_NOT_ACCEPTABLE, NULL);
        return;
    }
    buf_clear(&r->answer);
    request_error(r, stanza_err_of_storage(err), NULL);
}

static void set_list(struct pubsub_request *r, const char *list, const char *element, change_entry change)
{
    struct pubsub_change *c;
    struct xml_writer w = xml_writer_to(&r->answer);

    if (are_too_many(r, element)) {
        request_error(r, STANZA_ERR_RESOURCE_CONSTRAINT, NULL);
        return;
    }
    if (xml_child(r->e, element, NS_PUBSUB_OWNER) == NULL || names_one_twice(r, element)) {
        request_error(r, STANZA_ERR_BAD_REQUEST, NULL);
        return;
    }
    c = pubsub_change_new(r->service, r->node_name);
    c->own_meta = node_meta_copy(r->node->meta);
    start_list(&w, r, list);
    unsigned n_failed = change_entries(r, c->own_meta, element, change, &w);

    xml_end(&w);
    xml_end(&w);
    request_drop_unentitled(r->service, c->own_meta);
    if (n_failed > 0) {
        pubsub_change_commit(c, on_partly_committed, r);
    } else {
        buf_clear(&r->answer);
        request_commit(r, c);
    }
}

void request_set_subscriptions(struct pubsub_request *r)
{
    set_list(r, "subscriptions", "subscription", change_subscription);
}

void request_set_affiliations(struct pubsub_request *r)
{
    set_list(r, "affiliations", "affiliation", change_affiliation);
}
