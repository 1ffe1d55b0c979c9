/* linnetctl - tells a running linnet what to do. Commands and options are tables; what they mean to the server stands
 * in control_commands.c. */
#include "server/control/linnetctl.h"

#include "common/mem.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>

/* ---- commands ---- */

/* Options that not every command takes; a set. */
enum option_set {
    TAKES_WIDE = 1,
    TAKES_YES = 2,
    TAKES_PASSWORD = 4,
    TAKES_PROBE = 8,
    TAKES_INVITE = 32,
    TAKES_LIST = 16, /* no options of its own: a list of accounts, from a file */
};

struct command {
    const char *name;
    const char *arguments;
    int args_min, args_max;
    unsigned takes; /* enum option_set */
    const char *summary;
    const char *help;
};

static const struct command commands[] = {
    {"status", "", 0, 0, TAKES_WIDE, "How the server is, and each of its workers",
     "The process, what it has done since it started, and what it has open now.\n"
     "draining: it was told to stop and is sending its clients away.\n"
     "storage_failing: the last write failed, for want of room perhaps; clients are answered with errors, and it is "
     "tried "
     "again all the time.\n"
     "log_dropped: lines of log that were not kept, since the disk was slower than the server."},
    {"sessions", "[JID | ID]", 0, 1, TAKES_WIDE, "Who is connected",
     "All connections; those of one account; the one with this full JID; or the one with this id, which is what s= in "
     "the "
     "log shows. --wide shows every field; --json has them all."},
    {"kick", "JID | ID [TEXT]", 1, 2, 0, "End sessions",
     "Ends the session with this full JID or this id, or all of an account. The client is told TEXT, in a "
     "policy-violation "
     "stream error. It may log in again: to keep somebody out, change the password or delete the account."},
    {"clients", "JID", 1, 1, TAKES_WIDE, "The programs that log in to an account",
     "Those that say who they are when they log in (XEP-0388), whether they are connected or not.\n"
     "tokens: it has one to log in with instead of the password (XEP-0484).\n"
     "password: it has logged in with the password that is in force, and may know it."},
    {"logout", "JID ID", 2, 2, 0, "Log a program out of an account",
     "Its tokens are void, its sessions end, and it is forgotten; ID is what clients shows. If it knows the password "
     "it "
     "can log in again: passwd keeps it out, and all others that do not know the new one."},
    {"users", "[HOST]", 0, 1, 0, "All accounts, or those of one host",
     "Accounts by name, with the times when they were made and when their password was last set."},
    {"adduser", "JID", 1, 1, TAKES_PASSWORD, "Make an account",
     "Asks for the password twice; or, if standard input is not a terminal, takes one line from it."},
    {"passwd", "JID", 1, 1, TAKES_PASSWORD, "Change an account's password",
     "Asks as adduser does. All sessions of the account are ended, since they may be those of whoever knew the old "
     "password."},
    {"deluser", "JID", 1, 1, TAKES_YES, "Delete an account and all that is kept for it",
     "Ends its sessions, takes its subscriptions back, removes its contacts, waiting messages and all other data. At a "
     "terminal it asks first, unless --yes is given."},
    {"invite", "HOST", 1, 1, TAKES_INVITE, "Invite somebody to make an account",
     "Prints a link, xmpp:..., which a client opens: with it somebody may make an account, also where registration is "
     "not open. Where host.invites.url is set, it prints the page for people without a client, too.\n"
     "With --contact the new account and that one become contacts of each other; who has an account elsewhere may use "
     "the link to become a contact only. With --name nobody else gets that name meanwhile."},
    {"invites", "[HOST]", 0, 1, TAKES_WIDE, "Invitations that were not used up", "Those of users, too."},
    {"uninvite", "HOST TOKEN", 2, 2, 0, "Take an invitation back", "It counts no more; accounts made with it stay."},
    {"import", "[FILE]", 0, 1, TAKES_LIST, "Make the accounts of another server, with their SCRAM keys",
     "Each line of the file, or of standard input, is an account: its address, a tab, and its keys in the form of "
     "RFC 5803, one space between those of two hashes:\n"
     "SCRAM-SHA-1$ITERATIONS:SALT$STOREDKEY:SERVERKEY\n"
     "where salt and keys are in base64. Users log in with the passwords they have. Accounts that there are already "
     "stay "
     "as they are. What was refused is told, and the exit code is 1 then."},
    {"reports", "[HOST | JID [COUNT]]", 0, 2, TAKES_WIDE, "What users have reported as spam or abuse",
     "The newest first: what users of all hosts have reported, those of one host, or what was reported about one "
     "address. COUNT of each host, 50 if none is given, 1000 at most.\n"
     "messages (with --wide): ids of messages in the archive of who reported. for_origin, for_others: whether the user "
     "agrees that the report is forwarded to the server of who was reported, or to third parties; linnet forwards "
     "nothing. Reports are kept for 180 days, and 10000 of each host."},
    {"reload", "", 0, 0, 0, "Read the configuration anew, certificates included",
     "Says what has changed, and what of it waits for a restart. A file with mistakes is refused as a whole: they are "
     "told, "
     "the old configuration stays in force, and the exit code is 1. No connection is dropped."},
    {"config", "[KEY [HOST]]", 0, 2, 0, "The configuration in force",
     "All of it, or the value of one key, as limits.stanza_bytes, or of one key of a host, as host.modules "
     "linnet.example."},
    {"log-level", "[[SUBSYSTEM] LEVEL]", 0, 2, 0, "Show or set how much is logged",
     "LEVEL is error, warn, info or debug; SUBSYSTEM net, stream, sasl, im, module, storage or control: without one "
     "all are "
     "set. It lasts until the next reload or restart."},
    {"log-reopen", "", 0, 0, 0, "Open the log file anew, after it was renamed", "The same as the signal SIGUSR1."},
    {"stop", "", 0, 0, 0, "Stop the server",
     "The same as the signal SIGTERM: no more connections, the clients are told, and the process ends when all that "
     "was "
     "acknowledged is safe, after server.shutdown_s at the latest. Returns at once."},
    {"probe", "USER@HOST", 1, 1, TAKES_PASSWORD | TAKES_PROBE, "Log in as a client, and measure each step",
     "Connects over the network as any client would, logs in, sends a message to itself, and logs out. Exit code 0: "
     "all of it "
     "worked. For the health checks of a load balancer; needs no control socket and may run on another machine.\n"
     "The password is taken from --password-file, or the file named by $LINNET_PROBE_PASSWORD_FILE, or asked for."},
};

