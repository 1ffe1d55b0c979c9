#include "common/xmpp/scram.h"

#include "common/base64.h"
#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include <mbedtls/md.h>
#include <mbedtls/pkcs5.h>
#include <mbedtls/version.h>

/* --- the two exchanges that are printed in the RFCs; in both, user "user" has the password "pencil" --- */

struct exchange {
    enum scram_hash hash;
    struct str server_nonce, salt; /* the salt in base64 */
    struct str client_first, server_first, client_final, server_final;
};

static const struct exchange exchanges[] = {
    {.hash = SCRAM_SHA_1, /* RFC 5802 section 5 */
     .server_nonce = STR_INIT("3rfcNHYJY1ZVvWVs7j"),
     .salt = STR_INIT("QSXCR+Q6sek8bf92"),
     .client_first = STR_INIT("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL"),
     .server_first = STR_INIT("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096"),
     .client_final = STR_INIT("c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts="),
     .server_final = STR_INIT("v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")},
    {.hash = SCRAM_SHA_256, /* RFC 7677 section 3 */
     .server_nonce = STR_INIT("%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"),
     .salt = STR_INIT("W22ZaJ0SNY7soEsUEjb6gQ=="),
     .client_first = STR_INIT("n,,n=user,r=rOprNGfwEbeRWgbNEkqO"),
     .server_first = STR_INIT("r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"),
     .client_final = STR_INIT("c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                              "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
     .server_final = STR_INIT("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")},
};

static void assert_str(struct str got, struct str want)
{
    if (!str_eq(got, want))
        fail_msg("got \"%.*s\", want \"%.*s\"", STR_ARG(got), STR_ARG(want));
}

static struct scram_keys keys_with_salt(struct str salt_base64, uint32_t iterations)
{
    struct scram_keys keys = {.iterations = iterations};
    struct buf salt = {0};

    assert_true(base64_decode(&salt, salt_base64));
    memcpy(keys.salt, salt.p, salt.len);
    keys.salt_len = (uint8_t)salt.len;
    buf_deinit(&salt);
    return keys;
}

static void the_exchanges_printed_in_the_rfcs_succeed(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++) {
        const struct exchange *x = &exchanges[i];
        struct scram_keys keys = keys_with_salt(x->salt, 4096);
        struct scram *s = scram_new(x->hash, false, false, x->server_nonce);
        struct scram_first first;
        struct buf out = {0};

        assert_int_equal(scram_derive(x->hash, STR("pencil"), &keys), LN_OK);
        assert_int_equal(scram_client_first(s, x->client_first, &first), LN_OK);
        assert_str(first.username, STR("user"));
        assert_str(first.authzid, STR(""));
        assert_str(first.cb_type, STR(""));
        scram_server_first(s, &keys, &out);
        assert_str(buf_str(&out), x->server_first);
        buf_clear(&out);
        assert_int_equal(scram_client_final(s, x->client_final, NULL, &out), LN_OK);
        assert_str(buf_str(&out), x->server_final);
        buf_deinit(&out);
        scram_free(&s);
        assert_null(s);
    }
}

/* --- a client of our own, with the PBKDF2 of mbedTLS, for what the RFCs do not print --- */

struct client {
    enum scram_hash hash;
    mbedtls_md_type_t md;
    uint8_t salted_password[SCRAM_KEY_MAX];
    struct scram_keys keys;
};

static void library_pbkdf2(mbedtls_md_type_t md, struct str password, const struct scram_keys *k, uint8_t *out,
                           size_t len)
{
#if MBEDTLS_VERSION_MAJOR >= 3
    assert_int_equal(mbedtls_pkcs5_pbkdf2_hmac_ext(md, (const unsigned char *)password.p, password.len, k->salt,
                                                   k->salt_len, k->iterations, (uint32_t)len, out),
                     0);
#else
    mbedtls_md_context_t ctx;

    mbedtls_md_init(&ctx);
    assert_int_equal(mbedtls_md_setup(&ctx, mbedtls_md_info_from_type(md), 1), 0);
    assert_int_equal(mbedtls_pkcs5_pbkdf2_hmac(&ctx, (const unsigned char *)password.p, password.len, k->salt,
                                               k->salt_len, k->iterations, (uint32_t)len, out),
                     0);
    mbedtls_md_free(&ctx);
#endif
}

