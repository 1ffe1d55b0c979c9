/* tests/load/bench/instructions.c - linnet_instructions: fixed work for the server, to be counted by callgrind.
 *
 * Each scenario is a run of its own: it sets the stage, goes through the motions a few times, and then repeats an
 * operation while turns are counted. instructions.sh runs all of them and compares what they cost with baseline.txt. */
#include <gnu/libc-version.h>
#include <mbedtls/version.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/xmpp/ns.h"
#include "tests/load/bench/bench_client.h"
#include "tests/load/bench/bench_server.h"
#include "tests/load/bench/kernel.h"

enum {
    CONTACTS = 100,
    BODY_BYTES = 64,
    WARM_UP_ROUNDS = 50,
};

struct scenario {
    const char *name;
    unsigned n_workers;
    unsigned rounds;
    unsigned batch; /* operations in a round */
    void (*set_up)(const struct scenario *s);
    void (*round)(const struct scenario *s, unsigned number);
    const char *what; /* one operation */
};

static struct server *server;
static struct bench_client romeo, juliet;
static struct bench_client contacts[CONTACTS];

/* ---- accounts ---- */

/* Somebody new, whose account lives on worker `home`. */
static void name_client(struct bench_client *c, unsigned home)
{
    static unsigned n;

    do
        bench_client_init(c, ++n);
    while (server_home_of(server, str_of(c->bare))->index != home);
}

static void log_in_new(struct bench_client *c, unsigned home)
{
    name_client(c, home);
    bench_server_add_account(str_of(c->bare), NULL, 0);
    bench_client_login(c);
}

static void set_up_pair(const struct scenario *s)
{
    log_in_new(&romeo, 0);
    log_in_new(&juliet, s->n_workers - 1);
}

/* ---- messages ---- */

/* Every body is another one, so that a delivery that did not happen, or twice, is seen. */
static void send_messages(const struct scenario *s, unsigned number, const char *to)
{
    static const char body[BODY_BYTES + 1] = "But soft, what light through yonder window breaks? It is the Eas";
    struct buf xml = {0};
    char wanted[32];

    for (unsigned i = 0; i < s->batch; i++)
        buf_printf(&xml, "<message to='%s' type='chat' id='m%06u-%02u'><body>%06u-%02u %s</body></message>", to, number,
                   i, number, i, body);
    bench_client_send(&romeo, buf_str(&xml));
    buf_deinit(&xml);
    (void)snprintf(wanted, sizeof(wanted), "<body>%06u-", number);
    bench_client_expect(&juliet, wanted, s->batch);
}

static void message_to_full(const struct scenario *s, unsigned number)
{
    send_messages(s, number, juliet.full);
}

static void message_to_bare(const struct scenario *s, unsigned number)
{
    send_messages(s, number, juliet.bare);
}

/* ---- XEP-0198 ---- */

static void set_up_sm_pair(const struct scenario *s)
{
    set_up_pair(s);
    bench_client_enable_sm(&romeo);
    bench_client_enable_sm(&juliet);
}

static void expect_safe(unsigned n)
{
    char wanted[32];

    (void)snprintf(wanted, sizeof(wanted), " h='%u'", n);
    bench_client_expect(&romeo, wanted, 1);
}

/* The client asks, the server asks and is answered, and then the sender hears that the message is safe. */
static void message_with_sm(const struct scenario *s, unsigned number)
{
    kernel_pass_time(100); /* since the last one */
    send_messages(s, number, juliet.full);
    bench_client_send(&romeo, STR("<r xmlns='" NS_SM "'/>"));
    expect_safe(number + 1);
}

/* One behind the other, each in its turn; the server asks for them together. */
static void stream_with_sm(const struct scenario *s, unsigned number)
{
    static const struct scenario single = {.batch = 1};

    for (unsigned i = 0; i < s->batch; i++)
        send_messages(&single, number * s->batch + i, juliet.full);
    kernel_pass_time(200);
    bench_client_send(&romeo, STR("<r xmlns='" NS_SM "'/>"));
    bench_client_expect(&juliet, "<r ", 1);
    expect_safe((number + 1) * s->batch);
}

/* ---- requests ---- */

static void ping(const struct scenario *s, unsigned number)
{
    struct buf xml = {0};
    char wanted[64];

    (void)s;
    buf_printf(&xml, "<iq type='get' id='p%06u' to='" BENCH_HOST "'><ping xmlns='" NS_PING "'/></iq>", number);
    bench_client_send(&romeo, buf_str(&xml));
    buf_deinit(&xml);
    (void)snprintf(wanted, sizeof(wanted), "id='p%06u'", number);
    bench_client_expect(&romeo, wanted, 1);
}

/* ---- logins ---- */

static void set_up_nothing(const struct scenario *s)
{
    (void)s;
}

static void login(const struct scenario *s, unsigned number)
{
    struct bench_client c;

    (void)s, (void)number;
    log_in_new(&c, 0); /* and stays: a storm of logins fills the tables */
}

static void come_back(const struct scenario *s, unsigned number)
{
    struct user_agent ua = bench_client_user_agent();
    struct bench_client c;

    (void)s, (void)number;
    name_client(&c, 0);
    bench_server_add_account(str_of(c.bare), NULL, 0);
    bench_server_add_user_agent(str_of(c.bare), &ua);
    bench_client_return(&c);
}

/* ---- presence ---- */