/* ---- options ---- */

/* Without a value it is a bool of struct ctl_options, with one a const char *. */
struct option_row {
    const char *name;
    const char *value; /* what its value is; NULL: it has none */
    size_t field;      /* in struct ctl_options */
    unsigned of;       /* commands that take it; 0: all */
    const char *help;
};

#define FIELD(name) offsetof(struct ctl_options, name)
static const struct option_row option_rows[] = {
    {"config", "FILE", FIELD(config), 0, "the server's configuration, which names its socket"},
    {"socket", "PATH", FIELD(socket), 0, "the server's control socket itself"},
    {"json", NULL, FIELD(json), 0, "answers for programs: one JSON value"},
    {"help", NULL, FIELD(help), 0, "this text, or that of a command"},
    {"version", NULL, FIELD(version), 0, "the version of this program"},
    {"wide", NULL, FIELD(wide), TAKES_WIDE, "all columns"},
    {"yes", NULL, FIELD(yes), TAKES_YES, "do not ask whether it is meant"},
    {"password-stdin", NULL, FIELD(password_stdin), TAKES_PASSWORD, "take the password as a line of standard input"},
    {"password-file", "FILE", FIELD(password_file), TAKES_PASSWORD, "take the password from the first line of a file"},
    {"contact", "JID", FIELD(contact), TAKES_INVITE, "the account that becomes a contact"},
    {"name", "NAME", FIELD(name), TAKES_INVITE, "the name, before the @, that the account will have"},
    {"expires", "TIME", FIELD(expires), TAKES_INVITE, "how long it counts: 90m, 12h, 3d (host.invites.lifetime_s)"},
    {"uses", "N", FIELD(uses), TAKES_INVITE, "how many may use it (1)"},
    {"address", "ADDRESS", FIELD(address), TAKES_PROBE, "connect there, instead of where DNS says"},
    {"port", "PORT", FIELD(port), TAKES_PROBE, "and to this port"},
    {"tls", "HOW", FIELD(tls), TAKES_PROBE, "starttls (the default), direct or none"},
    {"insecure", NULL, FIELD(insecure), TAKES_PROBE, "accept any certificate, such as a self-signed one"},
    {"timeout", "SECONDS", FIELD(timeout), TAKES_PROBE, "for everything together (10)"},
};
#undef FIELD

/* getopt's number for row i; below are those of letters. */
enum { ROW_ID = 256 };

static void set_option(struct ctl_options *opt, const struct option_row *row, const char *value)
{
    char *field = (char *)opt + row->field;

    if (row->value == NULL)
        *(bool *)(void *)field = true;
    else
        memcpy(field, &value, sizeof(value));
}

/* ---- help ---- */

enum { HELP_WIDTH = 79 };

static void print_options(unsigned of)
{
    for (size_t i = 0; i < ARRAY_LEN(option_rows); i++) {
        const struct option_row *row = &option_rows[i];
        char left[40];

        if (of == 0 ? row->of != 0 : (row->of & of) == 0)
            continue;
        (void)snprintf(left, sizeof(left), "--%s%s%s", row->name, row->value == NULL ? "" : " ",
                       row->value == NULL ? "" : row->value);
        printf("  %-22s %s\n", left, row->help);
    }
}

