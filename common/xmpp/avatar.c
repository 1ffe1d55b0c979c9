#include "common/xmpp/avatar.h"

#include "common/base64.h"
#include "common/mem.h"
#include "common/xmpp/ns.h"
#include "common/xmpp/scram_hash.h"
#include "common/xmpp/xml_writer.h"

/* ---- hashes and bytes ---- */

struct str avatar_hash(struct str picture, char out[AVATAR_HASH_LEN])
{
    uint8_t hash[AVATAR_HASH_LEN / 2];
    struct buf hex = {0};

    scram_h(SCRAM_SHA_1, (const uint8_t *)picture.p, picture.len, hash);
    hex_encode(&hex, str_make((const char *)hash, sizeof(hash)));
    memcpy(out, hex.p, AVATAR_HASH_LEN);
    buf_deinit(&hex);
    return str_make(out, AVATAR_HASH_LEN);
}

bool avatar_is_hash(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (memchr("0123456789abcdef", text.p[i], 16) == NULL)
            return false;
    }
    return text.len == AVATAR_HASH_LEN;
}

bool avatar_decode(struct str base64, struct buf *out)
{
    struct buf dense = {0};

    for (size_t i = 0; i < base64.len; i++) {
        if (memchr(" \t\r\n", base64.p[i], 4) == NULL)
            buf_append_char(&dense, base64.p[i]);
    }
    bool is_one = base64_decode(out, buf_str(&dense));

    buf_deinit(&dense);
    return is_one;
}

/* The formats that clients use, by how they begin. */
static struct str type_of(struct str picture)
{
    static const struct {
        struct str start;
        size_t at;
        const char *type;
    } formats[] = {
        {STR_INIT("\x89PNG\r\n\x1a\n"), 0, "image/png"},
        {STR_INIT("\xff\xd8\xff"), 0, "image/jpeg"},
        {STR_INIT("GIF8"), 0, "image/gif"},
        {STR_INIT("WEBP"), 8, "image/webp"},
        {STR_INIT("<svg"), 0, "image/svg+xml"},
    };

    for (size_t i = 0; i < ARRAY_LEN(formats); i++) {
        if (picture.len > formats[i].at &&
            str_starts(str_make(picture.p + formats[i].at, picture.len - formats[i].at), formats[i].start))
            return str_of(formats[i].type);
    }
    return STR("");
}

/* ---- metadata ---- */

static bool is_type(struct str type)
{
    return type.len > 0 && type.len <= AVATAR_TYPE_MAX && str_find(type, '/') > 0 && str_find(type, ' ') < 0 &&
           str_find(type, '\n') < 0;
}

bool avatar_of_metadata(const struct xml_element *metadata, struct str *ret_hash, struct str *ret_type)
{
    const struct xml_element *info;

    if (!xml_is(metadata, "metadata", NS_AVATAR_METADATA))
        return false;
    for (info = xml_child(metadata, "info", NS_AVATAR_METADATA); info != NULL;
         info = xml_next(info, "info", NS_AVATAR_METADATA)) {
        struct str hash = xml_attr(info, "id", NULL), type = xml_attr(info, "type", NULL);

        if (xml_attr(info, "url", NULL).len > 0 || !avatar_is_hash(hash))
            continue;
        *ret_hash = hash;
        *ret_type = is_type(type) ? type : STR("image/png"); /* the one that all have to know */
        return true;
    }
    return false;
}

void avatar_write_metadata(struct buf *out, struct str hash, struct str type, size_t bytes)
{
    struct xml_writer w = xml_writer_to(out);

    xml_start(&w, "metadata", NS_AVATAR_METADATA);
    if (hash.len > 0) {
        xml_start(&w, "info", NULL);
        xml_put_attr_u64(&w, "bytes", bytes);
        xml_put_attr(&w, "id", hash);
        xml_put_attr(&w, "type", type);
        xml_end(&w);
    }
    xml_end(&w);
}

/* ---- vCards ---- */

bool avatar_of_vcard(const struct xml_element *vcard, struct buf *picture, struct str *ret_type)
{
    const struct xml_element *photo = xml_child(vcard, "PHOTO", NS_VCARD);
    const struct xml_element *binval = photo == NULL ? NULL : xml_child(photo, "BINVAL", NS_VCARD);
    const struct xml_element *type = photo == NULL ? NULL : xml_child(photo, "TYPE", NS_VCARD);
    size_t begin = picture->len;

    if (binval == NULL || !avatar_decode(binval->text, picture) || picture->len == begin)
        return false;
    struct str said = type == NULL ? STR("") : str_trim(type->text);

    *ret_type = is_type(said) ? said : type_of(str_make(picture->p + begin, picture->len - begin));
    if (ret_type->len == 0)
        picture->len = begin;
    return ret_type->len > 0;
}

void avatar_write_vcard(struct buf *out, const struct xml_element *vcard, struct str type, struct str base64)
{
    struct xml_writer w = xml_writer_to(out);

    xml_start(&w, "vCard", NS_VCARD);
    for (const struct xml_element *e = vcard == NULL ? NULL : vcard->child; e != NULL; e = e->next) {
        if (!xml_is(e, "PHOTO", NS_VCARD))
            xml_put_element(&w, e, NS_VCARD);
    }
    if (base64.len > 0) {
        xml_start(&w, "PHOTO", NULL);
        xml_put_text_element(&w, "TYPE", type);
        xml_put_text_element(&w, "BINVAL", base64);
        xml_end(&w);
    }
    xml_end(&w);
}

/* ---- presence ---- */

bool avatar_is_update(const struct xml_element *child, const void *ctx)
{
    (void)ctx;
    return xml_is(child, "x", NS_VCARD_UPDATE);
}

bool avatar_must_update(const struct stanza *presence, struct str hash)
{
    const struct xml_element *x = xml_child(presence->root, "x", NS_VCARD_UPDATE);
    const struct xml_element *photo = x == NULL ? NULL : xml_child(x, "photo", NS_VCARD_UPDATE);

    if (photo == NULL)
        return true;
    struct str said = str_trim(photo->text);

    /* Empty: the client does not want a picture shown. */
    return said.len > 0 && !str_eq_nocase(said, hash);
}

void avatar_write_update(struct buf *out, struct str hash)
{
    struct xml_writer w = xml_writer_to(out);

    xml_start(&w, "x", NS_VCARD_UPDATE);
    if (hash.len > 0)
        xml_put_text_element(&w, "photo", hash);
    else
        xml_put_empty(&w, "photo", NULL);
    xml_end(&w);
}
