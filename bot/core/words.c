/* words.c: see words.h. */
#include "words.h"
#include "render.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

size_t utf8_next(const char *text, size_t size, uint32_t *ret_code) {
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    if (size == 0) return 0;
    const unsigned char *bytes = (const unsigned char *)text;
    size_t length = bytes[0] < 0x80       ? 1
                    : bytes[0] >> 5 == 6  ? 2
                    : bytes[0] >> 4 == 14 ? 3
                    : bytes[0] >> 3 == 30 ? 4
                                          : 0;
    if (length == 0 || length > size) return 0;
    uint32_t code = length == 1 ? bytes[0] : bytes[0] & (0xffu >> (length + 1));
    for (size_t i = 1; i < length; i++) {
        if (bytes[i] >> 6 != 2) return 0;
        code = code << 6 | (bytes[i] & 0x3f);
    }
    if (code < least[length] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return 0;
    *ret_code = code;
    return length;
}

bool text_utf8_valid(const char *text, size_t size) {
    for (size_t i = 0; i < size;) {
        uint32_t code;
        size_t n = utf8_next(text + i, size - i, &code);
        if (n == 0 || code == 0) return false;
        i += n;
    }
    return true;
}

void words_init(struct words *words, char *text, size_t size) {
    *words = (struct words){.text = text, .size = size};
    text[0] = '\0';
}

/* Drops a character that was cut at the end. */
static size_t whole_length(const char *text, size_t length) {
    size_t start = length;
    while (start > 0 && length - start < 4 && ((unsigned char)text[start - 1] & 0xc0) == 0x80)
        start--;
    if (start == 0) return length;
    uint32_t code;
    start--;
    size_t n = utf8_next(text + start, length - start, &code);
    return n == length - start ? length : start;
}

void words_add(struct words *words, const char *format, ...) {
    if (words->full) return;
    size_t room = words->size - words->length;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(words->text + words->length, room, format, args);
    va_end(args);
    if (n < 0) {
        words->text[words->length] = '\0';
    } else if ((size_t)n < room) {
        words->length += (size_t)n;
    } else {
        words->full = true;
        words->length = whole_length(words->text, words->size - 1);
        words->text[words->length] = '\0';
    }
}

static void add_foreign(struct words *words, const char *text, size_t max, bool lines) {
    size_t size = strlen(text), used = 0;
    for (size_t i = 0; i < size;) {
        uint32_t code = 0;
        size_t n = utf8_next(text + i, size - i, &code);
        if (used + (n ? n : 1) > max) {
            words_add(words, "…");
            return;
        }
        if (n == 0)
            words_add(words, "?");
        else if (code == '\n' && lines)
            words_add(words, "\n");
        else if (code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x202a && code <= 0x202e))
            words_add(words, " ");
        else
            words_add(words, "%.*s", (int)n, text + i);
        used += n ? n : 1;
        i += n ? n : 1;
    }
}

void words_add_foreign(struct words *words, const char *text, size_t max) {
    add_foreign(words, text, max, false);
}

void words_add_lines(struct words *words, const char *text, size_t max) {
    add_foreign(words, text, max, true);
}

void words_trim(struct words *words) {
    while (words->length > 0 && strchr(" \n", words->text[words->length - 1]))
        words->text[--words->length] = '\0';
}

static const struct label {
    const char *name, *zh, *en, *alias; /* alias: a further Chinese word for the name */
} labels[] = {
    {"lr", "lr", "lr", "学习率"},
    {"ti", "迭代", "ti", "迭代"},
    {"bs", "批量", "batch", "批量"},
    {"ds", "显示", "ds", "显示"},
    {"loss", "损失", "loss", "损失"},
    {"acc", "准确率", "acc", "准确率"},
    {"accuracy", "准确率", "acc", NULL},
    {"test_acc", "测试准确率", "test acc", "测试准确率"},
    {"test_accuracy", "测试准确率", "test acc", NULL},
    {"test_loss", "测试损失", "test loss", "测试损失"},
    {"val_acc", "验证准确率", "val acc", "验证准确率"},
    {"val_loss", "验证损失", "val loss", "验证损失"},
    {"train_acc", "训练准确率", "train acc", NULL},
    {"train_loss", "训练损失", "train loss", NULL},
    {"grad_norm", "梯度范数", "grad norm", "梯度范数"},
    {"optimiser", "优化器", "optimiser", "优化器"},
    {"optimizer", "优化器", "optimizer", NULL},
    {"g_loss", "生成器损失", "G loss", NULL},
    {"d_loss", "判别器损失", "D loss", NULL},
    {"energy", "能量", "energy", NULL},
    {"max", "最大值", "max", NULL},
};

