/* tests/integration/test_storage_failure.c - a disk that is full or fails: clients are told, nothing that was promised
 * is lost, and all is well again when the disk is, without a restart. */
#include "client.h"
#include "raw.h"
#include "sasl2_client.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SETS_MAX = 400, TMPFS_MIB = 6 };

/* The disk, seen from a test: something that can be made to fail, and to work again. */
struct disk {
    void (*break_it)(struct harness *h);
    void (*mend)(struct harness *h);
    const char *condition; /* that clients should be told; NULL: either of the two */
};

/* ---- a disk that refuses to write: no file of the server may grow ---- */

static void limit_files(struct harness *h, rlim_t bytes)
{
    struct rlimit limit;

    assert_int_equal(prlimit(h->server.pid, RLIMIT_FSIZE, NULL, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(prlimit(h->server.pid, RLIMIT_FSIZE, &limit, NULL), 0);
}

static void refuse_writes(struct harness *h)
{
    limit_files(h, 0);
}

static void accept_writes(struct harness *h)
{
    limit_files(h, RLIM_INFINITY);
}

/* Else the limit would kill the server, which no disk does. */
static void survive_the_limit(void)
{
    signal(SIGXFSZ, SIG_IGN);
}

/* ---- a disk that is full: a small file system of its own ---- */

static char *filler_path(struct harness *h)
{
    return text_format("%s/full/filler", h->dir);
}

static void fill(struct harness *h)
{
    char *path = filler_path(h), block[4096] = {1};
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

    assert_true(fd >= 0);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    close(fd);
    free(path);
}

static void empty(struct harness *h)
{
    char *path = filler_path(h);

    assert_int_equal(unlink(path), 0);
    free(path);
}

/* ---- the story ---- */

static const struct node *set_contact(struct client *c, int i)
{
    return client_request(c, "set", NULL, "<query xmlns='jabber:iq:roster'><item jid='c%d@far.example'/></query>", i);
}

static void expect_disk_error(const struct node *answer, const struct disk *disk)
{
    bool is_full = node_matches(answer, "*[@type='error']/error/resource-constraint"),
         is_failed = node_matches(answer, "*[@type='error']/error/internal-server-error");

    if ((!is_full && !is_failed) ||
        (disk->condition != NULL && strcmp(disk->condition, "resource-constraint") == 0 && !is_full))
        test_fail("a disk that fails was told as %s", node_describe(answer));
}

/* What was answered with a result is there, what was answered with an error is not. */
static void check_contacts(struct client *c, const bool *was_set, int n)
{
    const struct node *roster = client_request(c, "get", NULL, "<query xmlns='jabber:iq:roster'/>");

    for (int i = 0; i < n; i++) {
        char path[80];

        snprintf(path, sizeof(path), "iq/query/item[@jid='c%d@far.example']", i);
        if (node_matches(roster, path) != was_set[i])
            test_fail("contact %d was answered with %s, and is %s", i, was_set[i] ? "a result" : "an error",
                      was_set[i] ? "lost" : "there");
    }
}

static void play(struct harness *h, const struct disk *disk)
{
    static bool was_set[SETS_MAX];
    const struct account *a = harness_account(h), *absent = harness_account(h);
    struct client *juliet = client_login(h, a, "one", 0), *romeo = harness_login(h), *acked;
    const struct node *answer;
    int n = 0;

    memset(was_set, 0, sizeof(was_set));
    client_go_online(juliet, 0);
    acked = client_login(h, harness_account(h), "acks", CLIENT_ACKS);
    for (; n < 5; n++) {
        assert_true(node_matches(set_contact(juliet, n), "iq[@type='result']"));
        was_set[n] = true;
    }
    disk->break_it(h);
    for (answer = set_contact(juliet, n); node_matches(answer, "iq[@type='result']"); answer = set_contact(juliet, n)) {
        was_set[n++] = true; /* there was room left in what the database had already */
        if (n == SETS_MAX - 10)
            test_fail("the disk fails, and %d roster sets were answered with a result", n);
    }
    expect_disk_error(answer, disk);
    n++;
    /* A message that cannot be kept goes back; and only then is it acknowledged. */
    client_send(acked, "<message to='%s' type='chat' id='lost'><body>keep me</body></message>", absent->jid);
    answer = client_expect(acked, "message[@id='lost'][@type='error']");
    expect_disk_error(answer, &(struct disk){0});
    client_wait_acked(acked);
    /* What needs no disk goes on. */
    client_send(romeo, "<message to='%s' type='chat'><body>live</body></message>", juliet->bare);
    client_expect(juliet, "message/body[.='live']");
    client_barrier(juliet);
    struct client *again = client_login(h, a, "two", 0);
    check_contacts(again, was_set, n);
    disk->mend(h);
    for (long until = now_ms() + test_patience_ms();;) { /* it may wait a moment before it tries again */
        answer = set_contact(juliet, n);
        was_set[n] = node_matches(answer, "iq[@type='result']");
        n++;
        if (was_set[n - 1])
            break;
        assert_true(now_ms() < until && n < SETS_MAX);
    }
    client_send(acked, "<message to='%s' type='chat' id='kept'><body>kept</body></message>", absent->jid);
    client_wait_acked(acked);
    client_expect_none(acked, "message");
    client_forget_all(h);
    harness_crash(h);
    harness_start(h);
    check_contacts(client_login(h, a, "three", 0), was_set, n);
    struct client *late = client_login(h, absent, "late", 0);
    client_go_online(late, 0);
    client_expect(late, "message[@id='kept']");
    romeo = harness_login(h);
    client_sync(romeo, late);
    client_expect_none(late, "message");
}

static void a_disk_that_refuses_to_write_is_told_and_heals(void **state)
{
    static const struct disk disk = {refuse_writes, accept_writes, NULL};

    play(*state, &disk);
}

/* A message that was shown with its id in the archive, where it could not be written; kept for its addressee once the
 * disk was well again. Who reads the archive does not find it there. */
static void what_the_archive_could_not_keep_is_handed_out_all_the_same(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *romeo = client_login(h, harness_account(h), "acks", CLIENT_ACKS);
    struct raw *r = raw_login(h, a, "one");
    int n = 0;

    raw_enable_acks(r);
    raw_send(r, "<presence/>");
    raw_skip_to(r, "presence");
    refuse_writes(h);
    while (node_matches(set_contact(romeo, n++), "iq[@type='result']"))
        assert_in_range(n, 0, SETS_MAX);
    client_send(romeo, "<message to='%s' type='chat'><body>keep</body></message>", a->jid);
    raw_skip_to(r, "message/body[.='keep']");                              /* which is never acknowledged */
    assert_true(node_matches(set_contact(romeo, n), "iq[@type='error']")); /* and so has the archive's failed */
    accept_writes(h);
    client_wait_acked(romeo); /* it is kept now */
    raw_free(&r);
    r = raw_secure(h, NULL);
    sasl2_plain(r, a, "<bind xmlns='" NS_BIND2 "'/>");
    raw_send(r, "<presence/><iq type='get' id='end' to='" DOMAIN "'><ping xmlns='urn:xmpp:ping'/></iq>");
    raw_skip_to(r, "message/body[.='keep']");
    raw_free(&r);
}

static bool can_mount;

static void a_full_disk_is_told_and_heals(void **state)
{
    static const struct disk disk = {fill, empty, "resource-constraint"};
    struct harness *h = *state;
    char *where = text_format("%s/full", h->dir), *setting, *size = text_format("size=%dm", TMPFS_MIB);

    if (!can_mount) {
        print_message("           no right to mount a small file system here: skipped\n");
        free(where);
        free(size);
        skip();
    }
    harness_stop(h);
    assert_int_equal(mkdir(where, 0700), 0);
    assert_int_equal(mount("tmpfs", where, "tmpfs", 0, size), 0);
    setting = text_format("storage.path = \"%s/linnet.sqlite\"", where);
    harness_configure(h, (const char *const[]){setting, NULL}, NULL);
    harness_start(h);
    play(h, &disk);
    harness_stop(h);
    assert_int_equal(umount2(where, MNT_DETACH), 0);
    free(where);
    free(setting);
    free(size);
}

/* In a name space of our own, so that nothing is left mounted whatever happens; without root, a user's own one. */
static bool enter_own_mounts(void)
{
    char map[64];
    uid_t uid = geteuid();

    if (uid == 0)
        return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0)
        return false;
    snprintf(map, sizeof(map), "0 %u 1", uid);
    return file_write("/proc/self/uid_map", map) && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
}

int main(void)
{
    static const struct harness_options options = {.in_child = survive_the_limit};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(a_disk_that_refuses_to_write_is_told_and_heals),
        HARNESS_TEST(what_the_archive_could_not_keep_is_handed_out_all_the_same),
        HARNESS_TEST(a_full_disk_is_told_and_heals),
    };

    can_mount = enter_own_mounts();
    return harness_run_once("a disk that fails", tests, &options);
}
