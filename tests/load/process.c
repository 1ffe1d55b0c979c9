#include "tests/load/process.h"

#include "common/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* What /proc/PID/stat tells of one process. */
struct stat_line {
    pid_t pid;
    pid_t parent;
    unsigned long user_ticks;   /* with those of the children it has waited for */
    unsigned long system_ticks; /* as above */
    bool is_counted;            /* it is listed, or a descendant of one that is */
};

/* All processes there are, in the order of /proc, which is by pid. */
struct snapshot {
    struct stat_line *lines;
    size_t count;
    size_t cap;
};

bool process_list_parse(const char *text, struct process_list *ret)
{
    struct process_list list = {.count = 0};

    for (const char *at = text;; at++) {
        char *end;
        errno = 0;
        long pid = strtol(at, &end, 10);

        if (*at < '0' || *at > '9' || errno != 0 || pid <= 0 || pid != (pid_t)pid || list.count == PROCESS_LIST_MAX)
            return false;
        list.pids[list.count++] = (pid_t)pid;
        if (*end == '\0')
            break;
        if (*end != ',')
            return false;
        at = end;
    }
    *ret = list;
    return true;
}

/* The start of a file in /proc, with a NUL behind it; false if there is none. */
static bool read_proc(pid_t pid, const char *name, char *into, size_t size)
{
    char path[64];
    int fd;

    (void)snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len = read(fd, into, size - 1);

    (void)close(fd);
    if (len <= 0)
        return false;
    into[len] = '\0';
    return true;
}

static bool read_stat(pid_t pid, struct stat_line *ret)
{
    char text[1024];
    const char *at;
    long parent;
    unsigned long user, system;
    long waited_user, waited_system;

    if (!read_proc(pid, "stat", text, sizeof(text)))
        return false;
    /* The name is in parentheses and may itself hold any byte, so what follows is found from the end. */
    at = strrchr(text, ')');
    if (at == NULL || sscanf(at, ") %*c %ld %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %ld %ld", &parent, &user,
                             &system, &waited_user, &waited_system) != 5)
        return false;
    *ret = (struct stat_line){.pid = pid,
                              .parent = (pid_t)parent,
                              .user_ticks = user + (unsigned long)waited_user,
                              .system_ticks = system + (unsigned long)waited_system};
    return true;
}

static void snapshot_add(struct snapshot *s, const struct stat_line *line)
{
    if (s->count == s->cap) {
        s->cap = s->cap == 0 ? 256 : s->cap * 2;
        s->lines = mem_realloc(s->lines, s->cap * sizeof(*s->lines));
    }
    s->lines[s->count++] = *line;
}

static struct stat_line *snapshot_find(const struct snapshot *s, pid_t pid)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->lines[i].pid == pid)
            return &s->lines[i];
    return NULL;
}

/* Counts in the children of what is counted, until nobody is added: pids wrap, so a child may come before its parent.
 */
static void count_descendants(const struct snapshot *s)
{
    for (bool found = true; found;) {
        found = false;
        for (size_t i = 0; i < s->count; i++) {
            if (s->lines[i].is_counted)
                continue;
            const struct stat_line *parent = snapshot_find(s, s->lines[i].parent);

            if (parent != NULL && parent->is_counted)
                found = s->lines[i].is_counted = true;
        }
    }
}

/* All processes, those that belong to `list` marked. False: one that is listed is missing; nothing is held then. */
static bool snapshot_take(const struct process_list *list, struct snapshot *ret)
{
    struct snapshot s = {.count = 0};
    DIR *proc = opendir("/proc");

    if (proc == NULL)
        return false;
    for (const struct dirent *entry; (entry = readdir(proc)) != NULL;) {
        struct stat_line line;

        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && read_stat((pid_t)atol(entry->d_name), &line))
            snapshot_add(&s, &line);
    }
    (void)closedir(proc);
    for (unsigned i = 0; i < list->count; i++) {
        struct stat_line *line = snapshot_find(&s, list->pids[i]);

        if (line == NULL) {
            free(s.lines);
            return false;
        }
        line->is_counted = true;
    }
    count_descendants(&s);
    *ret = s;
    return true;
}

bool process_cpu(const struct process_list *list, struct process_cpu *ret)
{
    struct snapshot s;
    unsigned long user = 0, system = 0;
    double tick_s = 1.0 / (double)sysconf(_SC_CLK_TCK);

    if (!snapshot_take(list, &s))
        return false;
    for (size_t i = 0; i < s.count; i++) {
        if (!s.lines[i].is_counted)
            continue;
        user += s.lines[i].user_ticks;
        system += s.lines[i].system_ticks;
    }
    free(s.lines);
    *ret = (struct process_cpu){(double)user * tick_s, (double)system * tick_s};
    return true;
}

/* PSS of one process; false if it has gone or may not be looked at. */
static bool pss_of(pid_t pid, uint64_t *ret_kib)
{
    char text[2048];
    const char *at;
    unsigned long kib;

    if (!read_proc(pid, "smaps_rollup", text, sizeof(text)))
        return false;
    at = strstr(text, "\nPss:");
    if (at == NULL || sscanf(at, "\nPss: %lu kB", &kib) != 1)
        return false;
    *ret_kib = kib;
    return true;
}

static bool is_listed(const struct process_list *list, pid_t pid)
{
    for (unsigned i = 0; i < list->count; i++)
        if (list->pids[i] == pid)
            return true;
    return false;
}

bool process_pss(const struct process_list *list, uint64_t *ret_kib)
{
    struct snapshot s;
    uint64_t sum = 0;
    bool all_known = true;

    if (!snapshot_take(list, &s))
        return false;
    for (size_t i = 0; i < s.count; i++) {
        uint64_t kib;

        if (!s.lines[i].is_counted)
            continue;
        /* A helper that ends between the two looks costs nothing any more; a listed process that cannot be read would
         * make the sum a lie. */
        if (pss_of(s.lines[i].pid, &kib))
            sum += kib;
        else if (is_listed(list, s.lines[i].pid))
            all_known = false;
    }
    free(s.lines);
    if (all_known)
        *ret_kib = sum;
    return all_known;
}

double process_own_cpu_s(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}
