#include "server/base/config.h"

#include "server/base/config_rows.h"
#include "tests/unit/base/config_fixture.h"

#include "common/mem.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* All mistakes of `text`, in the file "x"; the caller frees. */
static char *mistakes_of(const char *text)
{
    struct config *cfg = NULL;
    struct buf errors = {0};
    size_t len;

    learn_modules();
    if (config_parse(str_of(text), "x", known_modules, &cfg, &errors) == LN_OK)
        config_unref(&cfg);
    else
        assert_null(cfg);
    return buf_take(&errors, &len);
}

static void assert_mistakes(const char *text, const char *expected)
{
    char *got = mistakes_of(text);

    if (strcmp(got, expected) != 0)
        fail_msg("of\n%s\nit says\n%s\nnot\n%s", text, got, expected);
    free(got);
}

/* ---- values ---- */

static void an_empty_file_gives_the_defaults(void **state)
{
    struct config *cfg = accepted("");

    (void)state;
    assert_int_equal(cfg->server.workers, 0);
    assert_string_equal(cfg->server.data_dir, "/etc/data");
    assert_string_equal(cfg->storage.path, "/etc/data/linnet.sqlite");
    assert_int_equal(cfg->storage.backend, CONFIG_STORAGE_SQLITE);
    assert_string_equal(cfg->control.socket, "/etc/data/linnet.sock");
    assert_true(cfg->tls.required);
    assert_false(cfg->tls.allow_plain_without_tls);
    assert_int_equal(cfg->proxy.trusted_networks.n, 0);
    assert_int_equal(cfg->limits.stanza_bytes, 262144);
    assert_int_equal(cfg->sasl.mechanisms, 31);
    assert_int_equal(cfg->log.levels.net, LOG_LEVEL_INFO);
    assert_string_equal(cfg->modules.enabled.items[0], "disco");
    assert_int_equal(cfg->n_external_services, 0);
    assert_int_equal(cfg->n_listeners, 2);
    assert_string_equal(cfg->listeners[0].address, "::");
    assert_int_equal(cfg->listeners[0].port, 5222);
    assert_int_equal(cfg->listeners[0].tls, CONFIG_TLS_STARTTLS);
    assert_int_equal(cfg->listeners[1].port, 5223);
    assert_int_equal(cfg->listeners[1].tls, CONFIG_TLS_DIRECT);
    assert_int_equal(cfg->n_hosts, 1);
    assert_true(str_is(cfg->hosts[0].name, "localhost"));
    assert_int_equal(cfg->hosts[0].modules.n, cfg->modules.enabled.n);
    assert_int_equal(cfg->hosts[0].limits.stanza_bytes, 262144);
    assert_false(cfg->hosts[0].registration.open);
    config_unref(&cfg);
}

static void with_proxy_tls_a_listener_without_tls_is_of_use_although_tls_is_required(void **state)
{
    struct config *cfg = accepted("proxy.trusted_networks = ['10.0.0.0/8']\n"
                                  "[[listener]]\n"
                                  "tls = 'none'\n"
                                  "proxy_protocol = 'required'\n"
                                  "proxy_tls = true\n");

    (void)state;
    assert_true(cfg->tls.required);
    assert_true(cfg->listeners[0].proxy_tls);
    config_unref(&cfg);
}

