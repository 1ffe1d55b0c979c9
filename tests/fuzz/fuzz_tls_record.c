/* tests/fuzz/fuzz_tls_record.c - the reader of TLS records against a peer who has the keys and any ideas.
 *
 * The input is a programme: the first byte chooses the suite, then each step forges a record of some type and content,
 * or puts bytes on the wire as they are, or flips a bit of what lies there. The wire is read by two readers, at once
 * and byte by byte, which must come to the same text, the same answers and the same end. What was text and came before
 * the first thing that is none must be read as it was sent. */
#include "tests/unit/net/tls_forge.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum step { STEP_TEXT, STEP_ALERT, STEP_HANDSHAKE, STEP_KEY_UPDATE, STEP_ANY_TYPE, STEP_RAW, STEP_FLIP, N_STEPS };

struct programme {
    const uint8_t *p;
    size_t left;
};

struct peer {
    const struct tls_suite *suite;
    struct tls_direction up;
    struct buf wire, text;
    bool is_honest; /* until now only whole records of text were sent */
};

static void require(bool is_so)
{
    if (!is_so)
        abort();
}

static uint8_t take_byte(struct programme *g)
{
    if (g->left == 0)
        return 0;
    g->left--;
    return *g->p++;
}

static struct str take_bytes(struct programme *g, size_t max)
{
    struct str ret = str_make((const char *)g->p, max < g->left ? max : g->left);

    g->p += ret.len;
    g->left -= ret.len;
    return ret;
}

static void make_direction(struct tls_direction *d, const struct tls_suite *s, uint8_t fill)
{
    uint8_t secret[TLS_SECRET_MAX];

    memset(secret, fill, sizeof(secret));
    memset(d, 0, sizeof(*d));
    tls_key_make_1_3(s, secret, &d->key); /* keys are keys: TLS 1.2 may have them too */
    if (!s->is_1_3 && s->aead == TLS_AES_GCM)
        memset(d->key.iv + 4, 0, 8);
    d->sequence = s->is_1_3 ? 0 : 1;
}

static void forge(struct peer *p, uint8_t type, struct str content, size_t padding)
{
    forge_record(p->suite, &p->up, type, content.p, content.len, padding, &p->wire);
}

static void change_key(struct peer *p, uint8_t request)
{
    const char message[] = {24, 0, 0, 1, (char)request};

    p->is_honest = false;
    forge(p, FORGE_HANDSHAKE, str_make(message, sizeof(message)), 0);
    if (!p->suite->is_1_3)
        return;
    tls_key_update(p->suite, &p->up.key);
    p->up.sequence = 0;
}

static void send_text(struct peer *p, struct str text, size_t padding)
{
    forge(p, FORGE_TEXT, text, padding);
    if (p->is_honest)
        buf_append_str(&p->text, text);
}

static void run_step(struct peer *p, struct programme *g)
{
    enum step step = take_byte(g) % N_STEPS;
    uint8_t a = take_byte(g);

    if (step == STEP_TEXT) {
        send_text(p, take_bytes(g, a), a % 3);
        return;
    }
    if (step == STEP_KEY_UPDATE) {
        change_key(p, a % 3);
        return;
    }
    p->is_honest = false;
    if (step == STEP_ALERT)
        forge(p, FORGE_ALERT, take_bytes(g, a % 4), 0);
    else if (step == STEP_HANDSHAKE)
        forge(p, FORGE_HANDSHAKE, take_bytes(g, a % 16), 0);
    else if (step == STEP_ANY_TYPE)
        forge(p, a, take_bytes(g, 4), a);
    else if (step == STEP_RAW)
        buf_append_str(&p->wire, take_bytes(g, a));
    else if (p->wire.len > 0) {
        p->wire.p[p->wire.len - 1 - a % p->wire.len] ^= 1 << a % 8;
        buf_clear(&p->text); /* that may have been of any record */
    }
}

struct reader {
    struct tls_records records;
    struct buf text, out;
    enum tls_records_state state;
    size_t taken;
};

