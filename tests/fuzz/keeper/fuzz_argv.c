/* Any configuration value: parsed or refused with a reason; words quoted again parse to the same words. */
#include "argv.h"
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *look_up(void *user, const char *name) {
    (void)user;
    return strlen(name) % 2 ? "{value} 'as it is'" : NULL;
}

static void check_quoted(char *const *argv) {
    size_t room = 1;
    for (char *const *at = argv; *at; at++)
        room += strlen(*at) * 4 + 3;
    char *text = malloc(room), *to = text, **again;
    if (!text) return;
    for (char *const *at = argv; *at; at++) {
        *to++ = '\'';
        for (const char *from = *at; *from; from++) {
            if (*from == '\'') {
                memcpy(to, "'\\'", 3);
                to += 3;
            }
            *to++ = *from;
        }
        *to++ = '\'';
        *to++ = ' ';
    }
    *to = '\0';
    if (argv_parse(text, &again, NULL, 0) != TB_OK || argv_count(again) != argv_count(argv)) abort();
    for (size_t i = 0; argv[i]; i++)
        if (strcmp(argv[i], again[i])) abort();
    argv_free(again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    char *text = malloc(size + 1), **argv, **filled, why[200] = "";
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = '\0';
    int status = argv_parse(text, &argv, why, sizeof why);
    if (status == TB_OK) {
        check_quoted(argv);
        status = argv_fill(argv, look_up, NULL, &filled, why, sizeof why);
        if (status == TB_OK && argv_count(filled) != argv_count(argv)) abort();
        if (status == TB_OK) argv_free(filled);
        argv_free(argv);
    }
    if (status != TB_OK && !why[0]) abort();
    free(text);
    return 0;
}
