/*
 * fact.h: something happened that a person may have to be told. runs and rules make facts, render.c words them in the
 * reader's language, report.c puts them into the outbox for everyone whom they concern.
 */
#ifndef TRAINBOT_FACT_H
#define TRAINBOT_FACT_H

#include "run.h"
#include "store.h"

enum fact_kind {
    FACT_STARTED,  /* said hello and begins (told to all but the asker, whose reply says it) */
    FACT_PROGRESS, /* class progress; the message of this run is edited in place */
    FACT_PAUSED,   /* text: reason where the trainer paused by itself */
    FACT_RESUMED,
    FACT_FINISHED,    /* ✓ */
    FACT_STOPPED,     /* ended by a stop: step, checkpoint */
    FACT_CRASHED,     /* end: exit code, signal, oom, last lines */
    FACT_NOT_STARTED, /* end->lines or text: why */
    FACT_LOST,        /* link gone, process unknown */
    FACT_STALLED,     /* number: ms without a step; number2: usual ms a step; process_alive, cpu_percent */
    FACT_STALL_OVER,
    FACT_NAN,       /* text: metric's name; number: the last finite value; paused */
    FACT_GAP,       /* from_step, to_step, dropped */
    FACT_NOTE,      /* text, from the trainer */
    FACT_IMAGE,     /* image, text: title */
    FACT_TERM_SENT, /* stop had no sign of life for stop_timeout_s: SIGTERM went to the group */
    FACT_KILL_SENT,
    FACT_STORE_FAILED, /* run NULL; text: the error */
    FACT_STORE_OK,
    FACT_CHANNEL_LOST, /* run NULL; channel; text: why */
    FACT_CHANNEL_BACK, /* run NULL; channel */
    FACT_KINDS
};

struct fact {
    enum fact_kind kind;
    const struct run *run;
    int64_t step;
    const char *text;
    double number, number2, cpu_percent; /* cpu -1 unknown */
    bool process_alive, paused;
    bool answered; /* the command that made it is still open, and its reply says it to the one who asked */
    const struct process_end *end;
    int64_t from_step, to_step, dropped;
    int64_t image;
    const char *channel; /* the channel that the fact is about: told on all others; NULL none */
};

enum message_class fact_class(enum fact_kind kind);

#endif
