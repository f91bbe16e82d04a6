/*
 * plot_names.c: a name is split at '_', '-', '/', '.' and blanks; its parts are looked up in one table each for what is
 * measured and on which data. Comparison ignores ASCII case.
 */
#include "plot_names.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct part {
    const char *word, *zh;
    enum plot_kind kind;
};

static const struct part measures[] = {
    {"loss", "损失", PLOT_LOSS},
    {"cost", "代价", PLOT_LOSS},
    {"nll", "负对数似然", PLOT_LOSS},
    {"error", "误差", PLOT_LOSS},
    {"err", "误差", PLOT_LOSS},
    {"perplexity", "困惑度", PLOT_LOSS},
    {"ppl", "困惑度", PLOT_LOSS},
    {"mse", "均方误差", PLOT_LOSS},
    {"mae", "平均绝对误差", PLOT_LOSS},
    {"acc", "准确率", PLOT_ACCURACY},
    {"accuracy", "准确率", PLOT_ACCURACY},
    {"top1", "准确率 top-1", PLOT_ACCURACY},
    {"top5", "准确率 top-5", PLOT_ACCURACY},
    {"f1", "F1", PLOT_ACCURACY},
    {"precision", "精确率", PLOT_ACCURACY},
    {"recall", "召回率", PLOT_ACCURACY},
    {"auc", "AUC", PLOT_ACCURACY},
    {"lr", "学习率", PLOT_OTHER},
    {"损失", "损失", PLOT_LOSS},
    {"准确率", "准确率", PLOT_ACCURACY},
    {"学习率", "学习率", PLOT_OTHER},
};
static const struct part places[] = {
    {"train", "训练", PLOT_OTHER},     {"training", "训练", PLOT_OTHER},   {"val", "验证", PLOT_OTHER},
    {"valid", "验证", PLOT_OTHER},     {"validation", "验证", PLOT_OTHER}, {"test", "测试", PLOT_OTHER},
    {"eval", "评估", PLOT_OTHER},      {"testing", "测试", PLOT_OTHER},    {"batch", "批", PLOT_OTHER},
    {"minibatch", "小批", PLOT_OTHER}, {"progress", "报告", PLOT_OTHER},
};
#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static const struct part *look_up(const struct part *table, size_t count, const char *word, size_t length) {
    for (size_t i = 0; i < count; i++)
        if (strlen(table[i].word) == length && strncasecmp(table[i].word, word, length) == 0) return &table[i];
    return NULL;
}

struct meaning {
    const struct part *measure, *place;
    bool whole; /* every part was known */
    size_t parts;
};

static struct meaning meaning_of(const char *name) {
    static const char *const between = "_-/. ";
    struct meaning meaning = {.whole = true};
    for (const char *at = name + strspn(name, between); *at; at += strspn(at, between)) {
        size_t length = strcspn(at, between);
        const struct part *measure = look_up(measures, COUNT(measures), at, length);
        const struct part *place = look_up(places, COUNT(places), at, length);
        if (measure && !meaning.measure)
            meaning.measure = measure;
        else if (place && !meaning.place)
            meaning.place = place;
        else
            meaning.whole = false;
        meaning.parts++;
        at += length;
    }
    return meaning;
}

enum plot_kind plot_metric_kind(const char *name) {
    const struct part *measure = meaning_of(name).measure;
    return measure ? measure->kind : PLOT_OTHER;
}

void plot_metric_label(const char *name, enum lang lang, char *label, size_t size) {
    struct meaning meaning = meaning_of(name);
    if (lang == LANG_ZH && meaning.whole && meaning.measure)
        snprintf(label, size, "%s%s", meaning.place ? meaning.place->zh : "", meaning.measure->zh);
    else
        snprintf(label, size, "%s", name);
}

/* The first name of this kind, one without prefix before the others; count: none. */
static size_t first_of_kind(enum plot_kind kind, const char *const *names, size_t count) {
    size_t found = count;
    for (size_t i = 0; i < count; i++) {
        if (plot_metric_kind(names[i]) != kind) continue;
        if (meaning_of(names[i]).parts == 1) return i;
        if (found == count) found = i;
    }
    return found;
}

size_t plot_metrics_default(const char *const *names, size_t count, size_t ret_indices[2]) {
    size_t used = 0, loss = first_of_kind(PLOT_LOSS, names, count),
           accuracy = first_of_kind(PLOT_ACCURACY, names, count);
    if (loss < count) ret_indices[used++] = loss;
    if (accuracy < count) ret_indices[used++] = accuracy;
    if (used > 0) return used;
    for (; used < count && used < 2; used++)
        ret_indices[used] = used;
    return used;
}

size_t plot_metric_find(const char *asked, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(names[i], asked) == 0) return i;
    for (size_t i = 0; i < count; i++)
        if (strcasecmp(names[i], asked) == 0) return i;
    char label[128], wanted[128];
    plot_metric_label(asked, LANG_ZH, wanted, sizeof wanted);
    for (size_t i = 0; i < count; i++) {
        plot_metric_label(names[i], LANG_ZH, label, sizeof label);
        if (strcmp(label, wanted) == 0 || strcmp(label, asked) == 0) return i;
    }
    return count;
}
