/*
 * stage.h: the core on a real store in a folder of its own, with everything around it moved by hand: a clock, a
 * launcher that notes what it is asked, trainers whose connections keep what they were sent, and three chat services:
 * "talk" and "side", which answer when they are told to, and "page", which keeps the conversation itself.
 */
#ifndef TRAINBOT_TEST_RUNS_STAGE_H
#define TRAINBOT_TEST_RUNS_STAGE_H

#include "bot.h"
#include "commands.h"
#include "outbox.h"
#include "runs.h"

#define STAGE_TEXT 65536
#define STAGE_PEERS 4
#define STAGE_SENT 2048

struct stage_chat {
    struct channel channel;
    bool later; /* outbox_done comes from stage_chat_done */
    enum sent_status answer;
    int64_t retry_ms;
    bool service_down, edit_gone, chat_held; /* said with the answer */
    /* Called with each message; its result is the answer (not with `later`). NULL: `answer` it is. */
    enum sent_status (*decide)(struct stage_chat *chat, const struct outgoing *message);
    int count; /* messages handed over */
    char *texts[STAGE_SENT];
    int64_t ids[STAGE_SENT];
    char edits[STAGE_SENT][32], keys[STAGE_SENT][48];
    char images[STAGE_SENT][128], chats[STAGE_SENT][32];
    char buttons[128]; /* of the newest */
    const char *lent;  /* the newest text, as it was lent */
};

struct stage_peer {
    struct trainer_conn conn;
    bool open, closing;
    char sent[STAGE_TEXT]; /* frames, a line each */
    char instance[33];
    uint64_t seq;
};

struct stage {
    char dir[64];
    struct store *store;
    struct settings settings;
    struct trainer_settings trainer;
    struct bot *bot;
    struct clock clock;
    int64_t wall_ms, mono_ms;
    struct stage_chat talk, page, side; /* side: a second service, where with_side is set */
    struct stage_peer peers[STAGE_PEERS];
    int total_steps; /* of trainers that say hello; 0 they do not know */
    int launches, adoptions, live_rows;
    int64_t adopted;
    int signals[8], signals_count;
    bool with_side;              /* from the next restart on; a conversation "s1" there hears of runs */
    bool adopt_fails, with_page; /* with_page: a conversation there hears of runs, from the next restart on */
    char log[STAGE_TEXT];
};

extern int stage_commit_fails; /* the next so many commits fail, as on a full disk; -1: all */

int stage_setup(void **state);
int stage_teardown(void **state);
void stage_restart(struct stage *stage); /* the bot is killed and comes back; what was not committed is gone */
void stage_turn(struct stage *stage);
void stage_pass(struct stage *stage, int64_t ms); /* in steps of a second at most, a turn each */
void stage_pass_at_once(struct stage *stage, int64_t ms);

/* Frames of a trainer: a JSON line; seq is added where the text begins with "\"type\"". */
struct stage_peer *stage_hello(struct stage *stage, int peer, const char *instance, const char *run);
int stage_line(struct stage *stage, struct stage_peer *peer, const char *line);
void stage_frame(struct stage *stage, struct stage_peer *peer, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void stage_step(struct stage *stage, struct stage_peer *peer, int64_t step, const char *values);
void stage_gone(struct stage *stage, struct stage_peer *peer); /* the link breaks */
void stage_lent(struct stage *stage, struct stage_peer *peer); /* forgets what was sent to it */
bool stage_was_sent(const struct stage_peer *peer, const char *text);
uint64_t stage_acked(const struct stage_peer *peer); /* the newest ack or welcome */
/* The id of the newest control of a type ("set"). */
const char *stage_control(const struct stage_peer *peer, const char *type);

/* A run launched by the bot, asked for by talk:boss; its number. */
int64_t stage_start(struct stage *stage);
/* A message by a person (sent_ms 0: now), and the turn that follows. */
void stage_hears(struct stage *stage, const char *channel, const char *chat, const char *text, int64_t sent_ms);
/* A command by talk:boss; returns the newest text to that chat, "" none. */
const char *stage_say(struct stage *stage, const char *text);
int stage_told(const struct stage_chat *chat, const char *text); /* messages that hold it */
void stage_forget(struct stage_chat *chat);
void stage_chat_done(struct stage *stage, struct stage_chat *chat, int64_t id, enum sent_status status,
                     const char *service_id);

int stage_rows(struct stage *stage, int64_t run); /* count; each step once, ascending */
int stage_events(struct stage *stage, int64_t run, const char *kind);
struct run_seen {
    char state[16];
    int64_t step, exit_code, exit_signal;
    uint64_t ack;
};
struct run_seen stage_row(struct stage *stage, int64_t run);               /* as the store has it */
void stage_write(struct stage *stage, const char *path, const char *text); /* below the folder; folders are made */
bool stage_exists(struct stage *stage, const char *path);

#endif
