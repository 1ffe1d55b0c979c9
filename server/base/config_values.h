/* server/base/config_values.h - what can be done with a value of any type, given its row: copy, compare, print. */
#ifndef LINNET_SERVER_CONTROL_CONFIG_VALUES_H
#define LINNET_SERVER_CONTROL_CONFIG_VALUES_H

#include "server/base/config_rows.h"

/* [any] Into zeroed or used memory; what `from` points to is copied into the arena. */
void config_value_copy(const struct config_row *row, struct arena *arena, void *to, const void *from);
/* [any] Every key of a table. */
void config_table_copy(const struct config_table *table, struct arena *arena, void *to, const void *from);

bool config_value_equal(const struct config_row *row, const void *a, const void *b);

/* [any] As TOML. Not for tables. */
void config_value_print(const struct config_row *row, const void *value, struct buf *out);

/* [any] The structs of a CONFIG_TYPE_TABLES row. */
struct config_array {
    size_t n;
    void *items;
};
struct config_array config_array_get(const struct config_row *row, const void *parent_struct);
void config_array_set(const struct config_row *row, void *parent_struct, struct config_array array);
/* Each with all its keys; both pointers are to the parent. */
void config_array_copy(const struct config_row *row, struct arena *arena, void *to, const void *from);
static inline void *config_array_at(const struct config_row *row, struct config_array array, size_t i)
{
    return (char *)array.items + i * row->table->size;
}

/* [any] A copy with a NUL behind it. */
const char *config_text(struct arena *arena, struct str text);

#endif
