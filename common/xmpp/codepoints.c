#include "common/xmpp/codepoints.h"

#include "common/mem.h"
#include "common/utf8.h"

#include <assert.h>
#include <unicase.h>
#include <uninorm.h>

enum ln_err codepoints_decode(struct str text, struct codepoints *ret)
{
    struct codepoints c = {mem_alloc(text.len * sizeof(*c.cp)), 0};

    while (text.len > 0) {
        int len = utf8_decode(text, &c.cp[c.len]);

        if (len <= 0) {
            codepoints_deinit(&c);
            return LN_E_INVALID;
        }
        c.len++;
        text = str_make(text.p + len, text.len - (size_t)len);
    }
    *ret = c;
    return LN_OK;
}

void codepoints_deinit(struct codepoints *c)
{
    if (c->cp != NULL)
        mem_wipe(c->cp, c->len * sizeof(*c->cp));
    free(c->cp);
    *c = (struct codepoints){0};
}

bool codepoints_eq(const struct codepoints *a, const struct codepoints *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->cp, b->cp, a->len * sizeof(*a->cp)) == 0);
}

struct codepoints codepoints_copy(const struct codepoints *c)
{
    struct codepoints copy = {mem_alloc(c->len * sizeof(*c->cp)), c->len};

    if (c->len > 0)
        memcpy(copy.cp, c->cp, c->len * sizeof(*c->cp));
    return copy;
}

enum ln_err codepoints_encode(const struct codepoints *c, char *out, size_t cap, size_t *ret_len)
{
    size_t used = 0;

    for (size_t i = 0; i < c->len; i++) {
        char bytes[4];
        size_t len = (size_t)utf8_encode(c->cp[i], bytes);

        if (len > cap - used)
            return LN_E_LIMIT;
        memcpy(out + used, bytes, len);
        used += len;
    }
    *ret_len = used;
    return LN_OK;
}

static uint32_t width_mapped(uint32_t cp)
{
    ucs4_t plain[UC_DECOMPOSITION_MAX_LENGTH];
    int tag;

    if (uc_decomposition(cp, &tag, plain) != 1 || (tag != UC_DECOMP_WIDE && tag != UC_DECOMP_NARROW))
        return cp;
    return plain[0];
}

void codepoints_map_width(struct codepoints *c)
{
    for (size_t i = 0; i < c->len; i++)
        c->cp[i] = width_mapped(c->cp[i]);
}

/* Takes what libunistring allocated. It fails only without memory: what was decoded is always Unicode. */
static void replace(struct codepoints *c, uint32_t *own_cp, size_t len)
{
    assert(own_cp != NULL);
    codepoints_deinit(c);
    *c = (struct codepoints){own_cp, len};
}

void codepoints_to_lower_nfc(struct codepoints *c)
{
    size_t len;
    uint32_t *lower = u32_tolower(c->cp, c->len, NULL, UNINORM_NFC, NULL, &len);

    replace(c, lower, len);
}

void codepoints_to_nfc(struct codepoints *c)
{
    size_t len;
    uint32_t *nfc = u32_normalize(UNINORM_NFC, c->cp, c->len, NULL, &len);

    replace(c, nfc, len);
}