static void library_hmac(const struct client *c, const uint8_t *key, struct str text, uint8_t *out)
{
    assert_int_equal(mbedtls_md_hmac(mbedtls_md_info_from_type(c->md), key, scram_hash_len(c->hash),
                                     (const unsigned char *)text.p, text.len, out),
                     0);
}

static void library_hash(const struct client *c, const uint8_t *in, uint8_t *out)
{
    assert_int_equal(mbedtls_md(mbedtls_md_info_from_type(c->md), in, scram_hash_len(c->hash), out), 0);
}

static struct client client_make(enum scram_hash hash, struct str password, struct scram_keys keys)
{
    struct client c = {.hash = hash, .keys = keys, .md = hash == SCRAM_SHA_1 ? MBEDTLS_MD_SHA1 : MBEDTLS_MD_SHA256};
    uint8_t client_key[SCRAM_KEY_MAX];

    library_pbkdf2(c.md, password, &keys, c.salted_password, scram_hash_len(hash));
    library_hmac(&c, c.salted_password, STR("Client Key"), client_key);
    library_hash(&c, client_key, c.keys.stored_key);
    library_hmac(&c, c.salted_password, STR("Server Key"), c.keys.server_key);
    return c;
}

/* Appends ",p=..." to `final`, which is the client-final without proof. */
static void client_prove(const struct client *c, struct str first_bare, struct str server_first, struct buf *final)
{
    uint8_t client_key[SCRAM_KEY_MAX], stored_key[SCRAM_KEY_MAX], proof[SCRAM_KEY_MAX];
    struct buf auth = {0};

    buf_printf(&auth, "%.*s,%.*s,", STR_ARG(first_bare), STR_ARG(server_first));
    buf_append_str(&auth, buf_str(final));
    library_hmac(c, c->salted_password, STR("Client Key"), client_key);
    library_hash(c, client_key, stored_key);
    library_hmac(c, stored_key, buf_str(&auth), proof);
    for (size_t i = 0; i < sizeof(proof); i++)
        proof[i] ^= client_key[i];
    buf_append_cstr(final, ",p=");
    base64_encode(final, str_make((const char *)proof, scram_hash_len(c->hash)));
    buf_deinit(&auth);
}

/* What one run is to look like. Its nonces are always "CLIENT" and "SERVER"; the final is "c=HEADERandDATA,r=NONCE"
 * with the proof that belongs to it, or with `tail` in its place. */
struct run {
    const char *gs2_header; /* "n,," */
    bool is_plus;
    struct str cbind_input; /* before base64 */
    const char *nonce;      /* NULL: the right one */
    const char *extension;  /* NULL or ",x=..." before the proof */
    const char *tail;       /* NULL: the proof */
    const struct scram_binding *binding;
};

/* Keys of one salt and password for all the runs: PBKDF2 is slow. */
static struct client *make_clients(void)
{
    struct client *clients = mem_zalloc(SCRAM_HASHES * sizeof(*clients));

    for (unsigned h = 0; h < SCRAM_HASHES; h++)
        clients[h] = client_make((enum scram_hash)h, STR("pencil"), keys_with_salt(STR("QSXCR+Q6sek8bf92"), 4096));
    return clients;
}

static enum ln_err client_final_of(const struct client *c, const struct run *r, struct buf *out)
{
    struct scram *s = scram_new(c->hash, r->is_plus, r->is_plus, STR("SERVER"));
    struct buf first = {0}, server_first = {0}, final = {0};
    struct scram_first said;
    enum ln_err err;

