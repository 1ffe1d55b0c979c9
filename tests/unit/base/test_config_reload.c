#include "server/base/config.h"

#include "tests/unit/base/config_fixture.h"

#include "common/mem.h"

#include <stdio.h>
#include <uv.h>

/* ---- what differs ---- */

/* One line for each change: "key", "host: key", and " (restart)" behind. */
static void note_change(void *ctx, const struct config_change *change)
{
    buf_printf(ctx, "%s%s%s%s\n", change->host == NULL ? "" : change->host, change->host == NULL ? "" : ": ",
               change->key, change->needs_restart ? " (restart)" : "");
}

static void assert_changes(const struct config *before, const struct config *after, const char *expected)
{
    struct buf changes = {0};
    size_t n = config_diff(before, after, note_change, &changes), n_lines = 0;

    for (const char *p = expected; *p != '\0'; p++)
        n_lines += *p == '\n';
    buf_append_char(&changes, '\0');
    assert_string_equal(changes.p, expected);
    assert_int_equal(n, n_lines);
    buf_deinit(&changes);
}

static const char running_text[] = "server.workers = 2\n"
                                   "[limits]\n"
                                   "stanza_bytes = 20000\n"
                                   "roster_items = 50\n"
                                   "[proxy]\n"
                                   "trusted_networks = ['10.0.0.0/8']\n"
                                   "[[listener]]\n"
                                   "port = 5222\n"
                                   "[[host]]\n"
                                   "name = 'a.example'\n"
                                   "[[host]]\n"
                                   "name = 'b.example'\n"
                                   "limits.roster_items = 60\n";

static const char after_text[] = "server.workers = 4\n"
                                 "server.data_dir = '/elsewhere'\n"
                                 "[limits]\n"
                                 "stanza_bytes = 30000\n"
                                 "roster_items = 50\n"
                                 "[proxy]\n"
                                 "trusted_networks = ['10.0.0.0/9']\n"
                                 "[[listener]]\n"
                                 "port = 5222\n"
                                 "[[listener]]\n"
                                 "port = 6222\n"
                                 "[[host]]\n"
                                 "name = 'c.example'\n"
                                 "[[host]]\n"
                                 "name = 'b.example'\n"
                                 "modules = ['ping']\n"
                                 "registration.open = true\n"
                                 "limits.roster_items = 60\n";

static void a_configuration_does_not_differ_from_itself(void **state)
{
    struct config *one = accepted(running_text), *other = accepted(running_text);

    (void)state;
    assert_changes(one, other, "");
    config_unref(&one);
    config_unref(&other);
}

static void changed_keys_are_named_with_their_host_and_what_they_need(void **state)
{
    struct config *running = accepted(running_text), *after = accepted(after_text);

    (void)state;
    assert_changes(running, after,
                   "server.workers (restart)\n"
                   "server.data_dir (restart)\n"
                   "proxy.trusted_networks\n"
                   "storage.path (restart)\n"
                   "control.socket (restart)\n"
                   "log.path (restart)\n"
                   "limits.stanza_bytes\n"
                   "listener (restart)\n"
                   "a.example: host\n"
                   "b.example: host.modules\n"
                   "b.example: host.registration.open\n"
                   "b.example: host.limits.stanza_bytes\n"
                   "c.example: host\n");
    config_unref(&running);
    config_unref(&after);
}

/* ---- what a reload takes over ---- */

static void a_reload_keeps_what_needs_a_restart_and_takes_all_else(void **state)
{
    struct config *running = accepted(running_text), *after = accepted(after_text);
    struct config *merged = config_merge_for_reload(running, after);

    (void)state;
    assert_changes(running, merged,
                   "proxy.trusted_networks\n"
                   "limits.stanza_bytes\n"
                   "a.example: host\n"
                   "b.example: host.modules\n"
                   "b.example: host.registration.open\n"
                   "b.example: host.limits.stanza_bytes\n"
                   "c.example: host\n");
    assert_changes(merged, after,
                   "server.workers (restart)\n"
                   "server.data_dir (restart)\n"
                   "storage.path (restart)\n"
                   "control.socket (restart)\n"
                   "log.path (restart)\n"
                   "listener (restart)\n");
    config_unref(&running);
    config_unref(&after);
    config_unref(&merged);
}

static void a_merged_configuration_outlives_those_it_was_made_of(void **state)
{
    struct config *running = accepted(running_text), *after = accepted(after_text);
    struct config *merged = config_merge_for_reload(running, after);
    const struct config_host *host;

    (void)state;
    config_unref(&running);
    config_unref(&after);
    assert_null(running);
    assert_string_equal(merged->server.data_dir, "/etc/data");
    assert_string_equal(merged->listeners[0].address, "::");
    assert_int_equal(merged->proxy.trusted_networks.items[0].bits, 105);
    assert_null(config_host(merged, STR("a.example")));
    host = config_host(merged, STR("b.example"));
    assert_non_null(host);
    assert_string_equal(host->modules.items[0], "ping");
    assert_non_null(config_host(merged, STR("c.example")));
    config_unref(&merged);
}

