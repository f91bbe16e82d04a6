/*
 * page.c: see page.h. The table itself is generated from the files beside this one.
 */
#include "page.h"
#include "page_files.h"
#include <string.h>

const struct page_file *page_file(const char *path) {
    for (size_t i = 0; i < page_files_count; i++)
        if (strcmp(page_files[i].path, path) == 0) return &page_files[i];
    return NULL;
}
