/* Passwords and questions: from a person at a terminal, or from a file or a pipe. Never from the command line, which
 * everybody on the machine can read. */
#include "server/control/linnetctl.h"

#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <termios.h>
#include <unistd.h>

static volatile sig_atomic_t caught_signal;

static void on_signal(int number)
{
    caught_signal = number;
}

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

/* A line without its line feed, byte by byte so that nothing behind it is taken. False: none came, it is too long, or a
 * signal did. `let_in`: the mask while it waits, where signals are blocked otherwise so that none slips in just before
 * the wait; NULL: none is blocked. */
static bool read_line(int fd, const sigset_t *let_in, char ret[CTL_PASSWORD_MAX])
{
    struct pollfd ready = {.fd = fd, .events = POLLIN};
    size_t len = 0;

    for (;;) {
        ssize_t n = ppoll(&ready, 1, NULL, let_in);

        if (n < 0 && errno == EINTR && caught_signal == 0)
            continue;
        if (n > 0)
            n = read(fd, ret + len, 1);
        if (n < 0 || (n == 0 && len == 0) || len == CTL_PASSWORD_MAX - 1)
            return false;
        if (n == 0 || ret[len] == '\n')
            break;
        len++;
    }
    if (len > 0 && ret[len - 1] == '\r')
        len--;
    ret[len] = '\0';
    return true;
}

/* Whatever ends the wait, a signal too, the terminal shows what is typed again afterwards. */
static bool read_unseen(const char *prompt, char ret[CTL_PASSWORD_MAX])
{
    struct sigaction action = {.sa_handler = on_signal}, before[ARRAY_LEN(signals)];
    struct termios seen, unseen;
    sigset_t blocked, usual;
    bool ok;

    if (tcgetattr(STDIN_FILENO, &seen) != 0)
        return false;
    caught_signal = 0;
    (void)sigemptyset(&blocked);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
        (void)sigaddset(&blocked, signals[i]);
        (void)sigaction(signals[i], &action, &before[i]);
    }
    (void)sigprocmask(SIG_BLOCK, &blocked, &usual);
    unseen = seen;
    unseen.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &unseen);
    fprintf(stderr, "%s", prompt);
    ok = read_line(STDIN_FILENO, &usual, ret);
    fprintf(stderr, "\n");
    (void)tcsetattr(STDIN_FILENO, TCSAFLUSH, &seen);
    (void)sigprocmask(SIG_SETMASK, &usual, NULL);
    for (size_t i = 0; i < ARRAY_LEN(signals); i++)
        (void)sigaction(signals[i], &before[i], NULL);
    if (caught_signal != 0)
        (void)raise(caught_signal);
    return ok && caught_signal == 0;
}

static bool ask_person(const struct ctl_options *opt, const char *whose, bool is_new, char ret[CTL_PASSWORD_MAX])
{
    char prompt[512], again[CTL_PASSWORD_MAX];
    bool is_same;

    (void)snprintf(prompt, sizeof(prompt), "%s for %s: ", is_new ? "New password" : "Password", whose);
    if (!read_unseen(prompt, ret)) {
        ctl_error(opt, "no password was given");
        return false;
    }
    if (!is_new)
        return true;
    is_same = read_unseen("The same again: ", again) && strcmp(ret, again) == 0;
    mem_wipe(again, sizeof(again));
    if (!is_same)
        ctl_error(opt, "the two were not the same; nothing was changed");
    return is_same;
}

static bool read_from_file(const struct ctl_options *opt, char ret[CTL_PASSWORD_MAX])
{
    int fd = open(opt->password_file, O_RDONLY | O_CLOEXEC);
    bool ok = fd >= 0 && read_line(fd, NULL, ret);

    if (!ok)
        ctl_error(opt, "%s: %s", opt->password_file, fd < 0 ? strerror(errno) : "its first line is not a password");
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

bool ctl_read_password(const struct ctl_options *opt, const char *whose, bool is_new, char ret[CTL_PASSWORD_MAX])
{
    if (opt->password_file != NULL)
        return read_from_file(opt, ret);
    if (!opt->password_stdin && isatty(STDIN_FILENO))
        return ask_person(opt, whose, is_new, ret);
    if (read_line(STDIN_FILENO, NULL, ret))
        return true;
    ctl_error(opt, "no password came on standard input; it is to be one line");
    return false;
}

bool ctl_confirm(const struct ctl_options *opt, const char *question)
{
    char answer[CTL_PASSWORD_MAX];

    if (opt->yes || !isatty(STDIN_FILENO))
        return true;
    fprintf(stderr, "%s [y/N] ", question);
    if (read_line(STDIN_FILENO, NULL, answer) && (strcmp(answer, "y") == 0 || strcmp(answer, "yes") == 0))
        return true;
    ctl_error(opt, "nothing was done");
    return false;
}
