/* server/base/config.h - the configuration: one TOML file, read into one immutable snapshot.
 *
 * Every key is a row of config_keys.def, and the structs below are made of those rows: limits.stanza_bytes in the file
 * is cfg->limits.stanza_bytes here. Values are checked and complete: what the file does not say has its default, a
 * host's values have taken over the general ones, paths are resolved. All threads share a snapshot under a reference; a
 * reload makes another one and never changes this one.
 *
 * A file with any mistake in it is refused as a whole, and all its mistakes are reported together. */
#ifndef LINNET_SERVER_CONTROL_CONFIG_H
#define LINNET_SERVER_CONTROL_CONFIG_H

#include "common/arena.h"
#include "common/buf.h"
#include "common/err.h"
#include "server/base/log.h"

#include <sys/socket.h>

enum config_tls_mode { CONFIG_TLS_STARTTLS, CONFIG_TLS_DIRECT, CONFIG_TLS_NONE };
enum config_archive_policy { CONFIG_ARCHIVE_ALWAYS, CONFIG_ARCHIVE_NEVER, CONFIG_ARCHIVE_ROSTER };
enum config_listener_role { CONFIG_SERVES_CLIENTS, CONFIG_SERVES_COMPONENTS };
enum config_proxy_mode { CONFIG_PROXY_OFF, CONFIG_PROXY_REQUIRED };
enum config_storage_backend { CONFIG_STORAGE_SQLITE, CONFIG_STORAGE_MEMORY };
enum config_transport { CONFIG_TRANSPORT_UDP, CONFIG_TRANSPORT_TCP };
/* cfg->sasl.mechanisms has bit (1u << CONFIG_SASL_x) for each that is offered. */
enum config_sasl_mechanism {
    CONFIG_SASL_SCRAM_SHA_256_PLUS,
    CONFIG_SASL_SCRAM_SHA_1_PLUS,
    CONFIG_SASL_SCRAM_SHA_256,
    CONFIG_SASL_SCRAM_SHA_1,
    CONFIG_SASL_PLAIN,
    CONFIG_SASL_MECHANISMS,
};
#define CONFIG_SASL_ALL ((1u << CONFIG_SASL_MECHANISMS) - 1)
/* The same for cfg->fast.mechanisms. */
enum config_fast_mechanism {
    CONFIG_FAST_EXPR,
    CONFIG_FAST_UNIQ,
    CONFIG_FAST_ENDP,
    CONFIG_FAST_NONE,
    CONFIG_FAST_MECHANISMS,
};
#define CONFIG_FAST_ALL ((1u << CONFIG_FAST_MECHANISMS) - 1)

/* The words for them in the file, by value, NULL behind the last. */
extern const char *const config_names_tls_mode[];
extern const char *const config_names_listener_role[];
extern const char *const config_names_proxy_mode[];
extern const char *const config_names_archive_policy[];
extern const char *const config_names_storage_backend[];
extern const char *const config_names_sasl_mechanism[];
extern const char *const config_names_fast_mechanism[];
extern const char *const config_names_transport[];
extern const char *const config_names_log_level[];
extern const char *const config_names_log_target[];
extern const char *const config_names_log_format[];

struct config_list {
    size_t n;
    const char *const *items;
};

struct config_network {
    uint8_t address[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint8_t bits;        /* 0 to 128 of them count */
};

struct config_networks {
    size_t n;
    const struct config_network *items;
};

/* struct config_server, config_listener, config_tls, ... one for each table; enums are the types above or those of
 * log.h. */
/* clang-format off */
#define CONFIG_TABLE(name, path, text)      struct config_##name {
#define CONFIG_LIST_TABLE(name, path, text) struct config_##name {
#define CONFIG_END(name) };
#define CONFIG_SUBTABLE(table, field)                                            struct config_##table##_##field field;
#define CONFIG_BOOL(table, field, fallback, reload, text)                        bool field;
#define CONFIG_UINT(table, field, fallback, min, max, unit, reload, text)        uint64_t field;
#define CONFIG_UINT_AS(table, field, from_table, reload, text)                   uint64_t field;
#define CONFIG_ENUM(table, field, type, fallback, reload, text)                  unsigned field;
#define CONFIG_ENUM_AS(table, field, type, from_table, from_field, reload, text) unsigned field;
#define CONFIG_SET(table, field, type, fallback, reload, text)                   unsigned field;
#define CONFIG_STRING(table, field, fallback, check, reload, text)               const char *field;
#define CONFIG_PATH(table, field, fallback, in_data_dir, reload, text)           const char *field;
#define CONFIG_LIST(table, field, fallback, check, reload, text)                 struct config_list field;
#define CONFIG_LIST_AS(table, field, from_table, from_field, reload, text)       struct config_list field;
#define CONFIG_NETWORKS(table, field, reload, text)                              struct config_networks field;
#define CONFIG_DOMAIN(table, field, reload, text)                                struct str field; /* NUL behind */
/* clang-format on */
#include "server/base/config_keys.def"

struct config {
    _Atomic unsigned refs;                    /* private */
    struct arena *arena;                      /* private: all that the snapshot points to */
    const struct config_host **hosts_by_name; /* private: for config_host() */