static void print_help(void)
{
    printf("linnetctl - tells a running linnet what to do\n\n"
           "usage: linnetctl [OPTION...] COMMAND [ARGUMENT...]\n\n");
    for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
        char left[48];

        (void)snprintf(left, sizeof(left), "%s %s", commands[i].name, commands[i].arguments);
        printf("  %-30s %s\n", left, commands[i].summary);
    }
    printf("\n");
    print_options(0);
    printf("\nlinnetctl COMMAND --help says more of a command.\n\n"
           "Without --config and --socket the configuration is the file that $LINNET_CONFIG names,\n"
           "else " CTL_DEFAULT_CONFIG ".\n\n"
           "exit codes:\n"
           "  0  done\n"
           "  1  refused, or it did not work\n"
           "  2  the command line is wrong\n"
           "  3  no server answers\n");
}

/* Lines of at most HELP_WIDTH columns; what begins a new line in the text does so here. */
static void print_wrapped(const char *text)
{
    size_t column = 0;

    while (*text != '\0') {
        size_t len = strcspn(text, " \n");

        if (column > 0 && column + 1 + len > HELP_WIDTH)
            column = (size_t)printf("\n") - 1;
        column += (size_t)printf("%s%.*s", column > 0 ? " " : "", (int)len, text);
        text += len;
        if (*text == '\n')
            column = (size_t)printf("\n") - 1;
        text += *text != '\0';
    }
    printf("\n");
}

static void print_command_help(const struct command *c)
{
    printf("usage: linnetctl %s%s%s\n\n", c->name, c->arguments[0] == '\0' ? "" : " ", c->arguments);
    print_wrapped(c->help);
    if ((c->takes & ~(unsigned)TAKES_LIST) != 0) {
        printf("\n");
        print_options(c->takes);
    }
}

/* ---- the command line ---- */

struct command_line {
    struct ctl_options opt;
    const struct command *command; /* NULL: none was named */
    char **args;
    int n_args;
    unsigned used;       /* what sets the options that were given belong to */
    const char *foreign; /* one of those, for a message */
    bool wants_help, wants_version;
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(commands); i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

/* False: getopt has said what is wrong. */
static bool read_options(int argc, char **argv, struct command_line *cl)
{
    struct option longs[ARRAY_LEN(option_rows) + 1] = {{0}};
    int id;

    for (size_t i = 0; i < ARRAY_LEN(option_rows); i++)
        longs[i] = (struct option){option_rows[i].name, option_rows[i].value == NULL ? no_argument : required_argument,
                                   NULL, ROW_ID + (int)i};
    while ((id = getopt_long(argc, argv, "h", longs, NULL)) != -1) {
        const struct option_row *row = &option_rows[id >= ROW_ID ? id - ROW_ID : 0];

        if (id == 'h') {
            cl->opt.help = true;
            continue;
        }
        if (id < ROW_ID)
            return false;
        if (row->of != 0 && (cl->command == NULL || (row->of & cl->command->takes) == 0))
            cl->foreign = row->name;
        set_option(&cl->opt, row, optarg);
    }
    return true;
}

/* The first word that is no option and no option's value; getopt finds it, as it sorts the arguments. */
static const struct command *command_in(int argc, char **argv)
{
    struct command_line ignored = {0};
    char **copy = mem_alloc(((size_t)argc + 1) * sizeof(*copy));
    const struct command *found = NULL;

    memcpy(copy, argv, ((size_t)argc + 1) * sizeof(*copy));
    opterr = 0;
    optind = 0;
    if (read_options(argc, copy, &ignored) && optind < argc)
        found = find_command(copy[optind]);
    opterr = 1;
    optind = 0;
    free(copy);
    return found;
}

static bool usage_error(const struct command_line *cl, const char *what, const char *which)
{
    fprintf(stderr, "linnetctl: %s%s%s; see linnetctl %s%s--help\n", which, which[0] == '\0' ? "" : ": ", what,
            cl->command == NULL ? "" : cl->command->name, cl->command == NULL ? "" : " ");
    return false;
}

/* False: an error has been printed. */
static bool parse(int argc, char **argv, struct command_line *cl)
{
    cl->command = command_in(argc, argv);
    if (!read_options(argc, argv, cl))
        return usage_error(cl, "the options are wrong", "");
    if (cl->opt.help || cl->opt.version)
        return true;
    if (optind == argc)
        return usage_error(cl, "a command is missing", "");
    if (cl->command == NULL)
        return usage_error(cl, "there is no such command", argv[optind]);
    if (cl->foreign != NULL)
        return usage_error(cl, "this option does not belong to this command", cl->foreign);
    cl->args = argv + optind + 1;
    cl->n_args = argc - optind - 1;
    if (cl->n_args < cl->command->args_min || cl->n_args > cl->command->args_max)
        return usage_error(cl, "not with so many arguments", cl->command->name);
    return true;
}

/* ---- carrying out ---- */

/* A number and its unit, s, m, h or d, as seconds; empty: it is none. */
static struct str seconds_of(const char *text, char mem[24])
{
    static const struct {
        char unit;
        uint64_t seconds;
    } units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
    struct str number = str_of(text);
    uint64_t n;

