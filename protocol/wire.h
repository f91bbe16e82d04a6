/*
 * wire.h: wire protocol v1 as both ends see it: frames as structs, bytes on the outside.
 *
 * One JSON object per line, UTF-8, at most WIRE_FRAME_MAX bytes with its newline. The table in wire_table.h is the only
 * place that names frames and fields; decoder, encoder, validator, the documentation (docs/wire.md is printed from it)
 * and the fixtures derive from it. No I/O, no clock, no globals: usable from any thread, one object a thread.
 *
 * A decoded frame owns all it points to (one arena); wire_frame_clear frees it. To encode, fill a zeroed frame with
 * borrowed pointers and do not clear it.
 */
#ifndef TRAINBOT_WIRE_H
#define TRAINBOT_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WIRE_VERSION 1
#define WIRE_FRAME_MAX 65536      /* bytes of one line, newline included */
#define WIRE_CHUNK_MAX 45000      /* raw bytes in one image chunk */
#define WIRE_IMAGE_MAX (8u << 20) /* raw bytes of one image */
#define WIRE_COLS_MAX 64          /* metrics in one frame */
#define WIRE_NAME_MAX 64          /* bytes of a metric's or parameter's name */
#define WIRE_PARAMS_MAX 128

enum wire_kind {
    WIRE_HELLO, WIRE_METRICS, WIRE_PROGRESS, WIRE_EVENT, WIRE_IMAGE, WIRE_CHUNK, WIRE_APPLIED, WIRE_REJECTED,
    WIRE_RESULT, WIRE_HEARTBEAT, WIRE_BYE, /* trainer → bot */
    WIRE_WELCOME, WIRE_ACK, WIRE_SET, WIRE_STOP, WIRE_PAUSE, WIRE_RESUME, WIRE_SAVE, WIRE_CALL, /* bot → trainer */
    WIRE_ERROR, /* either way */
    WIRE_KINDS
};

enum wire_type { WIRE_FLOAT, WIRE_INT, WIRE_BOOL, WIRE_STRING, WIRE_ENUM };

enum wire_event_kind {
    WIRE_EV_STARTED, WIRE_EV_PLAN, WIRE_EV_EPOCH, WIRE_EV_CHECKPOINT, WIRE_EV_PAUSED, WIRE_EV_RESUMED, WIRE_EV_GAP,
    WIRE_EV_NOTE, WIRE_EV_FINISHED, WIRE_EV_FAILED, WIRE_EV_KINDS
};

/* A value of any parameter type. `text` is set for strings and enums only. */
struct wire_value {
    enum wire_type type;
    double number;    /* float, int, bool (0 or 1); of a string "nan" "inf" "-inf" in params, old, new also that number */
    const char *text;
};

struct wire_param {
    const char *name;
    struct wire_value value;
    bool has_min, has_max, min_open;
    double min, max;
    const char *const *choices; /* enum only */
    size_t choices_count;
    bool live;
    const char *help; /* NULL when absent, as every optional string below */
};

struct wire_command {
    const char *name, *args, *help;
    const char *zh, *zh_help; /* the same in Chinese; several words of it stand between "|", the first is shown */
    bool reads;               /* only looks: changes nothing */
};

struct wire_named { /* one name → value pair of params, old, new */
    const char *name;
    struct wire_value value;
};

/* Rows of numbers: rows_count × cols_count values, row-major. A value the sender left out is WIRE_ABSENT. */
struct wire_rows {
    const char *const *cols;
    size_t cols_count, rows_count;
    const int64_t *steps, *t_ms; /* rows_count each */
    const double *epochs;        /* rows_count; WIRE_ABSENT where none */
    const double *values;
};
/* A quiet NaN with a payload of our own: tells "absent" from a true NaN that was measured. */
double wire_absent(void);
bool wire_is_absent(double v);

struct wire_hello {
    int64_t v;
    const char *instance; /* 32 hex digits */
    const char *run;      /* hint, may be NULL */
    const char *name, *host;
    int64_t pid, total_steps, batch; /* 0 = unknown */
    const struct wire_param *params;
    size_t params_count;
    const struct wire_command *commands;
    size_t commands_count;
    uint64_t next_seq;
};

