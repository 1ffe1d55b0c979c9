#include "json.h"

#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct json *parse_value(const char **at);

static void skip_space(const char **at)
{
    *at += strspn(*at, " \t\r\n");
}

static struct json *json_new(enum json_kind kind)
{
    struct json *j = calloc(1, sizeof(*j));

    assert(j != NULL);
    j->kind = kind;
    return j;
}

void json_free(struct json **j)
{
    struct json *mine = *j;

    *j = NULL;
    while (mine != NULL) {
        struct json *next = mine->next;

        json_free(&mine->child);
        free(mine->key);
        free(mine->text);
        free(mine);
        mine = next;
    }
}

static void put_utf8(FILE *out, unsigned long c)
{
    if (c < 0x80) {
        fputc((int)c, out);
    } else if (c < 0x800) {
        fprintf(out, "%c%c", (int)(0xc0 | c >> 6), (int)(0x80 | (c & 0x3f)));
    } else {
        fprintf(out, "%c%c%c", (int)(0xe0 | c >> 12), (int)(0x80 | (c >> 6 & 0x3f)), (int)(0x80 | (c & 0x3f)));
    }
}

static bool take_escape(const char **at, FILE *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *known = **at == '\0' ? NULL : strchr(from, **at);

    if (known != NULL) {
        fputc(to[known - from], out);
        ++*at;
        return true;
    }
    if (**at != 'u' || strlen(*at) < 5)
        return false;
    char digits[5] = {(*at)[1], (*at)[2], (*at)[3], (*at)[4], '\0'};

    put_utf8(out, strtoul(digits, NULL, 16));
    *at += 5;
    return true;
}

static char *take_string(const char **at)
{
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    bool is_whole = **at == '"';

    assert(out != NULL);
    ++*at;
    while (is_whole && **at != '"') {
        if (**at == '\0') {
            is_whole = false;
        } else if (**at == '\\') {
            ++*at;
            is_whole = take_escape(at, out);
        } else {
            fputc(*(*at)++, out);
        }
    }
    fclose(out);
    if (!is_whole) {
        free(text);
        return NULL;
    }
    ++*at;
    return text;
}

/* What stands between the brackets of an array or an object. */
static bool take_members(struct json *j, const char **at)
{
    char close = j->kind == JSON_OBJECT ? '}' : ']';
    struct json **end = &j->child;

    skip_space(at);
    if (**at == close) {
        ++*at;
        return true;
    }
    for (;;) {
        char *key = NULL;

        skip_space(at);
        if (j->kind == JSON_OBJECT) {
            if (**at != '"' || (key = take_string(at)) == NULL)
                return false;
            skip_space(at);
            if (*(*at)++ != ':') {
                free(key);
                return false;
            }
        }
        *end = parse_value(at);
        if (*end == NULL) {
            free(key);
            return false;
        }
        (*end)->key = key;
        end = &(*end)->next;
        skip_space(at);
        if (**at == close) {
            ++*at;
            return true;
        }
        if (*(*at)++ != ',')
            return false;
    }
}

static struct json *parse_word(const char **at)
{
    size_t len = strspn(*at, "+-.0123456789abcdefghijklmnopqrstuvwxyzE");
    struct json *j;

    if (len == 0)
        return NULL;
    j = json_new(JSON_NUMBER);
    j->text = strndup(*at, len);
    *at += len;
    if (strcmp(j->text, "null") == 0)
        j->kind = JSON_NULL;
    else if (strcmp(j->text, "true") == 0 || strcmp(j->text, "false") == 0)
        j->kind = JSON_BOOL;
    else if (!isdigit((unsigned char)j->text[0]) && j->text[0] != '-')
        json_free(&j);
    return j;
}

static struct json *parse_value(const char **at)
{
    struct json *j;

    skip_space(at);
    if (**at == '"') {
        j = json_new(JSON_STRING);
        j->text = take_string(at);
        if (j->text == NULL)
            json_free(&j);
        return j;
    }
    if (**at != '{' && **at != '[')
        return parse_word(at);
    j = json_new(**at == '{' ? JSON_OBJECT : JSON_ARRAY);
    ++*at;
    if (!take_members(j, at))
        json_free(&j);
    return j;
}

struct json *json_parse(const char *text)
{
    struct json *j = parse_value(&text);

    skip_space(&text);
    if (j != NULL && *text != '\0')
        json_free(&j);
    return j;
}

static const struct json *member(const struct json *j, const char *name, size_t len)
{
    size_t position = 0;

    for (const struct json *child = j->child; child != NULL; child = child->next, position++) {
        if (child->key != NULL && strlen(child->key) == len && strncmp(child->key, name, len) == 0)
            return child;
        if (child->key == NULL && position == strtoul(name, NULL, 10))
            return child;
    }
    return NULL;
}

const struct json *json_at(const struct json *j, const char *path)
{
    while (j != NULL && *path != '\0') {
        size_t len = strcspn(path, ".");

        j = member(j, path, len);
        path += len;
        path += *path == '.';
    }
    return j;
}

const char *json_text(const struct json *j, const char *path)
{
    const struct json *found = json_at(j, path);

    return found == NULL ? NULL : found->text;
}

long json_number(const struct json *j, const char *path)
{
    const struct json *found = json_at(j, path);

    return found == NULL || found->kind != JSON_NUMBER ? -1 : strtol(found->text, NULL, 10);
}

size_t json_count(const struct json *j)
{
    size_t n = 0;

    for (const struct json *child = j == NULL ? NULL : j->child; child != NULL; child = child->next)
        n++;
    return n;
}

const struct json *json_find(const struct json *array, const char *key, const char *text)
{
    for (const struct json *child = array == NULL ? NULL : array->child; child != NULL; child = child->next) {
        const char *actual = json_text(child, key);

        if (actual != NULL && strcmp(actual, text) == 0)
            return child;
    }
    return NULL;
}
