/* tests/integration/pep.h - for tests of features that live on personal nodes (XEP-0163). */
#ifndef LINNET_TESTS_PEP_H
#define LINNET_TESTS_PEP_H

#include "client.h"
#include "raw.h"

#include <openssl/evp.h>

#define NS_PUBSUB   "http://jabber.org/protocol/pubsub"
#define EVENT_ITEMS "message[@type='headline']/event[@xmlns='" NS_PUBSUB "#event']/items"

/* The capabilities of a client with these features, sorted, NULL at the end (XEP-0115 section 5.1). The caller frees.
 */
static inline char *pep_ver(const char *const *features)
{
    char *text = strdup("client/pc//test<"), *more;
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned len;

    for (; *features != NULL; features++) {
        more = text_format("%s%s<", text, *features);
        free(text);
        text = more;
    }
    EVP_Digest(text, strlen(text), hash, &len, EVP_sha1(), NULL);
    free(text);
    return base64_encode(hash, len);
}

static inline void pep_answer_disco(struct client *c, const struct node *query, const char *const *features)
{
    char *list = strdup(""), *more;

    for (; *features != NULL; features++) {
        more = text_format("%s<feature var='%s'/>", list, *features);
        free(list);
        list = more;
    }
    client_send(c,
                "<iq type='result' id='%s' to='%s'><query xmlns='http://jabber.org/protocol/disco#info' node='%s'>"
                "<identity category='client' type='pc' name='test'/>%s</query></iq>",
                node_attr(query, "id"), node_attr(query, "from"), node_attr(query->child, "node"), list);
    free(list);
}

/* Comes online with these features, and answers for them if it is asked. */
static inline void pep_go_online(struct client *c, const char *const *features)
{
    static const char query[] = "iq[@type='get']/query[@xmlns='http://jabber.org/protocol/disco#info'][@node]";
    char *ver = pep_ver(features);

    client_send(
        c, "<presence><c xmlns='http://jabber.org/protocol/caps' hash='sha-1' node='urn:test' ver='%s'/></presence>",
        ver);
    free(ver);
    client_expect_any(c, "presence[@from='%s']", c->jid);
    client_barrier(c);
    if (client_count(c, query) > 0)
        pep_answer_disco(c, client_expect_any(c, "%s", query), features);
    client_barrier(c);
}

/* What stands in a publish request; `id` may be NULL. */
static inline const struct node *pep_publish(struct client *c, const char *node, const char *id, const char *payload)
{
    char *attr = id == NULL ? strdup("") : text_format(" id='%s'", id);
    const struct node *answer = client_request(
        c, "set", NULL, "<pubsub xmlns='" NS_PUBSUB "'><publish node='%s'><item%s>%s</item></publish></pubsub>", node,
        attr, payload);

    free(attr);
    return answer;
}

static inline const struct node *pep_retract(struct client *c, const char *node, const char *id)
{
    return client_request(
        c, "set", NULL,
        "<pubsub xmlns='" NS_PUBSUB "'><retract node='%s' notify='true'><item id='%s'/></retract></pubsub>", node, id);
}

static inline const struct node *pep_items(struct client *c, const char *of, const char *node)
{
    return client_request(c, "get", of, "<pubsub xmlns='" NS_PUBSUB "'><items node='%s'/></pubsub>", node);
}

static inline void expect_answer(const struct node *answer, const char *path)
{
    if (!node_matches(answer, path))
        test_fail("this is not %s: %s", path, node_describe(answer));
}

#endif
