/* tests/load/report.h - what a run says: a line while it goes on, a table and JSON when it is over.
 *
 * A scenario fills in a `struct report`; what people read and what the comparison script reads is made from the same
 * figures here, so all scenarios speak alike. */
#ifndef LINNET_TESTS_LOAD_REPORT_H
#define LINNET_TESTS_LOAD_REPORT_H

#include "tests/load/histogram.h"
#include "tests/load/process.h"

#include <stddef.h>
#include <stdio.h>

/* One named figure, for options and for what only one scenario tells. */
enum report_kind { REPORT_TEXT, REPORT_INT, REPORT_REAL, REPORT_BOOL, REPORT_REALS };
struct report_field {
    const char *name;
    enum report_kind kind;
    union {
        const char *text; /* borrowed, valid UTF-8; NULL is written as null */
        int64_t integer;
        double real;
        bool boolean;
        struct {
            const double *p; /* borrowed */
            size_t count;
        } reals; /* a series, such as memory each minute */
    } as;
};
struct report_group {
    const char *name; /* the key in the JSON, the heading in the table */
    const struct report_field *fields;
    size_t count;
};

/* All text is borrowed. Zero-initialised is a run of which nothing is known yet. */
struct report {
    const char *scenario;
    const char *label;                /* NULL: none */
    const char *unit;                 /* what `count` counts, plural: "messages", "logins" */
    bool ok;                          /* all was verified */
    const char *why_not;              /* one sentence; NULL while ok */
    struct report_group options;      /* as given and defaulted */
    const struct report_group *extra; /* objects of this scenario's own, such as "soak"; may be NULL */
    size_t extra_count;

    uint64_t lost, duplicated, out_of_order, failed;
    double elapsed_s;                /* the measured time */
    uint64_t count;                  /* in the measured time */
    const struct histogram *latency; /* NULL or empty: null in the JSON */

    bool has_server;               /* --pid was given */
    struct process_cpu server_cpu; /* over the measured time */
    uint64_t pss_kib_before;       /* before the first connection; 0: not taken */
    uint64_t pss_kib_after;        /* all online, and idle for a moment; 0: not taken */
    uint64_t sessions;             /* online when pss_kib_after was taken; what its growth is divided by */

    double generator_cpu_s; /* over the measured time */
};

/* A table for people. */
void report_print(FILE *out, const struct report *r);
/* The JSON object, one line, with '\n' at its end. */
void report_print_json(FILE *out, const struct report *r);
/* The same into the file `path`, "-" for standard output. False, errno set: it could not be written whole. */
bool report_save_json(const char *path, const struct report *r);

/* The live line on stderr: on a terminal it is redrawn in place, elsewhere a line now and then. Never costs more than a
 * write each half second, however often it is called. */
struct report_progress {
    bool quiet;           /* --quiet: nothing is ever shown */
    uint64_t shown_ns;    /* private: when the last one was, 0 never */
    uint64_t shown_count; /* private */
    bool is_open;         /* private: a line stands there without its end */
};
/* `phase` such as "logging in", "warming up", "measuring"; `left_s` is below 0 if nobody knows; `count` of `unit` so
 * far in this phase, from which the rate of the moment is taken. */
void report_progress(struct report_progress *p, const char *phase, uint64_t online, uint64_t count, const char *unit,
                     double left_s);
/* Ends the line, before something else is printed. */
void report_progress_end(struct report_progress *p);

#endif
