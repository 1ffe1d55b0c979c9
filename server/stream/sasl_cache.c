#include "server/stream/sasl_cache.h"

#include <mbedtls/md.h>
#include <string.h>

#include "common/hash_table.h"
#include "common/mem.h"
#include "server/net/worker.h"

enum { MAC_BYTES = 32 };

struct entry {
    struct entry *newer, **link; /* by age; *link == this */
    uint8_t mac[MAC_BYTES];
    char *jid;
    size_t jid_len;
};

struct sasl_cache {
    struct hash_table table;
    struct entry *oldest, **end;
    uint8_t secret[MAC_BYTES];
};

struct sasl_cache *sasl_cache_new(void)
{
    struct sasl_cache *c = mem_zalloc(sizeof(*c));
    struct siphash_key key;

    random_bytes(&key, sizeof(key));
    random_bytes(c->secret, sizeof(c->secret));
    hash_table_init(&c->table, &key);
    c->end = &c->oldest;
    return c;
}

static void entry_free(struct entry *e)
{
    mem_wipe(e->mac, sizeof(e->mac));
    free(e->jid);
    free(e);
}

static void drop(struct sasl_cache *c, struct entry *e)
{
    *e->link = e->newer;
    if (e->newer != NULL)
        e->newer->link = e->link;
    else
        c->end = e->link;
    (void)hash_table_remove(&c->table, str_make(e->jid, e->jid_len));
    entry_free(e);
}

void sasl_cache_free(struct sasl_cache **own_c)
{
    struct sasl_cache *c = *own_c;

    *own_c = NULL;
    if (c == NULL)
        return;
    while (c->oldest != NULL)
        drop(c, c->oldest);
    hash_table_deinit(&c->table);
    mem_wipe(c, sizeof(*c));
    free(c);
}

static bool mac_of(const struct sasl_cache *c, const struct scram_keys *keys, struct str password,
                   uint8_t out[MAC_BYTES])
{
    const mbedtls_md_info_t *sha256 = mbedtls_md_info_from_type(MBEDTLS_MD_SHA256);
    mbedtls_md_context_t md;
    bool is_done;

    mbedtls_md_init(&md);
    is_done = mbedtls_md_setup(&md, sha256, 1) == 0 && mbedtls_md_hmac_starts(&md, c->secret, MAC_BYTES) == 0 &&
              mbedtls_md_hmac_update(&md, keys->stored_key, SCRAM_KEY_MAX) == 0 &&
              mbedtls_md_hmac_update(&md, (const unsigned char *)password.p, password.len) == 0 &&
              mbedtls_md_hmac_finish(&md, out) == 0;
    mbedtls_md_free(&md);
    return is_done;
}

bool sasl_cache_knows(struct sasl_cache *c, struct str bare_jid, const struct scram_keys *keys, struct str password)
{
    const struct entry *e = hash_table_get(&c->table, bare_jid);
    uint8_t mac[MAC_BYTES];

    if (e == NULL || !mac_of(c, keys, password, mac))
        return false;
    return str_eq_secret(str_make((const char *)mac, MAC_BYTES), str_make((const char *)e->mac, MAC_BYTES));
}

void sasl_cache_add(struct sasl_cache *c, struct str bare_jid, const struct scram_keys *keys, struct str password,
                    size_t max)
{
    struct entry *e;

    sasl_cache_forget(c, bare_jid);
    while (c->table.len > 0 && c->table.len >= max)
        drop(c, c->oldest);
    if (max == 0)
        return;
    e = mem_zalloc(sizeof(*e));
    if (!mac_of(c, keys, password, e->mac)) {
        entry_free(e);
        return;
    }
    e->jid = str_dup(bare_jid);
    e->jid_len = bare_jid.len;
    e->link = c->end;
    *c->end = e;
    c->end = &e->newer;
    (void)hash_table_put(&c->table, str_make(e->jid, e->jid_len), e);
}

void sasl_cache_forget(struct sasl_cache *c, struct str bare_jid)
{
    struct entry *e = hash_table_get(&c->table, bare_jid);

    if (e != NULL)
        drop(c, e);
}
