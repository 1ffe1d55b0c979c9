#include "common/hash_table.h"

#include "common/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static const struct siphash_key key_0_to_15 = {0x0706050403020100u, 0x0f0e0d0c0b0a0908u};

/* --- an independent SipHash-c-d, written from the paper byte by byte, to hold the table's own against --- */

struct sip {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotl(uint64_t x, int b)
{
    return (x << b) | (x >> (64 - b));
}

static void sip_rounds(struct sip *s, int n)
{
    while (n-- > 0) {
        s->v0 += s->v1;
        s->v1 = rotl(s->v1, 13);
        s->v1 ^= s->v0;
        s->v0 = rotl(s->v0, 32);
        s->v2 += s->v3;
        s->v3 = rotl(s->v3, 16);
        s->v3 ^= s->v2;
        s->v0 += s->v3;
        s->v3 = rotl(s->v3, 21);
        s->v3 ^= s->v0;
        s->v2 += s->v1;
        s->v1 = rotl(s->v1, 17);
        s->v1 ^= s->v2;
        s->v2 = rotl(s->v2, 32);
    }
}

static uint64_t reference_siphash(int c, int d, const struct siphash_key *key, struct str in)
{
    struct sip s = {key->k0 ^ 0x736f6d6570736575u, key->k1 ^ 0x646f72616e646f6du, key->k0 ^ 0x6c7967656e657261u,
                    key->k1 ^ 0x7465646279746573u};
    uint64_t m = 0;

    /* The input is padded with zeros to a multiple of eight bytes less one, then its length modulo 256. */
    for (size_t i = 0; i < in.len / 8 * 8 + 8; i++) {
        uint8_t byte = i < in.len ? (uint8_t)in.p[i] : (i % 8 == 7 ? (uint8_t)in.len : 0);

        m |= (uint64_t)byte << 8 * (i % 8);
        if (i % 8 == 7) {
            s.v3 ^= m;
            sip_rounds(&s, c);
            s.v0 ^= m;
            m = 0;
        }
    }
    s.v2 ^= 0xff;
    sip_rounds(&s, d);
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}

static void the_hash_is_siphash_1_3(void **state)
{
    char in[300];

    (void)state;
    for (size_t i = 0; i < sizeof(in); i++)
        in[i] = (char)i;
    /* The paper's appendix A gives one value, for 2-4; it proves the reference. */
    assert_int_equal(reference_siphash(2, 4, &key_0_to_15, str_make(in, 15)), 0xa129ca6149be45e5u);
    assert_int_equal(siphash(&key_0_to_15, STR("")), 0xabac0158050fc4dcu);
    for (size_t len = 0; len <= sizeof(in); len++)
        assert_int_equal(siphash(&key_0_to_15, str_make(in, len)),
                         reference_siphash(1, 3, &key_0_to_15, str_make(in, len)));
}

static void the_hash_depends_on_each_half_of_the_key(void **state)
{
    struct siphash_key other_k0 = {key_0_to_15.k0 + 1, key_0_to_15.k1}, other_k1 = {key_0_to_15.k0, key_0_to_15.k1 + 1};

    (void)state;
    assert_true(siphash(&key_0_to_15, STR("a")) != siphash(&other_k0, STR("a")));
    assert_true(siphash(&key_0_to_15, STR("a")) != siphash(&other_k1, STR("a")));
}

/* --- the table, held against an array that is searched from end to end --- */

enum { KEYS = 1000 };

struct entry {
    char name[24];
    size_t name_len;
    bool is_in;
    int visits;
};

static struct str entry_key(const struct entry *e)
{
    return str_make(e->name, e->name_len);
}

static struct entry *entries_new(void)
{
    struct entry *entries = mem_zalloc(KEYS * sizeof(*entries));

