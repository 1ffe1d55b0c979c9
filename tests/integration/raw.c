#include "raw.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <expat.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define NS_SEPARATOR '\n'

struct element {
    struct node *node;
    struct element *next;
};

struct raw_private {
    SSL_CTX *tls;
    XML_Parser parser;
    struct node *open; /* the innermost element that has not ended; the header when it is only that */
    struct element *queue;
    struct element *kept; /* what the test was given, headers too */
    unsigned ids;
};

/* ---- reading XML ---- */

static void keep(struct raw *r, struct node *n)
{
    struct element *e = calloc(1, sizeof(*e));

    assert(e != NULL);
    *e = (struct element){n, r->priv->kept};
    r->priv->kept = e;
}

/* expat gives "namespace<separator>name". */
static const char *split(const char *full, char *ns, size_t size)
{
    const char *separator = strchr(full, NS_SEPARATOR);

    if (separator == NULL) {
        ns[0] = '\0';
        return full;
    }
    snprintf(ns, size, "%.*s", (int)(separator - full), full);
    return separator + 1;
}

static void XMLCALL on_start(void *userdata, const XML_Char *full, const XML_Char **attrs)
{
    struct raw *r = userdata;
    char ns[256];
    const char *name = split(full, ns, sizeof(ns));
    /* The header stays without children, so that a stream of any length is no tree of any size. */
    struct node *n = node_new(r->priv->open == r->header ? NULL : r->priv->open, name, ns);

    for (; attrs[0] != NULL; attrs += 2) {
        name = split(attrs[0], ns, sizeof(ns));
        if (strcmp(ns, "http://www.w3.org/XML/1998/namespace") == 0) {
            char *with_prefix = text_format("xml:%s", name);

            node_add_attr(n, with_prefix, attrs[1]);
            free(with_prefix);
        } else {
            node_add_attr(n, name, attrs[1]);
        }
    }
    if (r->header == NULL) {
        r->header = n;
        keep(r, n);
    }
    r->priv->open = n;
}

static void XMLCALL on_end(void *userdata, const XML_Char *full)
{
    struct raw *r = userdata;
    struct node *n = r->priv->open;
    struct element *e, **end = &r->priv->queue;

    (void)full;
    if (n == r->header) {
        r->is_stream_closed = true;
        r->priv->open = NULL;
        return;
    }
    if (n->parent != NULL) {
        r->priv->open = n->parent;
        return;
    }
    /* r->header is const for those who read it; here it is only compared with. */
    r->priv->open = r->priv->kept == NULL ? NULL : r->priv->open;
    e = calloc(1, sizeof(*e));
    assert(e != NULL);
    e->node = n;
    while (*end != NULL)
        end = &(*end)->next;
    *end = e;
}

static void XMLCALL on_text(void *userdata, const XML_Char *p, int len)
{
    struct raw *r = userdata;

    if (r->priv->open != NULL)
        node_add_text(r->priv->open, p, (size_t)len);
}
