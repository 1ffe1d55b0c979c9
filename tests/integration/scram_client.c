#include "scram_client.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void scram_client_init(struct scram_client *s, const char *mechanism)
{
    unsigned char random[18];
    char *nonce;

    memset(s, 0, sizeof(*s));
    s->hash = strncmp(mechanism, "SCRAM-SHA-256", 13) == 0 ? "SHA256" : "SHA1";
    s->hash_len = (unsigned)EVP_MD_get_size(EVP_get_digestbyname(s->hash));
    strcpy(s->gs2, "n,,");
    assert_int_equal(RAND_bytes(random, sizeof(random)), 1);
    nonce = base64_encode(random, sizeof(random));
    snprintf(s->nonce, sizeof(s->nonce), "%s", nonce);
    free(nonce);
}

void scram_client_deinit(struct scram_client *s)
{
    free(s->first_bare);
    free(s->server_first);
}

/* RFC 5929 section 4: the hash of the certificate, by the certificate's own hash, but at least SHA-256. */
static size_t end_point(const struct raw *r, unsigned char *out)
{
    X509 *cert = SSL_get1_peer_certificate(r->ssl);
    int nid = NID_undef;
    const EVP_MD *md;
    unsigned len = 0;

    X509_get_signature_info(cert, &nid, NULL, NULL, NULL);
    md = nid == NID_md5 || nid == NID_sha1 || nid == NID_undef ? EVP_sha256() : EVP_get_digestbynid(nid);
    assert_int_equal(X509_digest(cert, md, out, &len), 1);
    X509_free(cert);
    return len;
}

bool scram_client_bind(struct scram_client *s, const struct raw *r, const char *type)
{
    snprintf(s->gs2, sizeof(s->gs2), "p=%s,,", type);
    s->cb_len = 0;
    if (strcmp(type, "tls-server-end-point") == 0) {
        s->cb_len = end_point(r, s->cb);
    } else if (strcmp(type, "tls-exporter") == 0) {
        if (SSL_export_keying_material(r->ssl, s->cb, 32, "EXPORTER-Channel-Binding", 24, NULL, 0, 1) == 1)
            s->cb_len = 32;
    } else if (strcmp(type, "tls-unique") == 0 && SSL_version(r->ssl) == TLS1_2_VERSION) {
        /* RFC 5929 section 3: the first Finished; the client's, unless the session was resumed. */
        s->cb_len = SSL_session_reused(r->ssl) ? SSL_get_peer_finished(r->ssl, s->cb, sizeof(s->cb))
                                               : SSL_get_finished(r->ssl, s->cb, sizeof(s->cb));
    }
    return s->cb_len > 0;
}

char *scram_client_first(struct scram_client *s, const char *user)
{
    char *message, *encoded;

    s->first_bare = text_format("n=%s,r=%s", user, s->nonce);
    message = text_format("%s%s", s->gs2, s->first_bare);
    encoded = base64_encode(message, strlen(message));
    free(message);
    return encoded;
}

static void hmac(const struct scram_client *s, const void *key, const char *text, unsigned char *out)
{
    unsigned len;

    assert(HMAC(EVP_get_digestbyname(s->hash), key, (int)s->hash_len, (const unsigned char *)text, strlen(text), out,
                &len) != NULL);
}

/* The value behind "x=" in a message of SCRAM. */
static char *field(const char *message, char name)
{
    for (const char *at = message; at != NULL; at = strchr(at, ',')) {
        at += *at == ',';
        if (at[0] == name && at[1] == '=')
            return strndup(at + 2, strcspn(at + 2, ","));
    }
    return NULL;
}

static char *without_proof(const struct scram_client *s)
{
    unsigned char input[64 + sizeof(s->cb)];
    size_t len = strlen(s->gs2);
    char *encoded, *text;

    memcpy(input, s->gs2, len);
    memcpy(input + len, s->cb, s->cb_len);
    encoded = base64_encode(input, len + s->cb_len);
    text = text_format("c=%s,r=%s", encoded, s->nonce);
    free(encoded);
    return text;
}

