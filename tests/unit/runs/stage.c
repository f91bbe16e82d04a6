/* stage.c: see stage.h. */
#include "stage.h"
#include "launcher.h"
#include "plotter.h"
#include "text.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static struct stage *here; /* the launcher has no user pointer */
int stage_commit_fails;

int __real_store_commit(struct store *store);
int __wrap_store_commit(struct store *store);
int __wrap_store_commit(struct store *store) {
    if (stage_commit_fails == 0 || !store_is_dirty(store)) return __real_store_commit(store);
    if (stage_commit_fails > 0) stage_commit_fails--;
    store_rollback(store);
    return TB_EFULL;
}

/* ---- launcher and plotter ---- */

int launcher_start(struct launcher *launcher, const struct launch *launch, char *why, size_t why_size) {
    (void)launcher, (void)launch, (void)why, (void)why_size;
    here->launches++;
    return TB_OK;
}
int launcher_adopt(struct launcher *launcher, int64_t run, const char *run_dir) {
    (void)launcher, (void)run_dir;
    if (here->adopt_fails) return TB_ENOMEM;
    here->adoptions++;
    here->adopted = run;
    return TB_OK;
}
int launcher_signal(struct launcher *launcher, int64_t run, int signal) {
    (void)launcher, (void)run;
    if (here->signals_count < 8) here->signals[here->signals_count++] = signal;
    return TB_OK;
}
int launcher_usage(struct launcher *launcher, int64_t run, double *ret_cpu_percent, int64_t *ret_rss_bytes) {
    (void)launcher, (void)run;
    *ret_cpu_percent = 0;
    *ret_rss_bytes = 1 << 20;
    return TB_OK;
}
int launcher_capture(struct launcher *launcher, char *const *argv, char *const *env, const char *directory,
                     int64_t timeout_ms, launcher_output_cb *done, void *user) {
    (void)launcher, (void)argv, (void)env, (void)directory, (void)timeout_ms, (void)done, (void)user;
    return TB_EIO;
}
int plotter_draw(struct plotter *plotter, const struct plot_request *request, plot_done *done, void *user) {
    (void)plotter, (void)request, (void)done, (void)user;
    return TB_EIO;
}

/* ---- clock, log, chats ---- */

static int64_t wall_ms(void *user) {
    return ((struct stage *)user)->wall_ms;
}
static int64_t mono_ms(void *user) {
    return ((struct stage *)user)->mono_ms;
}
static void keep_log(void *user, int level, const char *line) {
    struct stage *stage = user;
    size_t used = strlen(stage->log);
    if (used > sizeof stage->log / 2) used = 0;
    snprintf(stage->log + used, sizeof stage->log - used, "%d %s\n", level, line);
}
static void count_rows(void *user, const struct run *run, const struct wire_rows *rows, bool progress) {
    (void)run, (void)progress;
    ((struct stage *)user)->live_rows += (int)rows->rows_count;
}

void stage_chat_done(struct stage *stage, struct stage_chat *chat, int64_t id, enum sent_status status,
                     const char *service_id) {
    struct sent sent = {.status = status,
                        .service_id = service_id,
                        .retry_ms = chat->retry_ms,
                        .service_down = chat->service_down,
                        .edit_gone = chat->edit_gone,
                        .chat_held = chat->chat_held,
                        .why = status == SENT_OK ? NULL : "the service says so"};
    chat->lent = NULL;
    outbox_done(stage->bot, id, &sent);
}

static void chat_send(struct channel *channel, const struct outgoing *message) {
    struct stage_chat *chat = (struct stage_chat *)channel;
    int at = chat->count++ % STAGE_SENT;
    free(chat->texts[at]);
    chat->texts[at] = strdup(message->text);
    chat->ids[at] = message->message;
    snprintf(chat->edits[at], sizeof chat->edits[at], "%s", message->edit_of ? message->edit_of : "");
    snprintf(chat->keys[at], sizeof chat->keys[at], "%s", message->key);
    snprintf(chat->images[at], sizeof chat->images[at], "%s", message->image_path ? message->image_path : "");
    snprintf(chat->chats[at], sizeof chat->chats[at], "%s", message->chat);
    snprintf(chat->buttons, sizeof chat->buttons, "%s", message->buttons ? message->buttons : "");
    chat->lent = message->text;
    /* A channel that keeps the conversation reads it from the store: nothing that may yet be undone stands there. */
    if (channel->traits.history && here->bot->store_status < 0) assert_false(store_is_dirty(here->store));
    char id[32];
    snprintf(id, sizeof id, "service-%d", chat->count);
    enum sent_status answer = chat->decide ? chat->decide(chat, message) : chat->answer;
    if (chat->later) return;
    stage_chat_done(here, chat, message->message, answer, id);
}
static bool chat_is_group(const struct channel *channel, const char *chat) {
    (void)channel;
    return chat[0] == '-';
}
static const struct channel_ops talk_ops = {.name = "talk", .send = chat_send, .is_group = chat_is_group};
static const struct channel_ops side_ops = {.name = "side", .send = chat_send, .is_group = chat_is_group};
static const struct channel_ops page_ops = {.name = "page", .send = chat_send};

