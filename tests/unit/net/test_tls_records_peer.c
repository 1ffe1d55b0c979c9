/* tests/unit/net/test_tls_records_peer.c - a peer that has the keys, and what it may and may not do with them: types,
 * alerts, floods, renegotiation, keys that change. */
#include "tests/unit/net/tls_records_pair.h"

static void check_content(int suite, uint8_t type, const void *content, size_t len, uint8_t alert)
{
    struct pair p;

    pair_init(&p, suite);
    client_says(&p, "before");
    client_seals(&p, type, content, len, 0);
    client_seals(&p, TEXT, "behind", 6, 0);
    assert_int_equal(server_reads(&p), TLS_RECORDS_FAILED);
    assert_true(str_is(buf_str(&p.text), "before"));
    assert_fatal_alert(&p, alert);
    pair_deinit(&p);
}

static void content_that_no_client_may_send_is_refused_by_its_alert(void **state)
{
    static const uint8_t too_much[TLS_TEXT_MAX + 1] = {1};

    (void)state;
    check_content(0xc02b, 20, "\1", 1, 10);
    check_content(0xc02b, 24, "heartbeat", 9, 10);
    check_content(0x1301, 20, "\1", 1, 10);
    check_content(0x1301, 24, "heartbeat", 9, 10);
    check_content(0x1301, 0, "", 0, 10); /* nothing but padding, and no type */
    check_content(0x1301, TEXT, too_much, sizeof(too_much), 22);
    check_content(0x1301, ALERT, "", 0, 10);
    check_content(0xc02b, ALERT, "", 0, 10);
    check_content(0x1301, ALERT, "\1\0\1", 3, 50);
    check_content(0xc02b, ALERT, "\1", 1, 50);
    check_content(0x1301, HANDSHAKE, "", 0, 10);
    check_content(0x1301, HANDSHAKE, "\4\0\0\1\0", 5, 10);  /* NewSessionTicket */
    check_content(0x1301, HANDSHAKE, "\1\0\0\1\0", 5, 10);  /* ClientHello */
    check_content(0x1301, HANDSHAKE, "\30\0\0\2\0", 5, 50); /* a KeyUpdate that is too long */
    check_content(0x1301, HANDSHAKE, "\30\0\0\1\2", 5, 47); /* and one that asks for something else */
    check_content(0x1301, HANDSHAKE, "\30\0\0\1\0\30\0\0\1\0", 10, 10);
    check_content(0xc02b, HANDSHAKE, "", 0, 10);
    check_content(0xc02b, HANDSHAKE, "\1\0\0\2\0", 5, 10); /* half a ClientHello */
    check_content(0xc02b, HANDSHAKE, "\0\0\0\0", 4, 10);   /* HelloRequest: the server's */
    check_content(0xc02b, HANDSHAKE, "\30\0\0\1\0", 5, 10);
}

/* ---- alerts ---- */

static void check_closing(int suite)
{
    struct pair p;
    struct str in;

    pair_init(&p, suite);
    client_says(&p, "</stream>");
    tls_records_alert(&p.client, TLS_ALERT_CLOSE_NOTIFY, &p.wire);
    assert_int_equal(server_reads(&p), TLS_RECORDS_CLOSED);
    assert_true(str_is(buf_str(&p.text), "</stream>"));
    buf_clear(&p.text);
    /* The other direction is open. */
    assert_int_equal(tls_records_write(&p.server, STR("</stream>"), &p.back), LN_OK);
    tls_records_alert(&p.server, TLS_ALERT_CLOSE_NOTIFY, &p.back);
    in = buf_str(&p.back);
    assert_int_equal(tls_records_read(&p.client, &in, 1000, &p.text, &p.wire), TLS_RECORDS_CLOSED);
    assert_true(str_is(buf_str(&p.text), "</stream>"));
    pair_deinit(&p);
}

static void close_notify_ends_one_direction(void **state)
{
    (void)state;
    for_each_suite(check_closing);
}

static void check_peers_alert(int suite, const char alert[2], enum tls_records_state expected)
{
    struct pair p;

    pair_init(&p, suite);
    client_seals(&p, ALERT, alert, 2, 0);
    client_seals(&p, TEXT, "text", 4, 0);
    assert_int_equal(server_reads(&p), expected);
    assert_int_equal(p.text.len, expected == TLS_RECORDS_OPEN ? 4 : 0);
    assert_int_equal(p.back.len, 0);
    if (expected == TLS_RECORDS_FAILED) {
        assert_true(p.server.is_peers_alert);
        assert_int_equal(p.server.alert, alert[1]);
    }
    pair_deinit(&p);
}

