/* allocations.c: see allocations.h. Only what hands out memory is replaced: free stays glibc's, to which all of it
 * belongs (https://sourceware.org/glibc/manual/latest/html_node/Replacing-malloc.html; __libc_* are its own names). */
#include "allocations.h"

#include <errno.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(__GLIBC__)

int64_t allocations(void) {
    return -1;
}

#else

static _Atomic int64_t count;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t members, size_t size);
extern void *__libc_realloc(void *memory, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

static void one(void) {
    atomic_fetch_add_explicit(&count, 1, memory_order_relaxed);
}

int64_t allocations(void) {
    return atomic_load_explicit(&count, memory_order_relaxed);
}

void *malloc(size_t size) {
    one();
    return __libc_malloc(size);
}

void *calloc(size_t members, size_t size) {
    one();
    return __libc_calloc(members, size);
}

void *realloc(void *memory, size_t size) {
    one();
    return __libc_realloc(memory, size);
}

void *memalign(size_t alignment, size_t size) {
    one();
    return __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size) {
    one();
    return __libc_memalign(alignment, size);
}

int posix_memalign(void **ret_memory, size_t alignment, size_t size) {
    one();
    if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) return EINVAL;
    void *memory = __libc_memalign(alignment, size);
    if (memory == NULL) return ENOMEM;
    *ret_memory = memory;
    return 0;
}

#endif
