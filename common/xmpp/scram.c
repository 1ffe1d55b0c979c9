/* The exchange of RFC 5802 section 5, with the grammar of its section 7. Messages are attributes between commas, in a
 * fixed order; no value holds a comma, so cutting at commas is always right. */
#include "common/xmpp/scram.h"

#include "common/base64.h"
#include "common/mem.h"
#include "common/utf8.h"
#include "common/xmpp/scram_hash.h"

#include <assert.h>

enum stage { WANTS_CLIENT_FIRST, WANTS_KEYS, WANTS_CLIENT_FINAL, IS_OVER };

struct scram {
    enum scram_hash hash;
    bool is_plus;
    bool server_offers_plus;
    enum stage stage;
    char *server_nonce;
    /* from client-first on */
    char *client_first;      /* as it came; the spans below lie in it */
    char gs2_flag;           /* 'n', 'y' or 'p' */
    struct str gs2_header;   /* up to the second comma: what c= must repeat */
    struct str client_nonce; /* the front of the nonce; server_nonce is the rest */
    char *names;             /* decoded; `said` has the spans */
    struct scram_first said;
    struct buf auth; /* AuthMessage as far as it is known: "client-first-bare,server-first," */
    /* from server-first on */
    struct scram_keys keys;
};

struct scram *scram_new(enum scram_hash h, bool is_plus, bool server_offers_plus, struct str server_nonce)
{
    struct scram *s = mem_zalloc(sizeof(*s));

    assert(server_nonce.len > 0);
    s->hash = h;
    s->is_plus = is_plus;
    s->server_offers_plus = server_offers_plus;
    s->server_nonce = str_dup(server_nonce);
    return s;
}

void scram_free(struct scram **s)
{
    struct scram *mine = *s;

    *s = NULL;
    if (mine == NULL)
        return;
    free(mine->server_nonce);
    free(mine->client_first);
    free(mine->names);
    buf_deinit(&mine->auth);
    mem_wipe(mine, sizeof(*mine));
    free(mine);
}

/* --- the grammar --- */

/* Any message: UTF-8 without NUL, of reasonable length. */
static bool is_text(struct str message)
{
    return message.len <= SCRAM_MESSAGE_MAX && str_find(message, '\0') < 0 && utf8_is_valid(message);
}

/* Cuts what is before the next comma off; the last of all leaves NULL behind. False: there is nothing more. */
static bool next_field(struct str *rest, struct str *ret)
{
    ptrdiff_t comma = str_find(*rest, ',');
    size_t len = comma < 0 ? rest->len : (size_t)comma;

    if (rest->p == NULL)
        return false;
    *ret = str_make(rest->p, len);
    *rest = comma < 0 ? str_of(NULL) : str_make(rest->p + len + 1, rest->len - len - 1);
    return true;
}

/* "n=value": the value, which is never empty. */
static bool attribute_value(struct str field, char name, struct str *ret)
{
    if (field.len < 3 || field.p[0] != name || field.p[1] != '=')
        return false;
    *ret = str_make(field.p + 2, field.len - 2);
    return true;
}

static bool next_value(struct str *rest, char name, struct str *ret)
{
    struct str field;

    return next_field(rest, &field) && attribute_value(field, name, ret);
}

/* One that may be ignored: a letter that the RFC does not use. Among those it does is "m", which announces what must be
 * understood, and we understand none. */
static bool is_optional_extension(struct str field)
{
    struct str value;
    char name = field.len > 0 ? field.p[0] : '\0';
    bool is_letter = (name >= 'a' && name <= 'z') || (name >= 'A' && name <= 'Z');

    return is_letter && str_find(STR("anmrcsipve"), name) < 0 && attribute_value(field, name, &value);
}

/* The channel binding's name, after "p=" */
static bool is_binding_name(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.p[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '.' && c != '-')
            return false;
    }
    return name.len > 0;
}

static bool is_nonce(struct str nonce)
{
    for (size_t i = 0; i < nonce.len; i++) {
        if (nonce.p[i] < 0x21 || nonce.p[i] > 0x7e)
            return false;
    }
    return nonce.len > 0;
}

