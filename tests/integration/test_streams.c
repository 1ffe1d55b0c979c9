/* tests/integration/test_streams.c - streams that break a rule end with the right error, and only that: RFC 6120
 * sections 4 and 11. */
#include "client.h"
#include "raw.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define NS_STREAM "http://etherx.jabber.org/streams"
#define HEADER_TO "<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' version='1.0' to='" DOMAIN "'>"
#define HEADER    "<?xml version='1.0'?>" HEADER_TO

enum { BYTES_BEFORE_LOGIN = 4096, BYTES_AFTER_LOGIN = 20000, DEPTH = 16, ATTRIBUTES = 12 }; /* as in main() */

/* One bad start of a stream, and what answers it. */
struct bad_start {
    const char *sent;
    const char *condition; /* several, separated by |, where the RFC leaves a choice */
};

static bool is_one_of(const char *name, const char *choices)
{
    size_t len = strlen(name);

    for (const char *at = choices; at != NULL; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncmp(at, name, len) == 0 && (at[len] == '\0' || at[len] == '|'))
            return true;
    }
    return false;
}

/* Header (if it has not come), one stream error of the right kind, the closing tag, the end. */
static void expect_refusal(struct raw *r, const char *sent, const char *condition)
{
    const struct node *error;

    raw_expect_header(r);
    assert_non_null(node_attr(r->header, "id"));
    error = raw_skip_to(r, "error[@xmlns='" NS_STREAM "']");
    if (error->child == NULL || strcmp(error->child->ns, "urn:ietf:params:xml:ns:xmpp-streams") != 0 ||
        !is_one_of(error->child->name, condition))
        test_fail("%.200s was answered by %s", sent, node_describe(error));
    raw_expect_closed(r);
}

static void refuses_starts(struct harness *h, const struct bad_start *list, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct raw *r = raw_connect(h, HARNESS_STARTTLS);

        raw_send(r, "%s", list[i].sent);
        expect_refusal(r, list[i].sent, list[i].condition);
        raw_free(&r);
    }
}

#define REFUSES_STARTS(list) refuses_starts(*state, list, sizeof(list) / sizeof((list)[0]))

/* ---- the header ---- */

static void a_header_that_is_wrong_gets_a_header_the_error_and_the_end(void **state)
{
    static const struct bad_start list[] = {
        {"<stream:stream xmlns='jabber:client' xmlns:stream='http://wrong.example/' version='1.0' to='" DOMAIN "'>",
         "invalid-namespace"},
        {"<stream:stream xmlns='jabber:wrong' xmlns:stream='" NS_STREAM "' version='1.0' to='" DOMAIN "'>",
         "invalid-namespace"},
        {"<stream:stream xmlns='jabber:server' xmlns:stream='" NS_STREAM "' version='1.0' to='" DOMAIN "'>",
         "invalid-namespace"},
        {"<stream:river xmlns='jabber:client' xmlns:stream='" NS_STREAM "' version='1.0' to='" DOMAIN "'>",
         "bad-format|invalid-namespace"},
        {"<stream:stream xmlns='jabber:client' version='1.0' to='" DOMAIN "'>", "bad-namespace-prefix|not-well-formed"},
        {"<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' to='" DOMAIN "'>", "unsupported-version"},
        {"<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' version='0.9' to='" DOMAIN "'>",
         "unsupported-version"},
        {"<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' version='1.0' to='unknown.example'>",
         "host-unknown"},
        {"<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' version='1.0' to='not a domain'>",
         "host-unknown|improper-addressing"},
        {"<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' version='1.0'>",
         "host-unknown|improper-addressing"},
    };

    REFUSES_STARTS(list);
}