    buf_printf(&first, "%sn=user,r=CLIENT", r->gs2_header);
    assert_int_equal(scram_client_first(s, buf_str(&first), &said), LN_OK);
    scram_server_first(s, &c->keys, &server_first);
    buf_append_cstr(&final, "c=");
    base64_encode(&final, r->cbind_input);
    buf_printf(&final, ",r=%s%s", r->nonce == NULL ? "CLIENTSERVER" : r->nonce,
               r->extension == NULL ? "" : r->extension);
    if (r->tail == NULL)
        client_prove(c, STR("n=user,r=CLIENT"), buf_str(&server_first), &final);
    else
        buf_append_cstr(&final, r->tail);
    err = scram_client_final(s, buf_str(&final), r->binding, out);
    buf_deinit(&first);
    buf_deinit(&server_first);
    buf_deinit(&final);
    scram_free(&s);
    return err;
}

static void derived_keys_are_those_of_another_implementation(void **state)
{
    static const struct str passwords[] = {
        STR_INIT("pencil"),
        STR_INIT("x"),
        STR_INIT("\u2168 as OpaqueString leaves it"),
        STR_INIT("exactly sixty-four bytes, which is as long as a block of hashes."),
        STR_INIT("longer than sixty-four bytes, so that HMAC takes the hash of it as the key instead"),
    };

    (void)state;
    for (unsigned h = 0; h < SCRAM_HASHES; h++) {
        for (size_t i = 0; i < ARRAY_LEN(passwords); i++) {
            struct scram_keys keys = {.iterations = (uint32_t)(SCRAM_ITERATIONS_MIN + i)};
            struct client other;

            keys.salt_len = (uint8_t)(i == 0 ? SCRAM_SALT_MAX : i);
            memset(keys.salt, (int)(0x80 + i), keys.salt_len);
            other = client_make((enum scram_hash)h, passwords[i], keys);
            assert_int_equal(scram_derive((enum scram_hash)h, passwords[i], &keys), LN_OK);
            assert_memory_equal(keys.stored_key, other.keys.stored_key, scram_hash_len((enum scram_hash)h));
            assert_memory_equal(keys.server_key, other.keys.server_key, scram_hash_len((enum scram_hash)h));
        }
    }
}

static void keys_are_not_derived_from_nothing_or_with_too_few_iterations(void **state)
{
    const struct scram_keys good = keys_with_salt(STR("QSXCR+Q6sek8bf92"), SCRAM_ITERATIONS_MIN);
    struct scram_keys same = good, few = good, saltless = good, too_salty = good;

    (void)state;
    few.iterations--;
    saltless.salt_len = 0;
    too_salty.salt_len = SCRAM_SALT_MAX + 1;
    assert_int_equal(scram_derive(SCRAM_SHA_1, STR(""), &same), LN_E_INVALID);
    assert_int_equal(scram_derive(SCRAM_SHA_1, STR("pencil"), &few), LN_E_INVALID);
    assert_int_equal(scram_derive(SCRAM_SHA_1, STR("pencil"), &saltless), LN_E_INVALID);
    assert_int_equal(scram_derive(SCRAM_SHA_1, STR("pencil"), &too_salty), LN_E_INVALID);
}

static void only_the_right_password_fits_the_keys(void **state)
{
    struct scram_keys damaged;

    (void)state;
    for (unsigned h = 0; h < SCRAM_HASHES; h++) {
        struct scram_keys keys = keys_with_salt(STR("QSXCR+Q6sek8bf92"), 4096);

        assert_int_equal(scram_derive((enum scram_hash)h, STR("pencil"), &keys), LN_OK);
        assert_true(scram_check_password((enum scram_hash)h, STR("pencil"), &keys));
        assert_false(scram_check_password((enum scram_hash)h, STR("Pencil"), &keys));
        assert_false(scram_check_password((enum scram_hash)h, STR("pencil "), &keys));
        assert_false(scram_check_password((enum scram_hash)h, STR(""), &keys));
        damaged = keys;
        damaged.iterations = 0;
        assert_false(scram_check_password((enum scram_hash)h, STR("pencil"), &damaged));
    }
}