/* ---- trainers ---- */

static int peer_send(struct trainer_conn *conn, const struct wire_frame *frame) {
    struct stage_peer *peer = (struct stage_peer *)conn;
    struct wire_buf buf = {0};
    if (peer->closing) return TB_EGONE;
    assert_int_equal(wire_encode(frame, &buf), 0);
    size_t used = strlen(peer->sent);
    if (used + buf.size + 1 > sizeof peer->sent) used = 0;
    memcpy(peer->sent + used, buf.bytes, buf.size);
    peer->sent[used + buf.size] = 0;
    wire_buf_release(&buf);
    return TB_OK;
}
static void peer_close(struct trainer_conn *conn) {
    ((struct stage_peer *)conn)->closing = true;
}
static const struct trainer_conn_ops peer_ops = {.send = peer_send, .close = peer_close};

void stage_gone(struct stage *stage, struct stage_peer *peer) {
    if (!peer->open) return;
    peer->open = false;
    peer->closing = true;
    runs_disconnected(stage->bot, &peer->conn);
}

static void reap(struct stage *stage) {
    for (int i = 0; i < STAGE_PEERS; i++)
        if (stage->peers[i].open && stage->peers[i].closing) stage_gone(stage, &stage->peers[i]);
}

int stage_line(struct stage *stage, struct stage_peer *peer, const char *line) {
    struct wire_frame frame;
    struct wire_fault fault;
    if (wire_decode(line, strlen(line), &frame, &fault) != 0) fail_msg("%s: %s\n%s", fault.code, fault.why, line);
    int status = runs_frame(stage->bot, &peer->conn, &frame);
    wire_frame_clear(&frame);
    return status;
}

struct stage_peer *stage_hello(struct stage *stage, int index, const char *instance, const char *run) {
    struct stage_peer *peer = &stage->peers[index];
    char line[2000];
    if (peer->open) stage_gone(stage, peer);
    if (strcmp(peer->instance, instance) != 0) peer->seq = 1;
    snprintf(peer->instance, sizeof peer->instance, "%s", instance);
    peer->conn = (struct trainer_conn){.ops = &peer_ops};
    peer->open = true;
    peer->closing = false;
    peer->sent[0] = 0;
    snprintf(
        line, sizeof line,
        "{\"type\":\"hello\",\"seq\":1,\"v\":1,\"instance\":\"%s\",%s%s%s\"name\":\"cnn\",\"pid\":77,\"host\":\"box\","
        "\"total_steps\":%d,\"batch\":4,\"next_seq\":2,\"params\":[{\"name\":\"lr\",\"type\":\"float\",\"value\":0.1,"
        "\"min\":0,\"max\":1,\"live\":true}],\"commands\":[{\"name\":\"recognize\",\"args\":\"[N]\",\"help\":\"h\"}]}",
        instance, run ? "\"run\":\"" : "", run ? run : "", run ? "\"," : "", stage->total_steps);
    int status = stage_line(stage, peer, line);
    if (status < 0) stage_gone(stage, peer);
    return peer;
}

void stage_frame(struct stage *stage, struct stage_peer *peer, const char *format, ...) {
    char body[STAGE_TEXT], line[STAGE_TEXT + 100];
    va_list args;
    va_start(args, format);
    vsnprintf(body, sizeof body, format, args);
    va_end(args);
    snprintf(line, sizeof line, "{\"seq\":%llu,%s}", (unsigned long long)++peer->seq, body);
    (void)!stage_line(stage, peer, line);
}

void stage_step(struct stage *stage, struct stage_peer *peer, int64_t step, const char *values) {
    stage_frame(stage, peer, "\"type\":\"metrics\",\"step\":%lld,\"t_ms\":%lld,\"values\":{%s}", (long long)step,
                (long long)stage->wall_ms, values);
}

void stage_lent(struct stage *stage, struct stage_peer *peer) {
    (void)stage;
    peer->sent[0] = 0;
}

bool stage_was_sent(const struct stage_peer *peer, const char *text) {
    return strstr(peer->sent, text) != NULL;
}