static void of_the_peers_alerts_the_fatal_ones_end_the_connection(void **state)
{
    (void)state;
    check_peers_alert(0xc02b, "\2\24", TLS_RECORDS_FAILED); /* bad_record_mac */
    check_peers_alert(0xc02b, "\1\132", TLS_RECORDS_OPEN);  /* user_canceled, no_renegotiation: warnings */
    check_peers_alert(0xc02b, "\1\144", TLS_RECORDS_OPEN);
    check_peers_alert(0xc02b, "\2\0", TLS_RECORDS_CLOSED);
    check_peers_alert(0xc02b, "\3\12", TLS_RECORDS_FAILED); /* a level that is none */
    check_peers_alert(0x1301, "\1\132", TLS_RECORDS_OPEN);
    check_peers_alert(0x1301, "\1\24", TLS_RECORDS_FAILED); /* in TLS 1.3 a level means nothing */
    check_peers_alert(0x1301, "\2\54", TLS_RECORDS_FAILED);
    assert_string_equal(tls_alert_name(20), "bad_record_mac");
    assert_string_equal(tls_alert_name(255), "alert");
}

/* ---- floods ---- */

static void check_flood(int suite, uint8_t type, const void *content, size_t len)
{
    struct pair p;

    pair_init(&p, suite);
    for (int round = 0; round < 3; round++) { /* text in between makes it no flood */
        for (int i = 0; i < 32; i++)
            client_seals(&p, type, content, len, 0);
        client_seals(&p, TEXT, "text", 4, 0);
    }
    assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
    assert_int_equal(p.text.len, 12);
    for (int i = 0; i < 33; i++)
        client_seals(&p, type, content, len, 0);
    assert_int_equal(server_reads(&p), TLS_RECORDS_FAILED);
    assert_fatal_alert(&p, 10);
    pair_deinit(&p);
}

static void records_without_text_are_taken_for_a_while_only(void **state)
{
    (void)state;
    check_flood(0xc02b, TEXT, "", 0);
    check_flood(0x1301, TEXT, "", 0);
    check_flood(0xc02b, ALERT, "\1\132", 2);
    check_flood(0x1301, ALERT, "\1\132", 2);
}

static void check_close_behind_flood(int suite)
{
    struct pair p;

    pair_init(&p, suite);
    for (int i = 0; i < 32; i++)
        client_seals(&p, TEXT, "", 0, 0);
    tls_records_alert(&p.client, TLS_ALERT_CLOSE_NOTIFY, &p.wire);
    assert_int_equal(server_reads(&p), TLS_RECORDS_CLOSED);
    assert_int_equal(p.back.len, 0);
    pair_deinit(&p);
}

static void a_peer_may_close_when_no_more_empty_records_may_come(void **state)
{
    (void)state;
    for_each_suite(check_close_behind_flood);
}

/* ---- renegotiation, TLS 1.2 ---- */

static void a_renegotiation_is_refused_once_and_then_ends_the_connection(void **state)
{
    struct pair p;
    struct buf text = {0}, out = {0};
    struct str in;

    (void)state;
    pair_init(&p, 0xc02b);
    client_seals(&p, HANDSHAKE, "\1\0\0\1\0", 5, 0);
    client_seals(&p, TEXT, "text", 4, 0);
    assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
    assert_true(str_is(buf_str(&p.text), "text"));
    assert_int_equal(p.back.len, 5 + 8 + 2 + 16);
    in = buf_str(&p.back);
    assert_int_equal(tls_records_read(&p.client, &in, 1000, &text, &out), TLS_RECORDS_OPEN); /* a warning */
    buf_clear(&p.back);
    client_seals(&p, HANDSHAKE, "\1\0\0\1\0", 5, 0);
    assert_int_equal(server_reads(&p), TLS_RECORDS_FAILED);
    assert_fatal_alert(&p, 10);
    buf_deinit(&text);
    buf_deinit(&out);
    pair_deinit(&p);
}

/* ---- keys that change, TLS 1.3 ---- */

static void client_updates(struct pair *p, char request)
{
    char message[] = {24, 0, 0, 1, request};

    client_seals(p, HANDSHAKE, message, 5, 0);
    tls_key_update(p->client.suite, &p->client.write.key);
    p->client.write.sequence = 0;
}

static void assert_server_is_heard(struct pair *p, const char *expected)
{
    struct buf text = {0}, out = {0};
    struct str in = buf_str(&p->back);

    assert_int_equal(tls_records_read(&p->client, &in, 1 << 20, &text, &out), TLS_RECORDS_OPEN);
    assert_int_equal(in.len, 0);
    assert_true(str_is(buf_str(&text), expected));
    buf_clear(&p->back);
    buf_deinit(&text);
    buf_deinit(&out);
}

