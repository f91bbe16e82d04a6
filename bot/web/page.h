/*
 * page.h: the page's files, embedded into the program when it is built.
 */
#ifndef TRAINBOT_PAGE_H
#define TRAINBOT_PAGE_H

#include <stddef.h>

struct page_file {
    const char *path; /* "/app.js" */
    const char *mime;
    const char *etag; /* changes with the bytes */
    const unsigned char *bytes;
    size_t size;
};
/* "/" is the page itself. NULL: no such file. Any thread. */
const struct page_file *page_file(const char *path);

#endif
