#include "server/base/log_format.h"

#include "common/utf8.h"

#include <arpa/inet.h>
#include <assert.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>

enum {
    /* A byte becomes six at most: \u0000. Behind it three dots and two quotes. */
    VALUE_ROOM = 6 * LOG_VALUE_MAX + 5,
    KEY_MAX = 64,
    END_ROOM = 32, /* for what closes a line, and "cut=true" */
};

/* What is written. Room is checked once for each field, before it. */
struct line {
    char *bytes;
    size_t len;
    bool is_json;
};

static void put(struct line *l, const char *bytes, size_t len)
{
    assert(len <= LOG_LINE_MAX - l->len);
    memcpy(l->bytes + l->len, bytes, len);
    l->len += len;
}

static void put_cstr(struct line *l, const char *text)
{
    put(l, text, strlen(text));
}

static void put_f(struct line *l, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void put_f(struct line *l, const char *fmt, ...)
{
    char text[64];
    va_list args;
    int len;

    va_start(args, fmt);
    len = vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    assert(len >= 0 && (size_t)len < sizeof(text));
    put(l, text, (size_t)len);
}

/* ---- strings ---- */

/* Characters that end a line, hide or turn around what follows, or command a terminal. */
static bool is_harmful(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp <= 0x9f) || cp == 0x200e || cp == 0x200f || (cp >= 0x2028 && cp <= 0x202e) ||
           (cp >= 0x2066 && cp <= 0x2069) || cp == 0xfeff;
}

static void put_escaped(struct line *l, uint32_t cp)
{
    static const char letters[] = {['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't', ['"'] = '"', ['\\'] = '\\'};

    if (cp < sizeof(letters) && letters[cp] != 0)
        put_f(l, "\\%c", letters[cp]);
    else
        put_f(l, "\\u%04x", (unsigned)cp);
}

static void put_invalid_byte(struct line *l, unsigned char byte)
{
    if (l->is_json)
        put_cstr(l, "\xef\xbf\xbd"); /* U+FFFD: JSON has no way to write a byte */
    else
        put_f(l, "\\x%02x", byte);
}

static void put_quoted(struct line *l, struct str text, bool is_cut)
{
    put_cstr(l, "\"");
    while (text.len > 0) {
        uint32_t cp = 0;
        int len = utf8_decode(text, &cp);

        if (len < 0 && is_cut)
            break; /* a character in two */
        if (len <= 0)
            put_invalid_byte(l, (unsigned char)text.p[0]);
        else if (is_harmful(cp) || cp == '"' || cp == '\\')
            put_escaped(l, cp);
        else
            put(l, text.p, (size_t)len);
        len = len > 0 ? len : 1;
        text = str_make(text.p + len, text.len - (size_t)len);
    }
    put_cstr(l, is_cut ? "...\"" : "\"");
}

/* Nothing in it could be taken for the end of the value. */
static bool is_plain(struct str text)
{
    if (text.len == 0)
        return false;
    while (text.len > 0) {
        uint32_t cp = 0;
        int len = utf8_decode(text, &cp);

        if (len <= 0 || is_harmful(cp) || cp == ' ' || cp == '"' || cp == '\\')
            return false;
        text = str_make(text.p + len, text.len - (size_t)len);
    }
    return true;
}

static void put_str(struct line *l, struct str text)
{
    bool is_cut = text.len > LOG_VALUE_MAX;

    if (is_cut)
        text.len = LOG_VALUE_MAX;
    if (!l->is_json && !is_cut && is_plain(text))
        put(l, text.p, text.len);
    else
        put_quoted(l, text, is_cut);
}

static void put_address(struct line *l, const struct sockaddr *addr)
{
    char text[INET6_ADDRSTRLEN] = "";

    if (addr != NULL && addr->sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)(const void *)addr)->sin_addr, text, sizeof(text));
    if (addr != NULL && addr->sa_family == AF_INET6) {
        const struct in6_addr *v6 = &((const struct sockaddr_in6 *)(const void *)addr)->sin6_addr;
        bool is_v4 = IN6_IS_ADDR_V4MAPPED(v6);

        (void)inet_ntop(is_v4 ? AF_INET : AF_INET6, v6->s6_addr + (is_v4 ? 12 : 0), text, sizeof(text));
    }
    put_str(l, str_of(text));
}

