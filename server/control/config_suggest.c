#include "server/control/config_suggest.h"

enum { WORD_MAX = 64 }; /* no key or name is longer; longer words are near to nothing */

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;

    return least < c ? least : c;
}

/* Letters to insert, remove or replace (Levenshtein). */
static size_t edit_distance(struct str a, struct str b)
{
    size_t row[WORD_MAX + 1]; /* distances from the part of `a` seen so far to each prefix of `b` */

    for (size_t j = 0; j <= b.len; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t replaced = diagonal + (a.p[i - 1] != b.p[j - 1]);

            diagonal = row[j];
            row[j] = min3(replaced, row[j] + 1, row[j - 1] + 1);
        }
    }
    return row[b.len];
}

void config_suggest(struct config_suggestion *best, struct str typed, const char *candidate)
{
    struct str word = str_of(candidate);

    if (typed.len > WORD_MAX || word.len > WORD_MAX)
        return;
    size_t distance = edit_distance(typed, word);
    /* A third of the letters wrong is a typing error, more is another word. */
    if (distance <= word.len / 3 && (best->word == NULL || distance < best->distance))
        *best = (struct config_suggestion){candidate, distance};
}

/* The first key of that name below `table`, appended whole. */
static bool append_same_name(struct buf *out, const struct config_table *table, struct str field)
{
    const struct config_row *row = config_row_in(table, field);

    if (row != NULL) {
        config_key_append(out, table, field);
        return true;
    }
    for (size_t i = 0; i < table->n_rows; i++)
        if (table->rows[i].table != NULL && append_same_name(out, table->rows[i].table, field))
            return true;
    return false;
}

bool config_suggest_key(struct buf *out, const struct config_table *table, struct str field)
{
    struct config_suggestion best = {NULL, 0};

    for (size_t i = 0; i < table->n_rows; i++)
        config_suggest(&best, field, table->rows[i].field);
    if (best.word != NULL) {
        config_key_append(out, table, str_of(best.word));
        return true;
    }
    return append_same_name(out, &config_root, field);
}