/* ---- printing ---- */

static const char printed_text[] = "log.level = 'debug'\n"
                                   "server.data_dir = \"/a \\\"b\\\" \\\\ \\u0007\\u007f/\xc3\xa9\"\n"
                                   "proxy.trusted_networks = ['10.0.0.0/8', '2001:db8::/33', '::/0', '192.0.2.1']\n"
                                   "sasl.mechanisms = ['PLAIN']\n"
                                   "[[listener]]\n"
                                   "address = '192.0.2.1'\n"
                                   "[[host]]\n"
                                   "name = 'a.example'\n"
                                   "modules = []\n"
                                   "[[host]]\n"
                                   "name = 'b.example'\n"
                                   "contact.abuse = ['mailto:\"x\"@b.example', 'xmpp:x@b.example']\n";

static void a_printed_configuration_reads_back_as_the_same(void **state)
{
    struct config *cfg = accepted(printed_text), *again;
    struct buf text = {0};

    (void)state;
    config_print(cfg, &text);
    buf_append_char(&text, '\0');
    again = accepted(text.p);
    assert_changes(cfg, again, "");
    buf_deinit(&text);
    config_unref(&cfg);
    config_unref(&again);
}

static void assert_key(const struct config *cfg, const char *key, const char *host, const char *expected)
{
    struct buf value = {0};

    assert_int_equal(config_print_key(cfg, key, host, &value), LN_OK);
    buf_append_char(&value, '\0');
    assert_string_equal(value.p, expected);
    buf_deinit(&value);
}

static void one_key_is_printed_by_its_name(void **state)
{
    struct config *cfg = accepted(printed_text);

    (void)state;
    assert_key(cfg, "limits.stanza_bytes", NULL, "262144");
    assert_key(cfg, "tls.required", NULL, "true");
    assert_key(cfg, "log.level", NULL, "\"debug\"");
    assert_key(cfg, "log.levels.sasl", NULL, "\"debug\"");
    assert_key(cfg, "sasl.mechanisms", NULL, "[\"PLAIN\"]");
    assert_key(cfg, "server.data_dir", NULL, "\"/a \\\"b\\\" \\\\ \\u0007\\u007F/\xc3\xa9\"");
    assert_key(cfg, "proxy.trusted_networks", NULL, "[\"10.0.0.0/8\", \"2001:db8::/33\", \"::/0\", \"192.0.2.1/32\"]");
    assert_key(cfg, "host.name", NULL, "\"a.example\"");
    assert_key(cfg, "host.modules", "a.example", "[]");
    assert_key(cfg, "host.contact.abuse", "b.example", "[\"mailto:\\\"x\\\"@b.example\", \"xmpp:x@b.example\"]");
    config_unref(&cfg);
}

static void what_is_no_key_is_not_found(void **state)
{
    static const char *const keys[] = {
        "",
        "limits",
        "limits.",
        ".stanza_bytes",
        "limits.stanza_byte",
        "limits.stanza_bytes.x",
        "listener.port",
        "host",
        "host.contact",
        "host.contact.x",
    };
    struct config *cfg = accepted("");
    struct buf value = {0};

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        assert_int_equal(config_print_key(cfg, keys[i], NULL, &value), LN_E_NOT_FOUND);
    assert_int_equal(config_print_key(cfg, "host.name", "b.example", &value), LN_E_NOT_FOUND);
    assert_int_equal(value.len, 0);
    config_unref(&cfg);
}

/* ---- threads ---- */

enum { THREADS = 4, TURNS = 2000 };

static void on_reader(void *arg)
{
    struct config *mine = arg;

    for (int i = 0; i < TURNS; i++) {
        struct config *again = config_ref(mine);

        if (config_host(again, STR("b.example")) == NULL)
            abort();
        config_unref(&again);
    }
    config_unref(&mine);
}

static void threads_share_a_snapshot_and_the_last_one_frees_it(void **state)
{
    struct config *cfg = accepted(running_text);
    uv_thread_t threads[THREADS];

    (void)state;
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_create(&threads[i], on_reader, config_ref(cfg)), 0);
    config_unref(&cfg); /* AddressSanitizer tells if this freed it, or if nobody did */
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(uv_thread_join(&threads[i]), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_configuration_does_not_differ_from_itself),
        cmocka_unit_test(changed_keys_are_named_with_their_host_and_what_they_need),
        cmocka_unit_test(a_reload_keeps_what_needs_a_restart_and_takes_all_else),
        cmocka_unit_test(a_merged_configuration_outlives_those_it_was_made_of),
        cmocka_unit_test(a_printed_configuration_reads_back_as_the_same),
        cmocka_unit_test(one_key_is_printed_by_its_name),
        cmocka_unit_test(what_is_no_key_is_not_found),
        cmocka_unit_test(threads_share_a_snapshot_and_the_last_one_frees_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
