/*
 * wire_table.h: every frame and field of wire protocol v1, once.
 *
 * Decoder, validator, encoder, docs/wire.md and the tests read these rows; a frame or field that is not here does not
 * exist. To add a field: its member in wire.h, its row here. The order of WIRE_FRAMES is that of enum wire_kind.
 */
#ifndef TRAINBOT_WIRE_TABLE_H
#define TRAINBOT_WIRE_TABLE_H

#include "wire.h"

#define WIRE_INT_MAX 9007199254740991 /* 2^53-1: the largest integer that every JSON reader keeps exact */
#define WIRE_ID_MAX 128               /* bytes of an id */
#define WIRE_TEXT_MAX 60000           /* bytes of a free text */

/* F(KIND, name, direction, what it says) */
#define WIRE_FRAMES(F)                                                                                                 \
    F(HELLO, "hello", WIRE_UP,                                                                                         \
      "who is training, and what can be set; first frame of every connection. Its `seq` is 1")                         \
    F(METRICS, "metrics", WIRE_UP, "numbers: one row (`step t_ms epoch values`), or many (`cols rows`)")               \
    F(PROGRESS, "progress", WIRE_UP, "one row that a person should see")                                               \
    F(EVENT, "event", WIRE_UP, "something happened")                                                                   \
    F(IMAGE, "image", WIRE_UP, "announces a picture; its chunks follow")                                               \
    F(CHUNK, "chunk", WIRE_UP, "a piece of a picture")                                                                 \
    F(APPLIED, "applied", WIRE_UP, "a control took effect; an empty `id`: the program's own change")                   \
    F(REJECTED, "rejected", WIRE_UP, "a control was refused as a whole")                                               \
    F(RESULT, "result", WIRE_UP, "the answer of a `call`")                                                             \
    F(HEARTBEAT, "heartbeat", WIRE_UP, "sign of life, every 5 s; the one frame without `seq`")                         \
    F(BYE, "bye", WIRE_UP, "the training ends by itself; last frame")                                                  \
    F(WELCOME, "welcome", WIRE_DOWN, "answers `hello`; parameters that hold from the start, and what is durable")      \
    F(ACK, "ack", WIRE_DOWN, "every frame up to `seq` is durable")                                                     \
    F(SET, "set", WIRE_DOWN, "change parameters, all or nothing")                                                      \
    F(STOP, "stop", WIRE_DOWN, "finish the step and end")                                                              \
    F(PAUSE, "pause", WIRE_DOWN, "hold at the next step boundary")                                                     \
    F(RESUME, "resume", WIRE_DOWN, "go on")                                                                            \
    F(SAVE, "save", WIRE_DOWN, "write a checkpoint")                                                                   \
    F(CALL, "call", WIRE_DOWN, "run one of the training's own commands")                                               \
    F(ERROR, "error", WIRE_BOTH, "a line that was refused, and why")

/*
 * WIRE_FIELDS_KIND: F(member, extra, name, type, need, low, high, what it is)
 * member: below struct wire_frame's u. extra: the member that counts a list, or says whether an integer was there; else
 * the member again. need: WIRE_MUST, WIRE_MAY, or WIRE_FOR(kind) of the events that must have it.
 * low, high: of integers the range, of strings the bytes.
 */