static void an_unknown_name_always_gets_the_same_keys_and_other_names_others(void **state)
{
    static const uint8_t secret[32] = "a secret of thirty-two bytes, so", other_secret[32] = "another";
    struct scram_keys romeo, again, juliet, sha_1, under_other;

    (void)state;
    scram_fake_keys(SCRAM_SHA_256, STR("romeo@example.com"), secret, 10000, &romeo);
    scram_fake_keys(SCRAM_SHA_256, STR("romeo@example.com"), secret, 10000, &again);
    scram_fake_keys(SCRAM_SHA_256, STR("juliet@example.com"), secret, 10000, &juliet);
    scram_fake_keys(SCRAM_SHA_1, STR("romeo@example.com"), secret, 10000, &sha_1);
    scram_fake_keys(SCRAM_SHA_256, STR("romeo@example.com"), other_secret, 10000, &under_other);
    assert_int_equal(romeo.iterations, 10000);
    assert_int_equal(romeo.salt_len, SCRAM_SALT_BYTES);
    assert_memory_equal(&romeo, &again, sizeof(romeo));
    assert_memory_not_equal(romeo.salt, juliet.salt, SCRAM_SALT_BYTES);
    assert_memory_not_equal(romeo.salt, sha_1.salt, SCRAM_SALT_BYTES);
    assert_memory_not_equal(romeo.salt, under_other.salt, SCRAM_SALT_BYTES);
    assert_memory_not_equal(romeo.salt, romeo.stored_key, SCRAM_SALT_BYTES);
    assert_memory_not_equal(romeo.stored_key, romeo.server_key, SCRAM_KEY_MAX);
}

static void each_hash_has_its_name_and_length(void **state)
{
    (void)state;
    assert_string_equal(scram_hash_name(SCRAM_SHA_1), "SCRAM-SHA-1");
    assert_string_equal(scram_hash_name(SCRAM_SHA_256), "SCRAM-SHA-256");
    assert_int_equal(scram_hash_len(SCRAM_SHA_1), 20);
    assert_int_equal(scram_hash_len(SCRAM_SHA_256), 32);
}

/* --- client-first --- */

static enum ln_err client_first_of(struct str message, bool is_plus, bool offers_plus)
{
    struct scram *s = scram_new(SCRAM_SHA_256, is_plus, offers_plus, STR("SERVER"));
    struct scram_first said;
    enum ln_err err = scram_client_first(s, message, &said);

    scram_free(&s);
    return err;
}

static void names_are_decoded_and_the_authzid_is_told_apart(void **state)
{
    struct scram *s = scram_new(SCRAM_SHA_1, false, false, STR("SERVER"));
    struct scram_first said;

    (void)state;
    assert_int_equal(scram_client_first(s, STR("n,a=j=2C=3D@example.com,n=a=3Db=2Cc\u00e4=2C,r=CLIENT"), &said), LN_OK);
    assert_str(said.authzid, STR("j,=@example.com"));
    assert_str(said.username, STR("a=b,c\u00e4,"));
    assert_str(said.cb_type, STR(""));
    scram_free(&s);
    s = scram_new(SCRAM_SHA_1, true, true, STR("SERVER"));
    assert_int_equal(scram_client_first(s, STR("p=tls-exporter,,n=user,r=CLIENT"), &said), LN_OK);
    assert_str(said.cb_type, STR("tls-exporter"));
    assert_str(said.username, STR("user"));
    assert_str(said.authzid, STR(""));
    scram_free(&s);
    scram_free(&s);
}

