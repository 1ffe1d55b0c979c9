/* tests/fuzz/fuzz_xml_reader.c - the XML reader against expat, against itself, and against the writer.
 *
 * For any input: however it is cut, the events are the same; the verdict and the trees are those of expat, except where
 * RFC 6120 section 11.1 is stricter than XML; what is kept of an unfinished stanza stays within its bound; and elements
 * that are written elsewhere mean the same there.
 *
 * An input is one letter for the kind of stream (see kinds), one for how it is cut, one for the limits, and the stream:
 * seeds can be written with an editor. See CMakeLists.txt for how to run it. */

/* The reader's source itself: the oracle needs to know where in a token it waits. */
#include "common/xmpp/xml_reader.c"

#include <stdio.h>

#include "common/xmpp/xml_writer.h"
#include "tests/fuzz/expat_tree.h"
#include "tests/fuzz/xml_grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char usual_header[] =
    "<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>";

static const struct xml_limits limits[] = {
    {1 << 20, XML_DEPTH_MAX, XML_ATTRS_MAX, 0},
    {200, 5, 6, 0},
    {1 << 20, 3, 3, 4},
    {120, 256, 256, 65535},
};

#define REQUIRE(condition, t)                                                                                          \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            disagree(#condition, (t));                                                                                 \
    } while (0)

/* One way through an input. */
struct trial {
    struct str input;
    struct xml_reader reader;
    struct xml_scratch *scratch;
    struct buf log; /* as expat_outcome.log */
    size_t fed;
    enum xml_error error;
    bool is_open;        /* between STREAM_OPEN and STREAM_CLOSE */
    bool checks_stanzas; /* once for each input is enough */
    struct expat_outcome *expat;
};

static void disagree(const char *what, const struct trial *t)
{
    fprintf(stderr, "not so: %s\nour verdict: %s, read up to %zu of %zu\nour log:\n%.*s\n", what,
            xml_error_name(t->error), t->fed, t->input.len, STR_ARG(buf_str(&t->log)));
    if (t->expat != NULL)
        fprintf(stderr, "expat: error %d at %ld, log:\n%.*s\n", t->expat->error, t->expat->error_at,
                STR_ARG(buf_str(&t->expat->log)));
    fprintf(stderr, "input:\n%.*s\n", STR_ARG(t->input));
    abort();
}

/* Writing. */

static void require_same_meaning(const struct trial *t, const struct xml_element *original, const struct xml_element *e)
{
    struct buf before = {0}, after = {0};

    dump_element(&before, original, false);
    dump_element(&after, e, false);
    REQUIRE(str_eq(buf_str(&before), buf_str(&after)), t);
    buf_deinit(&before);
    buf_deinit(&after);
}

/* Put into a parent with the default namespace `ns`, it is still what it was. */
static void check_copy(const struct trial *t, const struct xml_element *e, const char *ns)
{
    struct buf out = {0};
    struct xml_writer w = xml_writer_to(&out);
    const struct xml_element *parent;
    struct arena *arena;

    xml_start(&w, "wrapper", ns);
    xml_put_element(&w, e, ns);
    xml_end(&w);
    REQUIRE(xml_parse(buf_str(&out), STR("urn:unused"), &arena, &parent) == LN_OK || e->depth + 1 > XML_DEPTH_MAX, t);
    require_same_meaning(t, e, parent->child);
    arena_free(&arena);
    buf_deinit(&out);
}

static const struct xml_element *next_element(const struct xml_element *e)
{
    if (e->child != NULL)
        return e->child;
    while (e->next == NULL && e->parent != NULL)
        e = e->parent;
    return e->next;
}

static void check_spans(const struct trial *t, const struct xml_element *e)
{
    const char *end = e->outer.p + e->outer.len;

    REQUIRE(e->outer.len >= 4 && e->outer.p[0] == '<' && end[-1] == '>', t);
    REQUIRE(e->inner.p > e->outer.p && e->inner.p + e->inner.len <= end, t);
    REQUIRE(e->parent == NULL ? e->depth == 1 : e->depth == e->parent->depth + 1, t);
    for (const struct xml_element *child = e->child; child != NULL; child = child->next) {
        REQUIRE(child->parent == e && child->outer.p >= e->inner.p, t);
        REQUIRE(child->outer.p + child->outer.len <= e->inner.p + e->inner.len, t);
    }
}

