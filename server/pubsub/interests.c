#include "server/pubsub/interests.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "server/im/slots.h"

static unsigned slot; /* [start] */

/* ---- the list ---- */

/* The node that a feature asks to be told of; empty: none. */
static struct str wanted_node(const struct xml_element *feature)
{
    struct str var = xml_attr(feature, "var", NULL), suffix = STR("+notify");

    if (var.len <= suffix.len || !str_is(str_make(var.p + var.len - suffix.len, suffix.len), "+notify"))
        return str_make(NULL, 0);
    return str_make(var.p, var.len - suffix.len);
}

static int compare(const void *a, const void *b)
{
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

struct interests *interests_new(const struct xml_element *query)
{
    struct str found[INTERESTS_MAX];
    struct interests *i;
    size_t bytes = 0;
    uint32_t n = 0;
    char *p;

    for (const struct xml_element *f = xml_child(query, "feature", NS_DISCO_INFO); f != NULL && n < INTERESTS_MAX;
         f = xml_next(f, "feature", NS_DISCO_INFO)) {
        struct str node = wanted_node(f);

        if (node.len == 0 || bytes + node.len > INTERESTS_BYTES_MAX)
            continue;
        found[n++] = node;
        bytes += node.len;
    }
    qsort(found, n, sizeof(found[0]), compare);
    i = mem_alloc(sizeof(*i) + n * sizeof(i->nodes[0]) + bytes);
    atomic_init(&i->refs, 1);
    i->n = n;
    p = (char *)&i->nodes[n];
    for (uint32_t k = 0; k < n; k++) {
        memcpy(p, found[k].p, found[k].len);
        i->nodes[k] = str_make(p, found[k].len);
        p += found[k].len;
    }
    return i;
}

struct interests *interests_ref(struct interests *i)
{
    if (i != NULL)
        (void)atomic_fetch_add_explicit(&i->refs, 1, memory_order_relaxed);
    return i;
}

void interests_unref(struct interests **i)
{
    struct interests *mine = *i;

    *i = NULL;
    if (mine != NULL && atomic_fetch_sub_explicit(&mine->refs, 1, memory_order_acq_rel) == 1)
        free(mine);
}

bool interests_want(const struct interests *i, struct str node)
{
    return i != NULL && bsearch(&node, i->nodes, i->n, sizeof(i->nodes[0]), compare) != NULL;
}

/* ---- of a session ---- */

void interests_start(void)
{
    slot = session_slot_new();
}

struct interests *interests_peek(const struct session *s)
{
    return session_slot_peek(s, slot);
}

void interests_set(struct session *s, struct interests *own_i)
{
    struct interests *old = interests_peek(s);

    if (old != NULL || own_i != NULL)
        *session_slot(s, slot) = own_i;
    interests_unref(&old);
}