static void a_first_message_that_breaks_the_grammar_is_malformed(void **state)
{
    static const struct str wrong[] = {
        STR_INIT(""),
        STR_INIT("n"),
        STR_INIT("n,"),
        STR_INIT("n,,"),
        STR_INIT("n,,n=user"),
        STR_INIT("n,,n=user,"),
        STR_INIT("n,,r=CLIENT"),
        STR_INIT("n,,r=CLIENT,n=user"),
        STR_INIT("n,,n=user,r="),
        STR_INIT("n,,n=,r=CLIENT"),
        STR_INIT("n,n=user,r=CLIENT"),
        STR_INIT("n=user,r=CLIENT"),
        STR_INIT(",,n=user,r=CLIENT"),
        STR_INIT("x,,n=user,r=CLIENT"),
        STR_INIT("nn,,n=user,r=CLIENT"),
        STR_INIT("N,,n=user,r=CLIENT"),
        STR_INIT("p,,n=user,r=CLIENT"),
        STR_INIT("p=,,n=user,r=CLIENT"),
        STR_INIT("p=tls_exporter,,n=user,r=CLIENT"),
        STR_INIT("p=tls exporter,,n=user,r=CLIENT"),
        STR_INIT("n,a=,n=user,r=CLIENT"),
        STR_INIT("n,a,n=user,r=CLIENT"),
        STR_INIT("n,b=x,n=user,r=CLIENT"),
        STR_INIT("n,a==,n=user,r=CLIENT"),
        STR_INIT("n,,n=us=er,r=CLIENT"),
        STR_INIT("n,,n=user=,r=CLIENT"),
        STR_INIT("n,,n=user=2,r=CLIENT"),
        STR_INIT("n,,n=user=2D,r=CLIENT"),
        STR_INIT("n,,n=user=2c,r=CLIENT"),
        STR_INIT("n,,n=user=3d,r=CLIENT"),
        STR_INIT("n,,m=x,n=user,r=CLIENT"),
        STR_INIT("n,,n=user,r=CLIENT,m=x"),
        STR_INIT("n,,n=user,r=CL IENT"),
        STR_INIT("n,,n=user,r=CL\x7fIENT"),
        STR_INIT("n,,n=user,r=CL\u00e4IENT"),
        STR_INIT("n,,n=user,r=CLIENT,"),
        STR_INIT("n,,n=user,r=CLIENT,x"),
        STR_INIT("n,,n=user,r=CLIENT,x="),
        STR_INIT("n,,n=user,r=CLIENT,1=x"),
        STR_INIT("n,,n=user,r=CLIENT,n=user"),
        STR_INIT("n,,n=user,r=CLIENT,r=CLIENT"),
        STR_INIT("n,,n=user,r=CLIENT\0"),
        STR_INIT("n,,n=us\0er,r=CLIENT"),
        STR_INIT("n,,n=us\xffzer,r=CLIENT"),
        STR_INIT("n,,n=us\xc0\x80zer,r=CLIENT"),
        STR_INIT("n,,n=us\xed\xa0\x80zer,r=CLIENT"),
        STR_INIT("n,,n=user,r=CLIENT,x=\xc3"),
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        if (client_first_of(wrong[i], false, false) != LN_E_INVALID)
            fail_msg("row %zu: \"%.*s\"", i, STR_ARG(wrong[i]));
    }
}

static void unknown_optional_extensions_are_ignored(void **state)
{
    (void)state;
    assert_int_equal(client_first_of(STR("n,,n=user,r=CLIENT,x=y,Z=a=b\u00e4"), false, false), LN_OK);
}

static void a_message_longer_than_any_name_needs_is_malformed(void **state)
{
    struct buf b = {0};

    (void)state;
    buf_append_cstr(&b, "n,,n=user,r=");
    while (b.len < SCRAM_MESSAGE_MAX)
        buf_append_char(&b, 'x');
    assert_int_equal(client_first_of(buf_str(&b), false, false), LN_OK);
    buf_append_char(&b, 'x');
    assert_int_equal(client_first_of(buf_str(&b), false, false), LN_E_INVALID);
    buf_deinit(&b);
}

