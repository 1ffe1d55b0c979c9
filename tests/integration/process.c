#include "process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

long now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

char *text_format(const char *fmt, ...)
{
    char *text;
    va_list ap;

    va_start(ap, fmt);
    if (vasprintf(&text, fmt, ap) < 0)
        abort();
    va_end(ap);
    return text;
}

char *file_read(const char *path)
{
    FILE *in = fopen(path, "r");
    char *text = NULL, block[4096];
    size_t len = 0, n;
    FILE *out;

    if (in == NULL)
        return NULL;
    out = open_memstream(&text, &len);
    assert(out != NULL);
    while ((n = fread(block, 1, sizeof(block), in)) > 0)
        fwrite(block, 1, n, out);
    fclose(in);
    fclose(out);
    return text;
}

bool file_write(const char *path, const char *text)
{
    FILE *out = fopen(path, "w");
    bool is_written;

    if (out == NULL)
        return false;
    is_written = fputs(text, out) >= 0;
    return fclose(out) == 0 && is_written;
}

/* argv is not const in exec's signature, though exec changes nothing. */
static void become(const char *const argv[])
{
    char *copy[64];
    size_t n = 0;

    for (; argv[n] != NULL && n < 63; n++)
        copy[n] = strdup(argv[n]);
    copy[n] = NULL;
    signal(SIGPIPE, SIG_DFL); /* which we ignore, and ignoring would be inherited */
    execvp(copy[0], copy);
    fprintf(stderr, "%s: %s\n", copy[0], strerror(errno));
    _exit(127);
}

static bool start(struct process *p, const char *const argv[], int in, int out)
{
    pid_t parent = getpid();

    p->status = PROCESS_RUNNING;
    p->pid = fork();
    if (p->pid < 0)
        return false;
    if (p->pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent) /* it went before prctl() */
            _exit(127);
        dup2(in, STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        dup2(out, STDERR_FILENO);
        if (p->in_child != NULL)
            p->in_child();
        become(argv);
    }
    p->pid_fd = pidfd_open(p->pid, 0);
    assert(p->pid_fd >= 0);
    return true;
}

bool process_start(struct process *p, const char *const argv[], const char *output_path)
{
    int in = open("/dev/null", O_RDONLY | O_CLOEXEC);
    int out = open(output_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    bool is_started = in >= 0 && out >= 0 && start(p, argv, in, out);

    close(in);
    close(out);
    return is_started;
}

bool process_wait(struct process *p, int timeout_ms)
{
    struct pollfd ended = {.fd = p->pid_fd, .events = POLLIN};
    int status;

    if (p->pid == 0)
        return true;
    if (poll(&ended, 1, timeout_ms) <= 0 || waitpid(p->pid, &status, WNOHANG) != p->pid)
        return false;
    p->status = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    close(p->pid_fd);
    p->pid = 0;
    return true;
}

void process_signal(const struct process *p, int signal)
{
    if (p->pid != 0)
        kill(p->pid, signal);
}

void process_kill(struct process *p)
{
    process_signal(p, SIGKILL);
    (void)process_wait(p, -1);
}

/* An unnamed file, since a pipe would have to be emptied while the program runs. */
static int scratch_file(const char *text)
{
    FILE *f = tmpfile();
    int fd;

    assert(f != NULL);
    if (text != NULL)
        fputs(text, f);
    rewind(f);
    fd = fcntl(fileno(f), F_DUPFD_CLOEXEC, 0);
    fclose(f);
    return fd;
}

int process_run(const char *const argv[], const char *input, int timeout_ms, char **ret_output)
{
    struct process p = {0};
    int in = scratch_file(input), out = scratch_file(NULL);
    off_t len;

    if (!start(&p, argv, in, out))
        p.status = 127;
    if (!process_wait(&p, timeout_ms)) {
        process_kill(&p);
        p.status = PROCESS_RUNNING;
    }
    len = lseek(out, 0, SEEK_END);
    *ret_output = calloc(1, (size_t)len + 1);
    assert(*ret_output != NULL);
    if (pread(out, *ret_output, (size_t)len, 0) != len)
        (*ret_output)[0] = '\0';
    close(in);
    close(out);
    return p.status;
}

char *process_find(const char *name)
{
    char *places = text_format("%s:/usr/local/sbin:/usr/sbin:/sbin", getenv("PATH") == NULL ? "" : getenv("PATH"));
    char *found = NULL, *rest = places;

    for (char *place = strsep(&rest, ":"); place != NULL && found == NULL; place = strsep(&rest, ":")) {
        found = text_format("%s/%s", place, name);
        if (access(found, X_OK) != 0) {
            free(found);
            found = NULL;
        }
    }
    free(places);
    return found;
}
