/* tests/load/options.h - what the command line of linnet_load asks for.
 *
 * One struct for all scenarios, filled from one table in options.c that is also the text of --help and the "options" of
 * the report: an option that exists is explained and recorded. */
#ifndef LINNET_TESTS_LOAD_OPTIONS_H
#define LINNET_TESTS_LOAD_OPTIONS_H

#include "tests/load/process.h"
#include "tests/load/report.h"

#include <stdbool.h>
#include <stdint.h>

enum security { SECURITY_PLAIN, SECURITY_STARTTLS, SECURITY_DIRECT };
enum mechanism { MECHANISM_PLAIN, MECHANISM_SCRAM_SHA_1, MECHANISM_SCRAM_SHA_256 };
enum address { ADDRESS_BARE, ADDRESS_FULL };
enum change { CHANGE_AWAY, CHANGE_ONLINE };
enum cut { CUT_CLOSE, CUT_RESET };

struct options {
    const char *scenario; /* its name */

    /* the server, and who speaks to it */
    const char *host; /* an IPv4 address */
    uint64_t port;
    const char *domain;
    uint64_t users;     /* 0: as many as the scenario needs */
    uint64_t first;     /* accounts are user<first> and the following, passwords pass<first>... */
    uint64_t security;  /* enum security */
    uint64_t mechanism; /* enum mechanism */
    bool resume;
    bool sm;
    bool relay; /* the peer is linnet_relay */
    uint64_t concurrency;
    uint64_t sources; /* 0: one for each 20 000 connections */

    /* the load */
    uint64_t pairs;
    uint64_t window;
    uint64_t rate; /* 0: closed loop */
    uint64_t to;   /* enum address */
    uint64_t body;
    uint64_t contacts;
    bool star;
    uint64_t change; /* enum change */
    uint64_t occupants;
    uint64_t cut; /* enum cut */
    double seconds;
    double warmup;

    /* what is measured besides, and where it goes */
    struct process_list pids; /* count 0: none were named */
    const char *label;        /* NULL: none */
    const char *json_path;    /* NULL: none */
    const char *keys_path;    /* NULL: none */
    bool quiet;
};

enum options_verdict { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_BAD };

/* Reads argv, in which all text stays. OPTIONS_BAD: a message was printed on stderr. OPTIONS_HELP: --help was asked for
 * (and not printed, since it lists the scenarios, see options_print_help()). */
enum options_verdict options_parse(int argc, char **argv, struct options *ret);
/* Every option with its default, in the order of the table. The scenarios are load.c's to tell. */
void options_print_help(FILE *out);
/* The options as fields of the report, borrowed until the next call. */
struct report_group options_report(const struct options *o);

#endif