static void what_is_not_xml_gets_not_well_formed(void **state)
{
    static const struct bad_start list[] = {
        {"GET / HTTP/1.1\r\nHost: " DOMAIN "\r\n\r\n", "not-well-formed|bad-format"},
        {"<stream:stream <", "not-well-formed"},
        {HEADER "<a><b></a>", "not-well-formed"},
        {HEADER "<a b='1' b='2'/>", "not-well-formed"},
        {HEADER "<a b=1/>", "not-well-formed"},
        {HEADER "<a>&nbsp;</a>", "not-well-formed|restricted-xml"},
        {HEADER "<a>&#0;</a>", "not-well-formed"},
        {HEADER "<a>\x01</a>", "not-well-formed"},
        {HEADER "<a>\xc0\xaf</a>", "not-well-formed|unsupported-encoding"},     /* overlong '/' */
        {HEADER "<a>\xed\xa0\x80</a>", "not-well-formed|unsupported-encoding"}, /* a surrogate */
        {HEADER "<a>\xef\xbf\xbe</a>", "not-well-formed|unsupported-encoding"}, /* U+FFFE */
        {HEADER "<a>]]></a>", "not-well-formed"},
        {HEADER "</stream:river>", "not-well-formed"},
    };

    REFUSES_STARTS(list);
}

static void restricted_xml_is_refused(void **state)
{
    static const struct bad_start list[] = {
        {HEADER "<!-- a comment -->", "restricted-xml"},
        {HEADER "<a><!-- a comment --></a>", "restricted-xml"},
        {HEADER "<?php echo ?>", "restricted-xml"},
        {HEADER "<a><?php echo ?></a>", "restricted-xml"},
        {"<?xml version='1.0'?><!DOCTYPE lolz [<!ENTITY lol 'lol'>]>" HEADER_TO, "restricted-xml"},
        {HEADER "<!DOCTYPE a>", "restricted-xml|not-well-formed"},
        {HEADER "<a>&entity;</a>", "restricted-xml|not-well-formed"},
    };

    REFUSES_STARTS(list);
}

static void prefixes_that_nobody_declared_are_refused(void **state)
{
    static const struct bad_start list[] = {
        {HEADER "<foo:bar/>", "bad-namespace-prefix|not-well-formed"},
        {HEADER "<bar foo:a='b'/>", "bad-namespace-prefix|not-well-formed"},
    };

    REFUSES_STARTS(list);
}

static void encodings_other_than_utf_8_are_refused(void **state)
{
    static const struct bad_start list[] = {
        {"<?xml version='1.0' encoding='ISO-8859-1'?>" HEADER_TO, "unsupported-encoding"},
        {"<?xml version='1.0' encoding='UTF-16'?>" HEADER_TO, "unsupported-encoding"},
    };

    REFUSES_STARTS(list);
}

static void text_between_stanzas_is_bad_format(void **state)
{
    static const struct bad_start list[] = {{HEADER "hello", "bad-format|not-well-formed"}};

    REFUSES_STARTS(list);
}

static void stanzas_and_unknown_elements_before_the_login_are_not_authorized(void **state)
{
    static const struct bad_start list[] = {
        {HEADER "<message to='a@" DOMAIN "'><body>x</body></message>", "not-authorized"},
        {HEADER "<presence/>", "not-authorized"},
        {HEADER "<iq type='get' id='a'><query xmlns='jabber:iq:roster'/></iq>", "not-authorized"},
    };

    REFUSES_STARTS(list);
}

static void a_higher_version_is_answered_with_ours(void **state)
{
    struct raw *r = raw_connect(*state, HARNESS_STARTTLS);

    raw_send(r, "<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' version='11.4' to='" DOMAIN "'>");
    assert_string_equal(node_attr(raw_expect_header(r), "version"), "1.0");
    raw_expect(r, "features");
    raw_free(&r);
}

static void the_header_of_the_server_says_who_it_is(void **state)
{
    struct raw *r = raw_connect(*state, HARNESS_STARTTLS);

    raw_send(r, "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM
                "' version='1.0' to='" DOMAIN "' from='juliet@" DOMAIN "' xml:lang='de'>");
    raw_expect_header(r);
    assert_string_equal(node_attr(r->header, "from"), DOMAIN);
    assert_string_equal(node_attr(r->header, "version"), "1.0");
    assert_non_null(node_attr(r->header, "xml:lang"));
    if (node_attr(r->header, "to") != NULL)
        assert_string_equal(node_attr(r->header, "to"), "juliet@" DOMAIN);
    raw_free(&r);
}

