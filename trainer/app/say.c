/* say.c: what is said on stderr, the same for every part of the program. */
#include "trainer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void say_line(const char *format, ...) {
    char text[APP_ERROR_SIZE + 64];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "trainbot-train: %s\n", text);
}

void say_note(struct trainer *trainer, const char *format, ...) {
    char text[APP_ERROR_SIZE + 64];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "trainbot-train: %s\n", text);
    if (trainer->run != NULL) tb_note(trainer->run, trainer->step, text);
}

const char *say_number(double value, char *text, size_t size) {
    if (isnan(value))
        snprintf(text, size, "nan");
    else
        snprintf(text, size, "%.7g", value);
    return text;
}

const char *say_duration(double seconds, char *text, size_t size) {
    long long whole = seconds < 1e12 ? (long long)(seconds + 0.5) : 0;
    if (seconds < 99.95)
        snprintf(text, size, "%.1f s", seconds);
    else if (whole < 3600)
        snprintf(text, size, "%lld min %02lld s", whole / 60, whole % 60);
    else
        snprintf(text, size, "%lld h %02lld min", whole / 3600, whole % 3600 / 60);
    return text;
}
