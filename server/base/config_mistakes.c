#include "server/base/config_mistakes.h"

#include "common/mem.h"

#include <stdarg.h>
#include <stdio.h>

struct config_mistake {
    struct toml_place place;
    char *text; /* owned */
};

void config_mistakes_add(struct config_mistakes *m, struct toml_place place, const char *key, const char *fmt, ...)
{
    struct buf text = {0};
    char what[512];
    size_t len;
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(what, sizeof(what), fmt, args);
    va_end(args);
    buf_printf(&text, "%s: %s", key, what);
    m->items = mem_realloc(m->items, (m->n + 1) * sizeof(*m->items));
    m->items[m->n++] = (struct config_mistake){place, buf_take(&text, &len)};
}

static int by_place(const void *a, const void *b)
{
    const struct config_mistake *one = a, *other = b;

    if (one->place.line != other->place.line)
        return one->place.line < other->place.line ? -1 : 1;
    return (one->place.column > other->place.column) - (one->place.column < other->place.column);
}

void config_mistakes_report(struct config_mistakes *m, const char *path, struct buf *out)
{
    if (m->n > 1)
        qsort(m->items, m->n, sizeof(*m->items), by_place);
    for (size_t i = 0; i < m->n; i++) {
        const struct config_mistake *item = &m->items[i];

        if (item->place.line > 0)
            buf_printf(out, "%s:%u:%u: %s\n", path, item->place.line, item->place.column, item->text);
        else
            buf_printf(out, "%s: %s\n", path, item->text);
    }
}

void config_mistakes_deinit(struct config_mistakes *m)
{
    for (size_t i = 0; i < m->n; i++)
        free(m->items[i].text);
    free(m->items);
    *m = (struct config_mistakes){0};
}
