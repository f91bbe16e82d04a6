/*
 * scene.h: a bot on a store in a folder of its own, with everything around it moved by hand: the clock, a launcher that
 * only notes what it is asked, a plotter, one trainer on a link, and a chat service that keeps what it was sent.
 */
#ifndef TRAINBOT_TEST_COMMANDS_SCENE_H
#define TRAINBOT_TEST_COMMANDS_SCENE_H

#include "bot.h"
#include "commands.h"
#include "launcher.h"
#include "plotter.h"
#include "runs.h"

#define SCENE_TEXT 16384

#define SCENE_HEARD 1024

struct scene_chat {
    struct channel channel;
    struct {
        char chat[40], text[1000];
    } heard[SCENE_HEARD]; /* what left, oldest first, since the last scene_forget */
    int heard_count;
    int typing_on, typing_off, logins;
    char typing_chat[40], goodbye[1000]; /* goodbye: the newest that had left when logout was called */
    bool invites, login_fails, hold;     /* hold: send keeps the message under way */
    int64_t held;                        /* id of that message */
    char sent[SCENE_TEXT]; /* texts, one after the other, "\n---\n" between */
    char last_image[400];
    int messages, logouts;
    unsigned ids;
};

struct scene_conn {
    struct trainer_conn conn;
    int sets, stops, calls, others;
    char id[64];    /* of the newest control */
    char call[200]; /* "recognize 10" */
    double lr;      /* asked by the newest set */
};

struct scene {
    char dir[64];
    struct store *store;
    struct settings settings;
    struct trainer_settings trainers[2];
    struct bot *bot;
    struct clock clock;
    int64_t wall_ms, mono_ms;
    struct scene_chat chat, side; /* "talk" and, where with_side was set before a restart, "side" */
    bool with_side;
    int64_t log_lines;
    char log[SCENE_TEXT];
    struct scene_conn trainer;
    /* launcher */
    struct launch last_launch;
    int launches;
    char argv[2000]; /* of the newest launch or capture, joined by blanks */
    char env[4000];
    launcher_output_cb *capture_done;
    void *capture_user;
    int captures;
    /* plotter */
    plot_done *plot_done;
    void *plot_user;
    int plots;
    char plot_metrics[300], plot_marks[300];
    /* what the asker behind scene_say heard */
    char replies[SCENE_TEXT];
    char last[SCENE_TEXT];
    int64_t image;
    int done_calls, replies_count;
    int all_done; /* done calls since the beginning */
    bool ok, fail_start;
    enum role role;
    enum lang lang;
    bool lang_known;
};

int scene_setup(void **state); /* cmocka: two trainers (cnn, mlp), bot loaded, nothing running */
int scene_teardown(void **state);
void scene_restart(struct scene *scene); /* the bot alone dies and comes back; the trainer's link is gone */

/* One command by the owner at the API; returns the last reply ("" none yet). Answers a describe that is asked for. */
const char *scene_say(struct scene *scene, const char *text);
/* As above but describe stays open. */
const char *scene_say_only(struct scene *scene, const char *text, size_t size);
void scene_describe(struct scene *scene, int exit_code, const char *output);
/* A message through the chat service; returns all that was sent to the chat since. */
const char *scene_message(struct scene *scene, const char *sender, const char *text, int64_t age_ms);
/* As scene_message, but anybody anywhere; service_id NULL: a new one. group: in a group. Returns bot_inbound's result;
 * the turn has ended. */
int scene_inbound(struct scene *scene, const char *chat, const char *sender, const char *text, bool group);
/* What left for a chat since scene_forget, "\n---\n" between; "" nothing. */
const char *scene_heard(const struct scene_chat *at, const char *chat);
void scene_forget(struct scene *scene);
void scene_kill(struct scene *scene); /* SIGKILL and a new bot: what was not committed never was */
void scene_turn(struct scene *scene);
void scene_pass(struct scene *scene, int64_t ms);

extern const char scene_described_json[];
/* The trainer connects as run `id` and says hello; lr is what it declares. */
void scene_hello(struct scene *scene, int64_t run, const char *name, double lr);
/* The same process connects again. */
void scene_reconnect(struct scene *scene, int64_t run, const char *name, double lr);
void scene_frame(struct scene *scene, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* 开始, launched, hello: run number. */
int64_t scene_run(struct scene *scene, const char *text, double lr);
/* A progress row and its metrics. */
void scene_progress(struct scene *scene, int64_t step, double loss, double acc);

#endif
