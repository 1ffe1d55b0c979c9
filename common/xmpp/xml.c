#include "common/xmpp/xml.h"

#include "common/xmpp/ns.h"

struct str xml_attr(const struct xml_element *e, const char *name, bool *ret_found)
{
    size_t len = strlen(name);

    for (size_t i = 0; i < e->n_attrs; i++) {
        const struct xml_attr *a = &e->attrs[i];

        if (a->name.len == len && a->prefix.len == 0 && memcmp(a->name.p, name, len) == 0) {
            if (ret_found != NULL)
                *ret_found = true;
            return a->value;
        }
    }
    if (ret_found != NULL)
        *ret_found = false;
    return STR("");
}

struct str xml_lang(const struct xml_element *e)
{
    for (size_t i = 0; i < e->n_attrs; i++) {
        const struct xml_attr *a = &e->attrs[i];

        if (a->prefix.len > 0 && str_eq(a->name, STR("lang")) && str_eq(a->ns, STR(NS_XML)))
            return a->value;
    }
    return STR("");
}

bool xml_is(const struct xml_element *e, const char *name, const char *ns)
{
    return (name == NULL || str_is(e->name, name)) && (ns == NULL || str_is(e->ns, ns));
}

static const struct xml_element *first_match(const struct xml_element *e, const char *name, const char *ns)
{
    while (e != NULL && !xml_is(e, name, ns))
        e = e->next;
    return e;
}

const struct xml_element *xml_child(const struct xml_element *e, const char *name, const char *ns)
{
    return first_match(e->child, name, ns);
}

const struct xml_element *xml_next(const struct xml_element *e, const char *name, const char *ns)
{
    return first_match(e->next, name, ns);
}

size_t xml_count_children(const struct xml_element *e)
{
    size_t n = 0;

    for (const struct xml_element *child = e->child; child != NULL; child = child->next)
        n++;
    return n;
}

const struct xml_binding *xml_find_binding(const struct xml_binding *scope, struct str prefix)
{
    while (scope != NULL && !str_eq(scope->prefix, prefix))
        scope = scope->outer;
    return scope;
}