/* A saslname: "=2C" is a comma, "=3D" is an equals sign, and no other "=" may occur. Writes to *to and moves it on. */
static bool decode_name(struct str in, char **to, struct str *ret)
{
    char *start = *to;

    for (size_t i = 0; i < in.len; i++) {
        char c = in.p[i];

        if (c == '=') {
            struct str escape = str_make(in.p + i, in.len - i);

            if (!str_starts(escape, STR("=2C")) && !str_starts(escape, STR("=3D")))
                return false;
            c = escape.p[1] == '2' ? ',' : '=';
            i += 2;
        }
        *(*to)++ = c;
    }
    *ret = str_make(start, (size_t)(*to - start));
    return true;
}

/* --- client-first --- */

/* gs2-header: "n", "y" or "p=name", then the authzid if there is one */
static bool read_gs2_header(struct scram *s, struct str *rest, char **names)
{
    const char *start = rest->p;
    struct str flag, field, authzid;

    if (!next_field(rest, &flag) || !next_field(rest, &field) || rest->p == NULL)
        return false;
    s->gs2_header = str_make(start, (size_t)(rest->p - start));
    s->gs2_flag = flag.len > 0 ? flag.p[0] : '\0';
    if (attribute_value(flag, 'p', &s->said.cb_type)) {
        if (!is_binding_name(s->said.cb_type))
            return false;
    } else if (!str_is(flag, "n") && !str_is(flag, "y")) {
        return false;
    }
    return field.len == 0 || (attribute_value(field, 'a', &authzid) && decode_name(authzid, names, &s->said.authzid));
}

/* client-first-message-bare. A mandatory extension would stand in the place of the name. */
static bool read_first_bare(struct scram *s, struct str rest, char **names)
{
    struct str username, field;

    if (!next_value(&rest, 'n', &username) || !decode_name(username, names, &s->said.username) ||
        !next_value(&rest, 'r', &s->client_nonce) || !is_nonce(s->client_nonce))
        return false;
    while (next_field(&rest, &field)) {
        if (!is_optional_extension(field))
            return false;
    }
    return true;
}

/* RFC 5802 section 6. A client says "y" when it could bind but saw no -PLUS on offer: if there was one, somebody has
 * taken it out of the list on the way. */
static bool is_binding_agreed(const struct scram *s)
{
    if (s->is_plus)
        return s->gs2_flag == 'p';
    return s->gs2_flag == 'n' || (s->gs2_flag == 'y' && !s->server_offers_plus);
}

enum ln_err scram_client_first(struct scram *s, struct str message, struct scram_first *ret)
{
    struct str rest;
    char *names;

    assert(s->stage == WANTS_CLIENT_FIRST);
    s->stage = IS_OVER;
    if (!is_text(message))
        return LN_E_INVALID;
    s->client_first = str_dup(message);
    names = s->names = mem_alloc(message.len); /* decoding only shortens */
    rest = str_make(s->client_first, message.len);
    if (!read_gs2_header(s, &rest, &names) || !read_first_bare(s, rest, &names))
        return LN_E_INVALID;
    if (!is_binding_agreed(s))
        return LN_E_AUTH;
    buf_append_str(&s->auth, rest);
    buf_append_char(&s->auth, ',');
    s->stage = WANTS_KEYS;
    *ret = s->said;
    return LN_OK;
}

/* --- server-first --- */

void scram_server_first(struct scram *s, const struct scram_keys *keys, struct buf *out)
{
    size_t start = out->len;

    assert(s->stage == WANTS_KEYS && keys->salt_len <= SCRAM_SALT_MAX);
    s->stage = WANTS_CLIENT_FINAL;
    s->keys = *keys;
    buf_append_cstr(out, "r=");
    buf_append_str(out, s->client_nonce);
    buf_append_cstr(out, s->server_nonce);
    buf_append_cstr(out, ",s=");
    base64_encode(out, str_make((const char *)keys->salt, keys->salt_len));
    buf_append_cstr(out, ",i=");
    buf_append_u64(out, keys->iterations);
    buf_append(&s->auth, out->p + start, out->len - start);
    buf_append_char(&s->auth, ',');
}

/* --- client-final and server-final --- */

struct client_final {
    struct str binding; /* still base64 */
    struct str nonce;
    struct str proof; /* still base64 */
    struct str without_proof;
};

