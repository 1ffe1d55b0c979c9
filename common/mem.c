#include "common/mem.h"

#include <stdio.h>
#include <string.h>

static void *checked(void *p, size_t size)
{
    if (p == NULL) {
        fprintf(stderr, "linnet: out of memory: %zu bytes could not be had\n", size);
        abort();
    }
    return p;
}

void *mem_alloc(size_t size)
{
    return checked(malloc(size > 0 ? size : 1), size);
}

void *mem_zalloc(size_t size)
{
    return checked(calloc(1, size > 0 ? size : 1), size);
}

void *mem_realloc(void *p, size_t size)
{
    return checked(realloc(p, size > 0 ? size : 1), size);
}

char *mem_strndup(const char *p, size_t len)
{
    char *copy = mem_alloc(len + 1);

    if (len > 0)
        memcpy(copy, p, len);
    copy[len] = '\0';
    return copy;
}

void mem_wipe(void *p, size_t len)
{
    if (len > 0)
        explicit_bzero(p, len);
}
