/*
 * settings.h: the hyperparameters of a run. One table (settings.c) names them, with type, range, help and whether they
 * take effect while training; the command line, checkpoints, --describe and the chat all go through it.
 */
#ifndef TRAINER_SETTINGS_H
#define TRAINER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine.h"
#include "schedule.h"
#include "trainbot.h"

#define SETTINGS_MAX 32

enum nan_policy { NAN_PAUSE, NAN_STOP, NAN_IGNORE };

struct settings {
    double lr; /* the base: schedule.h makes the rate of a step of it */
    double dropout, momentum, weight_decay, lr_gamma;
    double validation;                    /* share of the training images that is held back */
    int64_t ti, bs, ds, save_every, seed; /* ti: samples to see in all; ds, save_every: steps */
    int64_t epochs;                       /* 0: ti decides the length */
    int64_t show_every;                   /* steps between pictures; 0: none */
    int64_t patience;                     /* epochs without a better validation loss; 0: no early stop */
    int64_t warmup, lr_step;              /* steps */
    int64_t schedule;                     /* enum schedule_kind */
    int64_t optimiser;                    /* enum optimiser_kind */
    int64_t nan;                          /* enum nan_policy */
    int64_t keep_best, augment;           /* 0 or 1 */
};

/* The model's own defaults; `golden`: those of the golden curves instead (batch 64, no dropout, no augmentation,
 * nothing held back, the model's optimiser). */
void settings_default(struct settings *settings, const struct model_info *model, bool golden);

/* The parameters that the model has, with the values of `settings`; bs reaches up to `samples`. Strings are static.
 * Returns how many of ret_params[SETTINGS_MAX] were filled. */
size_t settings_declare(const struct settings *settings, const struct model_info *model, int64_t samples,
                        struct tb_param *ret_params);

/* Sets one from text. 0, or -1 with one line in `error` (APP_ERROR_SIZE) that says what would be right. */
__attribute__((warn_unused_result)) int settings_set(struct settings *settings, const struct tb_param *params,
                                                     size_t count, const char *name, const char *text, char *error);
/* The current value as text that settings_set reads back to the same value. */
void settings_text(const struct settings *settings, const struct tb_param *param, char *text, size_t size);
/* Sets one that the publisher has already checked. */
void settings_put(struct settings *settings, const char *name, enum tb_type type, double value, const char *text);

/* What no range can say: that they fit together and a data set of `samples` to train on. 0, or -1 with one line in
 * `error` (APP_ERROR_SIZE). */
__attribute__((warn_unused_result)) int settings_check(const struct settings *settings, int64_t samples, char *error);
/* The schedule that these settings ask for. */
struct schedule settings_schedule(const struct settings *settings);

#endif
