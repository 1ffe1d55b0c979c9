/* tests/integration/test_avatar.c - pictures on nodes (XEP-0084), in vCards (XEP-0153), and between them (XEP-0398). */
#include "pep.h"

#define DATA     "urn:xmpp:avatar:data"
#define METADATA "urn:xmpp:avatar:metadata"
#define UPDATE   "vcard-temp:x:update"
#define PHOTO    "iq[@type='result']/vCard[@xmlns='vcard-temp']/PHOTO"

/* A picture like no other, in base64, and its hash. */
struct picture {
    char *base64;
    char hash[41];
};

static struct picture a_picture(struct harness *h)
{
    char *bytes = text_format("\x89PNG\r\n\x1a\n%u", ++h->names);
    unsigned char hash[EVP_MAX_MD_SIZE];
    struct picture p;
    unsigned len;

    p.base64 = base64_encode(bytes, strlen(bytes));
    EVP_Digest(bytes, strlen(bytes), hash, &len, EVP_sha1(), NULL);
    for (unsigned i = 0; i < len; i++)
        snprintf(p.hash + 2 * i, 3, "%02x", hash[i]);
    free(bytes);
    return p;
}

static const struct node *publish_data(struct client *c, const struct picture *p)
{
    char *payload = text_format("<data xmlns='" DATA "'>%s</data>", p->base64);
    const struct node *answer = pep_publish(c, DATA, p->hash, payload);

    free(payload);
    return answer;
}

static const struct node *publish_metadata(struct client *c, const struct picture *p)
{
    char *payload =
        text_format("<metadata xmlns='" METADATA "'><info bytes='9' id='%s' type='image/png'/></metadata>", p->hash);
    const struct node *answer = pep_publish(c, METADATA, p->hash, payload);

    free(payload);
    return answer;
}

static void publish(struct client *c, const struct picture *p)
{
    expect_answer(publish_data(c, p), "iq[@type='result']");
    expect_answer(publish_metadata(c, p), "iq[@type='result']");
    client_barrier(c);
}

static const struct node *get_vcard(struct client *c, const char *of)
{
    return client_request(c, "get", of, "<vCard xmlns='vcard-temp'/>");
}

static const struct node *set_vcard(struct client *c, const char *content)
{
    return client_request(c, "set", NULL, "<vCard xmlns='vcard-temp'>%s</vCard>", content);
}

static void set_photo(struct client *c, const struct picture *p)
{
    char *content =
        text_format("<FN>Juliet</FN><PHOTO><TYPE>image/png</TYPE><BINVAL>\n%s\n</BINVAL></PHOTO>", p->base64);

    expect_answer(set_vcard(c, content), "iq[@type='result']");
    free(content);
}

/* The account of `c` has this picture in its vCard, as `asker` is told; NULL: none. */
static void expect_photo(struct client *asker, struct client *c, const struct picture *p)
{
    const struct node *answer = get_vcard(asker, c->bare);
    const char *binval = node_text(answer, PHOTO "/BINVAL");

    if (p == NULL ? binval != NULL : binval == NULL || strcmp(binval, p->base64) != 0)
        test_fail("the picture is not %s: %s", p == NULL ? "none" : p->base64, node_describe(answer));
}

/* What presence of `c` says of its picture, as it comes back to itself. */
static const struct node *presence_of(struct client *c, const char *content)
{
    client_drain(c);
    client_send(c, "<presence>%s</presence>", content);
    return client_expect_any(c, "presence[@from='%s'][not(@type)]", c->jid);
}

static void expect_hash(const struct node *presence, const char *hash)
{
    const char *said = node_text(presence, "presence/x[@xmlns='" UPDATE "']/photo");

    if (said == NULL || strcmp(said, hash) != 0)
        test_fail("the hash is not %s: %s", hash, node_describe(presence));
    assert_int_equal(node_count(presence, "x[@xmlns='" UPDATE "']"), 1);
}

static void the_account_says_that_pictures_are_converted(void **state)
{
    struct client *c = harness_login(*state);

    expect_answer(client_request(c, "get", c->bare, "<query xmlns='http://jabber.org/protocol/disco#info'/>"),
                  "iq/query/feature[@var='urn:xmpp:pep-vcard-conversion:0']");
}

