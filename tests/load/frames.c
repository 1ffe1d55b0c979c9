#include "tests/load/frames.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* The '>' that ends the tag at `p`, or NULL. It may stand in a quoted value too, and there it means nothing. */
static const char *tag_end(const char *p, const char *end)
{
    for (; p < end; p++) {
        if (*p == '>')
            return p;
        if (*p != '"' && *p != '\'')
            continue;
        p = memchr(p + 1, *p, (size_t)(end - p - 1));
        if (p == NULL)
            return NULL;
    }
    return NULL;
}

static void advance(struct str *s, size_t n)
{
    s->p += n;
    s->len -= n;
}

/* White space between stanzas keeps connections alive; an XML declaration stands before the header. False: only a part
 * of a declaration is there. */
static bool skip_between(const struct frames *s, struct str *bytes)
{
    for (;;) {
        while (bytes->len > 0 && is_space(*bytes->p))
            advance(bytes, 1);
        if (s->has_header || !str_starts(*bytes, STR("<?")))
            return true;
        const char *end = memchr(bytes->p, '>', bytes->len);
        if (end == NULL)
            return false;
        advance(bytes, (size_t)(end + 1 - bytes->p));
    }
}

/* Cuts the frame of `len` bytes off the front. */
static enum frames_result take(struct frames *s, struct str *bytes, size_t len, enum frame_kind kind, struct frame *ret)
{
    const char *p = bytes->p, *name_end = p + 1, *head_end = p + s->head - 1; /* at the '>' */

    if (head_end[-1] == '/')
        head_end--;
    while (name_end < head_end && !is_space(*name_end))
        name_end++;
    ret->kind = kind;
    ret->bytes = str_make(p, len);
    ret->name = str_make(p + 1, (size_t)(name_end - p - 1));
    ret->tag = str_make(name_end, (size_t)(head_end - name_end));
    ret->inner = str_make(p + s->head, 0);
    if (len > s->head) { /* up to the end tag, which is the last of all tags in it */
        const char *end_tag = memrchr(p, '<', len);
        ret->inner.len = (size_t)(end_tag - ret->inner.p);
    }
    advance(bytes, len);
    *s = (struct frames){.has_header = kind != FRAME_FOOTER};
    return FRAMES_ONE;
}

enum frames_result frames_next(struct frames *s, struct str *bytes, struct frame *ret)
{
    if (s->looked_at == 0 && !skip_between(s, bytes))
        return FRAMES_MORE;
    const char *start = bytes->p, *end = start + bytes->len;
    const char *p = bytes->len == 0 ? NULL : start + s->looked_at;

    while (p != NULL && p < end) {
        const char *lt = memchr(p, '<', (size_t)(end - p));
        if (s->depth == 0 && lt != start)
            return FRAMES_BAD; /* text between stanzas */
        if (lt == NULL)
            break;
        s->looked_at = (uint32_t)(lt - start);
        if (end - lt < 2)
            return FRAMES_MORE;
        if (lt[1] == '!' || lt[1] == '?')
            return FRAMES_BAD;
        const char *gt = lt[1] == '/' ? memchr(lt, '>', (size_t)(end - lt)) : tag_end(lt + 1, end);
        if (gt == NULL)
            return FRAMES_MORE;
        p = gt + 1;
        if (s->head == 0) {
            s->head = (uint32_t)(p - start);
            if (lt[1] == '/')
                return s->has_header ? take(s, bytes, s->head, FRAME_FOOTER, ret) : FRAMES_BAD;
            if (!s->has_header)
                return take(s, bytes, s->head, FRAME_HEADER, ret);
        }
        if (lt[1] == '/')
            s->depth--;
        else if (gt[-1] != '/')
            s->depth++;
        if (s->depth == 0)
            return take(s, bytes, (size_t)(p - start), FRAME_STANZA, ret);
    }
    s->looked_at = (uint32_t)bytes->len;
    return FRAMES_MORE;
}

struct str frame_attribute(const struct frame *f, struct str name)
{
    const char *p = f->tag.p, *end = p + f->tag.len;

    while (p < end) {
        while (p < end && is_space(*p))
            p++;
        const char *equals = memchr(p, '=', (size_t)(end - p));
        if (equals == NULL || end - equals < 2)
            break;
        const char *value = equals + 2, *value_end = memchr(value, equals[1], (size_t)(end - value));
        if (value_end == NULL)
            break;
        if (str_eq(str_make(p, (size_t)(equals - p)), name))
            return str_make(value, (size_t)(value_end - value));
        p = value_end + 1;
    }
    return (struct str){NULL, 0};
}

bool frame_child(const struct frame *f, struct str name, struct frame *ret)
{
    struct frames s = {.has_header = true};
    struct str rest = f->inner;

    while (rest.len > 0 && frames_next(&s, &rest, ret) == FRAMES_ONE)
        if (str_eq(ret->name, name))
            return true;
    return false;
}

/* The commonest case, without looking at it twice: the first child, and there is nothing but text in it. */
static bool first_child_text(struct str inner, struct str name, struct str *ret)
{
    const char *end = inner.p + inner.len, *behind_name = inner.p + 1 + name.len;

    if (inner.len < name.len + 2 || *inner.p != '<' || memcmp(inner.p + 1, name.p, name.len) != 0 ||
        *behind_name != '>')
        return false;
    const char *text = behind_name + 1, *text_end = memchr(text, '<', (size_t)(end - text));
    if (text_end == NULL || text_end[1] != '/')
        return false;
    *ret = str_make(text, (size_t)(text_end - text));
    return true;
}

struct str frame_child_text(const struct frame *f, struct str name)
{
    struct frame child;
    struct str text;

    if (first_child_text(f->inner, name, &text))
        return text;
    return frame_child(f, name, &child) ? child.inner : (struct str){NULL, 0};
}
