/* png_look.h: what a decoded picture is like, as far as a program can see. Asserts by itself. */
#ifndef TEST_PNG_LOOK_H
#define TEST_PNG_LOOK_H

#include <stddef.h>
#include <stdint.h>

struct look {
    int width, height;
    size_t size;      /* bytes of the PNG */
    int colours;      /* different ones, at most 4096 counted */
    double paper;     /* share of the pixels that are white */
    uint64_t content; /* a hash of the pixels */
};

void png_look(const void *png, size_t size, struct look *ret_look);
void png_look_file(const char *path, struct look *ret_look);
/* Fits a phone, is small, and something is drawn on it. */
void png_good(const char *what, const struct look *look);

#endif
