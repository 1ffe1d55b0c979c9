/* tests/unit/common/xml_feed.h - feeds streams to a reader in pieces and notes what comes out. */
#ifndef LINNET_TESTS_UNIT_COMMON_XML_FEED_H
#define LINNET_TESTS_UNIT_COMMON_XML_FEED_H

#include "common/buf.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/xml_reader.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HEADER    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
#define STREAM(x) HEADER x "</stream:stream>"

static const struct xml_limits wide_limits = {262144, XML_DEPTH_MAX, XML_ATTRS_MAX, 0};

struct feed {
    struct xml_reader reader;
    struct xml_scratch *scratch;
    struct buf events;              /* "open ", "stanza ", "close ", "error not-well-formed " in their order */
    struct arena *arena;            /* of the last element */
    const struct xml_element *last; /* the last stanza, or header */
    size_t most_kept;
};

static inline void feed_init(struct feed *f, const struct xml_limits *limits)
{
    *f = (struct feed){.scratch = xml_scratch_new()};
    xml_reader_init(&f->reader, limits);
}

static inline void feed_deinit(struct feed *f)
{
    xml_reader_deinit(&f->reader);
    xml_scratch_free(&f->scratch);
    buf_deinit(&f->events);
    arena_free(&f->arena);
}

static inline void feed_note(struct feed *f, enum xml_event event, struct xml_result *result)
{
    static const char *const names[] = {"", "open ", "stanza ", "close ", "error "};

    buf_append_cstr(&f->events, names[event]);
    if (event == XML_ERROR)
        buf_printf(&f->events, "%s ", xml_error_name(result->error));
    if (result->element == NULL)
        return;
    arena_free(&f->arena);
    f->arena = result->arena;
    f->last = result->element;
}

/* One piece as the socket would give it, in memory of its own. */
static inline void feed_piece(struct feed *f, struct str piece)
{
    char *copy = mem_strndup(piece.p, piece.len);
    struct str in = str_make(copy, piece.len);
    struct xml_result result;
    enum xml_event event;

    do {
        event = xml_reader_next(&f->reader, f->scratch, &in, &result);
        feed_note(f, event, &result);
    } while (event != XML_MORE && event != XML_ERROR);
    if (event == XML_MORE)
        assert_int_equal(in.len, 0);
    if (xml_reader_kept_bytes(&f->reader) > f->most_kept)
        f->most_kept = xml_reader_kept_bytes(&f->reader);
    free(copy);
}

/* All of it, `size` bytes at a time. */
static inline void feed_in_pieces(struct feed *f, struct str input, size_t size)
{
    for (size_t at = 0; at < input.len; at += size)
        feed_piece(f, str_make(input.p + at, input.len - at < size ? input.len - at : size));
}

/* The events of `input` are these, at once, byte by byte and in every size between. */
static inline void expect_events_with(const struct xml_limits *limits, struct str input, const char *events)
{
    for (size_t size = 1; size <= input.len; size += size < 24 ? 1 : input.len / 3) {
        struct feed f;

        feed_init(&f, limits);
        feed_in_pieces(&f, input, size);
        if (!str_starts(buf_str(&f.events), str_of(events)))
            print_error("in pieces of %zu: %.*s\n", size, STR_ARG(input));
        buf_append_char(&f.events, '\0');
        /* After an error the same error comes again for each further piece. */
        if (strstr(events, "error") != NULL)
            f.events.p[strlen(events) < f.events.len ? strlen(events) : f.events.len - 1] = '\0';
        assert_string_equal(f.events.p, events);
        feed_deinit(&f);
    }
}

static inline void expect_events(struct str input, const char *events)
{
    expect_events_with(&wide_limits, input, events);
}

/* The content of a stream, behind the usual header, ends it with this error. */
static inline void expect_refused(struct str content, const char *error)
{
    struct buf input = {0}, events = {0};

    buf_append_cstr(&input, HEADER);
    buf_append_str(&input, content);
    buf_printf(&events, "open error %s ", error);
    buf_append_char(&events, '\0');
    expect_events(buf_str(&input), events.p);
    buf_deinit(&input);
    buf_deinit(&events);
}

/* The content of a stream is one stanza. */
static inline void expect_accepted(struct str content)
{
    struct buf input = {0};

    buf_append_cstr(&input, HEADER);
    buf_append_str(&input, content);
    expect_events(buf_str(&input), "open stanza ");
    buf_deinit(&input);
}

static inline void assert_str(struct str actual, const char *expected)
{
    if (!str_is(actual, expected))
        fail_msg("\"%.*s\" != \"%s\"", STR_ARG(actual), expected);
}

/* Reads one element with the default namespace jabber:client around it; the caller frees *ret_arena. */
static inline const struct xml_element *parse_one(const char *xml, struct arena **ret_arena)
{
    const struct xml_element *e = NULL;

    if (xml_parse(str_of(xml), STR(NS_CLIENT), ret_arena, &e) != LN_OK)
        fail_msg("not one element: %s", xml);
    return e;
}

static inline bool is_one_element(struct str xml)
{
    const struct xml_element *e;
    struct arena *arena;

    if (xml_parse(xml, STR(NS_CLIENT), &arena, &e) != LN_OK)
        return false;
    arena_free(&arena);
    return true;
}

#endif
