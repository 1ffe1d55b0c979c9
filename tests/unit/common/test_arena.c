#include "common/arena.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>

#include <cmocka.h>

static void allocations_are_aligned_for_any_type_and_do_not_overlap(void **state)
{
    struct arena *a = arena_new(100);
    unsigned char *p[200];

    (void)state;
    for (size_t i = 0; i < 200; i++) {
        p[i] = arena_alloc(a, i);
        assert_int_equal((uintptr_t)p[i] % alignof(max_align_t), 0);
        memset(p[i], (int)i, i);
    }
    for (size_t i = 0; i < 200; i++) {
        for (size_t j = 0; j < i; j++)
            assert_int_equal(p[i][j], i);
    }
    arena_free(&a);
}

static void bytes_and_aligned_memory_can_be_mixed(void **state)
{
    struct arena *a = arena_new(0);
    char *bytes[300];
    uint64_t *numbers[300];

    (void)state;
    for (size_t i = 0; i < 300; i++) {
        bytes[i] = arena_alloc_bytes(a, 7);
        memset(bytes[i], 'x', 7);
        numbers[i] = arena_alloc(a, sizeof(uint64_t));
        *numbers[i] = i;
    }
    for (size_t i = 0; i < 300; i++) {
        assert_memory_equal(bytes[i], "xxxxxxx", 7);
        assert_int_equal(*numbers[i], i);
    }
    arena_free(&a);
}

static void an_allocation_larger_than_any_block_is_served(void **state)
{
    struct arena *a = arena_new(16);
    char *big = arena_alloc_bytes(a, 1000000), *aligned = arena_alloc(a, 1000000);

    (void)state;
    memset(big, 1, 1000000);
    memset(aligned, 2, 1000000);
    assert_int_equal(big[999999], 1);
    arena_free(&a);
}

static void a_copy_is_equal_and_elsewhere(void **state)
{
    struct arena *a = arena_new(64);
    struct str original = STR("balcony"), copy = arena_copy(a, original), none = arena_copy(a, STR(""));

    (void)state;
    assert_true(str_eq(copy, original));
    assert_ptr_not_equal(copy.p, original.p);
    assert_int_equal(none.len, 0);
    arena_free(&a);
}

static void freeing_leaves_null_and_accepts_it(void **state)
{
    struct arena *a = arena_new(1);

    (void)state;
    arena_free(&a);
    assert_null(a);
    arena_free(&a);
    assert_null(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_aligned_for_any_type_and_do_not_overlap),
        cmocka_unit_test(bytes_and_aligned_memory_can_be_mixed),
        cmocka_unit_test(an_allocation_larger_than_any_block_is_served),
        cmocka_unit_test(a_copy_is_equal_and_elsewhere),
        cmocka_unit_test(freeing_leaves_null_and_accepts_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