static void what_the_client_says_of_channel_binding_must_fit_the_mechanism_and_the_offer(void **state)
{
    static const struct {
        const char *message;
        bool is_plus, offers_plus;
        enum ln_err err;
    } rows[] = {
        {"n,,n=user,r=CLIENT", false, false, LN_OK},
        {"n,,n=user,r=CLIENT", false, true, LN_OK}, /* a client that cannot bind */
        {"n,,n=user,r=CLIENT", true, true, LN_E_AUTH},
        {"y,,n=user,r=CLIENT", false, false, LN_OK},
        {"y,,n=user,r=CLIENT", false, true, LN_E_AUTH}, /* it did not see the offer: somebody hid it */
        {"y,,n=user,r=CLIENT", true, true, LN_E_AUTH},
        {"p=tls-exporter,,n=user,r=CLIENT", true, true, LN_OK},
        {"p=tls-exporter,,n=user,r=CLIENT", false, true, LN_E_AUTH},
        {"p=tls-exporter,,n=user,r=CLIENT", false, false, LN_E_AUTH},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++)
        assert_int_equal(client_first_of(str_of(rows[i].message), rows[i].is_plus, rows[i].offers_plus), rows[i].err);
}

/* --- client-final --- */

static const struct scram_binding exporter = {.type = STR_INIT("tls-exporter"),
                                              .data = STR_INIT("\x01\x02\0data of the channel")};

#define HEADER_P      "p=tls-exporter,,"
#define DATA_EXPORTER "\x01\x02\0data of the channel"

static void assert_runs(const struct run *runs, size_t n, enum ln_err want)
{
    struct client *clients = make_clients();

    for (unsigned h = 0; h < SCRAM_HASHES; h++) {
        for (size_t i = 0; i < n; i++) {
            struct buf out = {0};
            enum ln_err got = client_final_of(&clients[h], &runs[i], &out);

            if (got != want)
                fail_msg("run %zu with hash %u: %s", i, h, ln_err_name(got));
            assert_int_equal(out.len > 0, want == LN_OK);
            buf_deinit(&out);
        }
    }
    free(clients);
}

static void a_client_that_proves_itself_and_its_channel_gets_in(void **state)
{
    static const struct run runs[] = {
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,")},
        {.gs2_header = "y,,", .cbind_input = STR_INIT("y,,")},
        {.gs2_header = "n,a=x@y,", .cbind_input = STR_INIT("n,a=x@y,")},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .extension = ",x=y,z=1"},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .binding = &exporter},
        {.gs2_header = HEADER_P,
         .is_plus = true,
         .cbind_input = STR_INIT(HEADER_P DATA_EXPORTER),
         .binding = &exporter},
    };

    (void)state;
    assert_runs(runs, ARRAY_LEN(runs), LN_OK);
}