/* XEP-0398 section 3.1, XEP-0084 section 3 */
static void a_published_picture_is_in_the_vcard_for_those_who_may_read_it(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h), *stranger = harness_login(h);
    struct picture p = a_picture(h), next = a_picture(h);

    client_befriend(juliet, romeo);
    publish(juliet, &p);
    expect_photo(juliet, juliet, &p);
    expect_answer(get_vcard(juliet, NULL), PHOTO "/TYPE[.='image/png']");
    expect_photo(romeo, juliet, &p);
    expect_answer(get_vcard(stranger, juliet->bare), "iq[@type='error']/error/service-unavailable");
    publish(juliet, &next);
    expect_photo(romeo, juliet, &next);
    expect_answer(set_vcard(juliet, "<FN>Juliet</FN><PHOTO><TYPE>image/png</TYPE></PHOTO>"), "iq[@type='result']");
    expect_answer(get_vcard(romeo, juliet->bare), "iq/vCard[FN[.='Juliet']]/PHOTO/BINVAL");
    expect_answer(get_vcard(stranger, juliet->bare), "iq/vCard[not(PHOTO)]/FN[.='Juliet']");
    free(p.base64);
    free(next.base64);
}

/* Section 3.2 */
static void the_picture_of_a_vcard_is_published_and_subscribers_hear_of_it(void **state)
{
    static const char *const wants_it[] = {METADATA "+notify", NULL};
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h), *stranger = harness_login(h);
    struct picture p = a_picture(h), next = a_picture(h);
    const struct node *answer;

    client_befriend(juliet, romeo);
    pep_go_online(romeo, wants_it);
    set_photo(juliet, &p);
    client_expect_any(romeo,
                      EVENT_ITEMS "[@node='" METADATA "']/item[@id='%s']/metadata/info[@id='%s'][@bytes]"
                                  "[@type='image/png']",
                      p.hash, p.hash);
    answer =
        client_request(romeo, "get", juliet->bare,
                       "<pubsub xmlns='" NS_PUBSUB "'><items node='" DATA "'><item id='%s'/></items></pubsub>", p.hash);
    assert_string_equal(node_text(answer, "iq/pubsub/items/item/data"), p.base64);
    expect_photo(romeo, juliet, &p);
    answer = get_vcard(stranger, juliet->bare); /* it was set for the world to see, just so */
    assert_non_null(strstr(node_text(answer, PHOTO "/BINVAL"), p.base64));
    expect_hash(presence_of(juliet, ""), p.hash);
    /* What is published later is for contacts; nobody is shown the old one any more. */
    publish(juliet, &next);
    expect_photo(romeo, juliet, &next);
    expect_photo(stranger, juliet, NULL);
    /* A card without a picture takes it away. */
    expect_answer(set_vcard(juliet, "<FN>Juliet</FN>"), "iq[@type='result']");
    client_expect_any(romeo, EVENT_ITEMS "[@node='" METADATA "']/item/metadata[not(info)]");
    expect_photo(romeo, juliet, NULL);
    expect_hash(presence_of(juliet, ""), "");
    free(p.base64);
    free(next.base64);
}

/* Section 4 */
static void every_presence_says_the_hash(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);
    struct picture p = a_picture(h);

    client_befriend(juliet, romeo);
    expect_answer(presence_of(juliet, "<x xmlns='" UPDATE "'><photo>own</photo></x>"),
                  "presence/x/photo[.='own']"); /* nothing is known: the client may know more */
    client_drain(romeo);
    publish(juliet, &p);
    expect_hash(presence_of(juliet, "<status>here</status>"), p.hash);
    expect_hash(client_expect_any(romeo, "presence[@from='%s'][status]", juliet->jid), p.hash);
    expect_hash(presence_of(juliet, "<x xmlns='" UPDATE "'/>"), p.hash);
    expect_hash(
        presence_of(juliet, "<x xmlns='" UPDATE "'><photo>sha1-hash-of-image</photo></x><priority>1</priority>"),
        p.hash);
    expect_answer(presence_of(juliet, "<x xmlns='" UPDATE "'><photo>x</photo></x><priority>1</priority>"),
                  "presence/priority[.='1']");
    expect_hash(presence_of(juliet, "<x xmlns='" UPDATE "'><photo/></x>"), "");
    client_drain(romeo);
    client_send(juliet, "<presence to='%s'><status>directed</status></presence>", romeo->jid);
    expect_hash(client_expect_any(romeo, "presence[@from='%s'][status[.='directed']]", juliet->jid), p.hash);
    client_send(juliet, "<presence type='unavailable'/>");
    client_expect_any(romeo, "presence[@type='unavailable'][@from='%s'][not(x)]", juliet->jid);
    free(p.base64);
}

