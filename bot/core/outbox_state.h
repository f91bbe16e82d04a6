/*
 * outbox_state.h: what the files of outbox.h share: outbox.c (what is added), outbox_lines.c (what waits, and what is
 * known of each conversation), outbox_pieces.c (splitting), outbox_due.c (when), outbox_merge.c (what one message
 * holds), outbox_send.c (handing over), outbox_done.c (what became of it), person.c, digests.c. Not for others.
 */
#ifndef TRAINBOT_OUTBOX_STATE_H
#define TRAINBOT_OUTBOX_STATE_H

#include "budget.h"
#include "outbox.h"

#define OUTBOX_MEMORY 256    /* messages of one conversation kept in memory; further ones wait in the store alone */
#define OUTBOX_REFILL 64     /* with fewer than this, the next ones are read */
#define OUTBOX_SPARE 192     /* of those in memory at most so many may be passed by others: there is room for those */
#define OUTBOX_UNSTORED 4096 /* while the store fails: more than these are let go, and the log says so */
#define OUTBOX_UNNOTED 1024
#define OUTBOX_IDLE 128 /* sent progress of one conversation kept in memory, to be changed in place */
#define OUTBOX_LINES 64 /* with more conversations than this, those with nothing to remember are looked for */
#define OUTBOX_NAMED 256
#define OUTBOX_DIGESTS 256
#define OUTBOX_LEFT_LINE 110 /* UTF-16 units that an alert leaves for the line that says what is left */
#define OUTBOX_BACKOFF_FIRST_MS 1000
#define OUTBOX_BACKOFF_MAX_MS 60000
#define OUTBOX_WAIT_MAX_MS 86400000 /* whatever a service asks for */

struct entry {
    struct message_record row; /* strings are owned by the fields below */
    char *text, *key, *buttons, *service_id, *image_path, *image_mime;
    char *next_text, *next_buttons; /* came while it was under way; NULL none */
    char *path;                     /* lent to the channel */
    char send_key[48];
    bool durable;     /* its row is committed */
    bool from_memory; /* its row was rolled back, or cannot be marked: goes once */
    bool under_way;
    bool dropped;       /* under way when its conversation lost its role: should it come back, it goes no more */
    bool last_word;     /* its run is over: it is changed once more where it stands, and never sent anew */
    bool alone;         /* shares no message: one that it shared was refused */
    int64_t group_last; /* last id of those it was tried with, which stay together: the service may know them; 0 none */
    int64_t due_mono_ms;
    struct entry *next;
};

/* One conversation with somebody at one service. */
struct line {
    struct channel *channel;
    char *chat;
    struct entry *first, *last, *current; /* current: under way; others that share its message have under_way as well */
    struct entry *idle;                   /* newest first: rows that stand as sent, known without asking the store */
    char *lent;                           /* the text of what is under way where it is not an entry's own; NULL */
    struct entry *beyond;                 /* newest first: rows of this turn that will wait in the store alone */
    size_t count, idle_count;
    bool more;               /* further rows wait in the store … */
    int64_t read_id;         /* … above this id */
    bool aside;              /* spare rows up to read_id wait in the store alone */
    int64_t durable_read_id; /* as of the last commit: ids of rows that are undone are given again */
    double tokens;           /* at tokens_ms */
    int64_t tokens_ms, last_send_ms, last_progress_ms;
    /* Kept in the store as "line/CHANNEL:CHAT". */
    struct budget budget;
    bool closed;                   /* takes nothing until the person writes */
    int64_t told_window_ms;        /* heard_ms of the window whose near end was told */
    int64_t held_until_ms;         /* wall: the service wants nothing before; 0 none */
    bool unsaved;                  /* those are newer than what is committed */
    bool heard_under_way;          /* a message came since what is under way was handed over */
    int64_t sent, failed, retried; /* in this bot's life */
    struct line *next, *next_named, *next_sending;
};

struct digest;

struct outbox {
    struct line *lines;
    struct line *named[OUTBOX_NAMED]; /* the same ones, by a hash of their names */
    struct line *sending;             /* those with something under way */
    size_t lines_count, sweep_at;
    uint64_t random;
    int64_t memory_ids; /* counts down from -1: ids of entries without a row */
    struct noted {
        int64_t id, sent_ms;
    } unnoted[OUTBOX_UNNOTED];           /* have left, and their rows do not say so yet */
    struct noted noting[OUTBOX_UNNOTED]; /* their rows say so when this turn is committed */
    size_t unnoted_count, noting_count;
    struct digest *digests[OUTBOX_DIGESTS]; /* digests.c: by their run */
    size_t digests_count;
    int64_t digests_due_ms; /* mono: one of them may be due by time alone */
};

int64_t outbox_now(const struct bot *bot); /* mono */
int64_t outbox_wall(const struct bot *bot);

