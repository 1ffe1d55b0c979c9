#include "tests/load/bench/bench_client.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base64.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/scram_hash.h"
#include "server/base/config.h"
#include "tests/load/bench/bench_server.h"
#include "tests/load/bench/kernel.h"

enum { SHA_1_BYTES = 20 };

#define HEADER                                                                                                         \
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "       \
    "to='" BENCH_HOST "' version='1.0'>"

#define USER_AGENT_ID "d4565fa7-4d72-4749-b3d3-740edbf87770"

static const uint8_t salted_password[SHA_1_BYTES] = "twenty bytes of salt";

/* ---- SCRAM (RFC 5802) ---- */

static void client_key(uint8_t out[SHA_1_BYTES])
{
    const struct str label = STR("Client Key");

    scram_hmac(SCRAM_SHA_1, salted_password, &label, 1, out);
}

struct credentials bench_credentials(void)
{
    const struct str label = STR("Server Key");
    struct credentials c = {0};
    uint8_t key[SHA_1_BYTES];

    for (int h = 0; h < SCRAM_HASHES; h++) {
        c.keys[h].iterations = SCRAM_ITERATIONS_MIN;
        c.keys[h].salt_len = SCRAM_SALT_BYTES;
    }
    client_key(key);
    scram_h(SCRAM_SHA_1, key, sizeof(key), c.keys[SCRAM_SHA_1].stored_key);
    scram_hmac(SCRAM_SHA_1, salted_password, &label, 1, c.keys[SCRAM_SHA_1].server_key);
    return c;
}

static void append_proof(struct buf *out, struct str auth_message)
{
    uint8_t key[SHA_1_BYTES], stored[SHA_1_BYTES], signature[SHA_1_BYTES];

    client_key(key);
    scram_h(SCRAM_SHA_1, key, sizeof(key), stored);
    scram_hmac(SCRAM_SHA_1, stored, &auth_message, 1, signature);
    for (size_t i = 0; i < sizeof(key); i++)
        key[i] ^= signature[i];
    base64_encode(out, str_make((const char *)key, sizeof(key)));
}

/* ---- talking ---- */

static void fail(const struct bench_client *c, const char *wanted)
{
    fprintf(stderr, "%s did not get %s but:\n%s\n", c->local, wanted, socket_peek(c->fd).p);
    exit(EXIT_FAILURE);
}

void bench_client_send(struct bench_client *c, struct str xml)
{
    socket_put(c->fd, xml);
    bench_server_run();
}

static void send_cstr(struct bench_client *c, const char *xml)
{
    socket_clear(c->fd);
    bench_client_send(c, str_of(xml));
}

static unsigned count(const char *in, const char *text)
{
    unsigned n = 0;

    for (const char *p = in; (p = strstr(p, text)) != NULL; p += strlen(text))
        n++;
    return n;
}

void bench_client_expect(struct bench_client *c, const char *text, unsigned n)
{
    struct str got = socket_peek(c->fd);
    bool is_asked;

    if (count(got.p, text) != n)
        fail(c, text);
    if (c->has_sm)
        c->received += count(got.p, "<message ") + count(got.p, "<presence ") + count(got.p, "<iq ");
    is_asked = c->has_sm && strstr(got.p, "<r xmlns=") != NULL;
    socket_clear(c->fd);
    if (is_asked) {
        char answer[64];

        (void)snprintf(answer, sizeof(answer), "<a xmlns='" NS_SM "' h='%u'/>", c->received);
        bench_client_send(c, str_of(answer));
    }
}

/* The text of the first element, such as a challenge, decoded. */
static struct buf decode_answer(const struct bench_client *c, const char *element)
{
    const char *start = strstr(socket_peek(c->fd).p, element), *end;
    struct buf out = {0};

    if (start == NULL || (start = strchr(start, '>')) == NULL || (end = strchr(start, '<')) == NULL ||
        !base64_decode(&out, str_make(start + 1, (size_t)(end - start) - 1)))
        fail(c, element);
    return out;
}

static void answer_challenge(struct bench_client *c, const char *first_bare)
{
    struct buf challenge = decode_answer(c, "<challenge"), message = {0}, final = {0}, xml = {0};
    size_t nonce_len = strcspn(challenge.p, ","); /* r=... comes first */

    assert(strncmp(challenge.p, "r=", 2) == 0 && nonce_len < challenge.len);
    buf_printf(&final, "c=biws,%.*s", (int)nonce_len, challenge.p);
    buf_printf(&message, "%s,%.*s,%.*s", first_bare, STR_ARG(buf_str(&challenge)), STR_ARG(buf_str(&final)));
    buf_append_cstr(&final, ",p=");
    append_proof(&final, buf_str(&message));
    buf_append_cstr(&xml, "<response xmlns='" NS_SASL "'>");
    base64_encode(&xml, buf_str(&final));
    buf_append(&xml, "</response>", sizeof("</response>"));
    send_cstr(c, xml.p);
    buf_deinit(&challenge);
    buf_deinit(&message);
    buf_deinit(&final);
    buf_deinit(&xml);
}