static void contacts_are_told_of_a_new_picture_at_once(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);
    struct picture p = a_picture(h);

    client_befriend(juliet, romeo);
    client_send(juliet, "<presence><show>away</show><priority>3</priority></presence>");
    client_expect_any(romeo, "presence[@from='%s']/show", juliet->jid);
    publish(juliet, &p);
    expect_hash(
        client_expect_any(romeo, "presence[@from='%s'][show[.='away']][not(delay)]/priority[.='3']", juliet->jid),
        p.hash);
    expect_answer(pep_publish(juliet, METADATA, NULL, "<metadata xmlns='" METADATA "'/>"), "iq[@type='result']");
    expect_hash(client_expect_any(romeo, "presence[@from='%s']/show", juliet->jid), "");
    (void)presence_of(juliet, "<x xmlns='" UPDATE "'><photo/></x>"); /* that no picture be shown */
    client_sync(juliet, romeo);
    client_drain(romeo);
    publish(juliet, &p);
    client_sync(juliet, romeo);
    client_expect_none(romeo, "presence");
    free(p.base64);
}

static void who_comes_online_later_is_told_the_hash(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *juliet = harness_login(h), *romeo = client_login(h, a, NULL, 0);
    struct picture p = a_picture(h);

    client_befriend(juliet, romeo);
    client_logout(romeo);
    publish(juliet, &p);
    expect_hash(presence_of(juliet, ""), p.hash);
    romeo = client_login(h, a, NULL, 0);
    client_go_online(romeo, 0);
    expect_hash(client_expect_any(romeo, "presence[@from='%s']", juliet->jid), p.hash);
    free(p.base64);
}

static void metadata_without_its_picture_promises_nothing(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);
    struct picture p = a_picture(h), other = a_picture(h);
    char *payload;

    publish(juliet, &other);
    expect_answer(publish_metadata(juliet, &p), "iq[@type='result']");
    expect_photo(juliet, juliet, NULL);
    expect_hash(presence_of(juliet, ""), "");
    payload = text_format("<data xmlns='" DATA "'>%s</data>", other.base64); /* not what the id says */
    expect_answer(pep_publish(juliet, DATA, p.hash, payload), "iq[@type='result']");
    expect_answer(publish_metadata(juliet, &p), "iq[@type='result']");
    expect_hash(presence_of(juliet, ""), "");
    free(payload);
    free(p.base64);
    free(other.base64);
}

/* XEP-0084 section 3.3; XEP-0398: the one that is not elsewhere on the web */
static void a_picture_elsewhere_is_passed_over_and_one_may_be_withdrawn(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);
    struct picture p = a_picture(h);
    char *payload =
        text_format("<metadata xmlns='" METADATA "'><info bytes='1' id='%040d' type='image/gif' "
                    "url='http://avatars.example/1.gif'/><info bytes='9' id='%s' type='image/png'/></metadata>",
                    1, p.hash);

    expect_answer(publish_data(juliet, &p), "iq[@type='result']");
    expect_answer(pep_publish(juliet, METADATA, p.hash, payload), "iq[@type='result']");
    expect_photo(juliet, juliet, &p);
    expect_hash(presence_of(juliet, ""), p.hash);
    expect_answer(pep_publish(juliet, METADATA, NULL, "<metadata xmlns='" METADATA "'/>"), "iq[@type='result']");
    expect_photo(juliet, juliet, NULL);
    expect_hash(presence_of(juliet, ""), "");
    free(payload);
    free(p.base64);
}

static void pictures_in_vcards_that_are_none_change_nothing(void **state)
{
    static const char *const cards[] = {
        "<PHOTO><TYPE>image/png</TYPE><BINVAL>not base64</BINVAL></PHOTO>",
        "<PHOTO><BINVAL>aGVsbG8=</BINVAL></PHOTO>",
        "<PHOTO><EXTVAL>http://a.example/p.png</EXTVAL></PHOTO>",
    };
    struct harness *h = *state;
    struct client *juliet = harness_login(h);
    struct picture p = a_picture(h);

    publish(juliet, &p);
    for (size_t i = 0; i < sizeof(cards) / sizeof(cards[0]); i++) {
        expect_answer(set_vcard(juliet, cards[i]), "iq[@type='result']");
        expect_hash(presence_of(juliet, ""), p.hash);
        expect_photo(juliet, juliet, &p);
    }
    free(p.base64);
}