static bool read_client_final(struct str message, struct client_final *ret)
{
    struct str rest = message, field;

    if (!next_value(&rest, 'c', &ret->binding) || !next_value(&rest, 'r', &ret->nonce))
        return false;
    while (next_field(&rest, &field)) {
        if (attribute_value(field, 'p', &ret->proof)) {
            ret->without_proof = str_make(message.p, (size_t)(field.p - message.p) - 1);
            return rest.p == NULL; /* nothing comes after the proof */
        }
        if (!is_optional_extension(field))
            return false;
    }
    return false;
}

static bool is_nonce_right(const struct scram *s, struct str nonce)
{
    size_t ours = s->client_nonce.len;

    return str_starts(nonce, s->client_nonce) && str_is(str_make(nonce.p + ours, nonce.len - ours), s->server_nonce);
}

/* `binding` is cbind-input: the gs2-header again, and with -PLUS the data of the channel. */
static bool is_binding_right(const struct scram *s, struct str cbind_input, const struct scram_binding *binding)
{
    struct str data = STR(""), other = STR("");

    if (s->is_plus) {
        if (binding == NULL || binding->data.len == 0 || !str_eq(binding->type, s->said.cb_type))
            return false;
        data = binding->data;
        other = binding->other;
    }
    if (!str_starts(cbind_input, s->gs2_header))
        return false;
    cbind_input = str_make(cbind_input.p + s->gs2_header.len, cbind_input.len - s->gs2_header.len);
    return str_eq_secret(cbind_input, data) || (other.len > 0 && str_eq_secret(cbind_input, other));
}

/* ClientProof is ClientKey, hidden by what only who knows StoredKey can compute; StoredKey is a hash of ClientKey. */
static bool is_proof_right(const struct scram *s, const struct str auth_message[2], struct str proof)
{
    uint8_t client_key[SCRAM_KEY_MAX], stored_key[SCRAM_KEY_MAX];
    size_t len = scram_hash_len(s->hash);
    bool is_right;

    scram_hmac(s->hash, s->keys.stored_key, auth_message, 2, client_key);
    for (size_t i = 0; i < len; i++)
        client_key[i] ^= (uint8_t)proof.p[i];
    scram_h(s->hash, client_key, len, stored_key);
    is_right = str_eq_secret(str_make((const char *)stored_key, len), str_make((const char *)s->keys.stored_key, len));
    mem_wipe(client_key, sizeof(client_key));
    return is_right;
}

static void write_server_final(const struct scram *s, const struct str auth_message[2], struct buf *out)
{
    uint8_t signature[SCRAM_KEY_MAX];

    scram_hmac(s->hash, s->keys.server_key, auth_message, 2, signature);
    buf_append_cstr(out, "v=");
    base64_encode(out, str_make((const char *)signature, scram_hash_len(s->hash)));
}

static enum ln_err check_client_final(const struct scram *s, const struct client_final *f,
                                      const struct scram_binding *binding, struct buf *cbind_input, struct buf *proof)
{
    const struct str auth_message[2] = {buf_str(&s->auth), f->without_proof};

    if (!base64_decode(cbind_input, f->binding) || !base64_decode(proof, f->proof) ||
        proof->len != scram_hash_len(s->hash))
        return LN_E_INVALID;
    if (!is_nonce_right(s, f->nonce) || !is_binding_right(s, buf_str(cbind_input), binding) ||
        !is_proof_right(s, auth_message, buf_str(proof)))
        return LN_E_AUTH;
    return LN_OK;
}

enum ln_err scram_client_final(struct scram *s, struct str message, const struct scram_binding *binding,
                               struct buf *out)
{
    struct buf cbind_input = {0}, proof = {0};
    struct client_final f;
    enum ln_err err;

    assert(s->stage == WANTS_CLIENT_FINAL);
    s->stage = IS_OVER;
    if (!is_text(message) || !read_client_final(message, &f))
        return LN_E_INVALID;
    err = check_client_final(s, &f, binding, &cbind_input, &proof);
    if (err == LN_OK)
        write_server_final(s, (const struct str[]){buf_str(&s->auth), f.without_proof}, out);
    buf_deinit(&cbind_input);
    buf_deinit(&proof);
    return err;
}
