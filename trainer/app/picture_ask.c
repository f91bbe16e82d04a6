/* picture_ask.c: see picture_ask.h. */
#include "picture_ask.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_SIZE 32

void answer_add(struct answer *answer, const char *format, ...) {
    size_t length = strlen(answer->text);
    va_list args;
    va_start(args, format);
    vsnprintf(answer->text + length, sizeof answer->text - length, format, args);
    va_end(args);
}

void answer_picture(struct answer *answer, int drawn, struct canvas *canvas, bool zh) {
    int rc = drawn == 0 ? canvas_png(canvas, &answer->png, &answer->png_size) : -1;
    if (drawn == 0) canvas_release(canvas);
    if (rc != 0) answer_add(answer, zh ? "\n(内存不够,没有图)" : "\n(no memory for the picture)");
}

void answer_release(struct answer *answer) {
    free(answer->png);
    answer->png = NULL;
}

/* The next word, cut after WORD_SIZE - 1 bytes; false: there is none. */
static bool word_next(const char **at, char word[WORD_SIZE]) {
    *at += strspn(*at, " ");
    size_t length = strcspn(*at, " ");
    snprintf(word, WORD_SIZE, "%.*s", (int)(length < WORD_SIZE ? length : WORD_SIZE - 1), *at);
    *at += length;
    return length > 0;
}

/* The language stands last. */
static bool says_chinese(const char *args) {
    char word[WORD_SIZE];
    bool zh = false;
    while (word_next(&args, word))
        zh = strcmp(word, "zh") == 0;
    return zh;
}

static int number_refuse(const struct ask_number *number, const char *word, bool zh, struct answer *answer) {
    char low[32], high[32];
    number_grouped(number->low, low, sizeof low);
    number_grouped(number->high, high, sizeof high);
    if (zh)
        answer_add(answer, "%s要在 %s 到 %s 之间,不是\"%s\"", number->zh, low, high, word);
    else
        answer_add(answer, "%s must be between %s and %s, not \"%s\"", number->en, low, high, word);
    return -1;
}

int ask_read(const char *args, struct ask_number *numbers, int count, bool *ret_zh, struct answer *answer) {
    char word[WORD_SIZE];
    *answer = (struct answer){0};
    bool zh = says_chinese(args);
    *ret_zh = zh;
    for (int given = 0; word_next(&args, word);) {
        bool last = args[strspn(args, " ")] == '\0';
        if (last && (strcmp(word, "zh") == 0 || strcmp(word, "en") == 0)) break;
        if (given == count) {
            if (count == 0)
                answer_add(answer, zh ? "这个命令后面不带\"%s\"" : "it takes nothing, and not \"%s\"", word);
            else
                answer_add(answer, zh ? "最多带 %d 个数,\"%s\"多了" : "it takes no more than %d: \"%s\" is too much",
                           count, word);
            return -1;
        }
        struct ask_number *number = &numbers[given++];
        if (!number_parse_int(word, number->low, number->high, &number->value))
            return number_refuse(number, word, zh, answer);
    }
    return 0;
}

bool ask_finite(struct trainer *t, bool zh, struct answer *answer) {
    if (engine_is_finite(t->engine)) return true;
    answer_add(answer, zh ? "网络的权重不是有限的数(NaN 或无穷),没有可看的"
                          : "the network's weights are not finite numbers, so there is nothing to see");
    return false;
}

int ask_failed(int error, bool zh, struct answer *answer) {
    if (error == ENGINE_ENOMEM)
        answer_add(answer, zh ? "内存不够" : "not enough memory");
    else if (error == ENGINE_EMODEL)
        answer_add(answer, zh ? "这个模型没有这个" : "this model has no such thing");
    else
        answer_add(answer, zh ? "计算库不接受" : "the compute library refused it");
    return -1;
}

struct batch ask_batch(const struct trainer *t, int64_t count) {
    return (struct batch){.pixels = t->data.test.pixels, .labels = t->data.test.labels, .count = count};
}
