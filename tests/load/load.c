/* tests/load/load.c - linnet_load: so many clients do so much with a server, and what came of it. */
#include "tests/load/run.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

enum {
    USAGE = 2,
    PER_SOURCE = 5000, /* connections from one address: it has 28 232 ports, and the fewer are free, the longer the
                          kernel looks for one (0.3 ms at 19 000) */
    OTHER_FILES = 64,
};

static const struct scenario *const scenarios[] = {
    &scenario_login, &scenario_idle,      &scenario_chat,      &scenario_presence,
    &scenario_room,  &scenario_reconnect, &scenario_hibernate, &scenario_soak,
};
enum { SCENARIOS = sizeof(scenarios) / sizeof(scenarios[0]) };

static void print_help(void)
{
    (void)fputs("Usage: linnet_load SCENARIO [options]\n\n"
                "Logs in many users at an XMPP server, lets them do what the scenario says, checks that every stanza\n"
                "arrived once and in order, and tells how fast it was, how long it took and, with --pid, what it cost\n"
                "the server. The accounts exist already: user0 with the password pass0, and so on.\n\nScenarios:\n",
                stdout);
    for (size_t i = 0; i < SCENARIOS; i++)
        printf("  %-10s %s\n", scenarios[i]->name, scenarios[i]->summary);
    options_print_help(stdout);
    (void)fputs(
        "\nA server that limits connections, logins or messages for one address must have these limits raised.\n"
        "Messages carry the time of this machine's clock, so server and load may be on two machines.\n\n"
        "Exit status: 0 all went well and was verified; 1 something was lost, doubled, out of order or refused;\n"
        "2 the command line is wrong; 3 it could not begin.\n\n"
        "Examples:\n"
        "  linnet_load chat --pairs 50 --window 16 --pid $(pidof linnet)\n"
        "  linnet_load chat --rate 5000 --sm --security starttls --json chat.json\n"
        "  linnet_load idle --users 50000 --seconds 60 --pid $(pidof linnet)\n"
        "  linnet_relay --port 5555 & linnet_load chat --relay --port 5555\n",
        stdout);
}

static const struct scenario *find_scenario(const char *name)
{
    for (size_t i = 0; i < SCENARIOS; i++)
        if (strcmp(scenarios[i]->name, name) == 0)
            return scenarios[i];
    return NULL;
}

static int usage(const char *what, const char *why)
{
    fprintf(stderr, "linnet_load: %s: %s. linnet_load --help explains\n", what, why);
    return USAGE;
}

/* A socket for each client. */
static bool raise_limit(uint64_t files)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        return false;
    if (limit.rlim_cur >= files)
        return true;
    limit.rlim_cur = files;
    if (limit.rlim_max < files)
        limit.rlim_max = files; /* allowed to root only */
    return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

int main(int argc, char **argv)
{
    struct options o;
    const char *why = NULL;

    switch (options_parse(argc, argv, &o)) {
    case OPTIONS_HELP:
        print_help();
        return 0;
    case OPTIONS_BAD:
        return USAGE;
    case OPTIONS_RUN:
        break;
    }
    const struct scenario *s = find_scenario(o.scenario);
    if (s == NULL)
        return usage(o.scenario, "there is no such scenario");
    if (o.relay && !s->takes_relay)
        return usage(o.scenario, "the relay knows no such thing");
    if (o.relay && (o.security != SECURITY_PLAIN || o.sm))
        return usage("--relay", "the relay knows neither TLS nor stream management");
    uint32_t n = s->users(&o, &why);
    if (n == 0)
        return usage(o.scenario, why != NULL ? why : "it needs users");
    if (o.sources == 0)
        o.sources = (n + PER_SOURCE - 1) / PER_SOURCE;
    o.users = n;
    o.sm = o.sm || s->resumes;
    if (!raise_limit((uint64_t)n + OTHER_FILES)) {
        fprintf(stderr, "linnet_load: %u connections need as many open files: raise the limit (ulimit -n)\n", n);
        return RUN_CANNOT_BEGIN;
    }
    return run_scenario(s, &o, n);
}