static void authenticate(struct bench_client *c)
{
    char first[64];
    struct buf xml = {0};

    (void)snprintf(first, sizeof(first), "n,,n=%s,r=rOprNGfwEbeRWgbNEkqO", c->local);
    buf_append_cstr(&xml, "<auth xmlns='" NS_SASL "' mechanism='SCRAM-SHA-1'>");
    base64_encode(&xml, str_of(first));
    buf_append(&xml, "</auth>", sizeof("</auth>"));
    send_cstr(c, xml.p);
    buf_deinit(&xml);
    answer_challenge(c, first + strlen("n,,"));
    bench_client_expect(c, "<success ", 1);
}

void bench_client_init(struct bench_client *c, unsigned number)
{
    *c = (struct bench_client){.fd = -1};
    (void)snprintf(c->local, sizeof(c->local), "user%05u", number);
    (void)snprintf(c->bare, sizeof(c->bare), "%s@" BENCH_HOST, c->local);
    (void)snprintf(c->full, sizeof(c->full), "%s/desk", c->bare);
}

void bench_client_login(struct bench_client *c)
{
    char wanted[128];

    c->fd = bench_server_accept(false);
    send_cstr(c, HEADER);
    bench_client_expect(c, "SCRAM-SHA-1<", 1);
    authenticate(c);
    send_cstr(c, HEADER);
    bench_client_expect(c, "<bind ", 1);
    send_cstr(c, "<iq type='set' id='bind_1'><bind xmlns='" NS_BIND "'><resource>desk</resource></bind></iq>");
    (void)snprintf(wanted, sizeof(wanted), "<jid>%s</jid>", c->full);
    bench_client_expect(c, wanted, 1);
    send_cstr(c, "<iq type='get' id='roster_1'><query xmlns='" NS_ROSTER "'/></iq>");
    bench_client_expect(c, "id='roster_1'", 1);
    send_cstr(c, "<presence/>");
    (void)snprintf(wanted, sizeof(wanted), "<presence from='%s'", c->full);
    bench_client_expect(c, wanted, 1);
}

/* The token is not needed, only its hash. */
struct user_agent bench_client_user_agent(void)
{
    int64_t now_ms = wall_clock_ms();
    struct user_agent ua = {.tokens.current = {.key = "thirty-two bytes of hashed token",
                                               .issued_ms = now_ms,
                                               .expires_ms = now_ms + INT64_C(86400000),
                                               .mechanism = CONFIG_FAST_NONE}};
    bool is_id = user_agent_parse_id(STR(USER_AGENT_ID), ua.id);

    assert(is_id);
    (void)is_id;
    user_agent_describe(&ua, STR("bench"), STR("nowhere"));
    return ua;
}

static void append_token_proof(struct buf *out, const struct bench_client *c)
{
    struct user_agent ua = bench_client_user_agent();
    uint8_t proof[FAST_PROOF_BYTES];
    struct buf message = {0};

    fast_prove(ua.tokens.current.key, "Initiator", STR(""), proof);
    buf_append(&message, c->local, strlen(c->local) + 1);
    buf_append(&message, proof, sizeof(proof));
    base64_encode(out, buf_str(&message));
    buf_deinit(&message);
}

void bench_client_return(struct bench_client *c)
{
    struct buf xml = {0};

    c->fd = bench_server_accept(true);
    buf_append_cstr(&xml, HEADER "<authenticate xmlns='" NS_SASL2 "' mechanism='HT-SHA-256-NONE'><initial-response>");
    append_token_proof(&xml, c);
    buf_append_cstr(&xml, "</initial-response><user-agent id='" USER_AGENT_ID
                          "'><software>bench</software><device>nowhere</device></user-agent><fast xmlns='" NS_FAST
                          "'/><bind xmlns='" NS_BIND2 "'><tag>bench</tag><enable xmlns='" NS_SM
                          "' resume='true'/></bind></authenticate>"
                          "<iq type='get' id='roster_1'><query xmlns='" NS_ROSTER "'/></iq><presence/>");
    bench_client_send(c, buf_str(&xml));
    buf_deinit(&xml);
    if (strstr(socket_peek(c->fd).p, "<success ") == NULL || strstr(socket_peek(c->fd).p, "<enabled ") == NULL ||
        strstr(socket_peek(c->fd).p, "id='roster_1'") == NULL)
        fail(c, "<success/>, <enabled/> and its roster");
    bench_client_expect(c, "<presence ", 1);
}

void bench_client_enable_sm(struct bench_client *c)
{
    send_cstr(c, "<enable xmlns='" NS_SM "'/>");
    bench_client_expect(c, "<enabled ", 1);
    c->has_sm = true;
}
