/*
 * control.h: something asked of a trainer that waits for its answer: set, stop, pause, resume, save, call. It is sent
 * again after a reconnect until it is answered; the answer reaches the command that asked through commands_outcome().
 */
#ifndef TRAINBOT_CONTROL_H
#define TRAINBOT_CONTROL_H

#include "run.h"

enum control_kind { CONTROL_SET, CONTROL_STOP, CONTROL_PAUSE, CONTROL_RESUME, CONTROL_SAVE, CONTROL_CALL };

struct control {
    enum control_kind kind;
    char id[32];            /* travels on the wire */
    struct run *run;
    uint64_t request;       /* struct request's id; 0 none (it is gone, or the bot restarted) */
    struct run_param *changes; /* set: names and new values (owned); only name, type, number, text are used */
    size_t changes_count;
    char *name, *args;      /* call */
    bool save;              /* stop */
    bool applied;           /* answered `applied`, the event that completes it is awaited (save, pause, stop) */
    bool due;               /* leaves for the first time after this turn's commit */
    char *by;               /* "web:token", for the history */
    int64_t asked_mono_ms;
    int64_t asked_total;    /* the run's total_steps when it was asked; 0 unknown */
    struct control *next;
};

enum outcome_kind {
    OUTCOME_APPLIED,    /* set: step, old and new values */
    OUTCOME_REJECTED,   /* why */
    OUTCOME_PAUSED, OUTCOME_RESUMED, /* step */
    OUTCOME_SAVED,      /* step, path, bytes */
    OUTCOME_STOPPED,    /* the run ended as asked: step; path "" where nothing was saved */
    OUTCOME_RESULT,     /* text, images */
    OUTCOME_ENDED       /* the run ended before the answer: state says how */
};

struct outcome {
    enum outcome_kind kind;
    int64_t step;
    const struct wire_named *old_values, *new_values; /* count each */
    size_t count;
    const char *why, *text, *path;
    int64_t bytes;
    const int64_t *images; /* image ids */
    size_t images_count;
};

#endif
