/*
 * store.h: what core needs kept. bot/store implements it on SQLite (WAL, synchronous=NORMAL: what is committed survives
 * SIGKILL of the bot, not the machine losing power).
 *
 * All writes of one loop turn are one transaction: the first write opens it, store_commit ends it. Until then nothing
 * is durable, so acknowledgements and sends wait for store_commit. When a write or the commit fails (disk full), the
 * whole turn is rolled back, store_commit returns the error, and the caller must treat the turn's data as not stored.
 * Structs given are borrowed until return; strings in structs handed out by callbacks are borrowed until the callback
 * returns. Loop thread only, except struct store_reader (any one thread each).
 */
#ifndef TRAINBOT_STORE_H
#define TRAINBOT_STORE_H

#include "error.h"
#include "wire.h"
#include <stddef.h>
#include <stdint.h>

struct store;
struct store_reader; /* an own read-only connection, for libuv's pool */

/* Opens or makes STATE_DIR/trainbot.db. A newer schema: TB_ENEWER; migrations back the file up first. `why` gets one line. */
MUST_USE int store_open(const char *state_dir, struct store **ret_store, char *why, size_t why_size);
void store_close(struct store *store); /* commits what is pending; NULL is fine */
/* TB_OK when nothing was pending or all of it is durable now. */
MUST_USE int store_commit(struct store *store);
bool store_is_dirty(const struct store *store);
/* True when the turn wrote nothing but some plain metrics rows, which their trainer keeps until they are acknowledged:
 * the commit may wait a moment for more. */
bool store_can_wait(const struct store *store);
/* Drops what the turn has written so far (after an error in the middle of one effect). */
void store_rollback(struct store *store);

MUST_USE int store_reader_open(const char *state_dir, struct store_reader **ret_reader);
void store_reader_close(struct store_reader *reader);
/* True when the write-ahead log has grown so far that it is time to fold it back into the file. That waits for the disk
 * (fsync), so it is meant for libuv's pool: call store_reader_checkpoint there (TB_OK as well while another is at it).
 * When nobody does, the store does it within a commit once the log is 16 MiB long. */
bool store_wants_checkpoint(const struct store *store);
MUST_USE int store_reader_checkpoint(struct store_reader *reader);

/* ---- runs ---- */

struct run_record {
    int64_t id;              /* 0 for insert: given by the store, rising, never used again after a delete */
    const char *instance;    /* 32 hex digits; "" while not yet said hello */
    const char *name;        /* "cnn" */
    const char *trainer;     /* [trainer NAME]; "" when started by hand */
    const char *state;       /* run_state_name() */
    int64_t step, total_steps, batch; /* 0 unknown */
    uint64_t ack;            /* highest seq whose effect is in this transaction */
    int64_t created_ms, started_ms, ended_ms; /* Unix ms; 0 none */
    int64_t exit_code, exit_signal; /* -1 unknown; signal 0 none */
    int64_t pid;
    const char *host;
    const char *checkpoint;  /* path of the newest; "" none */
    int64_t checkpoint_step, checkpoint_bytes;
    int64_t from_run;        /* run it goes on from; 0 none */
    const char *started_by;  /* "channel:chat" of the asker; "" */
    const char *hello;       /* the last hello as JSON (params with ranges, commands); "" before it */
    const char *params;      /* current values as a JSON object */
    const char *metrics;     /* newest value of each metric as a JSON object */
    const char *extra;       /* core's own JSON (pause, nan, stall, medians); the store does not read it */
};
MUST_USE int store_run_insert(struct store *store, const struct run_record *record, int64_t *ret_id);
MUST_USE int store_run_update(struct store *store, const struct run_record *record); /* all columns, by id */
/* Only how far the run has come: what changes with every turn while it trains. */
MUST_USE int store_run_advance(struct store *store, int64_t id, uint64_t ack, int64_t step);
/* Newest first; before_id 0: from the newest. The callback returns false to stop. */
typedef bool store_run_cb(void *user, const struct run_record *record);
MUST_USE int store_runs(struct store *store, int64_t before_id, int64_t limit, store_run_cb *cb, void *user);
MUST_USE int store_run(struct store *store, int64_t id, store_run_cb *cb, void *user); /* TB_ENOTFOUND */
MUST_USE int store_run_by_instance(struct store *store, const char *instance, store_run_cb *cb, void *user);
/* Removes rows, events, messages' pictures, results of it. Files are the caller's. */
MUST_USE int store_run_delete(struct store *store, int64_t id);

