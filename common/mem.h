/* common/mem.h - allocation that does not fail.
 *
 * All sizes a peer can influence are bounded by limits, so an allocation that fails means that the machine is out of
 * memory, which no caller can mend: these functions print one line to stderr and abort. Free with free(). */
#ifndef LINNET_COMMON_MEM_H
#define LINNET_COMMON_MEM_H

#include <stddef.h>
#include <stdlib.h>

/* [any] `size` bytes, uninitialised. */
void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
/* [any] `size` bytes of zeros. */
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));
/* [any] As realloc(); NULL for `p` is an allocation. */
void *mem_realloc(void *p, size_t size) __attribute__((returns_nonnull));
/* [any] A copy of `len` bytes with a NUL behind it. */
char *mem_strndup(const char *p, size_t len) __attribute__((malloc, returns_nonnull));

/* Writes zeros that the compiler may not remove: for keys and passwords. */
void mem_wipe(void *p, size_t len);

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))
#define ARRAY_LEN(a)                    (sizeof(a) / sizeof((a)[0]))

#endif
