/* tests/integration/harness.h - a real linnet for a test: its folder, its process, its ports, its log, its accounts.
 *
 * The server runs as an operator would run it: from a TOML file, with a database and a certificate of its own in a
 * temporary folder, told what to do through linnetctl. Nothing here links a line of the server. Every wait is for an
 * event and has a limit; a server that ends when it should not, or that a sanitizer complains about, fails the test and
 * shows the end of its log. */
#ifndef LINNET_TESTS_HARNESS_H
#define LINNET_TESTS_HARNESS_H

#include "json.h"
#include "process.h"

/* what every test needs, and cmocka before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DOMAIN "linnet.example"

enum harness_port {
    HARNESS_STARTTLS,
    HARNESS_DIRECT_TLS,
    HARNESS_PROXIED,    /* STARTTLS, behind a PROXY header */
    HARNESS_PROXY_TLS,  /* the balancer ends TLS, and says so in its PROXY header */
    HARNESS_COMPONENTS, /* XEP-0114 */
    HARNESS_PORTS,
};

struct harness_options {
    unsigned workers;            /* 0: as harness_run_tests() says */
    const char *const *settings; /* "key = value" with dotted keys, NULL at the end; each wins over the usual value */
    const char *tables;          /* TOML put at the end of the file; may be NULL */
    void (*in_child)(void);      /* runs in the server's process before it becomes the server; may be NULL */
};

struct account {
    char *jid; /* bare */
    char *user;
    char *password;
    unsigned spare_on; /* 1 + the worker it lives on, when nobody uses it; see harness_login_on() */
    struct account *next;
};

struct client;

struct harness {
    char *dir;
    char *config_path;
    char *log_path;
    char *socket_path;
    struct harness_options options;
    struct process server;
    uint16_t ports[HARNESS_PORTS];
    struct account *accounts;
    struct client *clients; /* client.c's */
    void *strophe;          /* client.c's */
    bool has_ended_well;    /* as the test wanted it to */
    unsigned names;         /* how many were given out */
    size_t start_mark;      /* where in the log this run of the server begins */
};

/* The programs under test: those of this build, or, to have the same tests speak to another build (one with a
 * sanitizer), what LINNET_TEST_SERVER and LINNET_TEST_CTL name. */
const char *harness_server_program(void);
const char *harness_ctl_program(void);

/* ---- running tests ---- */

#define HARNESS_TEST(f) cmocka_unit_test_setup_teardown(f, harness_test_begin, harness_test_end)

/* Runs all tests with a server of 1, then of 2, then of 4 workers (LINNET_TEST_WORKERS=2 chooses one); the tests' state
 * is the harness. One server serves all tests of a round, so each test makes accounts of its own. Returns what main()
 * should. */
#define harness_run_tests(story, tests, options)                                                                       \
    harness_run_tests_(story, tests, sizeof(tests) / sizeof((tests)[0]), options)
int harness_run_tests_(const char *story, const struct CMUnitTest *tests, size_t n,
                       const struct harness_options *options);
/* The same with one server, whose workers are as `options` says. */
#define harness_run_once(story, tests, options)                                                                        \
    harness_run_once_(story, tests, sizeof(tests) / sizeof((tests)[0]), options)
int harness_run_once_(const char *story, const struct CMUnitTest *tests, size_t n,
                      const struct harness_options *options);
int harness_test_begin(void **state);
int harness_test_end(void **state);

/* Ends the running test as failed, with the end of the server's log. */
#define test_fail(...) test_fail_at(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void test_fail_at(const char *file, int line, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* How long an event may take before the test fails. */
int test_patience_ms(void);

/* ---- the server ---- */

/* Makes folder and configuration; starts nothing. */
struct harness *harness_new(const struct harness_options *options);
/* Kills what still runs, removes the folder. */
void harness_free(struct harness **h);
/* Starts and waits until all listeners are open. */
void harness_start(struct harness *h);
/* SIGTERM; it must end with 0 and without a complaint of a sanitizer. */
void harness_stop(struct harness *h);
/* Waits until it ends, which somebody has asked it to; likewise. */
void harness_expect_end(struct harness *h);
/* kill -9 */
void harness_crash(struct harness *h);
bool harness_is_running(struct harness *h);
/* Writes the configuration anew; counts from the next start or reload. */
void harness_configure(struct harness *h, const char *const *settings, const char *tables);

/* ---- its log ---- */

/* A place in the log: "from now on". */
size_t harness_log_mark(const struct harness *h);
/* The first line behind `mark` that has all of the words (NULL at the end); waits for it. The caller frees. */
#define harness_log_wait(h, mark, ...)                                                                                 \
    harness_log_wait_(__FILE__, __LINE__, h, mark, (const char *const[]){__VA_ARGS__, NULL})
char *harness_log_wait_(const char *file, int line, struct harness *h, size_t mark, const char *const words[]);
/* The value of key=value in a line of log, unquoted; the caller frees; NULL: it has none. */
char *log_value(const char *line, const char *key);

/* ---- its operator ---- */

/* Runs linnetctl on this server; `input` becomes its stdin. Returns the exit code. */
#define harness_ctl(h, input, ret_output, ...)                                                                         \
    harness_ctl_(h, input, ret_output, (const char *const[]){__VA_ARGS__, NULL})
int harness_ctl_(struct harness *h, const char *input, char **ret_output, const char *const args[]);
/* linnetctl --json ...: must succeed. The caller frees. */
#define harness_ctl_json(h, ...) harness_ctl_json_(__FILE__, __LINE__, h, (const char *const[]){__VA_ARGS__, NULL})
struct json *harness_ctl_json_(const char *file, int line, struct harness *h, const char *const args[]);

/* A new account with a name nobody else has; borrowed until harness_free(). */
const struct account *harness_account(struct harness *h);
/* The same with this name and password (NULL: some), at this host. */
const struct account *harness_account_named(struct harness *h, const char *user, const char *host,
                                            const char *password);
/* A name nobody else has, without an account; borrowed until harness_free(). */
const char *harness_nobody(struct harness *h);
/* The worker on which a session lives, as linnetctl says; -1: there is no such session. */
int harness_worker_of(struct harness *h, const char *full_jid);

#endif
