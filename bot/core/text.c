/* Owned strings: see text.h. */
#include "text.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int text_set(char **field, const char *text) {
    char *copy = strdup(text ? text : "");
    if (!copy) return TB_ENOMEM;
    free(*field);
    *field = copy;
    return TB_OK;
}

char *text_print(const char *format, ...) {
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int length = vasprintf(&text, format, args);
    va_end(args);
    return length < 0 ? NULL : text;
}

size_t text_prefix(const char *text, size_t size, size_t max) {
    if (size <= max) return size;
    size_t end = max;
    while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
        end--;
    return end;
}
