/* The file of --keys: a line for each account, salt and hash. Without it every run begins with PBKDF2 for all its
 * users, a millisecond or two each, and with fifty thousand of them that is what one waits for. It is only ever added
 * to; of two lines for the same account the later one counts. */
#include "tests/load/client_private.h"

#include "common/base64.h"
#include "common/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* Two hexadecimal digits a byte. */
static void read_hex(const char *text, unsigned char *to, size_t size)
{
    unsigned byte;

    for (size_t i = 0; i < size && sscanf(text + 2 * i, "%2x", &byte) == 1; i++)
        to[i] = (unsigned char)byte;
}

static void take_line(struct client_pool *p, const char *line)
{
    struct str wanted = sasl_mechanism_name((enum mechanism)p->settings.options->mechanism);
    unsigned long long user;
    char mechanism[32], salt[256], client_key[65], stored_key[65], server_key[65];
    unsigned iterations;

    if (sscanf(line, "user%llu %31s %u %255s %64[0-9a-f] %64[0-9a-f] %64[0-9a-f]", &user, mechanism, &iterations, salt,
               client_key, stored_key, server_key) != 7 ||
        !str_is(wanted, mechanism) || user < p->settings.options->first ||
        user - p->settings.options->first >= p->n_clients)
        return;
    struct client *c = p->clients[user - p->settings.options->first];
    if (c->keys == NULL)
        c->keys = mem_zalloc(sizeof(*c->keys));
    free(c->keys->salt);
    c->keys->salt = mem_strndup(salt, strlen(salt));
    c->keys->iterations = iterations;
    read_hex(client_key, c->keys->client_key, sizeof(c->keys->client_key));
    read_hex(stored_key, c->keys->stored_key, sizeof(c->keys->stored_key));
    read_hex(server_key, c->keys->server_key, sizeof(c->keys->server_key));
}

bool client_pool_load_keys(struct client_pool *p, const char *path)
{
    char line[1024];
    FILE *file = fopen(path, "r");

    if (file == NULL)
        return errno == ENOENT;
    while (fgets(line, sizeof(line), file) != NULL)
        take_line(p, line);
    bool ok = ferror(file) == 0;
    (void)fclose(file);
    return ok;
}

static void add_line(struct buf *out, const struct client *c, struct str mechanism)
{
    const struct sasl_keys *k = c->keys;

    buf_printf(out, "user%llu %.*s %u %s ", (unsigned long long)(c->pool->settings.options->first + c->index),
               STR_ARG(mechanism), k->iterations, k->salt);
    hex_encode(out, str_make((const char *)k->client_key, sizeof(k->client_key)));
    buf_append_char(out, ' ');
    hex_encode(out, str_make((const char *)k->stored_key, sizeof(k->stored_key)));
    buf_append_char(out, ' ');
    hex_encode(out, str_make((const char *)k->server_key, sizeof(k->server_key)));
    buf_append_char(out, '\n');
}

bool client_pool_save_keys(const struct client_pool *p, const char *path)
{
    struct str mechanism = sasl_mechanism_name((enum mechanism)p->settings.options->mechanism);
    struct buf lines = {0};

    for (uint32_t i = 0; i < p->n_clients; i++)
        if (p->clients[i]->keys != NULL && p->clients[i]->keys->is_new)
            add_line(&lines, p->clients[i], mechanism);
    if (lines.len == 0)
        return true;
    /* Passwords can be tried with it; and one write, so that two runs may end at the same time. */
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    bool ok = fd >= 0 && write(fd, lines.p, lines.len) == (ssize_t)lines.len;
    if (fd >= 0)
        (void)close(fd);
    buf_deinit(&lines);
    return ok;
}
