/* tests/integration/archive.h - asking an archive, for the tests of XEP-0313 and of what it works together with. */
#ifndef LINNET_TESTS_ARCHIVE_H
#define LINNET_TESTS_ARCHIVE_H

#include "client.h"

#define MAM     "urn:xmpp:mam:2"
#define RSM     "http://jabber.org/protocol/rsm"
#define SID     "urn:xmpp:sid:0"
#define HINTS   "urn:xmpp:hints"
#define RETRACT "urn:xmpp:message-retract:1"

#define FORM(fields)                                                                                                   \
    "<x xmlns='jabber:x:data' type='submit'><field var='FORM_TYPE' type='hidden'><value>" MAM                          \
    "</value></field>" fields "</x>"
#define FIELD(var, value) "<field var='" var "'><value>" value "</value></field>"
#define PAGE(content)     "<set xmlns='" RSM "'>" content "</set>"

/* A query for no page in particular. */
#define ALL               PAGE("")

enum { RESULTS_MAX = 256 };

/* What came for one query. Borrowed until the test's end. */
struct found {
    const struct node *answer;               /* the iq */
    const struct node *results[RESULTS_MAX]; /* messages, in the order of their coming */
    size_t n;
};

__attribute__((unused)) static void take_results(struct client *c, struct found *f)
{
    size_t n = client_count(c, "message/result[@xmlns='" MAM "']");

    assert_in_range(n, 0, RESULTS_MAX);
    for (f->n = 0; f->n < n; f->n++)
        f->results[f->n] = client_expect_any(c, "message/result[@xmlns='" MAM "']");
}

/* A query with this content, whatever the answer is. */
__attribute__((format(printf, 2, 3), unused)) static struct found archive_ask(struct client *c, const char *fmt, ...)
{
    struct found f = {0};
    char content[8192];
    va_list args;

    va_start(args, fmt);
    assert_in_range(vsnprintf(content, sizeof(content), fmt, args), 0, sizeof(content) - 1);
    va_end(args);
    f.answer = client_request(c, "set", NULL, "<query xmlns='" MAM "' queryid='q'>%s</query>", content);
    take_results(c, &f);
    if (!node_matches(f.answer, "iq[@type='result']"))
        assert_int_equal(f.n, 0);
    return f;
}

/* The bodies, with spaces between; what has none is named by its first child. Valid until the next call. */
__attribute__((unused)) static const char *archive_texts(const struct found *f)
{
    static char texts[8192];

    texts[0] = '\0';
    for (size_t i = 0; i < f->n; i++) {
        const struct node *m = node_find(f->results[i], "message/result/forwarded/message");
        const char *body = m == NULL ? "?" : node_text(m, "message/body");

        if (body == NULL)
            body = m->child != NULL ? m->child->name : "-";
        snprintf(texts + strlen(texts), sizeof(texts) - strlen(texts), "%s%s", i > 0 ? " " : "", body);
    }
    return texts;
}

__attribute__((unused)) static const char *archive_id(const struct found *f, size_t i)
{
    assert_in_range(i, 0, f->n - 1);
    return node_attr(node_find(f->results[i], "message/result"), "id");
}

#define archive_expect(c, texts, ...)                                                                                  \
    do {                                                                                                               \
        struct found found_ = archive_ask(c, __VA_ARGS__);                                                             \
        assert_string_equal(archive_texts(&found_), texts);                                                            \
        assert_true(node_matches(found_.answer, "iq[@type='result']/fin"));                                            \
    } while (0)

#define archive_refused(c, condition, ...)                                                                             \
    do {                                                                                                               \
        struct found found_ = archive_ask(c, __VA_ARGS__);                                                             \
        char path_[128];                                                                                               \
        snprintf(path_, sizeof(path_), "iq[@type='error']/error/%s", condition);                                       \
        if (!node_matches(found_.answer, path_))                                                                       \
            test_fail("not refused with %s: %s", condition, node_describe(found_.answer));                             \
    } while (0)

/* Says something and waits until it was dealt with. */
__attribute__((unused)) static void say(struct client *from, const char *to, const char *text)
{
    client_send(from, "<message to='%s' type='chat' id='id-%s'><body>%s</body></message>", to, text, text);
    if (strncmp(to, from->bare, strlen(from->bare)) == 0)
        client_barrier(from);
    else
        client_barrier_via(from, to);
}

#endif