/* One item makes room for the other: there is always a picture. */
static void between_two_pictures_there_is_no_time_without(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h), *romeo = harness_login(h);
    struct picture p = a_picture(h), next = a_picture(h);

    client_befriend(juliet, romeo);
    publish(juliet, &p);
    client_expect_any(romeo, "presence[@from='%s']/x[@xmlns='" UPDATE "']/photo[.='%s']", juliet->jid, p.hash);
    client_drain(romeo);
    publish(juliet, &next);
    client_expect(romeo, "presence[@from='%s']/x[@xmlns='" UPDATE "']/photo[.='%s']", juliet->jid, next.hash);
    client_barrier_via(juliet, romeo->bare);
    client_expect_none(romeo, "presence");
    free(p.base64);
    free(next.base64);
}

/* A client does not wait for answers: what it says last counts. */
static void a_picture_that_is_withdrawn_at_once_is_withdrawn(void **state)
{
    struct harness *h = *state;
    struct client *juliet = harness_login(h);
    struct picture p = a_picture(h);

    expect_answer(publish_data(juliet, &p), "iq[@type='result']");
    for (unsigned i = 0; i < 10; i++) {
        client_send(
            juliet,
            "<iq type='set' id='shown'><pubsub xmlns='" NS_PUBSUB "'><publish node='" METADATA "'><item id='%s'>"
            "<metadata xmlns='" METADATA "'><info bytes='9' id='%s' type='image/png'/></metadata></item></publish>"
            "</pubsub></iq>",
            p.hash, p.hash);
        client_send(juliet,
                    "<iq type='set' id='gone%u'><pubsub xmlns='" NS_PUBSUB "'><publish node='" METADATA
                    "'><item><metadata xmlns='" METADATA "'/></item></publish></pubsub></iq>",
                    i);
    }
    client_expect_any(juliet, "iq[@id='gone9'][@type='result']");
    client_barrier_via(juliet, juliet->bare);
    expect_photo(juliet, juliet, NULL);
    expect_hash(presence_of(juliet, ""), "");
    free(p.base64);
}

static void the_hash_is_known_after_a_crash(void **state)
{
    struct harness *h = *state;
    const struct account *a = harness_account(h);
    struct client *juliet = client_login(h, a, NULL, 0);
    struct picture p = a_picture(h);

    set_photo(juliet, &p);
    expect_hash(presence_of(juliet, ""), p.hash);
    expect_answer(set_vcard(juliet, "<FN>x</FN><PHOTO><TYPE>image/png</TYPE></PHOTO>"), "iq[@type='result']");
    client_forget_all(h);
    harness_crash(h);
    harness_start(h);
    juliet = client_login(h, a, NULL, 0);
    expect_hash(presence_of(juliet, ""), p.hash);
    expect_photo(juliet, juliet, &p);
    free(p.base64);
}

int main(void)
{
    static const struct harness_options options = {0};
    const struct CMUnitTest tests[] = {
        HARNESS_TEST(the_account_says_that_pictures_are_converted),
        HARNESS_TEST(a_published_picture_is_in_the_vcard_for_those_who_may_read_it),
        HARNESS_TEST(the_picture_of_a_vcard_is_published_and_subscribers_hear_of_it),
        HARNESS_TEST(every_presence_says_the_hash),
        HARNESS_TEST(contacts_are_told_of_a_new_picture_at_once),
        HARNESS_TEST(who_comes_online_later_is_told_the_hash),
        HARNESS_TEST(metadata_without_its_picture_promises_nothing),
        HARNESS_TEST(a_picture_elsewhere_is_passed_over_and_one_may_be_withdrawn),
        HARNESS_TEST(pictures_in_vcards_that_are_none_change_nothing),
        HARNESS_TEST(between_two_pictures_there_is_no_time_without),
        HARNESS_TEST(a_picture_that_is_withdrawn_at_once_is_withdrawn),
        HARNESS_TEST(the_hash_is_known_after_a_crash),
    };

    return harness_run_tests("avatars", tests, &options);
}
