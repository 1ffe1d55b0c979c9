#include "harness.h"
#include "client.h"

#include <assert.h>
#include <dirent.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum { STOP_LIMIT_MS = 30000, CTL_LIMIT_MS = 60000, LOG_SHOWN_LINES = 60 };

/* What a test wants differently it says in its options. */
static const char *const usual_settings[] = {
    "server.data_dir = \"data\"",      "server.shutdown_s = 5",
    "log.level = \"debug\"",           "proxy.trusted_networks = [\"127.0.0.0/8\"]",
    "sasl.iterations = 4096",          "sasl.failure_delay_ms = 0",
    "sasl.failures_per_window = 1000", NULL,
};

static const char listeners[] = "[[listener]]\naddress = \"127.0.0.1\"\nport = 0\ntls = \"starttls\"\n\n"
                                "[[listener]]\naddress = \"127.0.0.1\"\nport = 0\ntls = \"direct\"\n\n"
                                "[[listener]]\naddress = \"127.0.0.1\"\nport = 0\ntls = \"starttls\"\n"
                                "proxy_protocol = \"required\"\n\n"
                                "[[listener]]\naddress = \"127.0.0.1\"\nport = 0\ntls = \"none\"\n"
                                "proxy_protocol = \"required\"\nproxy_tls = true\n\n"
                                "[[listener]]\naddress = \"127.0.0.1\"\nport = 0\ntls = \"none\"\n"
                                "serves = \"components\"\n\n";

/* The harness of the running test, whose log is shown when the test fails. */
static struct harness *current;

int test_patience_ms(void)
{
    const char *seconds = getenv("LINNET_TEST_PATIENCE");

    return seconds == NULL ? 30000 : atoi(seconds) * 1000;
}

static void show_log(const struct harness *h)
{
    char *log = file_read(h->log_path);
    size_t lines = 0;
    char *from;

    if (log == NULL)
        return;
    from = log + strlen(log);
    while (from > log && (from[-1] != '\n' || lines++ < LOG_SHOWN_LINES))
        from--;
    /* Not print_error(), which cuts what is longer than a line or two. */
    fprintf(stderr, "---- the end of the server's log ----\n%s----\n", from);
    free(log);
}

_Noreturn void test_fail_at(const char *file, int line, const char *fmt, ...)
{
    char text[8192];
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    fprintf(stderr, "%s\n", text);
    if (current != NULL)
        show_log(current);
    _fail(file, line);
    abort(); /* _fail() jumps out of the test, but is not declared so */
}

/* ---- configuration ---- */

static bool same_key(const char *a, const char *b)
{
    size_t len = strcspn(a, " =");

    return strncmp(a, b, len) == 0 && strcspn(b, " =") == len;
}

static bool is_overridden(const char *setting, const char *const *by)
{
    for (; by != NULL && *by != NULL; by++)
        if (same_key(setting, *by))
            return true;
    return false;
}

void harness_configure(struct harness *h, const char *const *settings, const char *tables)
{
    FILE *out = fopen(h->config_path, "w");

    assert_non_null(out);
    if (!is_overridden("server.workers", settings))
        fprintf(out, "server.workers = %u\n", h->options.workers);
    for (const char *const *usual = usual_settings; *usual != NULL; usual++)
        if (!is_overridden(*usual, settings))
            fprintf(out, "%s\n", *usual);
    for (; settings != NULL && *settings != NULL; settings++)
        fprintf(out, "%s\n", *settings);
    fprintf(out, "\n%s[[host]]\nname = \"%s\"\n%s\n", listeners, DOMAIN, tables == NULL ? "" : tables);
    fclose(out);
}

struct harness *harness_new(const struct harness_options *options)
{
    struct harness *h = calloc(1, sizeof(*h));
    const char *tmp = getenv("TMPDIR");