/* ---- metrics ---- */

/* Appends rows as they came (wire_absent() where a value was left out). progress: the rows a person sees. Steps may come
 * in any order. TB_ENOTFOUND: no such run; TB_ERANGE: the run would have more than 1,024 series, metrics and progress
 * counted apart; TB_EINVAL: a name that is empty or too long. None of the rows is kept then, and the turn goes on. */
MUST_USE int store_rows_append(struct store *store, int64_t run, bool progress, const struct wire_rows *rows);
/* Rows after `step` are superseded (the trainer went back): they are removed. TB_ENOTFOUND: no such run. */
MUST_USE int store_rows_rewind(struct store *store, int64_t run, int64_t step);

/* A row a step, ascending, both kinds merged: values of the same column at the same step, the last wins; a progress
 * value whose name stands in the metrics row of that step is given as column "progress_NAME". `cols` stays the same for
 * the whole read. Includes this turn's uncommitted rows when read through the store. */
struct store_row {
    int64_t step, t_ms;
    double epoch;          /* wire_absent() */
    const double *values;  /* cols_count */
};
typedef bool store_cols_cb(void *user, const char *const *cols, size_t cols_count); /* once, first */
typedef bool store_row_cb(void *user, const struct store_row *row);
MUST_USE int store_rows_read(struct store *store, int64_t run, int64_t from_step, store_cols_cb *cols, store_row_cb *row,
                             void *user);
MUST_USE int store_reader_rows(struct store_reader *reader, int64_t run, int64_t from_step, store_cols_cb *cols,
                               store_row_cb *row, void *user);

/* A series cut to at most `buckets` pieces by step: extremes kept, mean for smoothing, NaN counted apart. A run of a
 * million points reads in a few ms through the min/max pyramid. */
struct store_bucket {
    int64_t first_step, last_step;
    double min, max, mean, last; /* of the finite values; NaN when there is none */
    int64_t count, not_finite;
};
MUST_USE int store_reader_series(struct store_reader *reader, int64_t run, const char *metric, size_t buckets,
                                 struct store_bucket *ret_buckets, size_t *ret_count);
/* Metric names of a run in order of first appearance, a name logged both ways once. store_reader_series also knows the
 * names "progress_NAME" that store_reader_rows gives. */
typedef bool store_name_cb(void *user, const char *name);
MUST_USE int store_metric_names(struct store *store, int64_t run, store_name_cb *cb, void *user);
MUST_USE int store_reader_metric_names(struct store_reader *reader, int64_t run, store_name_cb *cb, void *user);

/* ---- what happened to a run ---- */

struct event_record {
    int64_t id, run, t_ms, step;
    const char *kind; /* wire's event names and core's own: launched, exited, lost, nan, stall, … */
    const char *text; /* English, one line, for the API */
};
MUST_USE int store_event_add(struct store *store, const struct event_record *event);
typedef bool store_event_cb(void *user, const struct event_record *event);
MUST_USE int store_events(struct store *store, int64_t run, store_event_cb *cb, void *user); /* oldest first */

struct param_change_record {
    int64_t run, t_ms, step;
    const char *name, *old_value, *new_value; /* as JSON values */
    const char *by;                           /* "web:token", "trainer", "start" */
};
MUST_USE int store_param_change_add(struct store *store, const struct param_change_record *change);
typedef bool store_param_change_cb(void *user, const struct param_change_record *change);
MUST_USE int store_param_changes(struct store *store, int64_t run, store_param_change_cb *cb, void *user);

struct result_record { /* what a training's own command answered, for 结果 */
    int64_t id, run, t_ms, step;
    const char *command, *text;
    int64_t image; /* image id; 0 none */
};
MUST_USE int store_result_add(struct store *store, const struct result_record *result);
typedef bool store_result_cb(void *user, const struct result_record *result);
MUST_USE int store_results(struct store *store, int64_t run, int64_t limit, store_result_cb *cb, void *user); /* newest first; run 0: all */

/* Pictures live as files under the state directory; the row names the file. */
struct image_record {
    int64_t id, run, t_ms;
    const char *title, *mime;
    const char *path; /* relative to the state directory */
};
MUST_USE int store_image_add(struct store *store, const struct image_record *image, int64_t *ret_id);
typedef bool store_image_cb(void *user, const struct image_record *image);
MUST_USE int store_image(struct store *store, int64_t id, store_image_cb *cb, void *user);

