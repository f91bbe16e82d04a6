/*
 * command.h: what the files behind commands.h share: a request, a row of the table, and what a command's function may
 * call. A function either finishes at once (DONE, REFUSED), stays open until something calls request_finish, or asks to
 * be run again from the start when a trainer's parameters are known.
 */
#ifndef TRAINBOT_COMMAND_H
#define TRAINBOT_COMMAND_H

#include "commands.h"
#include "parse.h"
#include "runs.h"
#include "words.h"

#define REQUEST_OPEN_MS 10000    /* after this a chat is told "sent, not yet in effect" */
#define REQUEST_SILENT_MS 6000   /* a started program that has not reported by then counts as started */
#define REQUEST_FRESH_MS 600000  /* what changes something and is older than this is not executed */
#define REQUEST_CONFIRM_MS 60000 /* a question waits this long for its yes */

enum verdict { DONE, REFUSED, OPEN, AGAIN };

struct command;

struct request {
    uint64_t id;
    struct bot *bot;
    char *channel, *chat, *sender;
    char *who; /* "channel:sender" */
    enum role role;
    enum lang lang;
    bool on_behalf;  /* as the asker said */
    bool lang_fixed; /* the asker said which language; the words do not change it */
    void (*reply)(void *user, const struct reply *reply); /* NULL: messages to the chat */
    void (*done)(void *user, bool ok);
    void *user;
    char *text; /* as written */
    char *said; /* the newest answer, for the audit; NULL none */
    const struct command *command;
    int64_t message;  /* inbound row to be marked handled; 0 none */
    char *service_id; /* of that row */
    int64_t sent_ms;  /* wall: when it was written; 0 now */
    bool confirmed;   /* this is the second time, after the yes */
    bool changed;     /* it changed (or tried to change) something: audited */
    bool pending_told;
    bool deaf;        /* its chat is not let in any more: nothing is said there */
    char *waits_for;  /* trainer whose description is awaited; NULL */
    int64_t begun_ms; /* mono */
    int64_t run;      /* the run it is about; 0 none */
    char *trainer;    /* whose defaults change with the outcome; NULL none */
    struct named_text *defaults;
    size_t defaults_count;
    char *after; /* said behind the outcome; NULL none */
    char *note;  /* a call's name and arguments, for the results; NULL none */
    struct request *next;
};

struct command {
    const char *zh[4], *en[5]; /* names; the first is the one shown; NULL-terminated */
    enum role role;
    bool changes;                    /* state-changing whatever its arguments: too old is refused, and audited */
    const char *zh_usage, *en_usage; /* with arguments: "停止 [N]" */
    const char *zh_help, *en_help;   /* one line */
    enum verdict (*run)(struct request *request, struct parsed *parsed);
};
extern const struct command commands_table[];
extern const size_t commands_count;
/* The row whose name this word is (NULL: none), and whether it was the Chinese one. */
const struct command *command_find(const char *word, bool *ret_zh);

/* ---- answers (requests.c) ---- */