/* ---- fields ---- */

static void put_value(struct line *l, const struct log_field *f)
{
    switch (f->kind) {
    case LOG_FIELD_STR:
        put_str(l, f->v.str);
        break;
    case LOG_FIELD_CSTR:
        put_str(l, str_of(f->v.cstr));
        break;
    case LOG_FIELD_U64:
        put_f(l, "%" PRIu64, f->v.u64);
        break;
    case LOG_FIELD_I64:
        put_f(l, "%" PRId64, f->v.i64);
        break;
    case LOG_FIELD_BOOL:
        put_cstr(l, f->v.boolean ? "true" : "false");
        break;
    case LOG_FIELD_ADDR:
        put_address(l, f->v.addr);
        break;
    }
}

static void put_key(struct line *l, const char *key)
{
    assert(strlen(key) <= KEY_MAX);
    put_cstr(l, l->is_json ? ",\"" : " ");
    put_cstr(l, key);
    put_cstr(l, l->is_json ? "\":" : "=");
}

static void put_fields(struct line *l, const struct log_event *ev)
{
    for (size_t i = 1; i < ev->n_fields; i++) {
        if (LOG_LINE_MAX - l->len < KEY_MAX + 4 + VALUE_ROOM + END_ROOM) {
            put_key(l, "cut");
            put_cstr(l, "true");
            return;
        }
        put_key(l, ev->fields[i].key);
        put_value(l, &ev->fields[i]);
    }
}

/* ---- the line ---- */

/* RFC 3339, UTC. gmtime_r() gives the same, but takes a lock around the time zone. The year is counted from March, so
 * that the leap day is its last; 146097 days are 400 years. */
static void put_time(struct line *l, int64_t time_ms)
{
    int64_t days = time_ms / 86400000, ms = time_ms % 86400000;
    int64_t since_march_0 = days + 719468;
    int64_t era = since_march_0 / 146097, day_of_era = since_march_0 % 146097;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int64_t day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    int64_t month = month_from_march < 10 ? month_from_march + 3 : month_from_march - 9;
    int64_t year = year_of_era + era * 400 + (month <= 2);

    put_f(l, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", (int)year, (int)month, (int)day, (int)(ms / 3600000),
          (int)(ms / 60000 % 60), (int)(ms / 1000 % 60), (int)(ms % 1000));
}

static void put_head_text(struct line *l, const struct log_event *ev)
{
    static const char *const words[LOG_LEVELS] = {"ERROR", "WARN", "INFO", "DEBUG"};

    if (ev->time_ms >= 0) {
        put_time(l, ev->time_ms);
        put_cstr(l, " ");
    }
    put_cstr(l, words[ev->level]);
    if (ev->worker >= 0)
        put_f(l, " w=%d", ev->worker);
    if (ev->sid != 0)
        put_f(l, " s=%" PRIx64, ev->sid);
    put_cstr(l, " ");
    put_cstr(l, ev->fields[0].key);
}

static void put_head_json(struct line *l, const struct log_event *ev)
{
    put_cstr(l, "{");
    if (ev->time_ms >= 0) {
        put_cstr(l, "\"time\":\"");
        put_time(l, ev->time_ms);
        put_cstr(l, "\",");
    }
    put_f(l, "\"level\":\"%s\",\"subsystem\":\"%s\"", log_level_name(ev->level), log_subsystem_name(ev->subsystem));
    if (ev->worker >= 0)
        put_f(l, ",\"w\":%d", ev->worker);
    if (ev->sid != 0)
        put_f(l, ",\"s\":\"%" PRIx64 "\"", ev->sid);
    put_cstr(l, ",\"event\":\"");
    put_cstr(l, ev->fields[0].key);
    put_cstr(l, "\"");
}

size_t log_format_line(enum log_format format, const struct log_event *ev, char out[LOG_LINE_MAX])
{
    struct line l = {out, 0, format == LOG_AS_JSON};

    assert(ev->n_fields > 0 && strlen(ev->fields[0].key) <= KEY_MAX);
    if (l.is_json)
        put_head_json(&l, ev);
    else
        put_head_text(&l, ev);
    put_fields(&l, ev);
    put_cstr(&l, l.is_json ? "}\n" : "\n");
    return l.len;
}