    const char *path; /* of the file, as it was given */
    struct config_server server;
    struct config_tls tls;
    struct config_proxy proxy;
    struct config_storage storage;
    struct config_control control;
    struct config_log log;
    struct config_limits limits;
    struct config_sasl sasl;
    struct config_sm sm;
    struct config_fast fast;
    struct config_archive archive;
    struct config_modules modules;
    struct config_csi csi;
    struct config_push push;
    /* At least one each, in the order of the file. */
    size_t n_listeners;
    const struct config_listener *listeners;
    size_t n_hosts;
    const struct config_host *hosts;
    /* Perhaps none. */
    size_t n_external_services;
    const struct config_external_service *external_services;
    size_t n_components;
    const struct config_component *components;
};

/* [any] Reads `path`. `modules`: the names that may stand in lists of modules, NULL behind the last; NULL: not checked.
 * LN_E_IO: the file cannot be read; LN_E_INVALID: it is wrong. In both cases `errors` has a line for each mistake, as
 * in "linnet.toml:14:1: limits.stanza_byte: unknown key; did you mean limits.stanza_bytes?". */
enum ln_err config_load(const char *path, const char *const *modules, struct config **ret, struct buf *errors);
/* [any] The same from text; `path` is used in messages and for the folder where relative paths start. The empty text
 * gives the defaults. */
enum ln_err config_parse(struct str text, const char *path, const char *const *modules, struct config **ret,
                         struct buf *errors);

/* [any] Who only reads during a call takes a const pointer; who keeps it takes a reference. The last unref frees. */
struct config *config_ref(struct config *cfg);
void config_unref(struct config **cfg);

/* [any] The host of that name, prepared by jid_prepare_domain(); NULL: not one of ours. Lives as long as `cfg`. */
const struct config_host *config_host(const struct config *cfg, struct str domain);

/* [any] The component of that domain, prepared likewise; NULL: there is none. Lives as long as `cfg`. */
const struct config_component *config_component(const struct config *cfg, struct str domain);

/* [any] Whether the address lies in one of the networks. IPv4 that came over an IPv6 socket counts as IPv4. */
bool config_networks_contain(const struct config_networks *networks, const struct sockaddr *addr);

/* [any] What log_start() wants to know. The path is borrowed from `cfg`. */
struct log_options config_log_options(const struct config *cfg);
/* [any] Calls log_set_level() for every subsystem: at the start and after a reload. */
void config_apply_log_levels(const struct config *cfg);

/* ---- reload ---- */

struct config_change {
    const char *key;  /* "limits.stanza_bytes", "host.modules", or "listener" and "host" for one that came or went */
    const char *host; /* the host's name for keys of hosts, else NULL */
    bool needs_restart;
};

/* [any] Calls `on_change` for each key whose value differs. Returns how many did. */
size_t config_diff(const struct config *before, const struct config *after,
                   void (*on_change)(void *ctx, const struct config_change *change), void *ctx);

/* [any] The snapshot to go on with: `after`, but keys that need a restart keep the value they have in `running`. The
 * caller owns one reference and keeps those that it has. */
struct config *config_merge_for_reload(const struct config *running, const struct config *after);

/* ---- for linnetctl ---- */

/* [any] Appends every key and its value, as lines of TOML. */
void config_print(const struct config *cfg, struct buf *out);
/* [any] Appends the value of one key as TOML: "limits.stanza_bytes", "host.modules" of the host named (NULL: the first
 * one). LN_E_NOT_FOUND: there is no such key or host; keys of listeners are not among them. */
enum ln_err config_print_key(const struct config *cfg, const char *key, const char *host, struct buf *out);

#endif