    assert(h != NULL);
    h->options = *options;
    signal(SIGPIPE, SIG_IGN); /* tests write to connections that the server has cut */
    h->dir = text_format("%s/linnet-integration-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    if (mkdtemp(h->dir) == NULL)
        test_fail("%s: cannot be made", h->dir);
    h->config_path = text_format("%s/linnet.toml", h->dir);
    h->log_path = text_format("%s/log", h->dir);
    h->socket_path = text_format("%s/data/linnet.sock", h->dir);
    assert_true(file_write(h->log_path, ""));
    harness_configure(h, options->settings, options->tables);
    return h;
}

static void remove_tree(const char *path)
{
    const char *const argv[] = {"rm", "-rf", path, NULL};
    char *output;

    (void)process_run(argv, NULL, CTL_LIMIT_MS, &output);
    free(output);
}

void harness_free(struct harness **h)
{
    struct harness *mine = *h;

    *h = NULL;
    if (mine == NULL)
        return;
    client_forget_all(mine);
    process_kill(&mine->server);
    if (getenv("LINNET_TEST_KEEP") == NULL)
        remove_tree(mine->dir);
    while (mine->accounts != NULL) {
        struct account *a = mine->accounts;

        mine->accounts = a->next;
        free(a->jid);
        free(a->user);
        free(a->password);
        free(a);
    }
    if (current == mine)
        current = NULL;
    free(mine->dir);
    free(mine->config_path);
    free(mine->log_path);
    free(mine->socket_path);
    free(mine);
}

/* ---- the log ---- */

size_t harness_log_mark(const struct harness *h)
{
    struct stat st;

    return stat(h->log_path, &st) == 0 ? (size_t)st.st_size : 0;
}

static bool has_all(const char *line, const char *const words[])
{
    for (; *words != NULL; words++)
        if (strstr(line, *words) == NULL)
            return false;
    return true;
}

/* Only whole lines are looked at: the last one may still be on its way. */
static char *find_line(const struct harness *h, size_t mark, const char *const words[])
{
    char *log = file_read(h->log_path), *rest, *found = NULL;

    if (log == NULL || strlen(log) < mark) {
        free(log);
        return NULL;
    }
    rest = log + mark;
    for (char *end = strchr(rest, '\n'); end != NULL && found == NULL; rest = end + 1, end = strchr(rest, '\n')) {
        *end = '\0';
        if (has_all(rest, words))
            found = strdup(rest);
    }
    free(log);
    return found;
}

char *harness_log_wait_(const char *file, int line, struct harness *h, size_t mark, const char *const words[])
{
    int watch = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    long until = now_ms() + test_patience_ms();
    char *found;

    assert_true(inotify_add_watch(watch, h->log_path, IN_MODIFY) >= 0);
    while ((found = find_line(h, mark, words)) == NULL) {
        struct pollfd fds[] = {{.fd = watch, .events = POLLIN}, {.fd = h->server.pid_fd, .events = POLLIN}};
        char events[4096];

        if (now_ms() >= until)
            test_fail_at(file, line, "the log never said \"%s %s\"", words[0], words[1] == NULL ? "" : words[1]);
        if (process_wait(&h->server, 0) && (found = find_line(h, mark, words)) == NULL)
            test_fail_at(file, line, "the server ended with %d before its log said \"%s\"", h->server.status, words[0]);
        if (found != NULL)
            break;
        (void)poll(fds, 2, (int)(until - now_ms()));
        (void)!read(watch, events, sizeof(events));
    }
    close(watch);
    return found;
}

char *log_value(const char *line, const char *key)
{
    char *pattern = text_format(" %s=", key);
    const char *at = strstr(line, pattern);
    char *value = NULL;

    if (at != NULL) {
        at += strlen(pattern);
        value = *at == '"' ? strndup(at + 1, strcspn(at + 1, "\"")) : strndup(at, strcspn(at, " "));
    }
    free(pattern);
    return value;
}

/* ---- the process ---- */

/* Which of our listeners a line about an opened one means. */
static enum harness_port port_of_line(const char *line)
{
    if (strstr(line, " proxy_tls=true") != NULL)
        return HARNESS_PROXY_TLS;
    if (strstr(line, " serves=components") != NULL)
        return HARNESS_COMPONENTS;
    if (strstr(line, " proxy=true") != NULL)
        return HARNESS_PROXIED;
    return strstr(line, "tls=direct") != NULL ? HARNESS_DIRECT_TLS : HARNESS_STARTTLS;
}

static void learn_ports(struct harness *h)
{
    char *log = file_read(h->log_path), *rest = log + h->start_mark, *line;

    memset(h->ports, 0, sizeof(h->ports));
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *port = strstr(line, " listener.open ") == NULL ? NULL : log_value(line, "port");

        if (port != NULL)
            h->ports[port_of_line(line)] = (uint16_t)atoi(port);
        free(port);
    }
    free(log);
    for (size_t i = 0; i < HARNESS_PORTS; i++)
        if (h->ports[i] == 0)
            test_fail("listener %zu of the configuration was not opened", i);
}