/* ---- outbox_lines.c ---- */

/* Found, or made with what the store knows of it; NULL: out of memory. */
struct line *outbox_line(struct bot *bot, struct channel *channel, const char *chat);
/* Only when it is in memory. */
struct line *outbox_line_known(const struct bot *bot, const struct channel *channel, const char *chat);
struct budget_rules line_rules(const struct line *line);
/* Writes budget and closed; part of this turn's transaction. A failure is the turn's. */
void line_keep(struct bot *bot, struct line *line);
/* "line/CHANNEL:CHAT"; caller frees; NULL: out of memory. */
char *line_key(const char *channel, const char *chat);
void lines_sweep(struct bot *bot); /* lets conversations go that have nothing waiting and nothing to remember */
MUST_USE int lines_load(struct bot *bot);
void lines_free(struct bot *bot);

/* Copies the record's strings; NULL: out of memory. */
struct entry *entry_from(struct bot *bot, const struct message_record *row);
void entry_free(struct entry *entry);
void line_append(struct line *line, struct entry *entry);
void line_remove(struct line *line, struct entry *entry);
void line_rest(struct line *line, struct entry *entry); /* sent, and likely to be changed soon */
void line_forget_idle(struct line *line);
void line_forget_beyond(struct line *line); /* they are durable */
void line_take_beyond(struct line *line);   /* they were rolled back: into memory */
/* Out of the idle ones; NULL: it is not among them. */
struct entry *line_take_idle(struct line *line, int64_t run, const char *key);
/* The next rows from the store, where few are left in memory, or few that nothing may pass: however much waits that may
 * not leave, the first that may is known. */
void line_refill(struct bot *bot, struct line *line);
/* The record with the strings that it has now. */
struct message_record *entry_row(struct line *line, struct entry *entry);
/* The newer text that came while it was under way takes its place; false: there was none. */
bool entry_renew(struct entry *entry);

/* ---- outbox.c ---- */

/* The waiting progress message with this key; NULL: none, or it is not in memory. */
struct entry *line_waiting(struct line *line, int64_t run, const char *key);
/* The same, out of the store where it waits there alone. */
struct entry *line_find_waiting(struct bot *bot, struct line *line, int64_t run, const char *key);
/* It will not leave: out of memory, and its row superseded. Not for what is under way. */
void line_withdraw(struct bot *bot, struct line *line, struct entry *entry);

/* ---- outbox_pieces.c ---- */

size_t text_units(const char *text, size_t size); /* UTF-16 code units; a byte that is no UTF-8 counts as one */
bool text_fits(const char *text, size_t size, size_t max_bytes, size_t max_units); /* 0: no limit */
/* As outbox_add, without coalescing: rows in the line's limits. */
MUST_USE int pieces_add(struct bot *bot, struct line *line, const struct outbox_message *message, int64_t *ret_id);

/* ---- outbox_due.c ---- */

/* May be passed by others, and must not touch the reserve: progress, on channels with a budget also what nobody asked
 * for. */
/* News that leaves the reserve alone: it waits its time, lets others pass, and keeps its order among its like. */
bool entry_note(const struct line *line, const struct entry *entry);
bool entry_spare(const struct line *line, const struct entry *entry);
/* The line's pace, by kind of chat. */
const struct channel_pace *line_pace(const struct line *line);
double line_tokens(const struct line *line, int64_t now);
/* When the line's first sendable entry is due (mono), or INT64_MAX. */
int64_t line_due(const struct bot *bot, const struct line *line, int64_t now, struct entry **ret_entry);
/* Whether alerts that are added now would leave soon. */
bool line_open(const struct bot *bot, const struct line *line);
/* Milliseconds to wait after `attempts` failures in a row: 1 s doubling to 60 s, with jitter. */
int64_t outbox_backoff_ms(struct bot *bot, int64_t attempts);

/* ---- outbox_merge.c ---- */

/* Marks those that share one message with `head` (head among them) as under way and, where the text is not the entry's
 * own, makes line->lent. */
void merge_begin(struct bot *bot, struct line *line, struct entry *head);
/* The next one under way, from `entry` on; NULL: none. */
struct entry *merge_next(struct entry *entry);

/* ---- outbox_send.c ---- */

void outbox_unnoted(struct bot *bot, int64_t id, int64_t sent_ms);
void outbox_noting(struct bot *bot, int64_t id, int64_t sent_ms); /* its row is said to be done in this turn */

/* ---- digests.c ---- */

void digests_sent(struct bot *bot, struct line *line, const struct entry *entry);
void digests_refused(struct bot *bot, struct line *line, const struct entry *entry);
void digests_tick(struct bot *bot);
void digests_keep(struct bot *bot); /* the store works again */
MUST_USE int digests_load(struct bot *bot);
void digests_free(struct bot *bot);

#endif
