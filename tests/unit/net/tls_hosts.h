/* tests/unit/net/tls_hosts.h - a server with two hosts, ECDSA first and RSA second, as a fixture. */
#ifndef LINNET_TESTS_UNIT_NET_TLS_HOSTS_H
#define LINNET_TESTS_UNIT_NET_TLS_HOSTS_H

#include "tests/unit/net/tls_pair.h"

struct fixture {
    struct test_dir dir;
    struct tls_host hosts[3];
    struct tls_tickets *tickets;
    struct tls_context *ctx;
};

static inline int set_up_hosts(void **state)
{
    struct fixture *f = mem_zalloc(sizeof(*f));

    dir_init(&f->dir);
    f->hosts[0] = make_certificate(&f->dir, (struct certificate_spec){.file = "a", .name = "a.example"});
    f->hosts[1] =
        make_certificate(&f->dir, (struct certificate_spec){.file = "b", .name = "b.example", .rsa_bits = 2048});
    f->tickets = tls_tickets_new(3600);
    f->ctx = make_context(f->hosts, 2, f->tickets);
    *state = f;
    return 0;
}

static inline int tear_down_hosts(void **state)
{
    struct fixture *f = *state;

    tls_context_unref(&f->ctx);
    tls_tickets_free(&f->tickets);
    dir_deinit(&f->dir);
    free(f);
    return 0;
}

#endif
