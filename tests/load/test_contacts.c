#include "tests/load/contacts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { USERS_MAX = 14 };

static void shape_is_mutual(const struct shape *s)
{
    for (uint32_t user = 0; user < s->users; user++) {
        bool is_contact[USERS_MAX] = {false};

        for (uint32_t slot = 0; slot < shape_degree(s, user); slot++) {
            uint32_t other = shape_contact(s, user, slot), slot_there = shape_slot(s, other, user);

            assert_true(other < s->users && other != user);
            assert_false(is_contact[other]);
            is_contact[other] = true;
            assert_int_equal(shape_slot(s, user, other), slot);
            assert_true(slot_there < shape_degree(s, other));
            assert_int_equal(shape_contact(s, other, slot_there), user);
        }
        for (uint32_t other = 0; other < s->users; other++)
            assert_true(is_contact[other] == (shape_slot(s, user, other) != SHAPE_NONE));
        assert_int_equal(shape_slot(s, user, s->users), SHAPE_NONE);
        assert_int_equal(shape_slot(s, user, SHAPE_NONE), SHAPE_NONE);
    }
}

static void in_a_ring_all_contacts_are_mutual_and_each_has_one_slot(void **state)
{
    (void)state;
    for (uint32_t users = 2; users <= USERS_MAX; users++) {
        for (uint32_t contacts = 1; contacts < users; contacts++) {
            struct shape s = {.users = users, .contacts = contacts};

            if (shape_check(&s) == NULL)
                shape_is_mutual(&s);
            else
                assert_true(users % 2 != 0 && contacts % 2 != 0);
        }
    }
}

static void in_a_star_all_others_are_contacts_of_the_first_only(void **state)
{
    struct shape s = {.users = 6, .contacts = 5, .is_star = true};

    (void)state;
    assert_null(shape_check(&s));
    shape_is_mutual(&s);
    assert_int_equal(shape_degree(&s, 0), 5);
    assert_int_equal(shape_degree(&s, 3), 1);
    assert_int_equal(shape_contact(&s, 3, 0), 0);
    assert_int_equal(shape_slot(&s, 3, 4), SHAPE_NONE);
}

static void a_shape_that_cannot_be_is_refused_with_a_reason(void **state)
{
    static const struct shape shapes[] = {
        {.users = 5, .contacts = 0},
        {.users = 5, .contacts = 5},
        {.users = 5, .contacts = 3},
        {.users = 5, .contacts = 5, .is_star = true},
        {.users = 5, .contacts = 3, .is_star = true},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
        assert_non_null(shape_check(&shapes[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_a_ring_all_contacts_are_mutual_and_each_has_one_slot),
        cmocka_unit_test(in_a_star_all_others_are_contacts_of_the_first_only),
        cmocka_unit_test(a_shape_that_cannot_be_is_refused_with_a_reason),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