static void check_key_updates(int suite)
{
    struct pair p;
    struct tls_key before;

    if (!tls_suite_find(suite)->is_1_3)
        return;
    pair_init(&p, suite);
    before = p.server.write.key;
    client_says(&p, "a");
    client_updates(&p, 0);
    client_says(&p, "b");
    assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
    assert_true(str_is(buf_str(&p.text), "ab"));
    assert_false(p.server.owes_key_update);
    /* Asked twice while silent: answered once, and not before there is something to say. */
    client_updates(&p, 1);
    client_updates(&p, 1);
    client_says(&p, "c");
    assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
    assert_true(str_is(buf_str(&p.text), "abc"));
    assert_int_equal(p.back.len, 0);
    assert_memory_equal(&before, &p.server.write.key, sizeof(before));
    assert_int_equal(tls_records_write(&p.server, STR("text"), &p.back), LN_OK);
    assert_int_equal(p.back.len, (5 + 5 + 17) + (5 + 4 + 17));
    assert_server_is_heard(&p, "text");
    assert_false(p.client.owes_key_update);
    assert_int_equal(p.server.write.sequence, 1);
    assert_int_equal(tls_records_write(&p.server, STR("more"), &p.back), LN_OK);
    assert_int_equal(p.back.len, 5 + 4 + 17);
    assert_server_is_heard(&p, "more");
    pair_deinit(&p);
}

static void a_peer_may_change_its_key_and_ask_us_to(void **state)
{
    (void)state;
    for_each_suite(check_key_updates);
}

static void a_key_update_may_come_in_pieces_with_nothing_between(void **state)
{
    struct pair p;

    (void)state;
    pair_init(&p, 0x1301);
    client_seals(&p, HANDSHAKE, "\30\0", 2, 0);
    assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
    client_seals(&p, HANDSHAKE, "\0\1\1", 3, 0);
    tls_key_update(p.client.suite, &p.client.write.key);
    p.client.write.sequence = 0;
    client_says(&p, "text");
    assert_int_equal(server_reads(&p), TLS_RECORDS_OPEN);
    assert_true(str_is(buf_str(&p.text), "text"));
    client_seals(&p, HANDSHAKE, "\30", 1, 0);
    client_seals(&p, TEXT, "between", 7, 0);
    assert_int_equal(server_reads(&p), TLS_RECORDS_FAILED);
    assert_fatal_alert(&p, 10);
    pair_deinit(&p);
}

static void a_key_that_has_done_its_work_is_changed(void **state)
{
    struct pair p;
    char bytes[40000];

    (void)state;
    pair_init(&p, 0x1301);
    memset(bytes, 'x', sizeof(bytes));
    p.server.blocks_left = 1100; /* one record of 16384 bytes, and a bit */
    assert_int_equal(tls_records_write(&p.server, str_make(bytes, sizeof(bytes)), &p.back), LN_OK);
    assert_int_equal(p.back.len, sizeof(bytes) + 3 * 22 + (5 + 5 + 17));
    assert_int_equal(p.server.write.sequence, 2); /* with the second key */
    assert_true(p.server.blocks_left > 1u << 30);
    buf_append(&p.text, bytes, sizeof(bytes));
    buf_append_char(&p.text, '\0');
    assert_server_is_heard(&p, p.text.p);
    pair_deinit(&p);
}

static void in_1_2_a_key_that_has_done_its_work_ends_the_connection(void **state)
{
    struct pair p;
    char bytes[40000];

    (void)state;
    pair_init(&p, 0xc02b);
    memset(bytes, 'x', sizeof(bytes));
    p.server.blocks_left = 1100;
    assert_int_equal(tls_records_write(&p.server, str_make(bytes, sizeof(bytes)), &p.back), LN_E_LIMIT);
    assert_int_equal(p.back.len, 16384 + 29);
    tls_records_alert(&p.server, TLS_ALERT_CLOSE_NOTIFY, &p.back); /* that much is kept in reserve */
    assert_int_equal(p.back.len, 16384 + 29 + 31);
    pair_deinit(&p);
}

static void no_key_is_left_behind(void **state)
{
    static const struct tls_direction nothing = {0};
    struct pair p;

    (void)state;
    pair_init(&p, 0x1302);
    assert_memory_not_equal(&p.server.read, &nothing, sizeof(nothing));
    tls_records_deinit(&p.server);
    assert_memory_equal(&p.server.read, &nothing, sizeof(nothing));
    assert_memory_equal(&p.server.write, &nothing, sizeof(nothing));
    pair_deinit(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_that_no_client_may_send_is_refused_by_its_alert),
        cmocka_unit_test(close_notify_ends_one_direction),
        cmocka_unit_test(of_the_peers_alerts_the_fatal_ones_end_the_connection),
        cmocka_unit_test(records_without_text_are_taken_for_a_while_only),
        cmocka_unit_test(a_peer_may_close_when_no_more_empty_records_may_come),
        cmocka_unit_test(a_renegotiation_is_refused_once_and_then_ends_the_connection),
        cmocka_unit_test(a_peer_may_change_its_key_and_ask_us_to),
        cmocka_unit_test(a_key_update_may_come_in_pieces_with_nothing_between),
        cmocka_unit_test(a_key_that_has_done_its_work_is_changed),
        cmocka_unit_test(in_1_2_a_key_that_has_done_its_work_ends_the_connection),
        cmocka_unit_test(no_key_is_left_behind),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
