/*
 * plot_format.h: what daemon and helper say to each other over two pipes. The daemon trusts the helper's bytes no more
 * than the helper trusts the daemon's: everything is counted, capped and checked before it is allocated or used. All
 * integers are little-endian, doubles are their IEEE 754 bits, texts are a u16 length and valid UTF-8 without controls.
 *
 *   request   "TBP1"  u32 size  then `size` bytes:
 *             u32 id, u32 width, u32 height, u8 dark, u8 svg, u8 lang, text title,
 *             u8 series { text name, u32 buckets { i64 first, last, f64 min, max, mean, last, i64 count, not_finite }
 * }, u16 marks { i64 step, text } answer    "TBA1"  u32 size, u32 id, u32 status (0 drawn, else an errno-like reason),
 * u32 unknown_glyphs, u32 draw_us, then `size` bytes of PNG or SVG
 *
 * The version is the digit of the magic; there is no negotiation because both programs are of one build.
 */
#ifndef TRAINBOT_PLOT_FORMAT_H
#define TRAINBOT_PLOT_FORMAT_H

#include "plotter.h"
#include "store.h"

#define PLOT_TITLE_MAX 160 /* bytes; longer texts are cut at a character */
#define PLOT_NAME_MAX 64
#define PLOT_MARK_TEXT_MAX 96
#define PLOT_MARKS_MAX 256
#define PLOT_BUCKETS_MAX 4096 /* per series */
#define PLOT_SIDE_MIN 120     /* pixels */
#define PLOT_SIDE_MAX 4096
#define PLOT_STEP_MAX (INT64_C(1) << 53) /* steps are drawn through doubles */
#define PLOT_REQUEST_MAX (4u << 20)      /* bytes after the head */
#define PLOT_ANSWER_MAX (32u << 20)
#define PLOT_REQUEST_HEAD 8
#define PLOT_ANSWER_HEAD 24

struct plot_series {
    char *name;
    struct store_bucket *buckets; /* ascending, not overlapping */
    size_t count;
};

struct plot_job_mark {
    int64_t step;
    char *text;
};

struct plot_job {
    uint32_t id;
    int width, height; /* pixels; height 0: fitting */
    bool dark, svg;
    enum lang lang;
    char *title;
    struct plot_series series[PLOT_METRICS_MAX];
    size_t series_count;
    struct plot_job_mark *marks;
    size_t marks_count;
};

struct plot_answer {
    uint32_t size, id, status, unknown_glyphs, draw_us;
};

/* Frees what decode or the caller's malloc put in; a zeroed or half-built job is fine. The struct is zeroed. */
void plot_job_release(struct plot_job *job);

/* Request with its head. Caller frees *ret_bytes with free(). Texts are cut and cleaned, numbers outside the format are
 * TB_ERANGE, TB_ENOMEM. */
MUST_USE int plot_job_encode(const struct plot_job *job, uint8_t **ret_bytes, size_t *ret_size);

/* Size of the body that follows this head: 0..PLOT_REQUEST_MAX, or TB_EINVAL. */
MUST_USE int plot_request_head(const uint8_t head[PLOT_REQUEST_HEAD], size_t *ret_size);
/* The body. TB_EINVAL for anything not exactly in the format, TB_ENOMEM. *ret_job is to be released when TB_OK. */
MUST_USE int plot_job_decode(const uint8_t *bytes, size_t size, struct plot_job *ret_job);

void plot_answer_encode(const struct plot_answer *answer, uint8_t head[PLOT_ANSWER_HEAD]);
MUST_USE int plot_answer_decode(const uint8_t head[PLOT_ANSWER_HEAD], struct plot_answer *ret_answer);

/* A copy of text of at most max bytes, cut at a character; controls become blanks, broken bytes '?'. NULL gives "".
 * Caller frees with free(); NULL: out of memory. */
char *plot_text_clean(const char *text, size_t max);

#endif