/* ---- messages: inbox, outbox and the conversation's history in one table ---- */

enum message_class { MESSAGE_INBOUND, MESSAGE_REPLY, MESSAGE_ALERT, MESSAGE_IMAGE, MESSAGE_PROGRESS };
enum message_state { MESSAGE_QUEUED, MESSAGE_SENDING, MESSAGE_SENT, MESSAGE_FAILED, MESSAGE_SUPERSEDED, MESSAGE_HANDLED, MESSAGE_NEW };

struct message_record {
    int64_t id;              /* rising */
    int64_t rev;             /* rising with every insert and every change that a reader of the history must see */
    const char *channel, *chat;
    const char *sender;      /* inbound: the person's id; else "" */
    enum message_class class;
    enum message_state state;
    const char *text;
    int64_t image;           /* image id; 0 none */
    int64_t run;             /* run it is about; 0 none */
    const char *key;         /* coalescing and idempotency: "progress:7"; "" none */
    const char *service_id;  /* the service's id: inbound for dedupe, outbound once accepted; "" none */
    const char *buttons;     /* quick replies, one per line; "" none */
    int64_t created_ms, next_try_ms, sent_ms, attempts;
};
MUST_USE int store_message_insert(struct store *store, const struct message_record *message, int64_t *ret_id);
/* Inbound, deduplicated by (channel, service_id): TB_EEXISTS when it was stored before. */
MUST_USE int store_message_receive(struct store *store, const struct message_record *message, int64_t *ret_id);
/* New text, image, buttons and state of a queued or edited message; rev rises. */
MUST_USE int store_message_change(struct store *store, const struct message_record *message);
/* The rev given by the newest insert or change; 0 when there was none yet. */
int64_t store_last_rev(const struct store *store);
/* Only the delivery's columns: state, service_id, next_try_ms, sent_ms, attempts. bump: rev rises as well. */
MUST_USE int store_message_state(struct store *store, const struct message_record *message, bool bump);
typedef bool store_message_cb(void *user, const struct message_record *message);
/* What has to leave or was interrupted (queued, sending), oldest first; channel NULL: all. */
MUST_USE int store_messages_open(struct store *store, const char *channel, store_message_cb *cb, void *user);
/* The same of one conversation, those above after_id, at most limit (0: all): a long queue is read piece by piece. */
MUST_USE int store_messages_waiting(struct store *store, const char *channel, const char *chat, int64_t after_id,
                                    int64_t limit, store_message_cb *cb, void *user);
/* Inbound messages stored but not handled (the bot died in between), oldest first. */
MUST_USE int store_messages_unhandled(struct store *store, store_message_cb *cb, void *user);
/* A conversation in order of rev, those above after_rev; limit keeps the newest ones. Superseded ones are left out. */
MUST_USE int store_history(struct store *store, const char *channel, const char *chat, int64_t after_rev, int64_t limit,
                           store_message_cb *cb, void *user);
/* The last message with this key in this chat that is not superseded; TB_ENOTFOUND. */
MUST_USE int store_message_by_key(struct store *store, const char *channel, const char *chat, const char *key,
                                  store_message_cb *cb, void *user);

/* ---- small things ---- */

/* Named texts: "lang/web:token", "mute/…", "use/…", "describe/cnn", "weixin/cursor". Value NULL deletes. */
MUST_USE int store_set(struct store *store, const char *key, const char *value);
/* Caller frees *ret_value; TB_ENOTFOUND. */
MUST_USE int store_get(struct store *store, const char *key, char **ret_value);
typedef bool store_pair_cb(void *user, const char *key, const char *value);
MUST_USE int store_pairs(struct store *store, const char *prefix, store_pair_cb *cb, void *user);

struct audit_record {
    int64_t t_ms;
    const char *who;  /* "web:token" */
    const char *what; /* the command as understood */
    const char *outcome; /* "done", "refused: …" */
    int64_t run;
};
MUST_USE int store_audit_add(struct store *store, const struct audit_record *audit);
typedef bool store_audit_cb(void *user, const struct audit_record *audit);
MUST_USE int store_audits(struct store *store, int64_t limit, store_audit_cb *cb, void *user); /* newest first */

#endif