uint64_t stage_acked(const struct stage_peer *peer) {
    uint64_t acked = 0;
    char line[4096];
    for (const char *at = peer->sent; *at; at += strcspn(at, "\n") + 1) {
        snprintf(line, sizeof line, "%.*s", (int)strcspn(at, "\n"), at);
        const char *seq = strstr(line, "\"type\":\"ack\"") ? strstr(line, "\"seq\":") : NULL;
        if (strstr(line, "\"type\":\"welcome\"")) seq = strstr(line, "\"ack\":");
        if (seq) acked = strtoull(strchr(seq, ':') + 1, NULL, 10);
    }
    return acked;
}

const char *stage_control(const struct stage_peer *peer, const char *type) {
    static char id[64];
    char key[64];
    snprintf(key, sizeof key, "\"type\":\"%s\"", type);
    const char *at = NULL;
    for (const char *next = peer->sent; (next = strstr(next, key)); next++)
        at = next;
    at = at ? strstr(at, "\"id\":\"") : NULL;
    snprintf(id, sizeof id, "%.*s", at ? (int)strcspn(at + 6, "\"") : 0, at ? at + 6 : "");
    return id;
}

/* ---- life ---- */

static char *command[] = {"train", NULL}, *resume[] = {"--resume", "{checkpoint}", NULL};

/* The process that knew its state is gone. */
static void chat_begin(struct stage_chat *chat, const struct channel_ops *ops) {
    chat->channel = (struct channel){.ops = ops, .traits = chat->channel.traits};
    chat->lent = NULL;
}

static void bot_begin(struct stage *stage) {
    char why[300] = "";
    struct bot_ports ports = {.clock = &stage->clock,
                              .store = stage->store,
                              .settings = &stage->settings,
                              .log = keep_log,
                              .live_rows = count_rows,
                              .user = stage};
    assert_int_equal(bot_create(&ports, &stage->bot), TB_OK);
    chat_begin(&stage->talk, &talk_ops);
    chat_begin(&stage->page, &page_ops);
    chat_begin(&stage->side, &side_ops);
    stage->page.channel.traits.history = stage->page.channel.traits.edit = true;
    bot_add_channel(stage->bot, &stage->talk.channel);
    bot_add_channel(stage->bot, &stage->page.channel);
    if (stage->with_side) bot_add_channel(stage->bot, &stage->side.channel);
    assert_int_equal(bot_load(stage->bot, why, sizeof why), TB_OK);
    assert_non_null(session_get(stage->bot, "talk", "boss"));
    if (stage->with_side) assert_non_null(session_get(stage->bot, "side", "s1"));
    if (stage->with_page) assert_non_null(session_get(stage->bot, "page", "x"));
    stage_turn(stage);
}

static void store_begin(struct stage *stage) {
    char why[300] = "";
    if (store_open(stage->dir, &stage->store, why, sizeof why) < 0) fail_msg("%s", why);
}

static char side_name[] = "side", side_id[] = "s1";
static struct identity side_person = {side_name, side_id};

int stage_setup(void **state) {
    struct stage *stage = calloc(1, sizeof *stage);
    assert_non_null(stage);
    here = stage;
    stage_commit_fails = 0;
    const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp"; /* thousands of commits: in memory */
    snprintf(stage->dir, sizeof stage->dir, "%s/trainbot-stage-XXXXXX", base);
    assert_non_null(mkdtemp(stage->dir));
    stage->wall_ms = 1700000000000;
    stage->mono_ms = 1000000;
    stage->total_steps = 1000;
    stage->clock = (struct clock){wall_ms, mono_ms, stage};
    stage->trainer =
        (struct trainer_settings){.name = "cnn", .command = command, .resume_args = resume, .stop_timeout_s = 60};
    stage->settings = (struct settings){.state_dir = stage->dir,
                                        .language = LANG_EN,
                                        .default_trainer = "cnn",
                                        .max_running = 10,
                                        .trainers = &stage->trainer,
                                        .trainers_count = 1,
                                        .owner = {"talk", "boss"},
                                        .operators = &side_person,
                                        .operators_count = 1};
    store_begin(stage);
    bot_begin(stage);
    *state = stage;
    return 0;
}

static void bot_end(struct stage *stage) {
    for (int i = 0; i < STAGE_PEERS; i++)
        stage->peers[i].open = false;
    store_rollback(stage->store); /* SIGKILL: what was not committed never was */
    bot_free(stage->bot);
    store_rollback(stage->store);
    store_close(stage->store);
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info, (void)type, (void)walk;
    return remove(path);
}