void request_say(struct request *request, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* text may be NULL for a picture alone; buttons NULL none. run: the message is about it, 0 none. */
void request_tell(struct request *request, const char *text, int64_t image, int64_t run, const char *buttons);
struct request *request_find(struct bot *bot, uint64_t id); /* NULL: it is over */
void request_finish(struct request *request, bool ok);      /* audits, calls done, frees */
/* The inbound message counts as handled from this transaction on. */
void request_handled(struct request *request);
/* Written too long ago to change anything now: says so and returns true. */
bool request_too_old(struct request *request);
/* False: not allowed, and said so. */
bool request_needs(struct request *request, enum role role);
/* Asks `question`; the same text is run again with confirmed set when the same person says yes in time. */
enum verdict request_confirm(struct request *request, const char *question);
/* Runs again all requests that wait for this trainer's description. */
void requests_described(struct bot *bot, const char *trainer);
static inline bool request_zh(const struct request *request) {
    return request->lang == LANG_ZH;
}
static inline enum verdict request_refused(void) {
    return REFUSED;
}
/* Refuses with one line in the request's language. Both formats take the same arguments. */
#define request_refuse(request, zh_format, en_format, ...)                                                             \
    (request_say(request, request_zh(request) ? zh_format : en_format, ##__VA_ARGS__), request_refused())

/* ---- which run, and asking it (pick.c) ---- */

/* Token `at` where it is a run's number (*ret_used), else the chosen, the only live, or the newest run. NULL: said why.
 */
struct run *pick_run(struct request *request, const struct parsed *parsed, size_t at, bool *ret_used);
/* The run that pick_run would give for a command that may end in "#7", without a word said. NULL: none. */
struct run *pick_meant(struct request *request, const struct parsed *parsed);
/* As pick_run but a live one; NULL: said why. */
struct run *pick_live(struct request *request, const struct parsed *parsed, size_t at, bool *ret_used);
/* Asks the run; OPEN, or REFUSED with the reason said. Takes changes. name, args: call. */
enum verdict ask_run(struct request *request, struct run *run, enum control_kind kind, struct run_param *changes,
                     size_t changes_count, const char *name, const char *args);
void changes_free(struct run_param *changes, size_t count);
/* Too many arguments or wrong ones: shows how it is written. */
enum verdict refuse_usage(struct request *request);

/* ---- conversations ---- */

MUST_USE int sessions_create(struct bot *bot);
MUST_USE int sessions_load(struct bot *bot);
void sessions_free(struct bot *bot);
void session_save(struct bot *bot, const struct session *session);
/* NULL: none, or it hears nothing any more. */
struct session *session_find(struct bot *bot, const char *channel, const char *chat);
/* Somebody who may wrote there: found or made, and hears for as long as the person (or the group) is let in. */
struct session *request_session(struct request *request); /* the chat where it was asked; NULL: out of memory */
struct session *session_open(struct bot *bot, const char *channel, const char *chat, const char *person, bool group);

/* ---- the commands' functions, one file a theme ---- */

enum verdict cmd_start(struct request *request, struct parsed *parsed);
enum verdict cmd_stop(struct request *request, struct parsed *parsed);
enum verdict cmd_params(struct request *request, struct parsed *parsed);
enum verdict cmd_status(struct request *request, struct parsed *parsed);
enum verdict cmd_plot(struct request *request, struct parsed *parsed);
enum verdict cmd_list(struct request *request, struct parsed *parsed);
enum verdict cmd_use(struct request *request, struct parsed *parsed);
enum verdict cmd_pause(struct request *request, struct parsed *parsed);
enum verdict cmd_resume(struct request *request, struct parsed *parsed);
enum verdict cmd_save(struct request *request, struct parsed *parsed);
enum verdict cmd_recognize(struct request *request, struct parsed *parsed);
enum verdict cmd_results(struct request *request, struct parsed *parsed);
enum verdict cmd_mute(struct request *request, struct parsed *parsed);
enum verdict cmd_unmute(struct request *request, struct parsed *parsed);
enum verdict cmd_delete(struct request *request, struct parsed *parsed);
enum verdict cmd_pair(struct request *request, struct parsed *parsed);
enum verdict cmd_unpair(struct request *request, struct parsed *parsed);
enum verdict cmd_login(struct request *request, struct parsed *parsed);
enum verdict cmd_help(struct request *request, struct parsed *parsed);
enum verdict cmd_who(struct request *request, struct parsed *parsed);
enum verdict cmd_channels(struct request *request, struct parsed *parsed);
enum verdict cmd_quit(struct request *request, struct parsed *parsed);
/* `lr 0.001`: the first token names a declared parameter. */
enum verdict cmd_set(struct request *request, struct parsed *parsed);
/* A command that the trainer declared itself. */
enum verdict cmd_own(struct request *request, struct parsed *parsed);

#endif