static void stream_ids_are_long_and_never_the_same(void **state)
{
    char ids[40][80];

    for (int i = 0; i < 40; i++) {
        struct raw *r = raw_connect(*state, HARNESS_STARTTLS);

        raw_open(r, NULL);
        snprintf(ids[i], sizeof(ids[i]), "%s", node_attr(raw_expect_header(r), "id"));
        assert_true(strlen(ids[i]) >= 16);
        for (int j = 0; j < i; j++) {
            assert_string_not_equal(ids[i], ids[j]);
            /* A counter or a clock in it would leave most of it as it was. */
            size_t same = 0;
            for (size_t k = 0; ids[i][k] != '\0' && ids[j][k] != '\0'; k++)
                same += ids[i][k] == ids[j][k];
            assert_true(same < strlen(ids[i]) * 3 / 4);
        }
        raw_free(&r);
    }
}

/* ---- how bytes come does not matter ---- */

static void a_login_byte_by_byte_works(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_connect(h, HARNESS_STARTTLS);
    char plain[200], *encoded, *auth;
    int len;

    raw_send_slowly(r, HEADER);
    raw_expect_header(r);
    raw_expect(r, "features");
    raw_send_slowly(r, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    raw_expect(r, "proceed");
    assert_true(raw_start_tls(r, NULL));
    raw_expect_new_stream(r);
    raw_send_slowly(r, HEADER);
    raw_expect_header(r);
    raw_expect(r, "features/mechanisms");
    len = snprintf(plain, sizeof(plain), "%c%s%c%s", 0, a->user, 0, a->password);
    encoded = base64_encode(plain, (size_t)len);
    auth = text_format("<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>", encoded);
    raw_send_slowly(r, auth);
    free(encoded);
    free(auth);
    raw_expect(r, "success");
    raw_expect_new_stream(r);
    raw_send_slowly(r, HEADER);
    raw_expect_header(r);
    raw_expect(r, "features/bind");
    raw_send_slowly(r, "<iq type='set' id='b'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
    raw_expect(r, "iq[@type='result'][@id='b']/bind/jid");
    raw_send_slowly(r, "<iq type='get' id='p\xc3\xa9' to='" DOMAIN "'><ping xmlns='urn:xmpp:ping'/></iq>");
    raw_expect(r, "iq[@type='result'][@id='p\xc3\xa9']");
    raw_free(&r);
}

static void many_stanzas_in_one_packet_are_all_answered(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_login(h, harness_account(h), NULL);
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);

    for (int i = 0; i < 200; i++)
        fprintf(out, "<iq type='get' id='p%d' to='" DOMAIN "'><ping xmlns='urn:xmpp:ping'/></iq>\n", i);
    fclose(out);
    raw_send(r, "%s", text);
    free(text);
    for (int i = 0; i < 200; i++)
        raw_expect(r, "iq[@type='result'][@id='p%d']", i);
    raw_free(&r);
}

static void prefixes_cdata_and_references_mean_what_they_should(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);
    struct raw *r = raw_login(h, harness_account(h), NULL);

    raw_send(r,
             "<c:message xmlns:c='jabber:client' to='%s'><c:body>1 &lt; 2 &amp;&#x20;<![CDATA[<3>]]></c:body>"
             "<x:y xmlns:x='urn:example' x:z='&quot;'/></c:message>",
             juliet->jid);
    const struct node *message = client_expect(juliet, "message[@xmlns='jabber:client'][@from='%s']", r->jid);
    assert_string_equal(node_text(message, "message/body[@xmlns='jabber:client']"), "1 < 2 & <3>");
    assert_true(node_matches(message, "message/y[@xmlns='urn:example']"));
    raw_free(&r);
}

