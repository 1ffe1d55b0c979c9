#include "node.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct node *node_new(struct node *parent, const char *name, const char *ns)
{
    struct node *n = calloc(1, sizeof(*n));

    assert(n != NULL);
    n->name = strdup(name);
    n->ns = strdup(ns == NULL ? "" : ns);
    n->text = strdup("");
    n->parent = parent;
    if (parent != NULL) {
        struct node **end = &parent->child;

        while (*end != NULL)
            end = &(*end)->next;
        *end = n;
    }
    return n;
}

void node_free(struct node **n)
{
    struct node *mine = *n;

    *n = NULL;
    if (mine == NULL)
        return;
    while (mine->child != NULL) {
        struct node *child = mine->child;

        mine->child = child->next;
        node_free(&child);
    }
    for (size_t i = 0; i < mine->n_attrs; i++) {
        free(mine->attrs[i].name);
        free(mine->attrs[i].value);
    }
    free(mine->attrs);
    free(mine->name);
    free(mine->ns);
    free(mine->text);
    free(mine);
}

void node_add_attr(struct node *n, const char *name, const char *value)
{
    n->attrs = realloc(n->attrs, (n->n_attrs + 1) * sizeof(*n->attrs));
    assert(n->attrs != NULL);
    n->attrs[n->n_attrs++] = (struct node_attr){strdup(name), strdup(value)};
}

void node_add_text(struct node *n, const char *p, size_t len)
{
    size_t have = strlen(n->text);

    n->text = realloc(n->text, have + len + 1);
    assert(n->text != NULL);
    memcpy(n->text + have, p, len);
    n->text[have + len] = '\0';
}

const char *node_attr(const struct node *n, const char *name)
{
    if (strcmp(name, "xmlns") == 0)
        return n->ns;
    for (size_t i = 0; i < n->n_attrs; i++)
        if (strcmp(n->attrs[i].name, name) == 0)
            return n->attrs[i].value;
    return NULL;
}

/* ---- paths: each function takes a cursor and leaves it behind what it understood ---- */

static const struct node *match_steps(const struct node *n, const char **at);

/* A mistake in a path is a mistake in a test: say where, and stop. */
static void expect_char(const char **at, char c)
{
    if (**at != c) {
        fprintf(stderr, "path: '%c' expected at \"%s\"\n", c, *at);
        abort();
    }
    ++*at;
}

static size_t name_length(const char *p)
{
    return strcspn(p, "/[]()=");
}

static char *take_quoted(const char **at)
{
    char quote = **at == '"' ? '"' : '\'';
    const char *end;
    char *value;

    expect_char(at, quote);
    end = strchr(*at, quote);
    assert(end != NULL);
    value = strndup(*at, (size_t)(end - *at));
    *at = end + 1;
    return value;
}

/* Behind a name or '.': is a value demanded, and is it this one? */
static bool value_holds(const char *actual, const char **at)
{
    char *wanted;
    bool holds;

    if (**at != '=')
        return actual != NULL;
    ++*at;
    wanted = take_quoted(at);
    holds = actual != NULL && strcmp(actual, wanted) == 0;
    free(wanted);
    return holds;
}

static bool attribute_holds(const struct node *n, const char **at)
{
    size_t len = name_length(*at);
    char *name = strndup(*at, len);
    bool holds;

    *at += len;
    holds = value_holds(node_attr(n, name), at);
    free(name);
    return holds;
}

/* Every child is tried from the same place in the path, and the path is read to its end whatever they say. */
static const struct node *match_children(const struct node *n, const char **at)
{
    const struct node nobody = {.name = (char[]){""}, .ns = (char[]){""}, .text = (char[]){""}};
    const struct node *found = NULL;
    const char *end = *at;

    (void)match_steps(&nobody, &end);
    for (const struct node *child = n->child; child != NULL && found == NULL; child = child->next) {
        const char *try = *at;

        found = match_steps(child, &try);
    }
    *at = end;
    return found;
}

static bool condition_holds(const struct node *n, const char **at)
{
    bool holds;

    if (strncmp(*at, "not(", 4) == 0) {
        *at += 4;
        holds = !condition_holds(n, at);
        expect_char(at, ')');
        return holds;
    }
    if (**at == '@') {
        ++*at;
        return attribute_holds(n, at);
    }
    if (**at == '.') {
        ++*at;
        return value_holds(n->text, at);
    }
    return match_children(n, at) != NULL;
}

static const struct node *match_steps(const struct node *n, const char **at)
{
    size_t len = name_length(*at);
    bool holds = (len == 1 && **at == '*') || (strlen(n->name) == len && strncmp(n->name, *at, len) == 0);
    const struct node *below;

    *at += len;
    while (**at == '[') {
        ++*at;
        if (!condition_holds(n, at))
            holds = false;
        expect_char(at, ']');
    }
    if (**at != '/')
        return holds ? n : NULL;
    ++*at;
    below = match_children(n, at);
    return holds ? below : NULL;
}

const struct node *node_find(const struct node *n, const char *path)
{
    const char *at = path;
    const struct node *found = n == NULL ? NULL : match_steps(n, &at);

    if (n != NULL && *at != '\0')
        expect_char(&at, '\0');
    return found;
}

bool node_matches(const struct node *n, const char *path)
{
    return node_find(n, path) != NULL;
}

const char *node_text(const struct node *n, const char *path)
{
    const struct node *found = node_find(n, path);

    return found == NULL ? NULL : found->text;
}

size_t node_count(const struct node *n, const char *path)
{
    size_t count = 0;

    for (const struct node *child = n->child; child != NULL; child = child->next)
        if (node_matches(child, path))
            count++;
    return count;
}

static void describe(const struct node *n, const char *outer_ns, FILE *out)
{
    fprintf(out, "<%s", n->name);
    if (strcmp(n->ns, outer_ns) != 0)
        fprintf(out, " xmlns='%s'", n->ns);
    for (size_t i = 0; i < n->n_attrs; i++)
        fprintf(out, " %s='%s'", n->attrs[i].name, n->attrs[i].value);
    if (n->child == NULL && n->text[0] == '\0') {
        fputs("/>", out);
        return;
    }
    fprintf(out, ">%s", n->text);
    for (const struct node *child = n->child; child != NULL; child = child->next)
        describe(child, n->ns, out);
    fprintf(out, "</%s>", n->name);
}

char *node_describe(const struct node *n)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    assert(out != NULL);
    describe(n, "jabber:client", out);
    fclose(out);
    return text;
}
