/* tests/integration/process.h - other programs: started, waited for with a limit, never left behind.
 *
 * A started process dies with the test that started it, whatever way that ends. */
#ifndef LINNET_TESTS_PROCESS_H
#define LINNET_TESTS_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum { PROCESS_RUNNING = -1000 };

struct process {
    pid_t pid;              /* 0: none */
    int pid_fd;             /* readable once it has ended */
    int status;             /* PROCESS_RUNNING; then the exit code, or minus the signal */
    void (*in_child)(void); /* runs between fork and exec; may be NULL */
};

/* stdin from /dev/null, stdout and stderr appended to `output_path`. False: could not be started. */
bool process_start(struct process *p, const char *const argv[], const char *output_path);
/* True once it has ended; `status` says how. */
bool process_wait(struct process *p, int timeout_ms);
void process_signal(const struct process *p, int signal);
/* SIGKILL, and waits. Fine for one that never ran or has ended. */
void process_kill(struct process *p);

/* Runs to the end, with `input` (may be NULL) as its stdin. Returns as `status` does, or PROCESS_RUNNING when it had to
 * be killed after the limit; what it wrote to stdout and stderr is the caller's to free. */
int process_run(const char *const argv[], const char *input, int timeout_ms, char **ret_output);
/* Is there such a program in PATH or the places where an administrator's programs are? The caller frees; NULL: no. */
char *process_find(const char *name);

/* The whole file, NUL behind it; the caller frees. NULL: it cannot be read. */
char *file_read(const char *path);
bool file_write(const char *path, const char *text);
/* printf() into memory of the caller's. */
char *text_format(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Milliseconds on a clock that only goes forward. */
long now_ms(void);

#endif
