/*
 * page_files.h: the generated table of the page's files.
 */
#ifndef TRAINBOT_PAGE_FILES_H
#define TRAINBOT_PAGE_FILES_H

#include "page.h"

extern const struct page_file page_files[];
extern const size_t page_files_count;

#endif