static void set_up_contacts(const struct scenario *s)
{
    struct str jids[CONTACTS], own;

    (void)s;
    name_client(&romeo, 0);
    own = str_of(romeo.bare);
    for (int i = 0; i < CONTACTS; i++) {
        name_client(&contacts[i], 0);
        jids[i] = str_of(contacts[i].bare);
    }
    bench_server_add_account(own, jids, CONTACTS); /* before others ask for it */
    for (int i = 0; i < CONTACTS; i++) {
        bench_server_add_account(jids[i], &own, 1);
        bench_client_login(&contacts[i]);
    }
    bench_client_login(&romeo);
    for (int i = 0; i < CONTACTS; i++)
        bench_client_expect(&contacts[i], "<presence ", 1); /* its own came before */
}

static void broadcast(const struct scenario *s, unsigned number)
{
    struct buf xml = {0};
    char wanted[32];

    buf_printf(&xml, "<presence><show>away</show><status>%06u: gone for lunch</status></presence>", number);
    bench_client_send(&romeo, buf_str(&xml));
    buf_deinit(&xml);
    (void)snprintf(wanted, sizeof(wanted), "<status>%06u:", number);
    bench_client_expect(&romeo, wanted, 1);
    for (unsigned i = 0; i < s->batch; i++)
        bench_client_expect(&contacts[i], wanted, 1);
}

/* ---- the table ---- */

static const struct scenario scenarios[] = {
    {"message-full", 1, 1000, 1, set_up_pair, message_to_full, "a message to a full JID, alone in its turn"},
    {"message-full-16", 1, 100, 16, set_up_pair, message_to_full, "a message to a full JID, 16 in a turn"},
    {"unarchived", 1, 1000, 1, set_up_pair, message_to_full, "a message to a full JID, without the archive"},
    {"unarchived-16", 1, 100, 16, set_up_pair, message_to_full, "the same, 16 in a turn"},
    {"message-bare", 1, 1000, 1, set_up_pair, message_to_bare, "a message to a bare JID, alone in its turn"},
    {"message-bare-16", 1, 100, 16, set_up_pair, message_to_bare, "a message to a bare JID, 16 in a turn"},
    {"message-sm", 1, 1000, 1, set_up_sm_pair, message_with_sm, "a message with XEP-0198 on both sides, acknowledged"},
    {"message-sm-16", 1, 60, 16, set_up_sm_pair, stream_with_sm, "a message of 16 within 100 ms, likewise"},
    {"message-cross", 2, 1000, 1, set_up_pair, message_to_full, "a message to another worker, alone in its turn"},
    {"message-cross-16", 2, 100, 16, set_up_pair, message_to_full, "a message to another worker, 16 in a turn"},
    {"presence", 1, 50, CONTACTS, set_up_contacts, broadcast, "a delivery, of a presence that 100 contacts get"},
    {"ping", 1, 1000, 1, set_up_pair, ping, "an iq that the server answers"},
    {"login", 1, 100, 1, set_up_nothing, login, "a login with SCRAM-SHA-1, from accept to presence"},
    {"login-token", 1, 100, 1, set_up_nothing, come_back,
     "a login with a token, Bind 2 and XEP-0198, all in one flight"},
};

/* The module that is off in scenarios of such a name; NULL: all are as by default. */
static const char *module_off(const struct scenario *s)
{
    return strncmp(s->name, "unarchived", strlen("unarchived")) == 0 ? "archive" : NULL;
}

static void run(const struct scenario *s)
{
    static const char *const names[KERNEL_CALLS] = {"recv",  "send",  "epoll",  "epoll_ctl",
                                                    "event", "clock", "random", "other"};
    unsigned number = 0;

    server = bench_server_start(s->n_workers, module_off(s));
    s->set_up(s);
    while (number < WARM_UP_ROUNDS)
        s->round(s, number++);
    bench_count_begin();
    while (number < WARM_UP_ROUNDS + s->rounds)
        s->round(s, number++);
    bench_count_end();
    printf("operations %u\n", s->rounds * s->batch);
    for (int i = 0; i < KERNEL_CALLS; i++)
        printf("%s %llu\n", names[i], (unsigned long long)kernel_count((enum kernel_call)i));
}

/* What the count of instructions depends on beside our own code. Not to the last digit: baselines are kept for each,
 * and a security update of Debian's should not need new ones. */
static void print_platform(void)
{
    unsigned tls = mbedtls_version_get_number(), uv = uv_version();

    printf("%s %s glibc-%s uv-%u.%u mbedtls-%u.%u %s\n", BENCH_PROCESSOR, BENCH_COMPILER, gnu_get_libc_version(),
           uv >> 16, uv >> 8 & 0xff, tls >> 24, tls >> 16 & 0xff, BENCH_ALLOCATOR);
}

static int usage(FILE *to, int status)
{
    fputs("usage: linnet_instructions SCENARIO | --list | --platform\n"
          "\n"
          "Runs a scenario through the layers of the server, without a kernel, and says how much\n"
          "work it was. To count instructions run instructions.sh, which runs this under callgrind.\n"
          "\n",
          to);
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++)
        fprintf(to, "  %-18s%s\n", scenarios[i].name, scenarios[i].what);
    return status;
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return usage(stderr, 2);
    if (strcmp(argv[1], "--help") == 0)
        return usage(stdout, EXIT_SUCCESS);
    if (strcmp(argv[1], "--platform") == 0) {
        print_platform();
        return EXIT_SUCCESS;
    }
    for (size_t i = 0; i < ARRAY_LEN(scenarios); i++) {
        if (strcmp(argv[1], "--list") == 0) {
            puts(scenarios[i].name);
        } else if (strcmp(argv[1], scenarios[i].name) == 0) {
            run(&scenarios[i]);
            return EXIT_SUCCESS;
        }
    }
    return strcmp(argv[1], "--list") == 0 ? EXIT_SUCCESS : usage(stderr, 2);
}