#define WIRE_FIELDS_HELLO(F)                                                                                           \
    F(hello.v, hello.v, "v", WIRE_T_VERSION, WIRE_MUST, 1, 1, "protocol version, 1")                                   \
    F(hello.instance, hello.instance, "instance", WIRE_T_HEX, WIRE_MUST, 32, 32, "128 random bits: keys the run")      \
    F(hello.run, hello.run, "run", WIRE_T_STRING, WIRE_MAY, 0, WIRE_ID_MAX, "the run's number, from the environment")  \
    F(hello.name, hello.name, "name", WIRE_T_STRING, WIRE_TEXT, 0, 256, "the run's name")                              \
    F(hello.pid, hello.pid, "pid", WIRE_T_INT, WIRE_MAY, 0, WIRE_INT_MAX, "process")                                   \
    F(hello.host, hello.host, "host", WIRE_T_STRING, WIRE_TEXT, 0, 256, "machine")                                     \
    F(hello.total_steps, hello.total_steps, "total_steps", WIRE_T_INT, WIRE_MAY, 0, WIRE_INT_MAX, "0: unknown")        \
    F(hello.batch, hello.batch, "batch", WIRE_T_INT, WIRE_MAY, 0, WIRE_INT_MAX, "samples a step; 0: unknown")          \
    F(hello.params, hello.params_count, "params", WIRE_T_PARAMS, WIRE_MAY, 0, WIRE_PARAMS_MAX,                         \
      "`[{name, type: float\\|int\\|bool\\|string\\|enum, value, min, max, min_open, choices, live, help}]`")          \
    F(hello.commands, hello.commands_count, "commands", WIRE_T_COMMANDS, WIRE_MAY, 0, WIRE_PARAMS_MAX,                 \
      "`[{name, args, help, zh: word\\|word…, zh_help, reads}]`; `reads`: changes nothing, so a viewer may ask it")    \
    F(hello.next_seq, hello.next_seq, "next_seq", WIRE_T_UINT, WIRE_MAY, 0, WIRE_INT_MAX,                              \
      "the first frame that is not acknowledged")

#define WIRE_FIELDS_METRICS(F)                                                                                         \
    F(metrics, metrics, "step", WIRE_T_ROW, WIRE_MAY, 0, WIRE_INT_MAX, "completed steps, from 1 (one row)")            \
    F(metrics, metrics, "t_ms", WIRE_T_ROW, WIRE_MAY, 0, WIRE_INT_MAX, "Unix time, never going back (one row)")        \
    F(metrics, metrics, "epoch", WIRE_T_ROW, WIRE_MAY, 0, 0, "epoch, may be fractional (one row)")                     \
    F(metrics, metrics, "values", WIRE_T_ROW, WIRE_MAY, 0, WIRE_COLS_MAX, "`{name: number}` (one row)")                \
    F(metrics, metrics, "cols", WIRE_T_ROW, WIRE_MAY, 0, WIRE_COLS_MAX, "names of the metrics (many rows)")            \
    F(metrics, metrics, "rows", WIRE_T_ROW, WIRE_MAY, 0, 0,                                                            \
      "`[[step, t_ms, epoch, value…], …]`; `null` where there is none (many rows)")

#define WIRE_FIELDS_PROGRESS(F)                                                                                        \
    F(progress, progress, "step", WIRE_T_ROW, WIRE_MAY, 0, WIRE_INT_MAX, "completed steps, from 1; required")          \
    F(progress, progress, "t_ms", WIRE_T_ROW, WIRE_MAY, 0, WIRE_INT_MAX, "Unix time")                                  \
    F(progress, progress, "epoch", WIRE_T_ROW, WIRE_MAY, 0, 0, "epoch, may be fractional")                             \
    F(progress, progress, "values", WIRE_T_ROW, WIRE_MAY, 0, WIRE_COLS_MAX, "`{name: number}`; required")

