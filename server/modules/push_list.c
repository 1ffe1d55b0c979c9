#include "server/modules/push_list.h"

#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_reader.h"
#include "common/xmpp/xml_writer.h"

/* ---- the list ---- */

struct push_app *push_list_find(const struct push_list *l, struct str jid, struct str node)
{
    struct push_app *app = l->first;

    while (app != NULL && !(str_is(jid, app->jid) && str_is(node, app->node)))
        app = app->next;
    return app;
}

bool push_change_touches(const struct push_change *c, const struct push_app *app)
{
    return str_is(c->jid, app->jid) && (c->is_any_node || str_is(c->node, app->node));
}

bool push_change_is_void(const struct push_change *c, const struct push_list *l)
{
    const struct push_app *app = push_list_find(l, c->jid, c->node);

    if (c->is_enable)
        return app != NULL && str_is(c->resource, app->resource) && str_is(c->options, app->options);
    for (app = l->first; app != NULL; app = app->next) {
        if (push_change_touches(c, app))
            return false;
    }
    return true;
}

static void set(char **field, struct str value)
{
    free(*field);
    *field = mem_strndup(value.p, value.len);
}

struct push_app *push_list_put(struct push_list *l, const struct push_change *c)
{
    struct push_app *app = push_list_find(l, c->jid, c->node);

    if (app == NULL) {
        app = mem_zalloc(sizeof(*app));
        set(&app->jid, c->jid);
        set(&app->node, c->node);
        app->next = l->first;
        l->first = app;
        l->n++;
    }
    set(&app->resource, c->resource);
    set(&app->options, c->options);
    app->errors = 0;
    return app;
}

struct push_app *push_list_take(struct push_list *l, const struct push_change *c)
{
    for (struct push_app **link = &l->first; *link != NULL; link = &(*link)->next) {
        struct push_app *app = *link;

        if (!push_change_touches(c, app))
            continue;
        *link = app->next;
        app->next = NULL;
        l->n--;
        return app;
    }
    return NULL;
}

void push_app_free(struct push_app **own_app)
{
    struct push_app *app = *own_app;

    *own_app = NULL;
    if (app == NULL)
        return;
    free(app->jid);
    free(app->node);
    free(app->resource);
    free(app->options);
    free(app->last_sender);
    free(app->last_body);
    free(app);
}

/* ---- the document ---- */

static void write_app(struct xml_writer *w, struct str jid, struct str node, struct str resource, uint32_t errors,
                      struct str options)
{
    xml_start(w, "app", NULL);
    xml_put_attr(w, "jid", jid);
    xml_put_attr_opt(w, "node", node);
    xml_put_attr_opt(w, "resource", resource);
    if (errors > 0)
        xml_put_attr_u64(w, "errors", errors);
    xml_put_raw(w, options);
    xml_end(w);
}

void push_list_write(struct buf *out, const struct push_list *l, const struct push_change *c)
{
    struct xml_writer w = xml_writer_to(out);
    size_t before = out->len;
    bool has_any = c != NULL && c->is_enable;

    xml_start(&w, "push", NULL);
    for (const struct push_app *app = l->first; app != NULL; app = app->next) {
        if (c != NULL && push_change_touches(c, app))
            continue;
        write_app(&w, str_of(app->jid), str_of(app->node), str_of(app->resource), app->errors, str_of(app->options));
        has_any = true;
    }
    if (c != NULL && c->is_enable)
        write_app(&w, c->jid, c->node, c->resource, 0, c->options);
    xml_end(&w);
    if (!has_any)
        out->len = before;
}

static void read_app(struct push_list *l, const struct xml_element *e)
{
    const struct xml_element *options = xml_child(e, "x", NS_DATA_FORMS);
    const struct push_change c = {
        .jid = xml_attr(e, "jid", NULL),
        .node = xml_attr(e, "node", NULL),
        .is_enable = true,
        .resource = xml_attr(e, "resource", NULL),
        .options = options == NULL ? STR("") : options->outer,
    };
    struct push_app *app = push_list_put(l, &c);
    uint64_t errors;

    if (str_to_u64(xml_attr(e, "errors", NULL), UINT32_MAX, &errors))
        app->errors = (uint32_t)errors;
}

bool push_list_read(struct push_list *l, struct str document)
{
    const struct xml_element *root;
    struct arena *arena;

    if (xml_parse(document, STR(""), &arena, &root) != LN_OK)
        return false;
    for (const struct xml_element *e = root->child; e != NULL; e = e->next)
        read_app(l, e);
    arena_free(&arena);
    return true;
}