const char *harness_server_program(void)
{
    const char *other = getenv("LINNET_TEST_SERVER");

    return other != NULL ? other : LINNET_BINARY;
}

const char *harness_ctl_program(void)
{
    const char *other = getenv("LINNET_TEST_CTL");

    return other != NULL ? other : LINNETCTL_BINARY;
}

void harness_start(struct harness *h)
{
    const char *const argv[] = {harness_server_program(), "--config", h->config_path, NULL};

    current = h;
    h->start_mark = harness_log_mark(h);
    h->has_ended_well = false;
    for (struct account *a = h->accounts; a != NULL; a = a->next)
        a->spare_on = 0; /* homes are dealt anew with each start */
    h->server.in_child = h->options.in_child;
    if (!process_start(&h->server, argv, h->log_path))
        test_fail("%s cannot be started", argv[0]);
    free(harness_log_wait(h, h->start_mark, " server.ready"));
    learn_ports(h);
}

bool harness_is_running(struct harness *h)
{
    return h->server.pid != 0 && !process_wait(&h->server, 0);
}

static void check_log(const struct harness *h)
{
    static const char *const complaints[] = {"ERROR: AddressSanitizer", "ERROR: LeakSanitizer",
                                             "runtime error:", "WARNING: ThreadSanitizer", "Assertion `"};
    char *log = file_read(h->log_path);
    const char *found = NULL;

    for (size_t i = 0; i < sizeof(complaints) / sizeof(complaints[0]) && found == NULL; i++)
        found = strstr(log + h->start_mark, complaints[i]);
    if (found != NULL)
        fprintf(stderr, "---- in the server's log ----\n%.12000s\n----\n", found);
    free(log);
    if (found != NULL)
        test_fail("a sanitizer or an assertion spoke up");
}

void harness_stop(struct harness *h)
{
    if (h->server.pid == 0)
        return;
    process_signal(&h->server, SIGTERM);
    harness_expect_end(h);
}

void harness_expect_end(struct harness *h)
{
    if (!process_wait(&h->server, STOP_LIMIT_MS)) {
        process_kill(&h->server);
        test_fail("the server did not end within %d ms", STOP_LIMIT_MS);
    }
    h->has_ended_well = h->server.status == 0;
    check_log(h);
    if (!h->has_ended_well)
        test_fail("the server ended with %d", h->server.status);
}

void harness_crash(struct harness *h)
{
    process_kill(&h->server);
    h->has_ended_well = true;
    check_log(h);
}

/* ---- the operator ---- */

int harness_ctl_(struct harness *h, const char *input, char **ret_output, const char *const args[])
{
    const char *argv[16] = {harness_ctl_program(), "--socket", h->socket_path};
    size_t n = 3;

    for (; *args != NULL && n < 15; args++)
        argv[n++] = *args;
    return process_run(argv, input, CTL_LIMIT_MS, ret_output);
}

struct json *harness_ctl_json_(const char *file, int line, struct harness *h, const char *const args[])
{
    const char *with_json[12] = {"--json"};
    char *output;
    int status;
    struct json *answer;