static void a_wrong_nonce_binding_or_proof_is_refused_though_the_rest_is_right(void **state)
{
    static const struct scram_binding empty = {.type = STR_INIT("tls-exporter")},
                                      unique = {.type = STR_INIT("tls-unique"), .data = STR_INIT(DATA_EXPORTER)},
                                      other = {.type = STR_INIT("tls-exporter"),
                                               .data = STR_INIT("\x01\x02\0data of the chanNel")};
    static const struct run runs[] = {
        /* nonces: without our part, without theirs, longer, another case */
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .nonce = "CLIENT"},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .nonce = "SERVER"},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .nonce = "CLIENTSERVE"},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .nonce = "CLIENTSERVERx"},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .nonce = "CLIENTserver"},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .nonce = "xLIENTSERVER"},
        /* headers that are not those of the first message, or more than a header */
        {.gs2_header = "n,,", .cbind_input = STR_INIT("y,,")},
        {.gs2_header = "y,,", .cbind_input = STR_INIT("n,,")},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,")},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,x")},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,a=x@y,")},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,," DATA_EXPORTER), .binding = &exporter},
        /* channels: no data, other data, other type, part of the data, none that the server knows of */
        {.gs2_header = HEADER_P, .is_plus = true, .cbind_input = STR_INIT(HEADER_P), .binding = &exporter},
        {.gs2_header = HEADER_P, .is_plus = true, .cbind_input = STR_INIT(HEADER_P), .binding = &empty},
        {.gs2_header = HEADER_P, .is_plus = true, .cbind_input = STR_INIT(HEADER_P), .binding = NULL},
        {.gs2_header = HEADER_P, .is_plus = true, .cbind_input = STR_INIT(HEADER_P DATA_EXPORTER), .binding = &other},
        {.gs2_header = HEADER_P, .is_plus = true, .cbind_input = STR_INIT(HEADER_P DATA_EXPORTER), .binding = &unique},
        {.gs2_header = HEADER_P,
         .is_plus = true,
         .cbind_input = STR_INIT(HEADER_P "\x01\x02\0data"),
         .binding = &exporter},
        {.gs2_header = HEADER_P, .is_plus = true, .cbind_input = STR_INIT(HEADER_P DATA_EXPORTER), .binding = NULL},
        {.gs2_header = HEADER_P,
         .is_plus = true,
         .cbind_input = STR_INIT("p=tls-unique,," DATA_EXPORTER),
         .binding = &exporter},
    };

    (void)state;
    assert_runs(runs, ARRAY_LEN(runs), LN_E_AUTH);
}

static void a_final_message_that_breaks_the_grammar_is_malformed(void **state)
{
    static const struct run runs[] = {
        {.gs2_header = "n,,", .cbind_input = STR_INIT("")},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .nonce = ""},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .tail = ""},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .tail = ","},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .tail = ",p="},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .tail = ",p=AAAA"},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .tail = ",p=not base64"},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .extension = ",m=x"},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .extension = ",c=biws"},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .extension = ",p=AAAA"},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .extension = ","},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .extension = ",x="},
        {.gs2_header = "n,,", .cbind_input = STR_INIT("n,,"), .extension = ",x=\xff"},
    };
    /* whole messages, where what precedes the proof is wrong itself */
    static const struct str wrong[] = {
        STR_INIT(""),
        STR_INIT("c=biws"),
        STR_INIT("r=CLIENTSERVER,c=biws,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        STR_INIT("c=biws,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=,r=CLIENTSERVER"),
        STR_INIT("r=CLIENTSERVER,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        STR_INIT("c=biw,r=CLIENTSERVER,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        STR_INIT("c=biws,r=CLIENTSERVER,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=,x=y"),
        STR_INIT("c=biws,r=CLIENTSERVER,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=,"),
        STR_INIT("c=biws,r=CLIENTSERVER,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA=\0"),
        STR_INIT("c=biws,r=CLIENTSERVER,p=AAAAAAAAAAAAAAAAAAAAAAAAAAA"),
    };
    struct scram_keys keys = {.iterations = 4096, .salt_len = 1};

    (void)state;
    assert_runs(runs, ARRAY_LEN(runs), LN_E_INVALID);
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct scram *s = scram_new(SCRAM_SHA_1, false, false, STR("SERVER"));
        struct scram_first said;
        struct buf out = {0};

        assert_int_equal(scram_client_first(s, STR("n,,n=user,r=CLIENT"), &said), LN_OK);
        scram_server_first(s, &keys, &out);
        buf_clear(&out);
        if (scram_client_final(s, wrong[i], NULL, &out) != LN_E_INVALID)
            fail_msg("row %zu: \"%.*s\"", i, STR_ARG(wrong[i]));
        assert_int_equal(out.len, 0);
        buf_deinit(&out);
        scram_free(&s);
    }
}

