#include "server/control/certificates.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/mem.h"

struct paths {
    char certificate[1024];
    char key[1024];
};

/* Names of hosts are prepared domains: no slash in them. */
static enum ln_err make_for(const struct config *cfg, const struct config_host *host, struct paths *ret,
                            struct buf *messages)
{
    char error[256];
    enum ln_err err;
    int n = snprintf(ret->certificate, sizeof(ret->certificate), "%s/%s.crt", cfg->server.data_dir, host->name.p);
    int m = snprintf(ret->key, sizeof(ret->key), "%s/%s.key", cfg->server.data_dir, host->name.p);

    if (n < 0 || m < 0 || (size_t)n >= sizeof(ret->certificate) || (size_t)m >= sizeof(ret->key)) {
        buf_printf(messages, "%s: the path of server.data_dir is too long for a certificate\n", cfg->server.data_dir);
        return LN_E_INVALID;
    }
    if (mkdir(cfg->server.data_dir, 0700) != 0 && errno != EEXIST) {
        buf_printf(messages, "%s: cannot make the folder: %s\n", cfg->server.data_dir, strerror(errno));
        return LN_E_IO;
    }
    err = tls_make_self_signed(&host->name, 1, ret->certificate, ret->key, error);
    if (err == LN_OK)
        buf_printf(messages, "%s: no certificate configured: made a self-signed one\n", ret->certificate);
    if (err != LN_OK && err != LN_E_EXISTS) {
        buf_printf(messages, "%s\n", error);
        return err;
    }
    return LN_OK;
}

enum ln_err certificates_load(const struct config *cfg, struct tls_tickets *tickets, struct tls_context **ret,
                              struct buf *messages)
{
    struct tls_host *hosts = mem_zalloc(cfg->n_hosts * sizeof(*hosts));
    struct paths *made = mem_zalloc(cfg->n_hosts * sizeof(*made));
    char error[256] = "", warning[256] = "";
    enum ln_err err = LN_OK;

    for (size_t i = 0; i < cfg->n_hosts && err == LN_OK; i++) {
        const struct config_host *h = &cfg->hosts[i];

        hosts[i] = (struct tls_host){h->name, h->certificate, h->private_key};
        if (h->certificate[0] != '\0')
            continue;
        err = make_for(cfg, h, &made[i], messages);
        hosts[i].certificate_path = made[i].certificate;
        hosts[i].key_path = made[i].key;
    }
    if (err == LN_OK) {
        err = tls_context_new(hosts, cfg->n_hosts, tickets, ret, error, warning);
        if (err != LN_OK)
            buf_printf(messages, "%s\n", error);
        else if (warning[0] != '\0')
            buf_printf(messages, "%s\n", warning);
    }
    free(hosts);
    free(made);
    return err;
}