    for (int i = 0; i < KEYS; i++)
        entries[i].name_len = (size_t)snprintf(entries[i].name, sizeof(entries[i].name), "user%d@example", i);
    return entries;
}

static void assert_holds_exactly(const struct hash_table *t, struct entry *entries)
{
    size_t cursor = 0, in = 0, seen = 0;

    for (int i = 0; i < KEYS; i++) {
        void *want = entries[i].is_in ? &entries[i] : NULL;

        assert_ptr_equal(hash_table_get(t, entry_key(&entries[i])), want);
        entries[i].visits = 0;
        in += entries[i].is_in;
    }
    assert_int_equal(t->len, in);
    for (struct entry *e; (e = hash_table_next(t, &cursor)) != NULL; seen++) {
        assert_true(e->is_in);
        assert_int_equal(e->visits++, 0);
    }
    assert_int_equal(seen, in);
}

/* xorshift64: the same on every run */
static uint64_t random_next(uint64_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 7;
    *seed ^= *seed << 17;
    return *seed;
}

static void an_empty_table_finds_removes_and_walks_nothing(void **state)
{
    struct hash_table t;
    size_t cursor = 0;

    (void)state;
    hash_table_init(&t, &key_0_to_15);
    assert_null(hash_table_get(&t, STR("a")));
    assert_null(hash_table_remove(&t, STR("a")));
    assert_null(hash_table_next(&t, &cursor));
    hash_table_deinit(&t);
    hash_table_deinit(&t);
}

static void a_key_is_its_bytes_whatever_they_are(void **state)
{
    struct hash_table t;
    int empty, nul, two_nuls;

    (void)state;
    hash_table_init(&t, &key_0_to_15);
    assert_null(hash_table_put(&t, STR(""), &empty));
    assert_null(hash_table_put(&t, STR("\0"), &nul));
    assert_null(hash_table_put(&t, STR("\0\0"), &two_nuls));
    assert_ptr_equal(hash_table_get(&t, str_of(NULL)), &empty);
    assert_ptr_equal(hash_table_get(&t, STR("\0")), &nul);
    assert_ptr_equal(hash_table_get(&t, STR("\0\0")), &two_nuls);
    hash_table_deinit(&t);
}

static void replacing_returns_the_old_value_and_borrows_the_new_key(void **state)
{
    struct hash_table t;
    char old_key[] = "key", new_key[] = "key";
    int old_value, new_value;

    (void)state;
    hash_table_init(&t, &key_0_to_15);
    assert_null(hash_table_put(&t, str_of(old_key), &old_value));
    assert_ptr_equal(hash_table_put(&t, str_of(new_key), &new_value), &old_value);
    memset(old_key, 'x', 3);
    assert_ptr_equal(hash_table_get(&t, STR("key")), &new_value);
    assert_int_equal(t.len, 1);
    hash_table_deinit(&t);
}

static void random_puts_and_removals_leave_what_a_plain_list_would_hold(void **state)
{
    struct entry *entries = entries_new();
    struct hash_table t;
    uint64_t seed = 88172645463325252u;

    (void)state;
    hash_table_init(&t, &key_0_to_15);
    for (int step = 0; step < 60000; step++) {
        uint64_t dice = random_next(&seed);
        /* The range of keys in use breathes, so the table fills and empties several times. */
        struct entry *e = &entries[dice % (uint64_t)(1 + (step / 8) % KEYS)];
        void *want = e->is_in ? e : NULL;

        e->is_in = dice >> 32 & 1;
        if (e->is_in)
            assert_ptr_equal(hash_table_put(&t, entry_key(e), e), want);
        else
            assert_ptr_equal(hash_table_remove(&t, entry_key(e)), want);
        if (step % 1000 == 0)
            assert_holds_exactly(&t, entries);
    }
    assert_holds_exactly(&t, entries);
    hash_table_deinit(&t);
    free(entries);
}

/* Walks the table and removes what the dice say, as closing sessions does. */
static void walk_and_remove(struct hash_table *t, uint64_t *seed, unsigned one_in)
{
    size_t cursor = 0, before = t->len, seen = 0;

    for (struct entry *e; (e = hash_table_next(t, &cursor)) != NULL; seen++) {
        assert_int_equal(e->visits++, 0);
        if (random_next(seed) % one_in == 0) {
            assert_ptr_equal(hash_table_remove(t, entry_key(e)), e);
            e->is_in = false;
        }
    }
    assert_int_equal(seen, before);
}

static void a_walk_that_removes_what_it_was_given_sees_each_entry_once(void **state)
{
    struct entry *entries = entries_new();
    uint64_t seed = 1;

    (void)state;
    for (int fill = 1; fill <= KEYS; fill += fill < 64 ? 1 : 37) {
        for (unsigned one_in = 1; one_in <= 3; one_in++) {
            struct siphash_key key = {random_next(&seed), random_next(&seed)};
            struct hash_table t;

            hash_table_init(&t, &key);
            for (int i = 0; i < KEYS; i++) {
                entries[i].is_in = i < fill;
                entries[i].visits = 0;
                if (i < fill)
                    assert_null(hash_table_put(&t, entry_key(&entries[i]), &entries[i]));
            }
            walk_and_remove(&t, &seed, one_in);
            assert_holds_exactly(&t, entries);
            hash_table_deinit(&t);
        }
    }
    free(entries);
}

/* Small tables under many keys: entries that wrap around the end of the slots are common there. */
static void a_removing_walk_is_complete_where_entries_wrap_around(void **state)
{
    struct entry *entries = entries_new();
    uint64_t seed = 7;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        struct siphash_key key = {random_next(&seed), random_next(&seed)};
        struct hash_table t;

        hash_table_init(&t, &key);
        for (int i = 0; i < 6; i++) {
            entries[i].visits = 0;
            assert_null(hash_table_put(&t, entry_key(&entries[i]), &entries[i]));
        }
        assert_int_equal(t.cap, 8);
        walk_and_remove(&t, &seed, 2);
        for (int i = 0; i < 6; i++)
            assert_int_equal(entries[i].visits, 1);
        hash_table_deinit(&t);
    }
    free(entries);
}

