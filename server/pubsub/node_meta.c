#include "server/pubsub/node_meta.h"

#include "common/mem.h"
#include "common/xmpp/data_form.h"
#include "common/xmpp/xml_reader.h"

#define NS_NODE "urn:linnet:pubsub:node:1"

struct node_meta *node_meta_new(struct node_config own_config, struct str creator, int64_t now_ms)
{
    struct node_meta *m = mem_zalloc(sizeof(*m));

    m->config = own_config;
    m->creator = str_dup(creator);
    m->created_ms = now_ms;
    return m;
}

struct node_meta *node_meta_copy(const struct node_meta *m)
{
    struct node_meta *copy = node_meta_new(node_config_copy(&m->config), str_of(m->creator), m->created_ms);

    for (uint32_t i = 0; i < m->n_affiliates; i++)
        node_meta_set_affiliation(copy, str_of(m->affiliates[i].jid), m->affiliates[i].affiliation);
    for (uint32_t i = 0; i < m->n_subscribers; i++)
        node_meta_set_subscription(copy, str_of(m->subscribers[i].jid), m->subscribers[i].state);
    return copy;
}

void node_meta_free(struct node_meta **m)
{
    struct node_meta *mine = *m;

    *m = NULL;
    if (mine == NULL)
        return;
    for (uint32_t i = 0; i < mine->n_affiliates; i++)
        free(mine->affiliates[i].jid);
    for (uint32_t i = 0; i < mine->n_subscribers; i++)
        free(mine->subscribers[i].jid);
    free(mine->affiliates);
    free(mine->subscribers);
    node_config_deinit(&mine->config);
    free(mine->creator);
    free(mine);
}

/* ---- affiliations ---- */

static struct node_affiliate *find_affiliate(const struct node_meta *m, struct str bare)
{
    for (uint32_t i = 0; i < m->n_affiliates; i++) {
        if (str_is(bare, m->affiliates[i].jid))
            return &m->affiliates[i];
    }
    return NULL;
}

enum affiliation node_meta_affiliation(const struct node_meta *m, struct str bare)
{
    const struct node_affiliate *a = find_affiliate(m, bare);

    return a == NULL ? AFFILIATION_NONE : a->affiliation;
}

void node_meta_set_affiliation(struct node_meta *m, struct str bare, enum affiliation affiliation)
{
    struct node_affiliate *a = find_affiliate(m, bare);

    if (a == NULL && affiliation != AFFILIATION_NONE) {
        m->affiliates = mem_realloc(m->affiliates, (m->n_affiliates + 1) * sizeof(*m->affiliates));
        a = &m->affiliates[m->n_affiliates++];
        a->jid = str_dup(bare);
    }
    if (a != NULL && affiliation == AFFILIATION_NONE) {
        free(a->jid);
        *a = m->affiliates[--m->n_affiliates];
    } else if (a != NULL) {
        a->affiliation = affiliation;
    }
}

/* ---- subscriptions ---- */

static struct node_subscriber *find_subscriber(const struct node_meta *m, struct str jid)
{
    for (uint32_t i = 0; i < m->n_subscribers; i++) {
        if (str_is(jid, m->subscribers[i].jid))
            return &m->subscribers[i];
    }
    return NULL;
}

enum subscription node_meta_subscription(const struct node_meta *m, struct str jid)
{
    const struct node_subscriber *s = find_subscriber(m, jid);

    return s == NULL ? SUBSCRIPTION_NONE : s->state;
}

enum subscription node_meta_subscription_of(const struct node_meta *m, struct str bare)
{
    enum subscription most = SUBSCRIPTION_NONE;

    for (uint32_t i = 0; i < m->n_subscribers; i++) {
        struct jid jid = jid_view(str_of(m->subscribers[i].jid));

        if (m->subscribers[i].state > most && str_eq(jid_bare(&jid), bare))
            most = m->subscribers[i].state;
    }
    return most;
}

void node_meta_set_subscription(struct node_meta *m, struct str jid, enum subscription state)
{
    struct node_subscriber *s = find_subscriber(m, jid);

    if (s == NULL && state != SUBSCRIPTION_NONE) {
        m->subscribers = mem_realloc(m->subscribers, (m->n_subscribers + 1) * sizeof(*m->subscribers));
        s = &m->subscribers[m->n_subscribers++];
        s->jid = str_dup(jid);
    }
    if (s != NULL && state == SUBSCRIPTION_NONE) {
        free(s->jid);
        *s = m->subscribers[--m->n_subscribers];
    } else if (s != NULL) {
        s->state = state;
    }
}

/* ---- the document ---- */

void node_meta_encode(struct buf *out, const struct node_meta *m)
{
    struct xml_writer w = xml_writer_to(out);

    xml_start(&w, "node", NS_NODE);
    xml_put_attr_u64(&w, "created", (uint64_t)m->created_ms);
    xml_put_attr(&w, "creator", str_of(m->creator));
    node_config_write_stored(&w, &m->config);
    for (uint32_t i = 0; i < m->n_affiliates; i++) {
        xml_start(&w, "affiliation", NULL);
        xml_put_attr(&w, "jid", str_of(m->affiliates[i].jid));
        xml_put_attr(&w, "affiliation", str_of(affiliation_name(m->affiliates[i].affiliation)));
        xml_end(&w);
    }
    for (uint32_t i = 0; i < m->n_subscribers; i++) {
        xml_start(&w, "subscription", NULL);
        xml_put_attr(&w, "jid", str_of(m->subscribers[i].jid));
        xml_put_attr(&w, "subscription", str_of(subscription_state_name(m->subscribers[i].state)));
        xml_end(&w);
    }
    xml_end(&w);
}

/* A word that this version does not know counts as none. */
static void take_lists(struct node_meta *m, const struct xml_element *node)
{
    enum affiliation affiliation;
    enum subscription state;

    for (const struct xml_element *e = node->child; e != NULL; e = e->next) {
        struct str jid = xml_attr(e, "jid", NULL);

        if (xml_is(e, "affiliation", NS_NODE) && affiliation_parse(xml_attr(e, "affiliation", NULL), &affiliation))
            node_meta_set_affiliation(m, jid, affiliation);
        else if (xml_is(e, "subscription", NS_NODE) &&
                 subscription_state_parse(xml_attr(e, "subscription", NULL), &state))
            node_meta_set_subscription(m, jid, state);
    }
}

enum ln_err node_meta_decode(struct str bytes, struct node_meta **ret)
{
    const struct xml_element *node;
    struct node_config config;
    struct arena *arena;
    uint64_t created = 0;
    enum ln_err err = LN_E_CORRUPT;

    if (xml_parse(bytes, STR(""), &arena, &node) != LN_OK)
        return LN_E_CORRUPT;
    if (xml_is(node, "node", NS_NODE) && str_to_u64(xml_attr(node, "created", NULL), INT64_MAX, &created) &&
        node_config_read_stored(data_form_find(node, NULL), &config)) {
        *ret = node_meta_new(config, xml_attr(node, "creator", NULL), (int64_t)created);
        take_lists(*ret, node);
        err = LN_OK;
    }
    arena_free(&arena);
    return err;
}
