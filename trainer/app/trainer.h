/*
 * trainer.h: one training, from its start or a checkpoint to its end. setup.c builds it, state.c copies it to and from
 * checkpoints, loop.c runs it, steps.c hands steps to the engine and takes their metrics, epoch.c ends epochs, asks.c
 * does what the person asks for, trouble.c what NaN asks for.
 *
 * Always: `last` is a state whose weights were finite when it was taken (from step 0 on there is one); steps and
 * samples agree with the engine's state; settings hold what the next step uses. Metrics may come some steps late:
 * whoever looks at the engine's state (a checkpoint, an evaluation, a pause, a changed parameter, the end) calls
 * steps_settle first. One thread.
 */
#ifndef TRAINER_TRAINER_H
#define TRAINER_TRAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "checkpoint.h"
#include "data.h"
#include "engine.h"
#include "epochs.h"
#include "number.h"
#include "options.h"
#include "order.h"
#include "settings.h"
#include "shelf.h"
#include "trainbot.h"

enum exit_status { EXIT_GOOD = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

enum ending { ENDING_NONE, ENDING_STOP, ENDING_STOP_SAVE, ENDING_EARLY, ENDING_FAILED };

/* A step whose metrics have not come yet. */
struct flight {
    int64_t step, samples; /* as they were counted when it began: it included */
    int64_t count;         /* of its batch */
    double rate;           /* its learning rate */
};

struct trainer {
    const struct options *options;
    const struct model_info *model;
    struct data data;
    struct order order;
    struct settings settings;
    struct tb_param params[SETTINGS_MAX];
    size_t params_count;
    struct engine *engine;
    struct tb_run *run; /* NULL outside of training */

    int64_t step, samples;                   /* steps that the engine has been given, samples seen in them */
    struct flight flights[ENGINE_IN_FLIGHT]; /* oldest first, from flights_first on, in a ring */
    int flights_first, flights_count;
    int64_t total_steps;
    int64_t fixed_steps; /* --steps; 0: ti decides */
    double loss;         /* the last finite first metric; NaN: none yet */
    double loss_sum;     /* since the last checkpoint, for its score */
    int64_t loss_count;
    enum ending ending;
    struct epochs epochs;
    uint8_t *held_pixels, *held_labels; /* the images held back, held_count */
    int64_t held_count;
    int64_t paused_ms; /* spent in pauses */

    struct checkpoint last; /* the last finite state */
    float *spare;           /* as many floats as last.values: the next state is read into it */
    struct settings last_settings;
    bool last_on_disk;
    char last_path[SHELF_PATH_MAX];
    int64_t last_bytes;
    char best_path[SHELF_PATH_MAX]; /* the best epoch's, where it is kept; a resumed run's may lie in another folder */
    struct shelf shelf;             /* lock -1: no checkpoints are written */
    bool save_failing, trouble_told;
    bool want_of_memory; /* a step failed for it */