static void reader_init(struct reader *r, const struct tls_suite *s)
{
    struct tls_direction up, down;

    memset(r, 0, sizeof(*r));
    make_direction(&up, s, 1);
    make_direction(&down, s, 2);
    tls_records_init(&r->records, s, &up, &down, TLS_TEXT_MAX);
}

static void reader_deinit(struct reader *r)
{
    tls_records_deinit(&r->records);
    buf_deinit(&r->text);
    buf_deinit(&r->out);
}

/* What is on the wire up to `end`, in memory of its own: reading past it is seen. */
static void read_until(struct reader *r, const struct buf *wire, size_t end)
{
    char *copy = mem_alloc(end - r->taken + 1);
    struct str in = str_make(copy, end - r->taken);

    memcpy(copy, wire->p + r->taken, in.len);
    require(tls_record_missing(in) <= TLS_RECORD_HEADER_LEN + TLS_TEXT_MAX + 256);
    r->state = tls_records_read(&r->records, &in, 1 << 20, &r->text, &r->out);
    r->taken = end - in.len;
    free(copy);
}

/* As a client would understand it: ours must be able to read whatever ours has written. */
static void check_answers(const struct reader *r, const struct tls_suite *s)
{
    struct tls_direction up, down;
    struct tls_records client;
    struct str in = buf_str(&r->out);
    struct buf text = {0}, out = {0};
    enum tls_records_state state;

    make_direction(&up, s, 1);
    make_direction(&down, s, 2);
    tls_records_init(&client, s, &down, &up, TLS_TEXT_MAX);
    state = tls_records_read(&client, &in, 1 << 20, &text, &out);
    require(text.len == 0 && out.len == 0 && (in.len == 0 || state == TLS_RECORDS_FAILED));
    if (r->state == TLS_RECORDS_FAILED && !r->records.is_peers_alert)
        require(state == TLS_RECORDS_FAILED && client.alert == r->records.alert && client.is_peers_alert);
    else
        require(state == TLS_RECORDS_OPEN);
    tls_records_deinit(&client);
    buf_deinit(&text);
    buf_deinit(&out);
}

static void read_both_ways(struct peer *p)
{
    struct reader whole, bytewise;

    reader_init(&whole, p->suite);
    reader_init(&bytewise, p->suite);
    if (p->wire.len > 0)
        read_until(&whole, &p->wire, p->wire.len);
    for (size_t end = 1; end <= p->wire.len && bytewise.state == TLS_RECORDS_OPEN; end++)
        read_until(&bytewise, &p->wire, end);
    require(whole.state == bytewise.state && whole.records.alert == bytewise.records.alert);
    require(str_eq(buf_str(&whole.text), buf_str(&bytewise.text)));
    require(str_eq(buf_str(&whole.out), buf_str(&bytewise.out)));
    require(whole.text.len >= p->text.len && (p->text.len == 0 || memcmp(whole.text.p, p->text.p, p->text.len) == 0));
    if (p->is_honest)
        require(whole.text.len == p->text.len && whole.out.len == 0);
    check_answers(&whole, p->suite);
    reader_deinit(&whole);
    reader_deinit(&bytewise);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int suites[] = {0x1301, 0x1302, 0x1303, 0xc02b, 0xc02c, 0xcca9};
    struct programme g = {data, size};
    struct peer p = {.suite = tls_suite_find(suites[take_byte(&g) % ARRAY_LEN(suites)]), .is_honest = true};
    int n_empty = 0;

    make_direction(&p.up, p.suite, 1);
    while (g.left > 0 && n_empty < 30) { /* more records without text would end an honest peer's connection */
        size_t before = p.text.len;

        run_step(&p, &g);
        n_empty = p.is_honest && p.text.len == before ? n_empty + 1 : 0;
    }
    read_both_ways(&p);
    buf_deinit(&p.wire);
    buf_deinit(&p.text);
    return 0;
}