struct wire_event {
    enum wire_event_kind kind;
    int64_t step;              /* 0 when absent */
    int64_t t_ms;              /* 0 when absent */
    const char *text;          /* note, failed, paused (reason) */
    const char *path;          /* checkpoint */
    int64_t bytes;             /* checkpoint */
    int64_t total_steps, batch; /* plan */
    double epoch;              /* epoch; WIRE_ABSENT else */
    int64_t from_step, to_step, dropped; /* gap */
    bool has_rewind;           /* resumed: rows after step `rewind` are superseded */
    int64_t rewind;
    const char *id;            /* the control it answers, where there was one */
};

struct wire_frame {
    enum wire_kind kind;
    uint64_t seq; /* 0: none. A hello's is always 1: it is the first frame, said again after a reconnect */
    union {
        struct wire_hello hello;
        struct wire_rows metrics;
        struct wire_rows progress; /* always one row; t_ms 0 when absent */
        struct wire_event event;
        struct { const char *id, *title, *mime, *sha256; int64_t size; } image;
        struct { const char *id; int64_t offset; const uint8_t *data; size_t size; } chunk;
        struct { const char *id; int64_t step; const struct wire_named *old_values, *new_values; size_t count; } applied;
        struct { const char *id, *why; } rejected;
        struct { const char *id, *text; const char *const *images; size_t images_count; } result;
        struct { int64_t step, since_step_ms; } heartbeat;
        struct { const char *status; } bye; /* finished | stopped | failed */
        struct { const char *run; const struct wire_named *params; size_t params_count; uint64_t ack; } welcome;
        struct { uint64_t seq; } ack;
        struct { const char *id; const struct wire_named *params; size_t count; } set;
        struct { const char *id; bool save; } stop;
        struct { const char *id; } pause, resume, save;
        struct { const char *id, *name, *args; } call;
        struct { const char *code, *why; } error;
    } u;
    void *arena; /* owned by a decoded frame; NULL in one that was built by hand */
};

/* Why a line was refused. code is one of: too_long, not_utf8, not_json, not_object, no_type, unknown_type, bad_version,
 * missing_field, bad_field. `why` names the field and what would be right. */
struct wire_fault {
    const char *code;
    char why[200];
};

/* Decodes one line (without its newline). 0, or negative with *ret_fault filled and *ret_frame untouched. */
__attribute__((warn_unused_result)) int wire_decode(const char *line, size_t size, struct wire_frame *ret_frame,
                                                    struct wire_fault *ret_fault);
void wire_frame_clear(struct wire_frame *frame);

/* Growing byte buffer with a cap. Zero it to begin; wire_buf_release frees. */
struct wire_buf {
    char *bytes;
    size_t size, room;
};
void wire_buf_release(struct wire_buf *buf);

/* Appends the frame as one line with its newline. 0, or negative (out of memory, longer than WIRE_FRAME_MAX); the
 * buffer is then as before. Numbers are written with the fewest digits that read back the same. */
__attribute__((warn_unused_result)) int wire_encode(const struct wire_frame *frame, struct wire_buf *buf);

/* Encodes as many of the rows [first, rows_count) as fit in one frame. Returns the count of rows written (≥ 1) or negative. */
__attribute__((warn_unused_result)) int wire_encode_rows(uint64_t seq, const struct wire_rows *rows, size_t first,
                                                         struct wire_buf *buf);

/* Shortest decimal text that strtod reads back to the same double; nan inf -inf as those words. size ≥ 32. Returns length. */
size_t wire_format_double(double v, char *text, size_t size);

const char *wire_kind_name(enum wire_kind kind);
const char *wire_event_name(enum wire_event_kind kind);
const char *wire_type_name(enum wire_type type);

/* ---- framing: bytes in any portions → lines ---- */

/* Caller's storage; zero it to begin. Lines over WIRE_FRAME_MAX are skipped to their newline and reported once. */
struct wire_reader {
    char *bytes;
    size_t size, room, scanned;
    bool skipping;
};
/* Feeds bytes; calls on_line for each complete line (line borrowed until return; without newline; empty lines are
 * skipped), or with line == NULL for one that was too long. on_line returns false to stop (the rest is kept).
 * 0, or negative when out of memory. */
__attribute__((warn_unused_result)) int wire_reader_feed(struct wire_reader *reader, const char *bytes, size_t size,
                                                         bool (*on_line)(void *user, const char *line, size_t size),
                                                         void *user);
void wire_reader_release(struct wire_reader *reader);

#endif