const char *words_label(const char *name, enum lang lang) {
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (strcmp(labels[i].name, name) == 0) return lang == LANG_ZH ? labels[i].zh : labels[i].en;
    return name;
}

const char *words_alias(const char *word) {
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (labels[i].alias && strcmp(labels[i].alias, word) == 0) return labels[i].name;
    return NULL;
}

void words_add_number(struct words *words, double value) {
    char text[64];
    render_number(value, text, sizeof text);
    words_add(words, "%s", text);
}

void words_add_count(struct words *words, int64_t value) {
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)value);
    for (int i = 0; i < length; i++) {
        bool comma = i > 0 && (length - i) % 3 == 0 && digits[i - 1] != '-';
        words_add(words, comma ? ",%c" : "%c", digits[i]);
    }
}

void words_add_value(struct words *words, enum wire_type type, double number, const char *text) {
    char exact[64];
    switch (type) {
    case WIRE_FLOAT:
        render_exact(number, exact, sizeof exact);
        words_add(words, "%s", exact);
        break;
    case WIRE_INT:
        if (fabs(number) <= 9007199254740992.0)
            words_add_count(words, (int64_t)number);
        else
            words_add(words, "%.17g", number);
        break;
    case WIRE_BOOL:
        words_add(words, "%s", number != 0 ? "true" : "false");
        break;
    case WIRE_STRING:
    case WIRE_ENUM:
        words_add_foreign(words, text ? text : "", 200);
        break;
    }
}

void words_add_wire(struct words *words, const struct wire_value *value) {
    words_add_value(words, value->type, value->number, value->text);
}

void words_add_param(struct words *words, const struct run_param *param) {
    words_add_value(words, param->type, param->number, param->text);
}

bool words_add_range(struct words *words, const struct run_param *param, enum lang lang) {
    if (param->type == WIRE_BOOL) {
        words_add(words, "true | false");
        return true;
    }
    if (param->type == WIRE_ENUM) {
        for (size_t i = 0; param->choices && param->choices[i]; i++) {
            words_add(words, "%s", i ? " | " : "");
            words_add_foreign(words, param->choices[i], 64);
        }
        return param->choices && param->choices[0];
    }
    if (param->type == WIRE_STRING || (!param->has_min && !param->has_max)) return false;
    bool zh = lang == LANG_ZH;
    if (param->has_min && param->has_max) {
        bool interval = param->type == WIRE_FLOAT;
        if (interval) words_add(words, "%s", param->min_open ? "(" : "[");
        words_add_value(words, param->type, param->min, NULL);
        words_add(words, "%s", interval ? ", " : zh ? " 到 " : " to ");
        words_add_value(words, param->type, param->max, NULL);
        if (interval) words_add(words, "]");
        return true;
    }
    words_add(words, "%s", param->has_max ? "≤ " : param->min_open ? "> " : "≥ ");
    words_add_value(words, param->type, param->has_max ? param->max : param->min, NULL);
    return true;
}

const char *words_state(enum run_state state, enum lang lang) {
    static const char *const zh[RUN_STATES] = {"排队中", "正在启动", "运行中", "已暂停", "正在停止",
                                               "已完成", "已停止",   "失败",   "失联"};
    static const char *const en[RUN_STATES] = {"queued",   "starting", "running", "paused", "stopping",
                                               "finished", "stopped",  "failed",  "lost"};
    return lang == LANG_ZH ? zh[state] : en[state];
}

const char *words_path(const struct run *run, const char *path) {
    char below[40];
    snprintf(below, sizeof below, "/runs/%lld/", (long long)run->id);
    const char *at = strstr(path, below);
    return at ? at + 1 : path;
}

int words_percent(const struct run *run) {
    if (run->total_steps <= 0 || run->step < 0) return -1;
    if (run->step >= run->total_steps) return 100;
    return (int)((double)run->step * 100.0 / (double)run->total_steps);
}