static void values_of_every_type_are_taken_from_the_file(void **state)
{
    struct config *cfg = accepted("server.workers = 3\n"
                                  "tls.required = false\n"
                                  "[proxy]\n"
                                  "trusted_networks = ['10.0.0.0/8', '2001:db8::/33', '192.0.2.1']\n"
                                  "[storage]\n"
                                  "backend = 'memory'\n"
                                  "[sasl]\n"
                                  "mechanisms = ['PLAIN', 'SCRAM-SHA-256']\n"
                                  "[[listener]]\n"
                                  "address = '127.0.0.1'\n"
                                  "port = 0\n"
                                  "tls = 'none'\n"
                                  "proxy_protocol = 'required'\n"
                                  "[[host]]\n"
                                  "name = 'B\xc3\xbc"
                                  "cher.example'\n"
                                  "contact = {abuse = ['mailto:abuse@b.example', 'xmpp:b@b.example']}\n");
    const struct config_host *host = &cfg->hosts[0];

    (void)state;
    assert_int_equal(cfg->server.workers, 3);
    assert_false(cfg->tls.required);
    assert_int_equal(cfg->proxy.trusted_networks.n, 3);
    assert_int_equal(cfg->proxy.trusted_networks.items[0].bits, 104);
    assert_int_equal(cfg->proxy.trusted_networks.items[1].bits, 33);
    assert_int_equal(cfg->proxy.trusted_networks.items[2].bits, 128);
    assert_int_equal(cfg->storage.backend, CONFIG_STORAGE_MEMORY);
    assert_int_equal(cfg->sasl.mechanisms, 1u << CONFIG_SASL_PLAIN | 1u << CONFIG_SASL_SCRAM_SHA_256);
    assert_int_equal(cfg->n_listeners, 1);
    assert_string_equal(cfg->listeners[0].address, "127.0.0.1");
    assert_int_equal(cfg->listeners[0].port, 0);
    assert_int_equal(cfg->listeners[0].tls, CONFIG_TLS_NONE);
    assert_int_equal(cfg->listeners[0].proxy_protocol, CONFIG_PROXY_REQUIRED);
    assert_false(cfg->listeners[0].proxy_tls);
    assert_int_equal(cfg->listeners[0].backlog, 1024);
    assert_int_equal(cfg->n_hosts, 1);
    assert_true(str_is(host->name, "b\xc3\xbc"
                                   "cher.example"));
    assert_int_equal(host->contact.abuse.n, 2);
    assert_string_equal(host->contact.abuse.items[1], "xmpp:b@b.example");
    assert_int_equal(host->contact.admin.n, 0);
    config_unref(&cfg);
}

static void a_host_takes_the_general_values_unless_it_has_its_own(void **state)
{
    struct config *cfg = accepted("[limits]\n"
                                  "roster_items = 50\n"
                                  "offline_messages = 7\n"
                                  "[modules]\n"
                                  "enabled = ['ping']\n"
                                  "[[host]]\n"
                                  "name = 'a.example'\n"
                                  "[[host]]\n"
                                  "name = 'b.example'\n"
                                  "modules = []\n"
                                  "limits.roster_items = 60\n");

    (void)state;
    assert_int_equal(cfg->hosts[0].limits.roster_items, 50);
    assert_int_equal(cfg->hosts[0].limits.offline_messages, 7);
    assert_int_equal(cfg->hosts[0].modules.n, 1);
    assert_string_equal(cfg->hosts[0].modules.items[0], "ping");
    assert_int_equal(cfg->hosts[1].limits.roster_items, 60);
    assert_int_equal(cfg->hosts[1].limits.offline_messages, 7);
    assert_int_equal(cfg->hosts[1].modules.n, 0);
    config_unref(&cfg);
}

static void a_part_of_the_server_logs_at_the_general_level_unless_it_has_its_own(void **state)
{
    struct config *cfg = accepted("[log]\nlevel = 'warn'\n[log.levels]\nsasl = 'debug'\n");

    (void)state;
    config_apply_log_levels(cfg);
    assert_int_equal(log_get_level(LOG_SASL), LOG_LEVEL_DEBUG);
    for (unsigned i = 0; i < LOG_SUBSYSTEMS; i++)
        if (i != LOG_SASL)
            assert_int_equal(log_get_level((enum log_subsystem)i), LOG_LEVEL_WARN);
    config_unref(&cfg);
}

static void the_log_gets_its_options(void **state)
{
    struct config *cfg = accepted("[log]\ntarget = 'file'\nformat = 'json'\npath = 'l/x.log'\nqueue_bytes = 70000\n");
    struct log_options opt = config_log_options(cfg);

    (void)state;
    assert_int_equal(opt.target, LOG_TO_FILE);
    assert_int_equal(opt.format, LOG_AS_JSON);
    assert_string_equal(opt.path, "/etc/l/x.log");
    assert_int_equal(opt.queue_bytes, 70000);
    config_unref(&cfg);
}

static void relative_paths_start_at_the_folder_of_the_file(void **state)
{
    struct config *cfg = accepted("server.data_dir = '/var/lib/linnet'\n"
                                  "control.socket = 'run/ctl'\n"
                                  "[[host]]\n"
                                  "name = 'a.example'\n"
                                  "certificate = 'tls/a.pem'\n"
                                  "private_key = '/tls/a.key'\n");

    (void)state;
    assert_string_equal(cfg->server.data_dir, "/var/lib/linnet");
    assert_string_equal(cfg->storage.path, "/var/lib/linnet/linnet.sqlite");
    assert_string_equal(cfg->control.socket, "/etc/run/ctl");
    assert_string_equal(cfg->hosts[0].certificate, "/etc/tls/a.pem");
    assert_string_equal(cfg->hosts[0].private_key, "/tls/a.key");
    config_unref(&cfg);
}