    struct feeder *feeder;                             /* of the batches; NULL until the first one */
    int64_t started_samples, started_ms, resumed_from; /* resumed_from: -1 fresh */
    char test_names[ENGINE_METRICS_MAX][TB_NAME_MAX], train_names[ENGINE_METRICS_MAX][TB_NAME_MAX],
        val_names[ENGINE_METRICS_MAX][TB_NAME_MAX];
};

/* ---- setup.c ---- */

/* Model, settings and parameters, for `samples` training samples: enough for --describe. EXIT_GOOD, or another status
 * with `error`. */
__attribute__((warn_unused_result)) int trainer_declare(struct trainer *trainer, const struct options *options,
                                                        int64_t samples, char *error);
/* All that can be wrong with input: checkpoint, model, backend, data, parameters. Same results. trainer_release frees
 * in every case. */
__attribute__((warn_unused_result)) int trainer_prepare(struct trainer *trainer, const struct options *options,
                                                        char *error);
/* The order of the samples, once more where seed or validation have changed before the first step. Same results. */
__attribute__((warn_unused_result)) int trainer_order(struct trainer *trainer, char *error);
/* The engine, and into it the checkpoint where one is resumed. */
__attribute__((warn_unused_result)) int trainer_engine(struct trainer *trainer, char *error);
void trainer_release(struct trainer *trainer);

/* Where checkpoints go and `latest` is looked for. False: nowhere. */
__attribute__((warn_unused_result)) bool setup_folder(const struct options *options, char *folder, size_t size);
/* A new random name for a fresh start and all its resumes. */
void setup_lineage(char *text, size_t size);

/* ---- state.c ---- */

/* Copies the engine's state into `last` unless weights are not finite. 0, 1: not finite, -1: failed with `error`. */
__attribute__((warn_unused_result)) int state_take(struct trainer *trainer, char *error);
/* Back to `last`: engine, step and samples; settings stay. 0, or -1 with `error`: another network, not finite. */
__attribute__((warn_unused_result)) int state_restore(struct trainer *trainer, char *error);
/* Takes the state and writes it; tells the person. Where the weights are not finite the last finite state is written
 * instead. `asked`: somebody waits for the answer. A full disk is told and survived. */
void state_save(struct trainer *trainer, bool asked);
/* Writes `last`, with the settings of now, unless it is on disk. */
void state_save_last(struct trainer *trainer, bool asked);
/* The best epoch's checkpoint becomes the state, and the newest file. False: there is none, told. */
bool state_return_best(struct trainer *trainer);
/* engine_numerics, and the precision where that does not name it: what must agree to go on bit for bit. */
void state_numerics(const struct trainer *trainer, char *text, size_t size);

/* ---- batch.c ---- */

/* The next `settings.bs` samples. 0, or -1: no memory. ret_batch is borrowed until the next call. */
__attribute__((warn_unused_result)) int batch_next(struct trainer *trainer, struct batch *ret_batch);

/* ---- loop.c ---- */

/* Trains to the end. Returns the exit status. */
int trainer_run(struct trainer *trainer);
/* The run's commands for the chat; static. Returns how many. */
size_t trainer_commands(const struct model_info *model, const struct tb_command **ret_commands);
/* Steps in all, given what is done and the settings. */
int64_t trainer_total(const struct trainer *trainer);
/* Monotonic time in ms that was not spent in pauses. */
int64_t trainer_clock_ms(const struct trainer *trainer);

/* ---- steps.c ---- */

/* The learning rate of a step (from 1). */
double steps_rate(const struct trainer *trainer, int64_t step);
/* Gives the engine the next batch, which stays borrowed until the next call. False: it failed, told, `ending` is set.
 */
bool steps_submit(struct trainer *trainer, struct batch *ret_batch);
/* Takes the metrics that have come, so that there is room for another step. False: one of them was trouble: the
 * training has ended, or has gone back to the last finite state. */
bool steps_collect(struct trainer *trainer);
/* Waits for all of them. Same results. */
bool steps_settle(struct trainer *trainer);
/* `values` of a row: the model's metrics, and "lr" where a schedule moves it. Returns how many. */
#define STEPS_VALUES_MAX (ENGINE_METRICS_MAX + 1)
size_t steps_values(const struct trainer *trainer, const double *metrics, double rate, struct tb_value *ret_values);

/* ---- epoch.c ---- */

/* After each step: ends the epoch where it is over: validates, tells, keeps the best, stops early. Steps under way are
 * settled. False: as steps_collect. */
bool epoch_check(struct trainer *trainer);
/* How long the run still takes at its pace so far, in seconds; negative: unknown. */
double epoch_eta_s(const struct trainer *trainer);

/* ---- asks.c ---- */

/* tb_poll and what it asks for, signals included; may set `ending`. */
void asks_handle(struct trainer *trainer);
/* Pauses until the person resumes or stops. True: go on. */
bool asks_pause(struct trainer *trainer, const char *reason);
/* Reads the parameters back from the publisher; says so when the length changes. */
void asks_settings(struct trainer *trainer);
/* The publisher's last word on a set (tb_options.accept). */
bool asks_accept(void *user, const struct tb_change *changes, size_t count, char *why, size_t size);
/* SIGINT and SIGTERM: finish the step, save, stop; the second one ends at once. */
void asks_catch_signals(void);
/* Has one come? */
bool asks_signal_seen(void);

/* ---- trouble.c ---- */

/* The metrics of step `step` are not all finite: what the policy says. No step is under way. True: the step stands. */
bool trouble_meet_metrics(struct trainer *trainer, int64_t step, const double *metrics);
/* Are they? */
bool trouble_finite(const struct trainer *trainer, const double *metrics);
/* The same for the weights, after steps_settle. */
bool trouble_check_weights(struct trainer *trainer);

/* ---- say.c ---- */

/* One line on stderr and, where there is a run, as a note to the person. */
void say_note(struct trainer *trainer, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* One line on stderr alone. */
void say_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* A double as %.7g, and nan inf -inf as those words whatever the sign of the NaN. */
const char *say_number(double value, char *text, size_t size);
/* "12.3 s", "1 min 50 s", "2 h 05 min". */
const char *say_duration(double seconds, char *text, size_t size);

#endif