int stage_teardown(void **state) {
    struct stage *stage = *state;
    bot_end(stage);
    stage_forget(&stage->talk);
    stage_forget(&stage->page);
    stage_forget(&stage->side);
    nftw(stage->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(stage);
    return 0;
}

void stage_restart(struct stage *stage) {
    bot_end(stage);
    stage_commit_fails = 0;
    store_begin(stage);
    bot_begin(stage);
}

void stage_turn(struct stage *stage) {
    reap(stage);
    bot_tick(stage->bot);
    bot_turn_end(stage->bot);
    reap(stage);
}

void stage_pass_at_once(struct stage *stage, int64_t ms) {
    stage->wall_ms += ms;
    stage->mono_ms += ms;
    stage_turn(stage);
}

void stage_pass(struct stage *stage, int64_t ms) {
    stage_turn(stage);
    for (int64_t part; ms > 0; ms -= part) {
        part = ms > 1000 ? 1000 : ms;
        stage_pass_at_once(stage, part);
    }
}

/* ---- people ---- */

void stage_hears(struct stage *stage, const char *channel, const char *chat, const char *text, int64_t sent_ms) {
    static unsigned number;
    char id[32];
    snprintf(id, sizeof id, "said-%u", ++number);
    struct inbound inbound = {.channel = channel,
                              .chat = chat,
                              .sender = chat,
                              .service_id = id,
                              .text = text,
                              .size = strlen(text),
                              .sent_ms = sent_ms};
    assert_int_equal(bot_inbound(stage->bot, &inbound), TB_OK);
    stage_turn(stage);
}

const char *stage_say(struct stage *stage, const char *text) {
    int before = stage->talk.count;
    stage_hears(stage, "talk", "boss", text, 0);
    return stage->talk.count > before ? stage->talk.texts[(stage->talk.count - 1) % STAGE_SENT] : "";
}

int64_t stage_start(struct stage *stage) {
    int launches = stage->launches;
    stage_say(stage, "start");
    assert_int_equal(stage->launches, launches + 1);
    return runs_newest(stage->bot);
}

int stage_told(const struct stage_chat *chat, const char *text) {
    int count = 0;
    for (int i = 0; i < chat->count && i < STAGE_SENT; i++)
        count += strstr(chat->texts[i], text) != NULL;
    return count;
}

void stage_forget(struct stage_chat *chat) {
    for (int i = 0; i < STAGE_SENT; i++) {
        free(chat->texts[i]);
        chat->texts[i] = NULL;
    }
    chat->count = 0;
}

/* ---- what is kept ---- */

struct counting {
    int count;
    int64_t step;
    const char *kind;
};

static bool any_cols(void *user, const char *const *cols, size_t count) {
    (void)user, (void)cols, (void)count;
    return true;
}
static bool count_row(void *user, const struct store_row *row) {
    struct counting *counting = user;
    assert_true(row->step > counting->step);
    counting->step = row->step;
    counting->count++;
    return true;
}
int stage_rows(struct stage *stage, int64_t run) {
    struct counting counting = {.step = -1};
    assert_int_equal(store_rows_read(stage->store, run, 0, any_cols, count_row, &counting), TB_OK);
    return counting.count;
}

static bool count_event(void *user, const struct event_record *event) {
    struct counting *counting = user;
    counting->count += strcmp(event->kind, counting->kind) == 0;
    return true;
}
int stage_events(struct stage *stage, int64_t run, const char *kind) {
    struct counting counting = {.kind = kind};
    assert_int_equal(store_events(stage->store, run, count_event, &counting), TB_OK);
    return counting.count;
}

static bool see_run(void *user, const struct run_record *record) {
    struct run_seen *seen = user;
    snprintf(seen->state, sizeof seen->state, "%s", record->state);
    seen->step = record->step;
    seen->ack = record->ack;
    seen->exit_code = record->exit_code;
    seen->exit_signal = record->exit_signal;
    return false;
}
struct run_seen stage_row(struct stage *stage, int64_t run) {
    struct run_seen seen = {.state = ""};
    assert_int_equal(store_run(stage->store, run, see_run, &seen), TB_OK);
    return seen;
}

void stage_write(struct stage *stage, const char *path, const char *text) {
    char full[512];
    snprintf(full, sizeof full, "%s/%s", stage->dir, path);
    for (char *slash = strchr(full + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        assert_true(mkdir(full, 0700) == 0 || errno == EEXIST);
        *slash = '/';
    }
    FILE *file = fopen(full, "we");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

bool stage_exists(struct stage *stage, const char *path) {
    char full[512];
    snprintf(full, sizeof full, "%s/%s", stage->dir, path);
    return access(full, F_OK) == 0;
}