/* ---- mistakes ---- */

static void an_unknown_key_is_refused_and_the_near_one_named(void **state)
{
    (void)state;
    assert_mistakes("\n[limits]\nstanza_byte = 20000\n",
                    "x:3:1: limits.stanza_byte: unknown key; did you mean limits.stanza_bytes?\n");
    assert_mistakes("[limit]\n", "x:1:2: limit: unknown key; did you mean limits?\n");
    assert_mistakes("[server]\niterations = 5000\n",
                    "x:2:1: server.iterations: unknown key; did you mean sasl.iterations?\n");
    assert_mistakes("[[host]]\nname = 'a'\nregistration.opn = true\n",
                    "x:3:14: host.registration.opn: unknown key; did you mean host.registration.open?\n");
    assert_mistakes("[server]\nfrobnicate = 1\n", "x:2:1: server.frobnicate: unknown key\n");
}

static void a_value_of_the_wrong_type_is_refused_with_what_was_expected(void **state)
{
    (void)state;
    assert_mistakes("server.workers = '3'\n",
                    "x:1:18: server.workers: expected an integer from 0 to 256 threads, not \"3\"\n");
    assert_mistakes("server.workers = 1.5\n",
                    "x:1:18: server.workers: expected an integer from 0 to 256 threads, not a fraction\n");
    assert_mistakes("tls.required = 1\n", "x:1:16: tls.required: expected true or false, not 1\n");
    assert_mistakes("server = 4\n", "x:1:10: server: expected a table, [server], not 4\n");
    assert_mistakes("[listener]\nport = 1\n",
                    "x:1:1: listener: expected a list of tables, [[listener]] for each, not a table\n");
    assert_mistakes("host = []\n", "x:1:8: host: expected a list of tables, [[host]] for each, not a list\n");
    assert_mistakes("modules.enabled = 'ping'\n",
                    "x:1:19: modules.enabled: expected a list of modules, not \"ping\"\n");
    assert_mistakes("server.data_dir = 1979-05-27\n", "x:1:19: server.data_dir: expected a path, not a time\n");
}

static void a_value_that_is_not_among_the_possible_ones_is_refused(void **state)
{
    (void)state;
    assert_mistakes("log.level = 'inof'\n",
                    "x:1:13: log.level: expected one of \"error\", \"warn\", \"info\", \"debug\", "
                    "not \"inof\"; did you mean \"info\"?\n");
    assert_mistakes("storage.backend = 'sqlit'\n",
                    "x:1:19: storage.backend: expected one of \"sqlite\", \"memory\", not \"sqlit\"; did you mean "
                    "\"sqlite\"?\n");
    assert_mistakes("server.workers = -1\n",
                    "x:1:18: server.workers: expected an integer from 0 to 256 threads, not -1\n");
    assert_mistakes("modules.enabled = ['ping', 'pign2', 'verson']\n",
                    "x:1:28: modules.enabled: expected a list of modules, not \"pign2\"\n"
                    "x:1:37: modules.enabled: expected a list of modules, not \"verson\"; did you mean \"version\"?\n");
    assert_mistakes("modules.enabled = ['ping', 'time', 'ping']\n",
                    "x:1:36: modules.enabled: expected a list of modules, not \"ping\" again\n");
    assert_mistakes("sasl.mechanisms = []\n",
                    "x:1:19: sasl.mechanisms: expected a list of one or more of \"SCRAM-SHA-256-PLUS\", "
                    "\"SCRAM-SHA-1-PLUS\", \"SCRAM-SHA-256\", \"SCRAM-SHA-1\", \"PLAIN\", not a list without any\n");
    assert_mistakes("server.data_dir = \"a\\u0000b\\n\"\n", "x:1:19: server.data_dir: expected a path, not \"a?b?\"\n");
    assert_mistakes("[[host]]\nname = 'a b'\n", "x:2:8: host.name: expected a domain name, not \"a b\"\n");
    assert_mistakes("[[host]]\nname = 'a'\ncontact.abuse = ['abuse@a']\n",
                    "x:3:18: host.contact.abuse: expected a list of URIs, not \"abuse@a\"\n");
    assert_mistakes("[[listener]]\naddress = 'localhost'\n",
                    "x:2:11: listener.address: expected an IP address, not \"localhost\"\n");
}

