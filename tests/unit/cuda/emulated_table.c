/*
 * emulated_table.c: the emulated libraries in the place of libraries.c.
 */
#include "libraries.h"

#define DECLARE(name) __typeof__(name) emulated_##name;
CUBLAS_FUNCTIONS(DECLARE)
CUDNN_FUNCTIONS(DECLARE)

int libraries_open(struct libraries *libraries, char *error, size_t size) {
    (void)error;
    (void)size;
    *libraries = (struct libraries){0};
#define FILL(name) libraries->name = emulated_##name;
    CUBLAS_FUNCTIONS(FILL)
    CUDNN_FUNCTIONS(FILL)
    return 0;
}

void libraries_close(struct libraries *libraries) {
    *libraries = (struct libraries){0};
}
