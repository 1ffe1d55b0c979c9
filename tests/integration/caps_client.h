/* tests/integration/caps_client.h - clients that say what they can (XEP-0115, XEP-0390). One .c file a program includes
 * this. */
#ifndef LINNET_TESTS_CAPS_CLIENT_H
#define LINNET_TESTS_CAPS_CLIENT_H

#include "client.h"
#include "raw.h"

#include <openssl/evp.h>

#define NS_INFO "http://jabber.org/protocol/disco#info"

/* The base64 hash of a string that has been put together; the caller frees. */
static inline char *hash_of(const char *input, const EVP_MD *md)
{
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len;

    EVP_Digest(input, strlen(input), hash, &len, md, NULL);
    return base64_encode(hash, len);
}

static inline int compare_features(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* What a client with these features (NULL at the end) answers, and the string that its hash is made of. The caller
 * frees both. `separator` is 0 for XEP-0115, else as for XEP-0390. */
static inline char *info_of(const char *const *features, bool is_new, char **ret_input)
{
    const char *sorted[32];
    char *info = text_format("<identity category='client' type='pc' name='test'/>"), *more;
    char *input = is_new ? strdup("") : strdup("client/pc//test<");
    size_t n = 0;

    for (; features[n] != NULL; n++)
        sorted[n] = features[n];
    qsort(sorted, n, sizeof(sorted[0]), compare_features);
    for (size_t i = 0; i < n; i++) {
        more = text_format("%s<feature var='%s'/>", info, sorted[i]);
        free(info);
        info = more;
        more = text_format("%s%s%s", input, sorted[i], is_new ? "\x1f" : "<");
        free(input);
        input = more;
    }
    if (is_new) {
        more = text_format("%s\x1c"
                           "client\x1fpc\x1f\x1ftest\x1f\x1e\x1c\x1c",
                           input);
        free(input);
        input = more;
    }
    *ret_input = input;
    return info;
}

/* The hash of XEP-0115; the caller frees. */
static inline char *ver_of(const char *const *features)
{
    char *input, *info = info_of(features, false, &input), *ver = hash_of(input, EVP_sha1());

    free(info);
    free(input);
    return ver;
}

#define CAPS "<c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:test:client' ver='%s'/>"

/* Waits for the server's question and answers it with these features. */
static inline void answer_question(struct client *c, const char *node, const char *const *features)
{
    const struct node *q = client_expect_any(
        c, "iq[@type='get'][@id][@from='%s'][@to='%s']/query[@xmlns='" NS_INFO "'][@node='%s']", c->bare, c->jid, node);
    char *input, *info = info_of(features, false, &input);

    client_send(c, "<iq type='result' to='%s' id='%s'><query xmlns='" NS_INFO "' node='%s'>%s</query></iq>", c->bare,
                node_attr(q, "id"), node, info);
    free(input);
    free(info);
}

/* Sends presence with its capabilities, which no other client of this server has said before, and answers for them. */
static inline void go_online_with(struct client *c, const char *const *features)
{
    char *ver = ver_of(features), *node = text_format("urn:test:client#%s", ver);

    client_send(c, "<presence>" CAPS "</presence>", ver);
    answer_question(c, node, features);
    client_barrier(c);
    free(ver);
    free(node);
}

#endif