static void check_stanza(const struct trial *t, const struct xml_element *stanza)
{
    unsigned n = 0;

    for (const struct xml_element *e = stanza; e != NULL && n < 8; e = next_element(e), n++) {
        check_spans(t, e);
        check_copy(t, e, NS_CLIENT);
        check_copy(t, e, "urn:other");
    }
}

/* Reading. */

static size_t bytes_waiting(const struct xml_reader *r)
{
    return r->partial == NULL ? 0 : r->partial->len - r->partial->tree.pos;
}

/* Each of the growing arrays has a smallest size, and at most twice what it needs. */
static void check_kept(const struct trial *t)
{
    size_t bytes = t->reader.limits->stanza_bytes < t->fed ? t->reader.limits->stanza_bytes : t->fed;

    REQUIRE(xml_reader_kept_bytes(&t->reader) <= sizeof(struct xml_partial) + 8 * (60 + 32 + 28) + 64 + 32 * bytes, t);
}

static void note_header(struct trial *t, const struct xml_result *result)
{
    const struct xml_element *e = result->element;

    buf_append_cstr(&t->log, "open ");
    dump_name(&t->log, "(", e->ns, e->prefix, e->name);
    for (size_t i = 0; i < e->n_attrs; i++) {
        dump_name(&t->log, " @", e->attrs[i].ns, e->attrs[i].prefix, e->attrs[i].name);
        dump_text(&t->log, "=", e->attrs[i].value);
    }
    buf_append_char(&t->log, '\n');
    REQUIRE(e->child == NULL && e->inner.len == 0, t);
    t->is_open = true;
}

static void note_event(struct trial *t, enum xml_event event, struct xml_result *result)
{
    switch (event) {
    case XML_STREAM_OPEN:
        note_header(t, result);
        break;
    case XML_STANZA:
        dump_element(&t->log, result->element, true);
        if (t->checks_stanzas)
            check_stanza(t, result->element);
        break;
    case XML_STREAM_CLOSE:
        buf_append_cstr(&t->log, "close\n");
        t->is_open = false;
        break;
    case XML_ERROR:
        REQUIRE(result->error != XML_OK && result->element == NULL && result->arena == NULL, t);
        t->error = result->error;
        break;
    case XML_MORE:
        break;
    }
    arena_free(&result->arena);
}

/* Feeds one piece, in memory of its own so that a look beyond it is noticed. */
static void feed(struct trial *t, size_t n)
{
    char *piece = mem_alloc(n);
    struct str in = str_make(piece, n);
    enum xml_event event;

    memcpy(piece, t->input.p + t->fed, n);
    t->fed += n;
    do {
        struct xml_result result;

        event = xml_reader_next(&t->reader, t->scratch, &in, &result);
        note_event(t, event, &result);
    } while (event != XML_MORE && event != XML_ERROR);
    REQUIRE(event == XML_ERROR || in.len == 0, t);
    check_kept(t);
    free(piece);
}

static void trial_init(struct trial *t, struct str input, const struct xml_limits *with, struct xml_scratch *scratch)
{
    *t = (struct trial){.input = input, .scratch = scratch};
    xml_reader_init(&t->reader, with);
}

static void trial_deinit(struct trial *t)
{
    xml_reader_deinit(&t->reader);
    buf_deinit(&t->log);
}

/* `cut`: 0 feeds it whole, 1 byte by byte, others in pieces of all sizes. */
static void run(struct trial *t, unsigned cut)
{
    uint32_t random = cut * 2654435761u + 1;

    while (t->error == XML_OK && t->fed < t->input.len) {
        size_t left = t->input.len - t->fed, n = left;

        random = random * 1664525u + 1013904223u;
        if (cut == 1)
            n = 1;
        else if (cut > 1)
            n = 1 + (random >> 8) % (random >> 30 == 0 ? 600 : 9);
        feed(t, n < left ? n : left);
    }
}

/* Against expat. */

static bool contains(struct str s, const char *what)
{
    return s.len > 0 && memmem(s.p, s.len, what, strlen(what)) != NULL;
}

/* Expat waits for all bytes that the first byte of a character announces, though the second is wrong already. */
static bool expat_refuses(const struct trial *t)
{
    struct buf padded = {0};
    struct expat_outcome outcome;

    if (t->expat->is_error)
        return true;
    buf_append_str(&padded, t->input);
    buf_append_cstr(&padded, "   ");
    expat_read(buf_str(&padded), false, &outcome);
    buf_deinit(&padded);
    buf_deinit(&outcome.log);
    return outcome.is_error && (size_t)outcome.error_at < t->input.len;
}

