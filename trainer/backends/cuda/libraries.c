/*
 * libraries.c: see libraries.h. Looked for where the system looks, then in the folder of the toolkit we were built
 * with. Once in, they stay (RTLD_NODELETE): their threads and exit handlers do not bear being unloaded.
 */
#include "libraries.h"

#include <cuda_runtime_api.h>
#include <dlfcn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define TEXT2(text) #text
#define TEXT(text) TEXT2(text)
#define CUBLAS_NAME "libcublas.so." TEXT(CUBLAS_VER_MAJOR)
#define CUDNN_NAME "libcudnn.so." TEXT(CUDNN_MAJOR)

static void *open_library(const char *name, const char *what, char *error, size_t size) {
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library != NULL) return library;
    char path[512];
    snprintf(path, sizeof path, "%s/%s", CUDA_LIBRARY_DIR, name);
    library = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (library == NULL) {
        snprintf(error, size, "cuda: %s (%s) cannot be opened: install it, or use --backend openblas", what, name);
    }
    return library;
}

/* POSIX has dlsym give functions as pointers to objects. */
static bool find(void *library, const char *name, void *function, char *error, size_t size) {
    void *symbol = dlsym(library, name);
    if (symbol == NULL) {
        snprintf(error, size, "cuda: %s is not in the library found, which is of another version", name);
        return false;
    }
    memcpy(function, &symbol, sizeof symbol);
    return true;
}

int libraries_open(struct libraries *libraries, char *error, size_t size) {
    struct libraries opened = {.cublas = open_library(CUBLAS_NAME, "cuBLAS", error, size)};
    if (opened.cublas == NULL) return -1;
    opened.cudnn = open_library(CUDNN_NAME, "cuDNN", error, size);
    bool good = opened.cudnn != NULL;
#define FIND_CUBLAS(name) good = good && find(opened.cublas, #name, &opened.name, error, size);
#define FIND_CUDNN(name) good = good && find(opened.cudnn, #name, &opened.name, error, size);
    CUBLAS_FUNCTIONS(FIND_CUBLAS)
    CUDNN_FUNCTIONS(FIND_CUDNN)
    if (!good) {
        libraries_close(&opened);
        return -1;
    }
    *libraries = opened;
    return 0;
}

void libraries_close(struct libraries *libraries) {
    if (libraries->cudnn != NULL) dlclose(libraries->cudnn);
    if (libraries->cublas != NULL) dlclose(libraries->cublas);
    *libraries = (struct libraries){0};
}