static void a_prefix_declared_on_the_stream_root_reaches_the_recipient(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *juliet = harness_login(h);
    struct raw *r = raw_secure(h, NULL);
    char plain[200], *encoded;
    int len = snprintf(plain, sizeof(plain), "%c%s%c%s", 0, a->user, 0, a->password);

    encoded = base64_encode(plain, (size_t)len);
    raw_send(r, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>", encoded);
    free(encoded);
    raw_expect(r, "success");
    raw_expect_new_stream(r);
    raw_send(r, "<stream:stream xmlns='jabber:client' xmlns:stream='" NS_STREAM "' xmlns:far='urn:example:far'"
                " version='1.0' to='" DOMAIN "'>");
    raw_expect_header(r);
    raw_expect(r, "features");
    raw_bind(r, "root");
    raw_send(r, "<message to='%s'><far:away from='here'><far:deeper/></far:away></message>", juliet->jid);
    client_expect(juliet, "message/away[@xmlns='urn:example:far'][@from='here']/deeper[@xmlns='urn:example:far']");
    raw_free(&r);
}

/* Some clients end every line they send with a line feed; behind what restarts the stream it stands before the next
 * header, where XML would allow none, though it belongs to the stream that has ended. */
static void white_space_between_the_end_of_a_negotiation_and_the_next_header_does_no_harm(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_connect(h, HARNESS_STARTTLS);
    char plain[200], *encoded;
    int len = snprintf(plain, sizeof(plain), "%c%s%c%s", 0, a->user, 0, a->password);

    encoded = base64_encode(plain, (size_t)len);
    raw_send(r, HEADER "\n");
    raw_expect_header(r);
    raw_expect(r, "features");
    raw_send(r, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>\n");
    raw_expect(r, "proceed");
    assert_true(raw_start_tls(r, NULL));
    raw_expect_new_stream(r);
    raw_send(r, HEADER "\n");
    raw_expect_header(r);
    raw_expect(r, "features/mechanisms");
    raw_send(r, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>%s</auth>\n", encoded);
    raw_expect(r, "success");
    raw_expect_new_stream(r);
    raw_send(r, HEADER "\n");
    raw_expect_header(r);
    raw_expect(r, "features/bind");
    raw_bind(r, NULL);
    raw_free(&r);
    free(encoded);
}

/* ---- STARTTLS ---- */

static void what_was_pipelined_behind_starttls_in_the_clear_is_dropped(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct raw *r = raw_connect(h, HARNESS_STARTTLS);

    raw_open(r, NULL);
    raw_expect_header(r);
    raw_expect(r, "features");
    /* One packet: if any of it were taken as part of the encrypted stream, the next answers would show it. */
    raw_send(r, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>" HEADER
                "<iq type='get' id='injected'><ping xmlns='urn:xmpp:ping'/></iq>");
    raw_expect(r, "proceed");
    if (raw_start_tls(r, NULL)) {
        raw_open(r, NULL);
        raw_expect_header(r);
        r->features = raw_expect(r, "features/mechanisms");
        raw_plain(r, a);
        raw_bind(r, NULL);
        raw_expect_quiet(r);
    } /* else the handshake failed on what stood before it, which keeps it out as well */
    raw_free(&r);
}

static void starttls_inside_tls_is_refused(void **state)
{
    struct raw *r = raw_secure(*state, NULL);

    raw_send(r, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    const struct node *answer = raw_expect(r, "*");
    assert_true(node_matches(answer, "failure[@xmlns='urn:ietf:params:xml:ns:xmpp-tls']") ||
                node_matches(answer, "error[@xmlns='" NS_STREAM "']"));
    raw_expect_closed(r);
    raw_free(&r);
}

static void what_is_no_handshake_ends_the_connection(void **state)
{
    struct raw *r = raw_connect(*state, HARNESS_STARTTLS);

    raw_open(r, NULL);
    raw_expect_header(r);
    raw_expect(r, "features");
    raw_send(r, "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    raw_expect(r, "proceed");
    raw_send(r, "this is no client hello, however long one waits for it to become one");
    char byte;
    while (recv(r->fd, &byte, 1, 0) > 0)
        ; /* an alert, perhaps; then the end */
    raw_free(&r);
}

/* ---- limits ---- */

static void send_filler(struct raw *r, size_t n)
{
    char *filler = malloc(n);

    memset(filler, 'x', n);
    (void)raw_send_bytes(r, filler, n); /* refused half-way, perhaps */
    free(filler);
}

static void a_stanza_over_the_limit_before_the_login_is_a_policy_violation(void **state)
{
    struct raw *r = raw_secure(*state, NULL);

    raw_send(r, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>");
    send_filler(r, BYTES_BEFORE_LOGIN + 1);
    expect_refusal(r, "too much before the login", "policy-violation");
    raw_free(&r);
}

static void a_header_over_the_limit_is_a_policy_violation(void **state)
{
    struct raw *r = raw_connect(*state, HARNESS_STARTTLS);

    raw_send(r, "<stream:stream xmlns='");
    send_filler(r, BYTES_BEFORE_LOGIN + 1);
    expect_refusal(r, "a long header", "policy-violation");
    raw_free(&r);
}

static void a_stanza_at_the_limit_passes_and_one_byte_more_does_not(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *juliet = harness_login(h);
    struct raw *r = raw_login(h, a, "size");
    char *start = text_format("<message to='%s'><body>", juliet->jid);
    static const char end[] = "</body></message>";
    size_t filler = BYTES_AFTER_LOGIN - strlen(start) - strlen(end);

    raw_send(r, "%s", start);
    send_filler(r, filler);
    raw_send(r, "%s", end);
    assert_int_equal(strlen(node_text(client_expect(juliet, "message[@from='%s']", r->jid), "message/body")), filler);
    raw_send(r, "%s", start);
    send_filler(r, filler + 1);
    raw_send(r, "%s", end);
    expect_refusal(r, "a stanza one byte over the limit", "policy-violation");
    raw_free(&r);
    free(start);
    client_expect_quiet(juliet);
}

static void nesting_deeper_than_the_limit_is_a_policy_violation(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_login(h, harness_account(h), NULL);

    raw_send(r, "<message>");
    for (int i = 1; i < DEPTH; i++)
        raw_send(r, "<a>");
    for (int i = 1; i < DEPTH; i++)
        raw_send(r, "</a>");
    raw_send(r, "</message>");
    raw_send(r, "<iq type='get' id='alive' to='" DOMAIN "'><ping xmlns='urn:xmpp:ping'/></iq>");
    raw_skip_to(r, "iq[@id='alive'][@type='result']");
    raw_send(r, "<message>");
    for (int i = 0; i < DEPTH; i++)
        raw_send(r, "<a>");
    expect_refusal(r, "deep nesting", "policy-violation");
    raw_free(&r);
}

static void more_attributes_than_the_limit_are_a_policy_violation(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_login(h, harness_account(h), NULL);

    raw_send(r, "<message type='headline'><a");
    for (int i = 0; i <= ATTRIBUTES; i++)
        raw_send(r, " a%d='b'", i);
    raw_send(r, "/></message>");
    expect_refusal(r, "many attributes", "policy-violation");
    raw_free(&r);
}

static void who_does_not_log_in_is_closed_after_a_while(void **state)
{
    struct raw *silent = raw_connect(*state, HARNESS_STARTTLS), *halfway = raw_secure(*state, NULL);

    expect_refusal(silent, "nothing at all", "connection-timeout|policy-violation");
    expect_refusal(halfway, "a header inside TLS", "connection-timeout|policy-violation");
    raw_free(&silent);
    raw_free(&halfway);
}

static void who_stops_in_the_middle_of_a_handshake_is_cut(void **state)
{
    struct raw *r = raw_connect(*state, HARNESS_DIRECT_TLS);
    char byte;

    assert_true(raw_send_bytes(r, "\x16\x03\x01\x02\x00", 5)); /* the head of a record that never comes */
    assert_true(recv(r->fd, &byte, 1, 0) <= 0);
    raw_free(&r);
}

static void a_peer_that_is_silent_is_asked_and_cut_when_it_does_not_answer(void **state)
{
    struct harness *h = *state;
    struct raw *dead = raw_login(h, harness_account(h), "dead"), *alive = raw_login(h, harness_account(h), "alive");
    const struct node *ping = raw_expect(alive, "iq[@type='get'][@id]/ping[@xmlns='urn:xmpp:ping']");

    raw_send(alive, "<iq type='result' id='%s' to='" DOMAIN "'/>", node_attr(ping, "id"));
    raw_expect(dead, "iq[@type='get']/ping");
    expect_refusal(dead, "silence", "connection-timeout");
    raw_expect_quiet(alive);
    raw_free(&dead);
    raw_free(&alive);
}

/* ---- after the login ---- */

static void refuses_after_login(struct harness *h, const char *sent, const char *condition)
{
    struct raw *r = raw_login(h, harness_account(h), NULL);

    raw_send(r, "%s", sent);
    expect_refusal(r, sent, condition);
    raw_free(&r);
}

static void an_element_that_is_no_stanza_is_an_unsupported_stanza_type(void **state)
{
    refuses_after_login(*state, "<pubsub xmlns='jabber:client'/>", "unsupported-stanza-type");
    refuses_after_login(*state, "<message xmlns='jabber:server'/>", "unsupported-stanza-type|invalid-namespace");
    refuses_after_login(*state, "<what xmlns='urn:example:nonza'/>", "unsupported-stanza-type");
}

static void broken_xml_after_the_login_is_not_well_formed(void **state)
{
    refuses_after_login(*state, "<message><body></message>", "not-well-formed");
    refuses_after_login(*state, "<message><!-- --></message>", "restricted-xml");
}

static void sasl_after_the_login_is_refused(void **state)
{
    refuses_after_login(*state, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>AGEAYg==</auth>",
                        "policy-violation|unsupported-stanza-type|not-authorized");
}

static void a_from_that_is_not_the_own_one_is_overwritten_or_refused(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);
    struct raw *r = raw_login(h, harness_account(h), NULL);

    /* RFC 6120 section 8.1.2.1 leaves the server this choice. */
    raw_send(r, "<message from='romeo@" DOMAIN "/balcony' to='%s' id='forged'><body>x</body></message>", juliet->jid);
    raw_send(r, "<iq type='get' id='p' to='" DOMAIN "'><ping xmlns='urn:xmpp:ping'/></iq>");
    const struct node *answer = raw_expect(r, "*");
    if (!node_matches(answer, "error/invalid-from")) {
        assert_true(node_matches(answer, "iq[@id='p']"));
        client_expect(juliet, "message[@id='forged'][@from='%s']", r->jid);
    }
    client_expect_quiet(juliet);
    raw_free(&r);
}

static void closing_works_in_both_directions(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_login(h, harness_account(h), NULL);

    raw_send(r, "</stream:stream>");
    raw_expect_closed(r);
    assert_false(r->is_cut); /* TLS was ended properly too */
    raw_free(&r);
}

static void what_was_sent_before_the_closing_tag_is_still_done(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);
    struct raw *r = raw_login(h, harness_account(h), NULL);

    raw_send(r,
             "<message to='%s'><body>last words</body></message>"
             "<iq type='get' id='p' to='" DOMAIN "'><ping xmlns='urn:xmpp:ping'/></iq></stream:stream>",
             juliet->jid);
    raw_expect(r, "iq[@id='p'][@type='result']");
    raw_expect_closed(r);
    client_expect(juliet, "message/body[.='last words']");
    raw_free(&r);
}

static void a_half_closed_connection_ends_without_a_leak(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_login(h, harness_account(h), "half");

    raw_shut(r); /* close_notify, but no closing tag */
    raw_expect_eof(r);
    for (long until = now_ms() + test_patience_ms(); harness_worker_of(h, r->jid) >= 0;)
        assert_true(now_ms() < until);
    raw_free(&r);
}

static void white_space_between_stanzas_is_a_sign_of_life(void **state)
{
    struct harness *h = *state;
    struct raw *r = raw_login(h, harness_account(h), NULL);

    for (int i = 0; i < 100; i++)
        raw_send(r, i % 2 == 0 ? " " : "\n\t\r ");
    raw_expect_quiet(r);
    raw_free(&r);
}

int main(void)
{
    static const char *const settings[] = {"limits.stanza_bytes_unauthenticated = 4096", "limits.stanza_bytes = 20000",
                                           "limits.stanza_depth = 16", "limits.stanza_attributes = 12", NULL};
    static const struct harness_options options = {.settings = settings};
    static const char *const impatient_settings[] = {"limits.unauthenticated_s = 2", "limits.idle_s = 10",
                                                     "limits.ping_timeout_s = 2", NULL};
    static const struct harness_options impatient = {.settings = impatient_settings};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(a_header_that_is_wrong_gets_a_header_the_error_and_the_end),
        HARNESS_TEST(what_is_not_xml_gets_not_well_formed),
        HARNESS_TEST(restricted_xml_is_refused),
        HARNESS_TEST(prefixes_that_nobody_declared_are_refused),
        HARNESS_TEST(encodings_other_than_utf_8_are_refused),
        HARNESS_TEST(text_between_stanzas_is_bad_format),
        HARNESS_TEST(stanzas_and_unknown_elements_before_the_login_are_not_authorized),
        HARNESS_TEST(a_higher_version_is_answered_with_ours),
        HARNESS_TEST(the_header_of_the_server_says_who_it_is),
        HARNESS_TEST(stream_ids_are_long_and_never_the_same),
        HARNESS_TEST(a_login_byte_by_byte_works),
        HARNESS_TEST(many_stanzas_in_one_packet_are_all_answered),
        HARNESS_TEST(prefixes_cdata_and_references_mean_what_they_should),
        HARNESS_TEST(a_prefix_declared_on_the_stream_root_reaches_the_recipient),
        HARNESS_TEST(white_space_between_the_end_of_a_negotiation_and_the_next_header_does_no_harm),
        HARNESS_TEST(what_was_pipelined_behind_starttls_in_the_clear_is_dropped),
        HARNESS_TEST(starttls_inside_tls_is_refused),
        HARNESS_TEST(what_is_no_handshake_ends_the_connection),
        HARNESS_TEST(a_stanza_over_the_limit_before_the_login_is_a_policy_violation),
        HARNESS_TEST(a_header_over_the_limit_is_a_policy_violation),
        HARNESS_TEST(a_stanza_at_the_limit_passes_and_one_byte_more_does_not),
        HARNESS_TEST(nesting_deeper_than_the_limit_is_a_policy_violation),
        HARNESS_TEST(more_attributes_than_the_limit_are_a_policy_violation),
        HARNESS_TEST(an_element_that_is_no_stanza_is_an_unsupported_stanza_type),
        HARNESS_TEST(broken_xml_after_the_login_is_not_well_formed),
        HARNESS_TEST(sasl_after_the_login_is_refused),
        HARNESS_TEST(a_from_that_is_not_the_own_one_is_overwritten_or_refused),
        HARNESS_TEST(closing_works_in_both_directions),
        HARNESS_TEST(what_was_sent_before_the_closing_tag_is_still_done),
        HARNESS_TEST(a_half_closed_connection_ends_without_a_leak),
        HARNESS_TEST(white_space_between_stanzas_is_a_sign_of_life),
    };
    const struct CMUnitTest of_time[] = {
        HARNESS_TEST(who_does_not_log_in_is_closed_after_a_while),
        HARNESS_TEST(who_stops_in_the_middle_of_a_handshake_is_cut),
        HARNESS_TEST(a_peer_that_is_silent_is_asked_and_cut_when_it_does_not_answer),
    };

    return harness_run_tests("streams", tests, &options) | harness_run_once("streams and time", of_time, &impatient);
}