static void require_equal_logs(const struct trial *t)
{
    REQUIRE(str_eq(buf_str(&t->log), buf_str(&t->expat->log)), t);
}

static void compare_accepted(const struct trial *t)
{
    if (t->expat->is_error) {
        /* It looks into tokens that are not complete. */
        REQUIRE(t->expat->error == 4 /* XML_ERROR_INVALID_TOKEN */ || !t->is_open, t);
        REQUIRE((size_t)t->expat->error_at >= t->fed - bytes_waiting(&t->reader), t);
    }
    require_equal_logs(t);
}

static void compare_refused(const struct trial *t)
{
    const struct expat_outcome *x = t->expat;

    REQUIRE(str_starts(buf_str(&x->log), buf_str(&t->log)), t);
    switch (t->error) {
    case XML_NOT_WELL_FORMED:
        /* Outside the root expat waits for more of what cannot be right; it also reads other versions of XML. */
        REQUIRE(expat_refuses(t) || !t->is_open, t);
        if (!contains(t->input, "version"))
            require_equal_logs(t);
        break;
    case XML_BAD_NAMESPACE_PREFIX:
        REQUIRE(x->error == 27 /* XML_ERROR_UNBOUND_PREFIX */ || x->error == 8 /* XML_ERROR_DUPLICATE_ATTRIBUTE */, t);
        require_equal_logs(t);
        break;
    case XML_RESTRICTED:
        REQUIRE(x->has_restricted || x->is_error || contains(t->input, "<!") || contains(t->input, "<?"), t);
        break;
    case XML_TEXT_OUTSIDE:
        /* References to white space are text for us; of a cut character expat says nothing yet. */
        REQUIRE(x->has_outside_text || x->is_error || x->depth == 1 || contains(t->input, "&#"), t);
        break;
    case XML_UNSUPPORTED_ENCODING:
        REQUIRE(t->log.len == 0 && contains(t->input, "encoding"), t);
        break;
    default: /* a limit: what came before it was the same */
        break;
    }
}

static void compare_with_expat(struct trial *t)
{
    struct expat_outcome outcome;

    if (!expat_can_judge(t->input))
        return;
    expat_read(t->input, false, &outcome);
    t->expat = &outcome;
    if (t->error == XML_OK)
        compare_accepted(t);
    else
        compare_refused(t);
    t->expat = NULL;
    buf_deinit(&outcome.log);
}

static void compare_cuts(const struct trial *whole, unsigned cut, const struct xml_limits *with,
                         struct xml_scratch *scratch)
{
    struct trial t;

    trial_init(&t, whole->input, with, scratch);
    run(&t, cut);
    REQUIRE(t.error == whole->error && t.is_open == whole->is_open, &t);
    REQUIRE(str_eq(buf_str(&t.log), buf_str(&whole->log)), &t);
    REQUIRE(t.error != XML_OK || bytes_waiting(&t.reader) == bytes_waiting(&whole->reader), &t);
    trial_deinit(&t);
}

static void check_input(struct str input, unsigned cut, const struct xml_limits *with)
{
    struct xml_scratch *scratch = xml_scratch_new();
    struct trial whole;

    trial_init(&whole, input, with, scratch);
    whole.checks_stanzas = true;
    run(&whole, 0);
    compare_with_expat(&whole);
    compare_cuts(&whole, cut % 8 + 1, with, scratch);
    trial_deinit(&whole);
    xml_scratch_free(&scratch);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf input = {0};
    struct str rest;

    if (size < 3)
        return 0;
    rest = str_make((const char *)data + 3, size - 3);
    switch (data[0] % 4) {
    case 0: /* '0': the bytes as they are */
        buf_append_str(&input, rest);
        break;
    case 1: /* '1': behind the usual stream header */
        buf_append_cstr(&input, usual_header);
        buf_append_str(&input, rest);
        break;
    case 2: /* '2': grown */
        grow_stream(rest, true, &input);
        break;
    default: /* '3': grown, behind the usual stream header */
        buf_append_cstr(&input, usual_header);
        grow_stream(rest, false, &input);
    }
    check_input(buf_str(&input), data[1], &limits[data[2] % 16 < ARRAY_LEN(limits) ? data[2] % 16 : 0]);
    buf_deinit(&input);
    return 0;
}