static void a_network_is_refused_with_what_is_wrong_in_it(void **state)
{
    static const struct {
        const char *network, *why;
    } cases[] = {
        {"lan", "not an IP address"},
        {"", "not an IP address"},
        {"10.0.0.0/", "the length behind / goes from 0 to 32"},
        {"10.0.0.0/33", "the length behind / goes from 0 to 32"},
        {"2001:db8::/129", "the length behind / goes from 0 to 128"},
        {"192.0.2.1/24", "the network of that length is 192.0.2.0/24"},
        {"2001:db8::1/32", "the network of that length is 2001:db8::/32"},
        {"1111:2222:3333:4444:5555:6666:255.255.255.2555/8", "not an IP address"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[128], expected[256];

        snprintf(text, sizeof(text), "proxy.trusted_networks = ['%s']\n", cases[i].network);
        snprintf(expected, sizeof(expected),
                 "x:1:27: proxy.trusted_networks: expected a list of networks, not \"%s\": %s\n", cases[i].network,
                 cases[i].why);
        assert_mistakes(text, expected);
    }
}

static void keys_that_do_not_fit_to_each_other_are_refused(void **state)
{
    (void)state;
    assert_mistakes("[[host]]\nname = 'a.example'\n[[host]]\nname = 'A.example.'\n",
                    "x:4:1: host.name: \"a.example\" is given twice\n");
    assert_mistakes("[[host]]\nmodules = []\n", "x:1:1: host.name: is missing\n");
    assert_mistakes("[[host]]\nname = 'a'\ncertificate = 'c'\n",
                    "x:3:1: host.certificate: host.private_key is missing\n");
    assert_mistakes("[[host]]\nname = 'a'\nprivate_key = 'c'\n",
                    "x:3:1: host.private_key: host.certificate is missing\n");
    assert_mistakes("[[listener]]\n[[listener]]\naddress='::0'\nport = 5222\n",
                    "x:4:1: listener.port: 5222 at ::0 is listened to twice\n");
    assert_mistakes("[[listener]]\nproxy_protocol = 'required'\n",
                    "x:2:1: listener.proxy_protocol: nobody could connect: proxy.trusted_networks is empty\n");
    assert_mistakes("[[listener]]\nproxy_tls = true\n",
                    "x:2:1: listener.proxy_tls: nobody could say so: proxy_protocol must be \"required\"\n");
    assert_mistakes("proxy.trusted_networks = ['10.0.0.0/8']\n[[listener]]\nproxy_protocol = 'required'\n"
                    "tls = 'direct'\nproxy_tls = true\n",
                    "x:5:1: listener.proxy_tls: TLS cannot end at the balancer and begin here: tls must be \"none\" or "
                    "\"starttls\"\n");
    assert_mistakes("[[listener]]\ntls = 'none'\n", "x:2:1: listener.tls: nobody could log in: tls.required is true\n");
    assert_mistakes("[limits]\nstanza_bytes = 10000\nstanza_bytes_unauthenticated = 20000\n",
                    "x:3:1: limits.stanza_bytes_unauthenticated: must not be more than limits.stanza_bytes\n");
    assert_mistakes("[limits]\nout_queue_bytes = 100000\n",
                    "x:2:1: limits.out_queue_bytes: must not be less than limits.stanza_bytes: a stanza of that size "
                    "could not be delivered\n");
    assert_mistakes("[[host]]\nname = 'a'\nlimits.stanza_bytes = 16000000\n",
                    "x:3:8: host.limits.stanza_bytes: must not be more than limits.out_queue_bytes\n");
    assert_mistakes("[[host]]\nname = 'a'\ninvites.url = '//a'\n", "x:3:9: host.invites.url: this is not a URL\n");
}

static void an_external_service_says_what_and_where_it_is_and_has_a_password_or_a_secret(void **state)
{
    struct config *cfg =
        accepted("[[external_service]]\ntype = 'stun'\nhost = 'a.example'\n"
                 "[[external_service]]\ntype = 'turn'\nhost = '192.0.2.1'\nport = 3478\ntransport = 'tcp'\n"
                 "secret = 's'\nhosts = ['localhost']\n");

    (void)state;
    assert_int_equal(cfg->n_external_services, 2);
    assert_int_equal(cfg->external_services[0].transport, CONFIG_TRANSPORT_UDP);
    assert_string_equal(cfg->external_services[0].secret, "");
    assert_int_equal(cfg->external_services[1].transport, CONFIG_TRANSPORT_TCP);
    assert_int_equal(cfg->external_services[1].port, 3478);
    assert_string_equal(cfg->external_services[1].hosts.items[0], "localhost");
    config_unref(&cfg);
    assert_mistakes("[[external_service]]\nhost = 'a'\n", "x:1:1: external_service.type: is missing\n");
    assert_mistakes("[[external_service]]\ntype = 'stun'\nhost = ''\n",
                    "x:3:8: external_service.host: expected a string that is not empty, not \"\"\n");
    assert_mistakes("[[external_service]]\ntype = 'turn'\nhost = 'a'\nsecret = 's'\nusername = 'u'\npassword = 'p'\n",
                    "x:5:1: external_service.username: there is a secret that names are made of\n");
    assert_mistakes("[[external_service]]\ntype = 'turn'\nhost = 'a'\nusername = 'u'\n",
                    "x:1:1: external_service.password: goes with username, or not at all\n");
    assert_mistakes("[[external_service]]\ntype = 'turn'\nhost = 'a'\nhosts = ['b.example']\n",
                    "x:4:1: external_service.hosts: there is no [[host]] of the name \"b.example\"\n");
}

#define COMPONENT_LISTENER "[[listener]]\nport = 1\nserves = 'components'\ntls = 'none'\n"

static void a_component_has_a_domain_of_its_own_a_secret_and_a_listener(void **state)
{
    struct config *cfg = accepted(COMPONENT_LISTENER "[[component]]\ndomain = 'Rooms.Example'\nsecret = 's'\n");

    (void)state;
    assert_int_equal(cfg->n_components, 1);
    assert_ptr_equal(config_component(cfg, STR("rooms.example")), &cfg->components[0]);
    assert_null(config_component(cfg, STR("example")));
    config_unref(&cfg);
    assert_mistakes(COMPONENT_LISTENER "[[component]]\n", "x:5:1: component.domain: is missing\n");
    assert_mistakes(COMPONENT_LISTENER "[[component]]\ndomain = 'a'\n", "x:5:1: component.secret: is missing\n");
    assert_mistakes(COMPONENT_LISTENER "[[host]]\nname = 'a'\n[[component]]\ndomain = 'a'\nsecret = 's'\n",
                    "x:8:1: component.domain: is the name of a [[host]]\n");
    assert_mistakes(COMPONENT_LISTENER "[[component]]\ndomain = 'a'\nsecret = 's'\n"
                                       "[[component]]\ndomain = 'a'\nsecret = 's'\n",
                    "x:9:1: component.domain: is given twice\n");
    assert_mistakes("[[component]]\ndomain = 'a'\nsecret = 's'\n",
                    "x:2:1: component.domain: nobody could connect: no [[listener]] has serves = \"components\"\n");
    assert_mistakes("[[listener]]\nserves = 'components'\n",
                    "x:1:1: listener.tls: components have no TLS: must be \"none\" where serves is \"components\"\n");
}

static void administrators_are_accounts_in_their_prepared_form(void **state)
{
    struct config *cfg = accepted("[[host]]\nname = 'a'\nadmins = ['juliet@a', 'nurse@b.example']\n");

    (void)state;
    assert_int_equal(cfg->hosts[0].admins.n, 2);
    assert_string_equal(cfg->hosts[0].admins.items[1], "nurse@b.example");
    config_unref(&cfg);
    assert_mistakes("[[host]]\nname = 'a'\nadmins = ['Juliet@a']\n",
                    "x:3:11: host.admins: expected a list of accounts' addresses, in lower case, not \"Juliet@a\"\n");
    assert_mistakes("[[host]]\nname = 'a'\nadmins = ['a', 'juliet@a/balcony']\n",
                    "x:3:11: host.admins: expected a list of accounts' addresses, in lower case, not \"a\"\n"
                    "x:3:16: host.admins: expected a list of accounts' addresses, in lower case, not "
                    "\"juliet@a/balcony\"\n");
}

static void a_socket_whose_path_is_too_long_is_refused(void **state)
{
    char folder[120] = "", text[256], expected[512];

    (void)state;
    memset(folder, 'a', sizeof(folder) - 1);
    folder[0] = '/';
    snprintf(text, sizeof(text), "server.data_dir = '%s'\n", folder);
    snprintf(expected, sizeof(expected),
             "x: control.socket: the path of a Unix socket has at most 107 bytes: %s/linnet.sock\n", folder);
    assert_mistakes(text, expected);
}

static void listeners_on_any_free_port_may_be_many(void **state)
{
    struct config *cfg = accepted("[[listener]]\nport = 0\n[[listener]]\nport = 0\n");

    (void)state;
    assert_int_equal(cfg->n_listeners, 2);
    config_unref(&cfg);
}

static void all_mistakes_are_told_in_the_order_of_the_file(void **state)
{
    (void)state;
    assert_mistakes("[tls]\nrequird = true\n[[host]]\n[log]\nlevel = 7\n[[host]]\nname = ''\nx = 1\n",
                    "x:2:1: tls.requird: unknown key; did you mean tls.required?\n"
                    "x:3:1: host.name: is missing\n"
                    "x:5:9: log.level: expected one of \"error\", \"warn\", \"info\", \"debug\", not 7\n"
                    "x:7:8: host.name: expected a domain name, not \"\"\n"
                    "x:8:1: host.x: unknown key\n");
}

static void what_is_not_toml_is_refused_with_its_place(void **state)
{
    static const struct {
        const char *text, *start;
    } cases[] = {
        {"[server]\nworkers = \n", "x:2:11: TOML: "},
        {"[server]\nworkers = 1\nworkers = 2\n", "x:3:"},
        {"[server]\ndata_dir = '\xff'\n", "x:2:"},
        {"[server\n", "x:1:"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char *got = mistakes_of(cases[i].text);

        assert_memory_equal(got, cases[i].start, strlen(cases[i].start));
        assert_non_null(strstr(got, ": TOML: "));
        free(got);
    }
}

static void modules_are_not_checked_when_nobody_says_which_are_known(void **state)
{
    struct config *cfg = NULL;
    struct buf errors = {0};

    (void)state;
    assert_int_equal(config_parse(STR("modules.enabled = ['carbons']\n"), "x", NULL, &cfg, &errors), LN_OK);
    assert_string_equal(cfg->hosts[0].modules.items[0], "carbons");
    config_unref(&cfg);
}

/* ---- every row ---- */

/* A document up to the place where a key of the table can be set, without any mistake so far. */
static void begin_document(const struct config_table *table, const struct config_row *row, char *ret, size_t size)
{
    bool is_host = strcmp(table->path, "host") == 0, is_in_host = strncmp(table->path, "host.", 5) == 0;

    if (strcmp(table->path, "listener") == 0)
        snprintf(ret, size, "[[listener]]\n");
    else if (strcmp(table->path, "external_service") == 0)
        snprintf(ret, size, "[[external_service]]\n%s%s", strcmp(row->field, "type") == 0 ? "" : "type = 'stun'\n",
                 strcmp(row->field, "host") == 0 ? "" : "host = 'a'\n");
    else if (strcmp(table->path, "component") == 0)
        snprintf(ret, size, COMPONENT_LISTENER "[[component]]\n%s%s",
                 row->type == CONFIG_TYPE_DOMAIN ? "" : "domain = 'a'\n",
                 strcmp(row->field, "secret") == 0 ? "" : "secret = 's'\n");
    else if (is_host)
        snprintf(ret, size, "[[host]]\n%s", row->type == CONFIG_TYPE_DOMAIN ? "" : "name = 'a'\n");
    else
        snprintf(ret, size, "%s[%s]\n", is_in_host ? "[[host]]\nname = 'a'\n" : "", table->path);
}

/* Calls `check` for every key, with a document that ends in its name. */
static void for_each_row(const struct config_table *table,
                         void (*check)(const char *key, const struct config_row *row, const char *document))
{
    for (size_t i = 0; i < table->n_rows; i++) {
        const struct config_row *row = &table->rows[i];
        char key[96], begin[128], document[256];

        if (row->table != NULL) {
            for_each_row(row->table, check);
            continue;
        }
        snprintf(key, sizeof(key), "%s.%s", table->path, row->field);
        begin_document(table, row, begin, sizeof(begin));
        snprintf(document, sizeof(document), "%s%s", begin, row->field);
        check(key, row, document);
    }
}

static unsigned n_checked;

static void assert_one_mistake_with(const char *text, const char *key, const char *what)
{
    char *got = mistakes_of(text), start[128];

    snprintf(start, sizeof(start), ": %s", what);
    if (strstr(got, key) == NULL || strstr(got, start) == NULL || strchr(got, '\n') != got + strlen(got) - 1)
        fail_msg("of\n%s\nit says\n%s", text, got);
    free(got);
    n_checked++;
}

static void check_wrong_type(const char *key, const struct config_row *row, const char *document)
{
    char text[512];

    (void)row;
    snprintf(text, sizeof(text), "%s = 07:32:00\n", document);
    assert_one_mistake_with(text, key, "expected ");
}

static void every_key_refuses_a_value_of_another_type(void **state)
{
    (void)state;
    n_checked = 0;
    for_each_row(&config_root, check_wrong_type);
    assert_true(n_checked > 60);
}

static void check_typo(const char *key, const struct config_row *row, const char *document)
{
    char text[512], wrong[128], hint[128];

    /* Without what must be given there would be a second mistake. */
    if (row->type == CONFIG_TYPE_DOMAIN || strcmp(key, "external_service.type") == 0 ||
        strcmp(key, "external_service.host") == 0 || strcmp(key, "component.secret") == 0)
        return;
    snprintf(text, sizeof(text), "%sx = 1\n", document);
    snprintf(wrong, sizeof(wrong), "%sx", key);
    snprintf(hint, sizeof(hint), "unknown key; did you mean %s?", key);
    assert_one_mistake_with(text, wrong, hint);
}

static void every_key_is_named_when_it_has_one_letter_too_many(void **state)
{
    (void)state;
    n_checked = 0;
    for_each_row(&config_root, check_typo);
    assert_true(n_checked > 60);
}

static bool is_refused(const char *key, const char *document, uint64_t value)
{
    char text[512], what[160], *got;
    bool refused;

    snprintf(text, sizeof(text), "%s = %" PRIu64 "\n", document, value);
    snprintf(what, sizeof(what), "%s: expected an integer", key);
    got = mistakes_of(text);
    refused = strstr(got, what) != NULL;
    free(got);
    return refused;
}

static void check_range(const char *key, const struct config_row *row, const char *document)
{
    const struct config_row *origin = config_row_origin(row);

    if (row->type != CONFIG_TYPE_UINT)
        return;
    assert_false(is_refused(key, document, origin->min));
    assert_false(is_refused(key, document, origin->max));
    assert_true(is_refused(key, document, origin->max + 1));
    if (origin->min > 0)
        assert_true(is_refused(key, document, origin->min - 1));
    assert_true(is_refused(key, document, INT64_MAX));
    n_checked++;
}

static void every_number_is_taken_at_both_ends_of_its_range_and_not_beyond(void **state)
{
    (void)state;
    n_checked = 0;
    for_each_row(&config_root, check_range);
    assert_true(n_checked > 35);
}

/* ---- files ---- */

static void a_loaded_file_has_its_folder_from_the_root(void **state)
{
    char folder[] = "/tmp/linnet-test-config-XXXXXX", path[64], expected[64], *real;
    struct config *cfg = NULL;
    struct buf errors = {0};
    FILE *file;

    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/x/../linnet.toml", folder);
    snprintf(expected, sizeof(expected), "%s/x", folder);
    assert_int_equal(mkdir(expected, 0700), 0);
    file = fopen(path, "w");
    assert_non_null(file);
    fputs("server.workers = 2\n", file);
    fclose(file);
    learn_modules();
    enum ln_err err = config_load(path, known_modules, &cfg, &errors);
    unlink(path);
    rmdir(expected);
    real = realpath(folder, NULL);
    rmdir(folder);
    assert_int_equal(err, LN_OK);
    assert_int_equal(cfg->server.workers, 2);
    snprintf(expected, sizeof(expected), "%s/data", real);
    assert_string_equal(cfg->server.data_dir, expected);
    assert_string_equal(cfg->path, path);
    free(real);
    config_unref(&cfg);
}

static void a_file_that_cannot_be_read_is_an_error_with_its_name(void **state)
{
    struct config *cfg = NULL;
    struct buf errors = {0};

    (void)state;
    learn_modules();
    assert_int_equal(config_load("/nonexistent/linnet.toml", known_modules, &cfg, &errors), LN_E_IO);
    assert_int_equal(config_load("/tmp", known_modules, &cfg, &errors), LN_E_IO);
    assert_null(cfg);
    assert_true(str_is(buf_str(&errors), "/nonexistent/linnet.toml: cannot be read: No such file or directory\n"
                                         "/tmp: cannot be read: Is a directory\n"));
    buf_deinit(&errors);
}

/* ---- look-ups ---- */

static void a_host_is_found_by_its_name_and_no_other_is(void **state)
{
    struct buf text = {0};
    struct config *cfg;

    (void)state;
    for (int i = 0; i < 20; i++)
        buf_printf(&text, "[[host]]\nname = 'h%d.example'\n", i * 7 % 20);
    buf_append_char(&text, '\0');
    cfg = accepted(text.p);
    for (int i = 0; i < 20; i++) {
        char name[32];

        snprintf(name, sizeof(name), "h%d.example", i);
        const struct config_host *host = config_host(cfg, str_of(name));
        assert_non_null(host);
        assert_true(str_is(host->name, name));
    }
    assert_null(config_host(cfg, STR("h20.example")));
    assert_null(config_host(cfg, STR("h1")));
    assert_null(config_host(cfg, STR("")));
    assert_true(str_is(cfg->hosts[1].name, "h7.example")); /* the file's order is kept */
    config_unref(&cfg);
    buf_deinit(&text);
}

static bool contains(const struct config *cfg, const char *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
        return config_networks_contain(&cfg->proxy.trusted_networks, (const struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
    return config_networks_contain(&cfg->proxy.trusted_networks, (const struct sockaddr *)&v6);
}

static void networks_contain_the_addresses_that_share_their_prefix(void **state)
{
    struct config *cfg = accepted("proxy.trusted_networks = ['10.0.0.0/7', '192.0.2.5', '2001:db8:8000::/33']\n");
    struct config *all = accepted("proxy.trusted_networks = ['0.0.0.0/0']\n");
    const struct sockaddr local = {.sa_family = AF_UNIX};

    (void)state;
    assert_true(contains(cfg, "10.1.2.3"));
    assert_true(contains(cfg, "11.255.255.255"));
    assert_false(contains(cfg, "12.0.0.0"));
    assert_false(contains(cfg, "9.255.255.255"));
    assert_true(contains(cfg, "192.0.2.5"));
    assert_true(contains(cfg, "::ffff:192.0.2.5"));
    assert_false(contains(cfg, "192.0.2.4"));
    assert_true(contains(cfg, "2001:db8:8000::1"));
    assert_true(contains(cfg, "2001:db8:ffff::1"));
    assert_false(contains(cfg, "2001:db8:7fff::1"));
    assert_true(contains(all, "203.0.113.1"));
    assert_false(contains(all, "2001:db8::1"));
    assert_false(config_networks_contain(&all->proxy.trusted_networks, &local));
    config_unref(&cfg);
    config_unref(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_file_gives_the_defaults),
        cmocka_unit_test(values_of_every_type_are_taken_from_the_file),
        cmocka_unit_test(with_proxy_tls_a_listener_without_tls_is_of_use_although_tls_is_required),
        cmocka_unit_test(a_host_takes_the_general_values_unless_it_has_its_own),
        cmocka_unit_test(a_part_of_the_server_logs_at_the_general_level_unless_it_has_its_own),
        cmocka_unit_test(the_log_gets_its_options),
        cmocka_unit_test(relative_paths_start_at_the_folder_of_the_file),
        cmocka_unit_test(an_unknown_key_is_refused_and_the_near_one_named),
        cmocka_unit_test(a_value_of_the_wrong_type_is_refused_with_what_was_expected),
        cmocka_unit_test(a_value_that_is_not_among_the_possible_ones_is_refused),
        cmocka_unit_test(a_network_is_refused_with_what_is_wrong_in_it),
        cmocka_unit_test(keys_that_do_not_fit_to_each_other_are_refused),
        cmocka_unit_test(an_external_service_says_what_and_where_it_is_and_has_a_password_or_a_secret),
        cmocka_unit_test(a_component_has_a_domain_of_its_own_a_secret_and_a_listener),
        cmocka_unit_test(administrators_are_accounts_in_their_prepared_form),
        cmocka_unit_test(a_socket_whose_path_is_too_long_is_refused),
        cmocka_unit_test(listeners_on_any_free_port_may_be_many),
        cmocka_unit_test(all_mistakes_are_told_in_the_order_of_the_file),
        cmocka_unit_test(what_is_not_toml_is_refused_with_its_place),
        cmocka_unit_test(modules_are_not_checked_when_nobody_says_which_are_known),
        cmocka_unit_test(every_key_refuses_a_value_of_another_type),
        cmocka_unit_test(every_key_is_named_when_it_has_one_letter_too_many),
        cmocka_unit_test(every_number_is_taken_at_both_ends_of_its_range_and_not_beyond),
        cmocka_unit_test(a_loaded_file_has_its_folder_from_the_root),
        cmocka_unit_test(a_file_that_cannot_be_read_is_an_error_with_its_name),
        cmocka_unit_test(a_host_is_found_by_its_name_and_no_other_is),
        cmocka_unit_test(networks_contain_the_addresses_that_share_their_prefix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
