/* tests/unit/net/tls_records_pair.h - both ends of a connection's records, in memory: for the test_tls_records*.c
 * programs, which are one source file each. */
#ifndef LINNET_TESTS_UNIT_NET_TLS_RECORDS_PAIR_H
#define LINNET_TESTS_UNIT_NET_TLS_RECORDS_PAIR_H

#include "tests/unit/net/tls_forge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { ALERT = FORGE_ALERT, HANDSHAKE = FORGE_HANDSHAKE, TEXT = FORGE_TEXT };

struct pair {
    struct tls_records client, server;
    struct buf wire, back, text; /* to the server, from it, and what it read */
};

static inline void fill(uint8_t *p, size_t len, uint8_t from)
{
    for (size_t i = 0; i < len; i++)
        p[i] = (uint8_t)(from + i);
}

static inline void pair_init(struct pair *p, int suite)
{
    const struct tls_suite *s = tls_suite_find(suite);
    struct tls_direction up = {.sequence = s->is_1_3 ? 0 : 1}, down = {.sequence = s->is_1_3 ? 0 : 1};
    uint8_t secret[48], randoms[64];

    memset(p, 0, sizeof(*p));
    fill(secret, sizeof(secret), 1);
    fill(randoms, sizeof(randoms), 100);
    if (s->is_1_3) {
        tls_key_make_1_3(s, secret, &up.key);
        tls_key_make_1_3(s, randoms, &down.key);
    } else {
        tls_keys_make_1_2(s, s->hash == MBEDTLS_MD_SHA384 ? MBEDTLS_SSL_TLS_PRF_SHA384 : MBEDTLS_SSL_TLS_PRF_SHA256,
                          secret, sizeof(secret), randoms, &up.key, &down.key);
    }
    tls_records_init(&p->client, s, &down, &up, TLS_TEXT_MAX);
    tls_records_init(&p->server, s, &up, &down, TLS_TEXT_MAX);
}

static inline void pair_deinit(struct pair *p)
{
    tls_records_deinit(&p->client);
    tls_records_deinit(&p->server);
    buf_deinit(&p->wire);
    buf_deinit(&p->back);
    buf_deinit(&p->text);
}

static inline void for_each_suite(void (*test)(int suite))
{
    static const int suites[] = {0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xcca9, 0xc02f, 0xc030, 0xcca8};

    for (size_t i = 0; i < ARRAY_LEN(suites); i++)
        test(suites[i]);
}

/* The server reads what is on the wire, all of it or to the record that ends the connection. */
static inline enum tls_records_state server_reads(struct pair *p)
{
    struct str in = buf_str(&p->wire);
    enum tls_records_state state = tls_records_read(&p->server, &in, 1 << 20, &p->text, &p->back);

    buf_consume(&p->wire, p->wire.len - in.len);
    return state;
}

static inline void client_seals(struct pair *p, uint8_t type, const void *content, size_t len, size_t padding)
{
    forge_record(p->client.suite, &p->client.write, type, content, len, padding, &p->wire);
}

static inline void client_says(struct pair *p, const char *text)
{
    assert_int_equal(tls_records_write(&p->client, str_of(text), &p->wire), LN_OK);
}

/* What the client finds in the one alert that the server sent. */
static inline void assert_fatal_alert(struct pair *p, uint8_t alert)
{
    struct str in = buf_str(&p->back);
    struct buf text = {0}, out = {0};

    assert_int_equal(p->server.alert, alert);
    assert_false(p->server.is_peers_alert);
    assert_int_equal(tls_records_read(&p->client, &in, 1 << 20, &text, &out), TLS_RECORDS_FAILED);
    assert_int_equal(p->client.alert, alert);
    assert_true(p->client.is_peers_alert);
    assert_int_equal(out.len, 0); /* an alert is not answered */
    buf_deinit(&text);
    buf_deinit(&out);
}

#endif
