/* tests/integration/json.h - just enough JSON to read what `linnetctl --json` and the log say. */
#ifndef LINNET_TESTS_JSON_H
#define LINNET_TESTS_JSON_H

#include <stdbool.h>
#include <stddef.h>

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json {
    enum json_kind kind;
    char *key;  /* in an object; NULL otherwise */
    char *text; /* strings decoded; numbers, true and false as written */
    struct json *child;
    struct json *next;
};

/* NULL: not JSON, or something follows it. */
struct json *json_parse(const char *text);
void json_free(struct json **j);
/* By keys and positions: json_at(j, "sessions.0.worker"). NULL: nothing there. */
const struct json *json_at(const struct json *j, const char *path);
/* The text there, or NULL. */
const char *json_text(const struct json *j, const char *path);
/* The number there, or -1. */
long json_number(const struct json *j, const char *path);
size_t json_count(const struct json *j);
/* The first object of an array whose member `key` has this text; NULL: none. */
const struct json *json_find(const struct json *array, const char *key, const char *text);

#endif