/* The proof, and the signature that the server should answer with. */
static void compute(struct scram_client *s, const char *auth_message, const unsigned char *salted, unsigned char *proof)
{
    unsigned char client_key[64], stored_key[64], signature[64], server_key[64];
    unsigned len;

    hmac(s, salted, "Client Key", client_key);
    EVP_Digest(client_key, s->hash_len, stored_key, &len, EVP_get_digestbyname(s->hash), NULL);
    hmac(s, stored_key, auth_message, signature);
    for (unsigned i = 0; i < s->hash_len; i++)
        proof[i] = client_key[i] ^ signature[i];
    hmac(s, salted, "Server Key", server_key);
    hmac(s, server_key, auth_message, s->server_signature);
}

char *scram_client_final(struct scram_client *s, const char *server_first_base64, const char *password)
{
    char *nonce, *salt_text, *rounds, *salt = NULL, *result = NULL;
    unsigned char salted[64], proof[64];
    size_t salt_len = 0;

    s->server_first = base64_decode(server_first_base64, NULL);
    if (s->server_first == NULL)
        return NULL;
    nonce = field(s->server_first, 'r');
    salt_text = field(s->server_first, 's');
    rounds = field(s->server_first, 'i');
    if (salt_text != NULL)
        salt = base64_decode(salt_text, &salt_len);
    if (nonce != NULL && salt != NULL && rounds != NULL && strncmp(nonce, s->nonce, strlen(s->nonce)) == 0 &&
        strlen(nonce) > strlen(s->nonce) && strlen(nonce) < sizeof(s->nonce)) {
        char *start, *auth_message, *proof_text, *message;

        strcpy(s->nonce, nonce);
        start = without_proof(s);
        auth_message = text_format("%s,%s,%s", s->first_bare, s->server_first, start);
        PKCS5_PBKDF2_HMAC(password, (int)strlen(password), (unsigned char *)salt, (int)salt_len, atoi(rounds),
                          EVP_get_digestbyname(s->hash), (int)s->hash_len, salted);
        compute(s, auth_message, salted, proof);
        proof_text = base64_encode(proof, s->hash_len);
        message = text_format("%s,p=%s", start, proof_text);
        result = base64_encode(message, strlen(message));
        free(start);
        free(auth_message);
        free(proof_text);
        free(message);
    }
    free(nonce);
    free(salt_text);
    free(rounds);
    free(salt);
    return result;
}

bool scram_client_verify(const struct scram_client *s, const char *server_final_base64)
{
    char *message = base64_decode(server_final_base64, NULL);
    char *actual = message == NULL ? NULL : field(message, 'v');
    char *wanted = base64_encode(s->server_signature, s->hash_len);
    bool is_same = actual != NULL && strcmp(actual, wanted) == 0;

    free(message);
    free(actual);
    free(wanted);
    return is_same;
}

const struct node *scram_login(struct raw *r, const char *user, const char *password, const char *mechanism,
                               const char *cb_type)
{
    struct scram_client s;
    char *first, *final;
    const struct node *answer;

    scram_client_init(&s, mechanism);
    if (cb_type != NULL && !scram_client_bind(&s, r, cb_type))
        test_fail("this connection has no %s", cb_type);
    first = scram_client_first(&s, user);
    raw_send(r, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='%s'>%s</auth>", mechanism, first);
    free(first);
    answer = raw_expect(r, "*[@xmlns='urn:ietf:params:xml:ns:xmpp-sasl']");
    if (strcmp(answer->name, "challenge") == 0) {
        final = scram_client_final(&s, answer->text, password);
        if (final == NULL)
            test_fail("the server's challenge makes no sense: %s", s.server_first);
        raw_send(r, "<response xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>%s</response>", final);
        free(final);
        answer = raw_expect(r, "*[@xmlns='urn:ietf:params:xml:ns:xmpp-sasl']");
        if (strcmp(answer->name, "success") == 0 && !scram_client_verify(&s, answer->text))
            test_fail("the server could not prove that it knows the account");
    }
    scram_client_deinit(&s);
    return answer;
}