    for (size_t n = 1; n < 11 && args[n - 1] != NULL; n++)
        with_json[n] = args[n - 1];
    status = harness_ctl_(h, NULL, &output, with_json);
    answer = status == 0 ? json_parse(output) : NULL;
    if (answer == NULL)
        test_fail_at(file, line, "linnetctl %s ended with %d and said: %s", args[0], status, output);
    free(output);
    return answer;
}

const struct account *harness_account_named(struct harness *h, const char *user, const char *host, const char *password)
{
    struct account *a = calloc(1, sizeof(*a));
    char *input, *output;

    assert(a != NULL);
    a->user = strdup(user);
    a->jid = text_format("%s@%s", user, host);
    a->password = password == NULL ? text_format("secret of %s", user) : strdup(password);
    a->next = h->accounts;
    h->accounts = a;
    input = text_format("%s\n", a->password);
    if (harness_ctl(h, input, &output, "adduser", a->jid) != 0)
        test_fail("linnetctl adduser %s said: %s", a->jid, output);
    free(input);
    free(output);
    return a;
}

const char *harness_nobody(struct harness *h)
{
    struct account *a = calloc(1, sizeof(*a));

    assert(a != NULL);
    a->user = text_format("nobody%u", ++h->names);
    a->jid = text_format("%s@%s", a->user, DOMAIN);
    a->password = strdup("");
    a->next = h->accounts;
    h->accounts = a;
    return a->jid;
}

const struct account *harness_account(struct harness *h)
{
    char user[32];

    snprintf(user, sizeof(user), "user%u", ++h->names);
    return harness_account_named(h, user, DOMAIN, NULL);
}

int harness_worker_of(struct harness *h, const char *full_jid)
{
    struct json *answer = harness_ctl_json(h, "sessions");
    const struct json *list = answer->kind == JSON_ARRAY ? answer : json_at(answer, "sessions");
    const struct json *session = json_find(list, "full_jid", full_jid);
    int worker;

    if (session == NULL)
        session = json_find(list, "jid", full_jid);
    worker = session == NULL ? -1 : (int)json_number(session, "worker");
    json_free(&answer);
    return worker;
}

/* ---- running tests ---- */

int harness_test_begin(void **state)
{
    struct harness *h = *state;

    current = h;
    if (!harness_is_running(h))
        harness_start(h); /* an earlier test may have ended it */
    return 0;
}

int harness_test_end(void **state)
{
    struct harness *h = *state;

    client_forget_all(h);
    if (harness_is_running(h) || h->has_ended_well)
        return 0;
    fprintf(stderr, "the server ended with %d during this test, unasked\n", h->server.status);
    show_log(h);
    return -1;
}

static struct harness_options round_options;

static int begin_round(void **state)
{
    struct harness *h = harness_new(&round_options);

    *state = h;
    harness_start(h);
    return 0;
}

static int end_round(void **state)
{
    struct harness *h = *state;

    client_forget_all(h);
    if (harness_is_running(h))
        harness_stop(h);
    harness_free(&h);
    return 0;
}

int harness_run_once_(const char *story, const struct CMUnitTest *tests, size_t n,
                      const struct harness_options *options)
{
    round_options = *options;
    if (round_options.workers == 0)
        round_options.workers = 2;
    if (getenv("LINNET_TEST_ONLY") != NULL)
        cmocka_set_test_filter(getenv("LINNET_TEST_ONLY"));
    return _cmocka_run_group_tests(story, tests, n, begin_round, end_round) == 0 ? 0 : 1;
}

int harness_run_tests_(const char *story, const struct CMUnitTest *tests, size_t n,
                       const struct harness_options *options)
{
    static const unsigned counts[] = {1, 2, 4};
    const char *chosen = getenv("LINNET_TEST_WORKERS");
    struct harness_options with_workers = *options;
    int failed = 0;

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        char *name = text_format("%s, %u worker%s", story, counts[i], counts[i] == 1 ? "" : "s");

        with_workers.workers = counts[i];
        if (chosen == NULL || (unsigned)atoi(chosen) == counts[i])
            failed |= harness_run_once_(name, tests, n, &with_workers);
        free(name);
    }
    return failed;
}
