#include "server/im/stanza_id.h"

#include "common/hash_table.h"
#include "common/xmpp/ns.h"

#include <inttypes.h>
#include <stdio.h>

enum { NUMBER_LEN = 16, MARK_LEN = STANZA_ID_LEN - NUMBER_LEN };

#define MARKS     UINT64_C(10000000000)
#define NUMBERS   UINT64_C(10000000000000000)
#define BEFORE_BY "<stanza-id xmlns='" NS_SID "' by='"
#define BETWEEN   "' id='"
#define BEHIND_ID "'/>"

static struct siphash_key key; /* [start] */

void stanza_ids_start(const uint8_t *secret)
{
    /* The secret has other uses; a key of its own keeps what is shown here from telling about those. */
    static const char *const purposes[] = {"stanza-id 0", "stanza-id 1"};
    uint64_t derived[2];

    for (unsigned i = 0; i < 2; i++) {
        struct siphash_key half;

        memcpy(&half, secret + i * sizeof(half), sizeof(half));
        derived[i] = siphash(&half, str_of(purposes[i]));
    }
    key = (struct siphash_key){derived[0], derived[1]};
}

/* What cannot be guessed of the id. */
static uint64_t mark_of(struct str by, uint64_t id)
{
    char text[sizeof(id) + JID_MAX];
    size_t len = by.len < JID_MAX ? by.len : JID_MAX;

    memcpy(text, &id, sizeof(id));
    memcpy(text + sizeof(id), by.p, len);
    return siphash(&key, str_make(text, sizeof(id) + len)) % MARKS;
}

static void put_digits(char *out, size_t n, uint64_t value)
{
    for (; n > 0; n--, value /= 10)
        out[n - 1] = (char)('0' + value % 10);
}

struct str stanza_id_format(struct str by, uint64_t id, char out[STANZA_ID_LEN])
{
    put_digits(out, NUMBER_LEN, id % NUMBERS);
    put_digits(out + NUMBER_LEN, MARK_LEN, mark_of(by, id));
    return str_make(out, STANZA_ID_LEN);
}

bool stanza_id_parse(struct str by, struct str text, uint64_t *ret)
{
    uint64_t id, mark;

    if (text.len != STANZA_ID_LEN || !str_to_u64(str_make(text.p, NUMBER_LEN), NUMBERS - 1, &id) ||
        !str_to_u64(str_make(text.p + NUMBER_LEN, MARK_LEN), MARKS - 1, &mark) || mark != mark_of(by, id))
        return false;
    *ret = id;
    return true;
}

/* A bare JID has no character that would have to be escaped (RFC 7622 section 3.3.1). */
void stanza_id_write(struct buf *out, struct str by, uint64_t id)
{
    char text[STANZA_ID_LEN];

    buf_append_str(out, STR(BEFORE_BY));
    buf_append_str(out, by);
    buf_append_str(out, STR(BETWEEN));
    buf_append_str(out, stanza_id_format(by, id, text));
    buf_append_str(out, STR(BEHIND_ID));
}

bool stanza_id_is_by(const struct xml_element *child, struct str by)
{
    struct jid_buf mem;
    struct jid jid;

    /* Another spelling of the address means the same to who reads it. */
    return str_eq(child->ns, STR(NS_SID)) && str_eq(child->name, STR("stanza-id")) &&
           jid_parse(xml_attr(child, "by", NULL), &mem, &jid) == LN_OK && str_eq(jid_full(&jid), by);
}

/* What was added is the server's own writing: stanza_id_write(), and perhaps more. */
static bool find_in_suffix(struct str suffix, struct str by, uint64_t *ret)
{
    size_t before = strlen(BEFORE_BY), between = strlen(BETWEEN);
    size_t len = before + by.len + between + STANZA_ID_LEN;

    for (const char *p = suffix.p; suffix.len >= len && p + len <= suffix.p + suffix.len; p++) {
        p = memchr(p, '<', (size_t)(suffix.p + suffix.len - len - p) + 1);
        if (p == NULL)
            return false;
        if (memcmp(p, BEFORE_BY, before) == 0 && memcmp(p + before, by.p, by.len) == 0 &&
            memcmp(p + before + by.len, BETWEEN, between) == 0)
            return stanza_id_parse(by, str_make(p + len - STANZA_ID_LEN, STANZA_ID_LEN), ret);
    }
    return false;
}

bool stanza_id_find(const struct stanza *st, struct str by, uint64_t *ret)
{
    if (st->suffix.len > 0 && find_in_suffix(st->suffix, by, ret))
        return true;
    for (const struct xml_element *e = xml_child(st->root, "stanza-id", NS_SID); e != NULL;
         e = xml_next(e, "stanza-id", NS_SID)) {
        if (stanza_id_is_by(e, by) && stanza_id_parse(by, xml_attr(e, "id", NULL), ret))
            return true;
    }
    return false;
}