/* In the exchange of RFC 5802, with the proof or the stored key wrong in one bit at a time. */
static void a_proof_or_key_with_one_wrong_bit_is_refused(void **state)
{
    const struct exchange *x = &exchanges[0];
    struct scram_keys right = keys_with_salt(x->salt, 4096);
    struct buf proof = {0};
    ptrdiff_t proof_at = (ptrdiff_t)x->client_final.len - 28;

    (void)state;
    assert_int_equal(scram_derive(x->hash, STR("pencil"), &right), LN_OK);
    assert_true(base64_decode(&proof, str_make(x->client_final.p + proof_at, 28)));
    for (size_t bit = 0; bit < 2 * 8 * scram_hash_len(x->hash); bit++) {
        struct scram *s = scram_new(x->hash, false, false, x->server_nonce);
        struct scram_keys keys = right;
        struct scram_first said;
        struct buf final = {0}, out = {0};
        size_t byte = bit / 2 / 8;
        uint8_t mask = (uint8_t)(1u << bit / 2 % 8);

        if (bit % 2 == 0)
            keys.stored_key[byte] ^= mask;
        else
            proof.p[byte] = (char)(proof.p[byte] ^ mask);
        buf_append(&final, x->client_final.p, (size_t)proof_at);
        base64_encode(&final, buf_str(&proof));
        assert_int_equal(scram_client_first(s, x->client_first, &said), LN_OK);
        scram_server_first(s, &keys, &out);
        buf_clear(&out);
        assert_int_equal(scram_client_final(s, buf_str(&final), NULL, &out), LN_E_AUTH);
        assert_int_equal(out.len, 0);
        if (bit % 2 != 0)
            proof.p[byte] = (char)(proof.p[byte] ^ mask);
        buf_deinit(&final);
        buf_deinit(&out);
        scram_free(&s);
    }
    buf_deinit(&proof);
}

static void an_unknown_user_gets_as_far_as_the_proof_and_no_further(void **state)
{
    static const uint8_t secret[32] = "secret";
    struct client *clients = make_clients();
    struct run run = {.gs2_header = "n,,", .cbind_input = STR("n,,")};

    (void)state;
    for (unsigned h = 0; h < SCRAM_HASHES; h++) {
        struct buf out = {0};

        scram_fake_keys((enum scram_hash)h, STR("user"), secret, 4096, &clients[h].keys);
        assert_int_equal(client_final_of(&clients[h], &run, &out), LN_E_AUTH);
        assert_int_equal(out.len, 0);
        buf_deinit(&out);
    }
    free(clients);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_exchanges_printed_in_the_rfcs_succeed),
        cmocka_unit_test(derived_keys_are_those_of_another_implementation),
        cmocka_unit_test(keys_are_not_derived_from_nothing_or_with_too_few_iterations),
        cmocka_unit_test(only_the_right_password_fits_the_keys),
        cmocka_unit_test(an_unknown_name_always_gets_the_same_keys_and_other_names_others),
        cmocka_unit_test(each_hash_has_its_name_and_length),
        cmocka_unit_test(names_are_decoded_and_the_authzid_is_told_apart),
        cmocka_unit_test(a_first_message_that_breaks_the_grammar_is_malformed),
        cmocka_unit_test(unknown_optional_extensions_are_ignored),
        cmocka_unit_test(a_message_longer_than_any_name_needs_is_malformed),
        cmocka_unit_test(what_the_client_says_of_channel_binding_must_fit_the_mechanism_and_the_offer),
        cmocka_unit_test(a_client_that_proves_itself_and_its_channel_gets_in),
        cmocka_unit_test(a_wrong_nonce_binding_or_proof_is_refused_though_the_rest_is_right),
        cmocka_unit_test(a_final_message_that_breaks_the_grammar_is_malformed),
        cmocka_unit_test(a_proof_or_key_with_one_wrong_bit_is_refused),
        cmocka_unit_test(an_unknown_user_gets_as_far_as_the_proof_and_no_further),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