static void memory_follows_the_number_of_entries_both_ways(void **state)
{
    struct entry *entries = entries_new();
    struct hash_table t;
    size_t full_cap;

    (void)state;
    hash_table_init(&t, &key_0_to_15);
    for (int i = 0; i < KEYS; i++)
        hash_table_put(&t, entry_key(&entries[i]), &entries[i]);
    full_cap = t.cap;
    assert_true(full_cap >= KEYS * 4 / 3 && full_cap <= KEYS * 4);
    for (int i = 10; i < KEYS; i++)
        hash_table_remove(&t, entry_key(&entries[i]));
    hash_table_put(&t, entry_key(&entries[10]), &entries[10]);
    assert_true(t.cap <= full_cap / 16);
    for (int i = 0; i <= 10; i++) {
        assert_ptr_equal(hash_table_remove(&t, entry_key(&entries[i])), &entries[i]);
    }
    assert_int_equal(t.len, 0);
    assert_true(t.cap <= 8);
    hash_table_deinit(&t);
    free(entries);
}

/* With tombstones a table under such churn would fill up with them, and grow or slow down. */
static void a_table_whose_entries_come_and_go_does_not_grow(void **state)
{
    struct entry *entries = entries_new();
    struct hash_table t;
    size_t cap;

    (void)state;
    hash_table_init(&t, &key_0_to_15);
    for (int i = 0; i < KEYS / 2; i++)
        hash_table_put(&t, entry_key(&entries[i]), &entries[i]);
    cap = t.cap;
    for (int i = 0; i < 200 * KEYS; i++) {
        struct entry *leaves = &entries[i % KEYS], *comes = &entries[(i + KEYS / 2) % KEYS];

        assert_ptr_equal(hash_table_remove(&t, entry_key(leaves)), leaves);
        assert_null(hash_table_put(&t, entry_key(comes), comes));
    }
    assert_int_equal(t.cap, cap);
    hash_table_deinit(&t);
    free(entries);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_hash_is_siphash_1_3),
        cmocka_unit_test(the_hash_depends_on_each_half_of_the_key),
        cmocka_unit_test(an_empty_table_finds_removes_and_walks_nothing),
        cmocka_unit_test(a_key_is_its_bytes_whatever_they_are),
        cmocka_unit_test(replacing_returns_the_old_value_and_borrows_the_new_key),
        cmocka_unit_test(random_puts_and_removals_leave_what_a_plain_list_would_hold),
        cmocka_unit_test(a_walk_that_removes_what_it_was_given_sees_each_entry_once),
        cmocka_unit_test(a_removing_walk_is_complete_where_entries_wrap_around),
        cmocka_unit_test(memory_follows_the_number_of_entries_both_ways),
        cmocka_unit_test(a_table_whose_entries_come_and_go_does_not_grow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
