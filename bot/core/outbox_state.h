/*
 * outbox_state.h: what outbox.c (what waits) and outbox_send.c (what leaves) share. Not for others.
 */
#ifndef TRAINBOT_OUTBOX_STATE_H
#define TRAINBOT_OUTBOX_STATE_H

#include "outbox.h"

#define OUTBOX_MEMORY 256    /* messages of one conversation kept in memory; further ones wait in the store alone */
#define OUTBOX_REFILL 64     /* with fewer than this, the next ones are read */
#define OUTBOX_UNSTORED 4096 /* while the store fails: more than these are let go, and the log says so */
#define OUTBOX_UNNOTED 1024
#define OUTBOX_IDLE 128 /* sent progress of one conversation kept in memory, to be changed in place */

struct entry {
    struct message_record row; /* strings are owned by the fields below */
    char *text, *key, *buttons, *service_id, *image_path, *image_mime;
    char *next_text, *next_buttons; /* came while it was under way; NULL none */
    char *path;                     /* lent to the channel */
    char send_key[32];
    bool durable;     /* its row is committed */
    bool from_memory; /* its row was rolled back, or cannot be marked: goes once */
    bool under_way;
    int64_t due_mono_ms;
    struct entry *next;
};

/* One conversation with somebody at one service. */
struct line {
    struct channel *channel;
    char *chat;
    struct entry *first, *last, *current; /* current: under way */
    struct entry *idle;                   /* newest first: rows that stand as sent, known without asking the store */
    size_t count, idle_count;
    bool more;       /* further rows wait in the store … */
    int64_t read_id; /* … above this id */
    double tokens;   /* at tokens_ms */
    int64_t tokens_ms, last_send_ms, last_progress_ms;
    int64_t sent, failed, retried; /* in this bot's life */
    struct line *next;
};

struct outbox {
    struct line *lines;
    uint64_t random;
    int64_t memory_ids; /* counts down from -1: ids of entries without a row */
    struct noted {
        int64_t id, sent_ms;
    } unnoted[OUTBOX_UNNOTED];           /* have left, and their rows do not say so yet */
    struct noted noting[OUTBOX_UNNOTED]; /* their rows say so when this turn is committed */
    size_t unnoted_count, noting_count;
};

int64_t outbox_now(const struct bot *bot);
void line_remove(struct line *line, struct entry *entry);
void line_rest(struct line *line, struct entry *entry); /* sent, and likely to be changed soon */
void line_forget_idle(struct line *line);
void line_refill(struct bot *bot, struct line *line); /* the next rows from the store, where few are left in memory */
/* The record with the strings that it has now. */
struct message_record *entry_row(struct line *line, struct entry *entry);
/* The newer text that came while it was under way takes its place; false: there was none. */
bool entry_renew(struct entry *entry);
void outbox_unnoted(struct bot *bot, int64_t id, int64_t sent_ms);

#endif