#define WIRE_FIELDS_EVENT(F)                                                                                           \
    F(event.kind, event.kind, "kind", WIRE_T_EVENT, WIRE_MUST, 0, 0,                                                   \
      "started\\|plan\\|epoch\\|checkpoint\\|paused\\|resumed\\|gap\\|note\\|finished\\|failed")                       \
    F(event.step, event.step, "step", WIRE_T_INT, WIRE_MAY, 0, WIRE_INT_MAX, "completed steps")                        \
    F(event.t_ms, event.t_ms, "t_ms", WIRE_T_INT, WIRE_MAY, 0, WIRE_INT_MAX, "Unix time")                              \
    F(event.text, event.text, "text", WIRE_T_STRING, WIRE_FOR(NOTE), 0, WIRE_TEXT_MAX,                                 \
      "of a note, a failure; why it paused")                                                                           \
    F(event.path, event.path, "path", WIRE_T_STRING, WIRE_FOR(CHECKPOINT), 1, 4096, "of a checkpoint")                 \
    F(event.bytes, event.bytes, "bytes", WIRE_T_INT, WIRE_MAY, 0, WIRE_INT_MAX, "of a checkpoint")                     \
    F(event.total_steps, event.total_steps, "total_steps", WIRE_T_INT, WIRE_FOR(PLAN), 0, WIRE_INT_MAX,                \
      "of a plan; 0: unknown")                                                                                         \
    F(event.batch, event.batch, "batch", WIRE_T_INT, WIRE_MAY, 0, WIRE_INT_MAX, "of a plan; 0: unknown")               \
    F(event.epoch, event.epoch, "epoch", WIRE_T_NUMBER, WIRE_FOR(EPOCH), 0, 0, "epoch that begins")                    \
    F(event.from_step, event.from_step, "from_step", WIRE_T_INT, WIRE_FOR(GAP), 0, WIRE_INT_MAX, "of a gap")           \
    F(event.to_step, event.to_step, "to_step", WIRE_T_INT, WIRE_FOR(GAP), 0, WIRE_INT_MAX, "of a gap")                 \
    F(event.dropped, event.dropped, "dropped", WIRE_T_INT, WIRE_FOR(GAP), 0, WIRE_INT_MAX, "rows that are gone")       \
    F(event.rewind, event.has_rewind, "rewind", WIRE_T_MAYBE, WIRE_MAY, 0, WIRE_INT_MAX,                               \
      "resumed at this step; later rows are superseded")                                                               \
    F(event.id, event.id, "id", WIRE_T_STRING, WIRE_MAY, 0, WIRE_ID_MAX, "the control it answers")

#define WIRE_FIELDS_IMAGE(F)                                                                                           \
    F(image.id, image.id, "id", WIRE_T_STRING, WIRE_MUST, 1, WIRE_ID_MAX, "the picture's, within the instance")        \
    F(image.title, image.title, "title", WIRE_T_STRING, WIRE_TEXT, 0, 1024, "one line")                                \
    F(image.mime, image.mime, "mime", WIRE_T_STRING, WIRE_MUST, 1, 100, "image/png, image/jpeg, image/svg+xml")        \
    F(image.size, image.size, "size", WIRE_T_INT, WIRE_MUST, 1, WIRE_IMAGE_MAX, "bytes of the whole")                  \
    F(image.sha256, image.sha256, "sha256", WIRE_T_HEX, WIRE_MUST, 64, 64, "of the whole")

#define WIRE_FIELDS_CHUNK(F)                                                                                           \
    F(chunk.id, chunk.id, "id", WIRE_T_STRING, WIRE_MUST, 1, WIRE_ID_MAX, "the picture's")                             \
    F(chunk.offset, chunk.offset, "offset", WIRE_T_INT, WIRE_MUST, 0, WIRE_IMAGE_MAX, "of its first byte")             \
    F(chunk.data, chunk.size, "data", WIRE_T_BYTES, WIRE_MUST, 1, WIRE_CHUNK_MAX, "base64, at most 45,000 raw bytes")

#define WIRE_FIELDS_APPLIED(F)                                                                                         \
    F(applied.id, applied.id, "id", WIRE_T_STRING, WIRE_MUST, 0, WIRE_ID_MAX, "the control's")                         \
    F(applied.step, applied.step, "step", WIRE_T_INT, WIRE_MUST, 0, WIRE_INT_MAX, "the boundary where it took effect") \
    F(applied.old_values, applied.count, "old", WIRE_T_OLD, WIRE_MAY, 0, WIRE_PARAMS_MAX, "`{name: value}` before")    \
    F(applied.new_values, applied.count, "new", WIRE_T_VALUES, WIRE_MAY, 0, WIRE_PARAMS_MAX,                           \
      "`{name: value}` now, the same names")

#define WIRE_FIELDS_REJECTED(F)                                                                                        \
    F(rejected.id, rejected.id, "id", WIRE_T_STRING, WIRE_MUST, 1, WIRE_ID_MAX, "the control's")                       \
    F(rejected.why, rejected.why, "why", WIRE_T_STRING, WIRE_MUST, 0, WIRE_TEXT_MAX, "for the person")

