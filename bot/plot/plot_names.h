/*
 * plot_names.h: what a metric's name says about it. Pure; names come from any training code, so they are recognised by
 * their parts ("val_acc", "Accuracy", "progress_loss") and everything unknown is shown as it came.
 */
#ifndef TRAINBOT_PLOT_NAMES_H
#define TRAINBOT_PLOT_NAMES_H

#include "settings.h"
#include <stddef.h>

enum plot_kind {
    PLOT_OTHER,
    PLOT_LOSS,    /* lower is better: loss, val_loss, minibatch_loss, nll, perplexity … */
    PLOT_ACCURACY /* higher is better, 0..1: acc, accuracy, val_acc, top1, f1 … */
};

enum plot_kind plot_metric_kind(const char *name);
/* For people: "val_acc" is 验证准确率 in Chinese and stays val_acc in English; unknown names stay. */
void plot_metric_label(const char *name, enum lang lang, char *label, size_t size);

/* Up to two names worth a picture: the first loss and the first accuracy (plain names before prefixed ones), else the
 * first two. Writes indices into names; returns how many. */
size_t plot_metrics_default(const char *const *names, size_t count, size_t ret_indices[2]);
/* The metric a person means by `asked`: the exact name, else the name without regard to case, else the plain word for
 * its kind ("acc" finds accuracy, 损失 finds loss). `count` when there is none. */
size_t plot_metric_find(const char *asked, const char *const *names, size_t count);

#endif