    for (size_t i = 0; number.len > 1 && i < ARRAY_LEN(units); i++) {
        if (number.p[number.len - 1] != units[i].unit)
            continue;
        if (!str_to_u64(str_make(number.p, number.len - 1), UINT32_MAX, &n))
            break;
        return str_make(mem, (size_t)snprintf(mem, 24, "%llu", (unsigned long long)(n * units[i].seconds)));
    }
    return str_make(NULL, 0);
}

/* What the server wants after the host: all of it, empty where it was not given. False: an error has been printed. */
static bool add_invite(const struct command_line *cl, struct str *request, size_t *n, char mem[24])
{
    struct str lifetime = STR("");

    if (cl->opt.expires != NULL) {
        lifetime = seconds_of(cl->opt.expires, mem);
        if (lifetime.len == 0)
            return usage_error(cl, "a time looks like 90m, 12h or 3d", cl->opt.expires);
    }
    request[(*n)++] = str_make(cl->opt.contact == NULL ? "" : cl->opt.contact, str_of(cl->opt.contact).len);
    request[(*n)++] = str_make(cl->opt.name == NULL ? "" : cl->opt.name, str_of(cl->opt.name).len);
    request[(*n)++] = lifetime;
    request[(*n)++] = str_make(cl->opt.uses == NULL ? "" : cl->opt.uses, str_of(cl->opt.uses).len);
    return true;
}

static enum ctl_exit ask_server(const struct command_line *cl, const char *password)
{
    struct str request[8];
    char mem[24];
    struct ctl_answer answer;
    enum ctl_exit verdict;
    size_t n = 0;

    request[n++] = str_of(cl->command->name);
    for (int i = 0; i < cl->n_args; i++)
        request[n++] = str_of(cl->args[i]);
    if (password != NULL)
        request[n++] = str_of(password);
    if ((cl->command->takes & TAKES_INVITE) != 0 && !add_invite(cl, request, &n, mem))
        return CTL_USAGE;
    verdict = ctl_ask(&cl->opt, request, n, &answer);
    if (verdict != CTL_DONE)
        return verdict;
    if (cl->opt.json)
        ctl_print_json(&answer);
    else
        ctl_print_tables(&answer, cl->opt.wide);
    ctl_answer_deinit(&answer);
    return CTL_DONE;
}

static enum ctl_exit ask_with_password(const struct command_line *cl)
{
    char password[CTL_PASSWORD_MAX];
    enum ctl_exit verdict = CTL_FAILED;

    if (ctl_read_password(&cl->opt, cl->args[0], true, password))
        verdict = ask_server(cl, password);
    mem_wipe(password, sizeof(password));
    return verdict;
}

static enum ctl_exit carry_out(const struct command_line *cl)
{
    char question[512];

    if ((cl->command->takes & TAKES_PROBE) != 0)
        return ctl_probe(&cl->opt, cl->args[0]);
    if ((cl->command->takes & TAKES_LIST) != 0)
        return ctl_import(&cl->opt, cl->n_args > 0 ? cl->args[0] : NULL);
    if ((cl->command->takes & TAKES_PASSWORD) != 0)
        return ask_with_password(cl);
    if ((cl->command->takes & TAKES_YES) != 0) {
        (void)snprintf(question, sizeof(question), "Delete %s and all that is kept for it?", cl->args[0]);
        if (!ctl_confirm(&cl->opt, question))
            return CTL_FAILED;
    }
    return ask_server(cl, NULL);
}

int main(int argc, char **argv)
{
    struct command_line cl = {0};
    enum ctl_exit verdict = CTL_DONE;

    (void)signal(SIGPIPE, SIG_IGN);
    if (!parse(argc, argv, &cl))
        return CTL_USAGE;
    if (cl.opt.version)
        printf("linnetctl %s\n", LINNET_VERSION);
    else if (cl.opt.help && cl.command == NULL)
        print_help();
    else if (cl.opt.help)
        print_command_help(cl.command);
    else
        verdict = carry_out(&cl);
    /* What did not reach the file or the pipe was not told. */
    if (fflush(stdout) != 0 && verdict == CTL_DONE)
        verdict = CTL_FAILED;
    return verdict;
}