#define WIRE_FIELDS_RESULT(F)                                                                                          \
    F(result.id, result.id, "id", WIRE_T_STRING, WIRE_MUST, 1, WIRE_ID_MAX, "the call's")                              \
    F(result.text, result.text, "text", WIRE_T_STRING, WIRE_TEXT, 0, WIRE_TEXT_MAX, "for the person")                  \
    F(result.images, result.images_count, "images", WIRE_T_STRINGS, WIRE_MAY, 0, 64, "ids of pictures sent before")

#define WIRE_FIELDS_HEARTBEAT(F)                                                                                       \
    F(heartbeat.step, heartbeat.step, "step", WIRE_T_INT, WIRE_MUST, 0, WIRE_INT_MAX, "completed steps")               \
    F(heartbeat.since_step_ms, heartbeat.since_step_ms, "since_step_ms", WIRE_T_INT, WIRE_MUST, 0, WIRE_INT_MAX,       \
      "since that step")

#define WIRE_FIELDS_BYE(F)                                                                                             \
    F(bye.status, bye.status, "status", WIRE_T_STATUS, WIRE_MUST, 1, 16, "finished\\|stopped\\|failed")

#define WIRE_FIELDS_WELCOME(F)                                                                                         \
    F(welcome.run, welcome.run, "run", WIRE_T_STRING, WIRE_TEXT, 0, WIRE_ID_MAX, "the run's number")                   \
    F(welcome.params, welcome.params_count, "params", WIRE_T_VALUES, WIRE_MAY, 0, WIRE_PARAMS_MAX,                     \
      "`{name: value}`, taken before step 1")                                                                          \
    F(welcome.ack, welcome.ack, "ack", WIRE_T_UINT, WIRE_MAY, 0, WIRE_INT_MAX, "every frame up to it is durable")

#define WIRE_FIELDS_ACK(F) F(ack.seq, ack.seq, "seq", WIRE_T_UINT, WIRE_MUST, 0, WIRE_INT_MAX, "cumulative")

#define WIRE_FIELDS_SET(F)                                                                                             \
    F(set.id, set.id, "id", WIRE_T_STRING, WIRE_MUST, 1, WIRE_ID_MAX, "answered once by `applied` or `rejected`")      \
    F(set.params, set.count, "params", WIRE_T_VALUES, WIRE_MUST, 0, WIRE_PARAMS_MAX, "`{name: value}`")

#define WIRE_FIELDS_STOP(F)                                                                                            \
    F(stop.id, stop.id, "id", WIRE_T_STRING, WIRE_MUST, 1, WIRE_ID_MAX, "as of `set`")                                 \
    F(stop.save, stop.save, "save", WIRE_T_BOOL, WIRE_MAY, 0, 0, "write a checkpoint first")

#define WIRE_FIELDS_PAUSE(F) F(pause.id, pause.id, "id", WIRE_T_STRING, WIRE_MUST, 1, WIRE_ID_MAX, "as of `set`")

#define WIRE_FIELDS_RESUME(F) F(resume.id, resume.id, "id", WIRE_T_STRING, WIRE_MUST, 1, WIRE_ID_MAX, "as of `set`")

#define WIRE_FIELDS_SAVE(F) F(save.id, save.id, "id", WIRE_T_STRING, WIRE_MUST, 1, WIRE_ID_MAX, "as of `set`")

#define WIRE_FIELDS_CALL(F)                                                                                            \
    F(call.id, call.id, "id", WIRE_T_STRING, WIRE_MUST, 1, WIRE_ID_MAX, "answered once by `result` or `rejected`")     \
    F(call.name, call.name, "name", WIRE_T_STRING, WIRE_MUST, 1, 256, "a command of `hello`")                          \
    F(call.args, call.args, "args", WIRE_T_STRING, WIRE_TEXT, 0, WIRE_TEXT_MAX, "what followed the name")

