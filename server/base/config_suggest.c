#include "server/base/config_suggest.h"

enum { WORD_MAX = 64 }; /* no key or name is longer; longer words are near to nothing */

static size_t min(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Letters to insert, remove, replace or exchange with their neighbour (optimal string alignment). */
static size_t edit_distance(struct str a, struct str b)
{
    unsigned char d[WORD_MAX + 1][WORD_MAX + 1]; /* between the first i letters of `a` and the first j of `b` */

    for (size_t i = 0; i <= a.len; i++)
        d[i][0] = (unsigned char)i;
    for (size_t j = 0; j <= b.len; j++)
        d[0][j] = (unsigned char)j;
    for (size_t i = 1; i <= a.len; i++) {
        for (size_t j = 1; j <= b.len; j++) {
            size_t least = min(min(d[i - 1][j], d[i][j - 1]) + 1, d[i - 1][j - 1] + (a.p[i - 1] != b.p[j - 1]));

            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1])
                least = min(least, d[i - 2][j - 2] + 1u);
            d[i][j] = (unsigned char)least;
        }
    }
    return d[a.len][b.len];
}

void config_suggest(struct config_suggestion *best, struct str typed, const char *candidate)
{
    struct str word = str_of(candidate);

    if (typed.len > WORD_MAX || word.len > WORD_MAX)
        return;
    size_t distance = edit_distance(typed, word);
    /* A third of the letters wrong is a typing error, more is another word. */
    if (distance <= (word.len + 1) / 3 && (best->word == NULL || distance < best->distance))
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
