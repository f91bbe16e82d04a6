/*
 * options.h: the command line of trainbot-train. Parsing is pure: it knows spellings and forms, not which models,
 * backends or parameters exist. Texts are borrowed from argv.
 */
#ifndef TRAINER_OPTIONS_H
#define TRAINER_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "engine.h" /* enum precision */
#include "order.h"

#define OPTIONS_PARAMS_MAX 64

enum action { ACTION_TRAIN, ACTION_DESCRIBE, ACTION_BENCH, ACTION_CALL, ACTION_HELP, ACTION_VERSION };

struct options {
    enum action action;
    const char *model;   /* NULL: not given (cnn, or the checkpoint's) */
    const char *backend; /* "auto" */
    const char *data;    /* NULL: not given */
    bool hash_init;
    bool order_given;
    enum order_kind order; /* file with --init hash, else shuffle */
    int64_t seed;          /* -1: not given */
    int64_t steps;         /* steps of the whole run; 0: as many as ti gives */
    int64_t threads;       /* 0: all */
    enum precision precision;
    int64_t bench_steps;
    const char *params[OPTIONS_PARAMS_MAX]; /* KEY=VALUE */
    size_t params_count;
    const char *checkpoint_dir; /* NULL: not given */
    const char *resume;         /* NULL, a path, or "latest" */
    const char *call;           /* "recognize 10" */
    const char *image_dir;      /* NULL: not given */
    bool print_metrics;
};

/* 0, or -1 with one line in `error` (APP_ERROR_SIZE bytes). */
__attribute__((warn_unused_result)) int options_parse(int argc, char *const argv[], struct options *ret_options,
                                                      char *error);
/* "float32", "tf32", "bf16"; static. */
const char *options_precision(enum precision precision);
/* `models` and `backends`: lists to name in it. */
void options_help(FILE *out, const char *models, const char *backends);

#endif