#define WIRE_FIELDS_ERROR(F)                                                                                           \
    F(error.code, error.code, "code", WIRE_T_STRING, WIRE_MUST, 1, 64, "see below")                                    \
    F(error.why, error.why, "why", WIRE_T_STRING, WIRE_TEXT, 0, 1024, "names the field and what would be right")

/* F(code, when) of struct wire_fault and of the frame `error` */
#define WIRE_FAULTS(F)                                                                                                 \
    F(TOO_LONG, "too_long", "the line is longer than 64 KiB")                                                          \
    F(NOT_UTF8, "not_utf8", "a byte that UTF-8 does not know")                                                         \
    F(NOT_JSON, "not_json", "not JSON, nested deeper than 16, or a number out of a double's range")                    \
    F(NOT_OBJECT, "not_object", "JSON, but no object")                                                                 \
    F(NO_TYPE, "no_type", "no string `type`")                                                                          \
    F(UNKNOWN_TYPE, "unknown_type", "no such frame in v1")                                                             \
    F(BAD_VERSION, "bad_version", "a `v` other than 1")                                                                \
    F(MISSING_FIELD, "missing_field", "a required field is not there")                                                 \
    F(BAD_FIELD, "bad_field", "a field of wrong type, range or length, or given twice")

/* F(KIND, name) in the order of enum wire_event_kind */
#define WIRE_EVENTS(F)                                                                                                 \
    F(STARTED, "started")                                                                                              \
    F(PLAN, "plan")                                                                                                    \
    F(EPOCH, "epoch")                                                                                                  \
    F(CHECKPOINT, "checkpoint")                                                                                        \
    F(PAUSED, "paused")                                                                                                \
    F(RESUMED, "resumed")                                                                                              \
    F(GAP, "gap")                                                                                                      \
    F(NOTE, "note")                                                                                                    \
    F(FINISHED, "finished")                                                                                            \
    F(FAILED, "failed")

/* F(TYPE, name) in the order of enum wire_type */
#define WIRE_TYPES(F)                                                                                                  \
    F(FLOAT, "float")                                                                                                  \
    F(INT, "int")                                                                                                      \
    F(BOOL, "bool")                                                                                                    \
    F(STRING, "string")                                                                                                \
    F(ENUM, "enum")

enum wire_direction { WIRE_UP = 1, WIRE_DOWN = 2, WIRE_BOTH = 3 };

enum wire_field_type {
    WIRE_T_VERSION,
    WIRE_T_HEX,
    WIRE_T_STRING,
    WIRE_T_INT,
    WIRE_T_MAYBE,
    WIRE_T_UINT,
    WIRE_T_NUMBER,
    WIRE_T_BOOL,
    WIRE_T_EVENT,
    WIRE_T_STATUS,
    WIRE_T_PARAMS,
    WIRE_T_COMMANDS,
    WIRE_T_VALUES,
    WIRE_T_OLD,
    WIRE_T_STRINGS,
    WIRE_T_BYTES,
    WIRE_T_ROW
};

#define WIRE_MAY 0u
#define WIRE_MUST 1u
#define WIRE_TEXT 2u /* optional, and the empty string when absent */
#define WIRE_FOR(event) (1u << (8 + WIRE_EV_##event))

struct wire_field {
    const char *name;
    enum wire_field_type type;
    unsigned need;
    size_t offset, extra; /* into struct wire_frame */
    int64_t low, high;
    const char *help;
};

struct wire_frame_row {
    const char *name;
    enum wire_direction direction;
    const char *help;
    const struct wire_field *fields;
    size_t fields_count;
};

enum wire_fault_code {
#define WIRE_FAULT_ENUM(code, name, when) WIRE_F_##code,
    WIRE_FAULTS(WIRE_FAULT_ENUM)
#undef WIRE_FAULT_ENUM
        WIRE_FAULT_CODES
};

/* The rows above as data; static storage. */
const struct wire_frame_row *wire_frame_row(enum wire_kind kind);
const char *wire_fault_name(enum wire_fault_code code);
const char *wire_fault_when(enum wire_fault_code code);

#endif
