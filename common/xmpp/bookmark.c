#include "common/xmpp/bookmark.h"

#include "common/xmpp/ns.h"
#include "common/xmpp/xml_copy.h"

bool bookmark_id_of(const struct xml_element *conference, struct jid_buf *mem, struct jid *ret)
{
    return xml_is(conference, "conference", NS_BOOKMARKS_OLD) &&
           jid_parse(xml_attr(conference, "jid", NULL), mem, ret) == LN_OK;
}

static bool is_true(struct str value)
{
    return str_is(value, "true") || str_is(value, "1");
}

/* What both forms have in common. Of autojoin there is one way to write it. */
static void put_attrs(struct xml_writer *w, const struct xml_element *conference)
{
    bool has_name;
    struct str name = xml_attr(conference, "name", &has_name);

    if (has_name)
        xml_put_attr(w, "name", name);
    if (is_true(xml_attr(conference, "autojoin", NULL)))
        xml_put_attr(w, "autojoin", STR("true"));
}

/* <nick/> or <password/>, in the conference's own namespace. */
static void put_text(struct xml_writer *w, const struct xml_element *conference, const char *name)
{
    for (const struct xml_element *e = conference->child; e != NULL; e = e->next) {
        if (str_is(e->name, name) && str_eq(e->ns, conference->ns)) {
            xml_put_text_element(w, name, e->text);
            return;
        }
    }
}

static void put_common(struct xml_writer *w, const struct xml_element *conference)
{
    put_attrs(w, conference);
    put_text(w, conference, "nick");
    put_text(w, conference, "password");
}

/* ---- what clients add ---- */

static bool is_foreign(const struct xml_element *e)
{
    return !str_is(e->ns, NS_BOOKMARKS_OLD) && !str_is(e->ns, NS_BOOKMARKS);
}

static const struct xml_element *extensions_of(const struct xml_element *conference)
{
    return conference == NULL ? NULL : xml_child(conference, "extensions", NS_BOOKMARKS);
}

/* Does the old form say this one itself? */
static bool is_said(const struct xml_element *conference, const struct xml_element *extension)
{
    for (const struct xml_element *e = conference->child; e != NULL; e = e->next) {
        if (str_eq(e->name, extension->name) && str_eq(e->ns, extension->ns))
            return true;
    }
    return false;
}

static bool has_extensions(const struct xml_element *conference, const struct xml_element *kept)
{
    for (const struct xml_element *e = conference->child; e != NULL; e = e->next) {
        if (is_foreign(e))
            return true;
    }
    return kept != NULL && kept->child != NULL;
}

static void put_extensions(struct xml_writer *w, const struct xml_element *conference, const struct xml_element *kept)
{
    if (!has_extensions(conference, kept))
        return;
    xml_start(w, "extensions", NULL);
    for (const struct xml_element *e = conference->child; e != NULL; e = e->next) {
        if (is_foreign(e))
            xml_put_element(w, e, NS_BOOKMARKS);
    }
    for (const struct xml_element *e = kept == NULL ? NULL : kept->child; e != NULL; e = e->next) {
        if (!is_said(conference, e))
            xml_put_element(w, e, NS_BOOKMARKS);
    }
    xml_end(w);
}

/* ---- both ways ---- */

static bool common_is_same(const struct xml_element *a, const struct xml_element *b)
{
    struct buf one = {0}, other = {0};
    struct xml_writer w = xml_writer_to(&one);

    xml_start(&w, "conference", NULL);
    put_common(&w, a);
    xml_end(&w);
    w = xml_writer_to(&other);
    xml_start(&w, "conference", NULL);
    put_common(&w, b);
    xml_end(&w);
    bool same = str_eq(buf_str(&one), buf_str(&other));

    buf_deinit(&one);
    buf_deinit(&other);
    return same;
}

/* Is this very element among them? */
static bool is_kept(const struct xml_element *kept, const struct xml_element *e)
{
    struct buf wanted = {0}, found = {0};
    bool same = false;

    xml_copy_element(&wanted, e, NS_BOOKMARKS);
    for (const struct xml_element *k = kept == NULL ? NULL : kept->child; k != NULL && !same; k = k->next) {
        buf_clear(&found);
        xml_copy_element(&found, k, NS_BOOKMARKS);
        same = str_eq(buf_str(&wanted), buf_str(&found));
    }
    buf_deinit(&wanted);
    buf_deinit(&found);
    return same;
}

static bool says_nothing_new(const struct xml_element *conference, const struct xml_element *old)
{
    for (const struct xml_element *e = conference->child; e != NULL; e = e->next) {
        if (is_foreign(e) && !is_kept(extensions_of(old), e))
            return false;
    }
    return common_is_same(conference, old);
}

void bookmark_write_new(struct buf *out, const struct xml_element *conference, const struct xml_element *old)
{
    struct xml_writer w = xml_writer_to(out);

    if (old != NULL && says_nothing_new(conference, old)) {
        xml_put_element(&w, old, "");
        return;
    }
    xml_start(&w, "conference", NS_BOOKMARKS);
    put_common(&w, conference);
    put_extensions(&w, conference, extensions_of(old));
    xml_end(&w);
}

void bookmark_write_old(struct xml_writer *w, struct str id, const struct xml_element *conference)
{
    const struct xml_element *extensions = extensions_of(conference);

    xml_start(w, "conference", NULL);
    xml_put_attr(w, "jid", id);
    put_common(w, conference);
    for (const struct xml_element *e = extensions == NULL ? NULL : extensions->child; e != NULL; e = e->next)
        xml_put_element(w, e, NS_BOOKMARKS_OLD);
    xml_end(w);
}
