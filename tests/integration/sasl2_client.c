#include "sasl2_client.h"

#include "scram_client.h"

#include <openssl/hmac.h>
#include <openssl/rand.h>

char *sasl2_user_agent(const char *id, const char *software, const char *device)
{
    return text_format("<user-agent id='%s'><software>%s</software><device>%s</device></user-agent>", id, software,
                       device);
}

const char *sasl2_uuid(void)
{
    static char texts[16][37];
    static unsigned next;
    char *text = texts[next++ % 16];
    unsigned char b[16];

    RAND_bytes(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0f) | 0x40);
    b[8] = (unsigned char)((b[8] & 0x3f) | 0x80);
    snprintf(text, sizeof(texts[0]), "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1],
             b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    return text;
}

char *sasl2_authenticate(const char *mechanism, const char *initial, const char *inner)
{
    if (initial == NULL)
        return text_format("<authenticate xmlns='" NS_SASL2 "' mechanism='%s'>%s</authenticate>", mechanism, inner);
    return text_format("<authenticate xmlns='" NS_SASL2
                       "' mechanism='%s'><initial-response>%s</initial-response>%s</authenticate>",
                       mechanism, initial, inner);
}

/* ---- messages ---- */

char *sasl2_plain_message(const struct account *a)
{
    char message[512];
    int len = snprintf(message, sizeof(message), "%c%s%c%s", 0, a->user, 0, a->password);

    return base64_encode(message, (size_t)len);
}

/* HMAC-SHA-256(token, who || binding) */
static void prove(const struct raw *r, const char *token, const char *who, const char *cb_type, unsigned char out[32])
{
    struct scram_client s;
    unsigned char text[512];
    size_t len = strlen(who);
    unsigned out_len;

    memcpy(text, who, len);
    if (cb_type != NULL) {
        scram_client_init(&s, "SCRAM-SHA-256-PLUS");
        if (!scram_client_bind(&s, r, cb_type))
            test_fail("this connection has no %s", cb_type);
        memcpy(text + len, s.cb, s.cb_len);
        len += s.cb_len;
        scram_client_deinit(&s);
    }
    assert_non_null(HMAC(EVP_sha256(), token, (int)strlen(token), text, len, out, &out_len));
}

char *sasl2_token_message(const struct raw *r, const char *user, const char *token, const char *cb_type)
{
    unsigned char message[512];
    size_t len = strlen(user) + 1;

    memcpy(message, user, len);
    prove(r, token, "Initiator", cb_type, message + len);
    return base64_encode(message, len + 32);
}

/* ---- the exchange ---- */

const struct node *sasl2_outcome(struct raw *r)
{
    const struct node *answer = raw_expect(r, "*[@xmlns='" NS_SASL2 "']");
    const char *identity;

    if (strcmp(answer->name, "success") != 0)
        return answer;
    identity = node_text(answer, "success/authorization-identifier");
    if (identity == NULL)
        test_fail("<success/> without an identity");
    free(r->jid);
    r->jid = strchr(identity, '/') != NULL ? strdup(identity) : NULL;
    if (!node_matches(answer, "success/resumed"))
        r->features = raw_expect(r, "features[@xmlns='http://etherx.jabber.org/streams']");
    return answer;
}

static void send_and_free(struct raw *r, char *own_text)
{
    raw_send(r, "%s", own_text);
    free(own_text);
}

const struct node *sasl2_plain(struct raw *r, const struct account *a, const char *inner)
{
    char *message = sasl2_plain_message(a);

    send_and_free(r, sasl2_authenticate("PLAIN", message, inner));
    free(message);
    return sasl2_outcome(r);
}

const struct node *sasl2_scram(struct raw *r, const struct account *a, const char *mechanism, const char *cb_type,
                               const char *inner)
{
    struct scram_client s;
    char *first, *final;
    const struct node *answer;

    scram_client_init(&s, mechanism);
    if (cb_type != NULL && !scram_client_bind(&s, r, cb_type))
        test_fail("this connection has no %s", cb_type);
    first = scram_client_first(&s, a->user);
    send_and_free(r, sasl2_authenticate(mechanism, first, inner));
    free(first);
    answer = raw_expect(r, "*[@xmlns='" NS_SASL2 "']");
    if (strcmp(answer->name, "challenge") == 0) {
        final = scram_client_final(&s, answer->text, a->password);
        if (final == NULL)
            test_fail("the server's challenge makes no sense");
        raw_send(r, "<response xmlns='" NS_SASL2 "'>%s</response>", final);
        free(final);
        answer = sasl2_outcome(r);
        if (strcmp(answer->name, "success") == 0 &&
            !scram_client_verify(&s, node_text(answer, "success/additional-data")))
            test_fail("the server could not prove that it knows the account");
    }
    scram_client_deinit(&s);
    return answer;
}

static const char *binding_of(const char *how)
{
    return strcmp(how, "EXPR") == 0   ? "tls-exporter"
           : strcmp(how, "UNIQ") == 0 ? "tls-unique"
           : strcmp(how, "ENDP") == 0 ? "tls-server-end-point"
                                      : NULL;
}

static void check_responder(const struct raw *r, const char *token, const char *cb_type, const char *data)
{
    unsigned char expected[32];
    size_t len = 0;
    char *actual = data == NULL ? NULL : base64_decode(data, &len);

    prove(r, token, "Responder", cb_type, expected);
    if (actual == NULL || len != sizeof(expected) || memcmp(actual, expected, len) != 0)
        test_fail("the server could not prove that it knows the token");
    free(actual);
}

const struct node *sasl2_token(struct raw *r, const struct account *a, const char *how, const char *token,
                               const char *fast, const char *inner)
{
    char *message = sasl2_token_message(r, a->user, token, binding_of(how));
    char *mechanism = text_format("HT-SHA-256-%s", how);
    char *more = text_format("<fast xmlns='" NS_FAST "' %s/>%s", fast, inner);
    const struct node *answer;

    send_and_free(r, sasl2_authenticate(mechanism, message, more));
    free(message);
    free(mechanism);
    free(more);
    answer = sasl2_outcome(r);
    if (strcmp(answer->name, "success") == 0)
        check_responder(r, token, binding_of(how), node_text(answer, "success/additional-data"));
    return answer;
}

struct raw *sasl2_login(struct harness *h, const struct account *a, const char *user_agent, const char *tag)
{
    struct raw *r = raw_secure(h, NULL);
    char *inner = text_format("%s<bind xmlns='" NS_BIND2 "'><tag>%s</tag></bind>", user_agent, tag);

    if (!node_matches(sasl2_plain(r, a, inner), "success/bound"))
        test_fail("%s could not log in", a->jid);
    free(inner);
    return r;
}
