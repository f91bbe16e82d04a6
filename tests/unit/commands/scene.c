/* scene.c: see scene.h. */
#include "scene.h"
#include "text.h"

#include <ftw.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

static struct scene *here; /* the fakes have no user pointer */
static uint64_t next_seq = 1;
static unsigned instances; /* each hello but a reconnect is a new process */

const char scene_described_json[] =
    "{\"params\":[{\"name\":\"lr\",\"type\":\"float\",\"value\":0.001,\"min\":0,\"max\":1,\"min_open\":true,\"live\":"
    "true},"
    "{\"name\":\"ti\",\"type\":\"int\",\"value\":200000,\"min\":1,\"max\":1000000000000,\"live\":true},"
    "{\"name\":\"bs\",\"type\":\"int\",\"value\":128,\"min\":1,\"max\":60000,\"live\":true},"
    "{\"name\":\"ds\",\"type\":\"int\",\"value\":10,\"min\":1,\"max\":1000000000,\"live\":true},"
    "{\"name\":\"dropout\",\"type\":\"float\",\"value\":0.25,\"min\":0,\"max\":0.99,\"live\":true},"
    "{\"name\":\"optimiser\",\"type\":\"enum\",\"value\":\"adam\",\"choices\":[\"adam\",\"sgd\"],\"live\":false},"
    "{\"name\":\"note\",\"type\":\"string\",\"value\":\"\",\"live\":true}],"
    "\"commands\":[{\"name\":\"recognize\",\"args\":\"[N]\",\"help\":\"predictions\"},"
    "{\"name\":\"难例\",\"args\":\"16\",\"help\":\"hard "
    "ones\"},{\"name\":\"滤波器\",\"args\":\"\",\"help\":\"filters\"},"
    "{\"name\":\"reconstructions\",\"args\":\"8 [zh|en]\",\"help\":\"originals and what comes back\","
    "\"zh\":\"重建|还原\",\"zh_help\":\"原图和网络还原的图\",\"reads\":true}]}";

/* ---- the launcher ---- */

static void join(char *text, size_t size, char *const *words) {
    text[0] = 0;
    for (; words && *words; words++)
        snprintf(text + strlen(text), size - strlen(text), "%s%s", text[0] ? " " : "", *words);
}

int launcher_start(struct launcher *launcher, const struct launch *launch, char *why, size_t why_size) {
    (void)launcher;
    if (here->fail_start) {
        snprintf(why, why_size, "no such program");
        return TB_EIO;
    }
    here->launches++;
    join(here->argv, sizeof here->argv, launch->argv);
    join(here->env, sizeof here->env, launch->env);
    return TB_OK;
}
int launcher_adopt(struct launcher *launcher, int64_t run, const char *run_dir) {
    (void)launcher, (void)run, (void)run_dir;
    return TB_OK;
}
int launcher_signal(struct launcher *launcher, int64_t run, int signal) {
    (void)launcher, (void)run, (void)signal;
    return TB_OK;
}
int launcher_usage(struct launcher *launcher, int64_t run, double *ret_cpu_percent, int64_t *ret_rss_bytes) {
    (void)launcher, (void)run;
    *ret_cpu_percent = 98;
    *ret_rss_bytes = 312000000;
    return TB_OK;
}
int launcher_capture(struct launcher *launcher, char *const *argv, char *const *env, const char *directory,
                     int64_t timeout_ms, launcher_output_cb *done, void *user) {
    (void)launcher, (void)directory, (void)timeout_ms;
    here->captures++;
    join(here->argv, sizeof here->argv, argv);
    join(here->env, sizeof here->env, env);
    here->capture_done = done;
    here->capture_user = user;
    return TB_OK;
}

/* ---- the plotter ---- */

int plotter_draw(struct plotter *plotter, const struct plot_request *request, plot_done *done, void *user) {
    (void)plotter;
    here->plots++;
    here->plot_done = done;
    here->plot_user = user;
    here->plot_metrics[0] = here->plot_marks[0] = 0;
    for (size_t i = 0; i < request->metrics_count; i++)
        snprintf(here->plot_metrics + strlen(here->plot_metrics),
                 sizeof here->plot_metrics - strlen(here->plot_metrics), "%s ", request->metrics[i]);
    for (size_t i = 0; i < request->marks_count; i++)
        snprintf(here->plot_marks + strlen(here->plot_marks), sizeof here->plot_marks - strlen(here->plot_marks),
                 "%lld:%s ", (long long)request->marks[i].step, request->marks[i].text);
    return TB_OK;
}

/* ---- clock, chat, link ---- */

static int64_t wall_ms(void *user) {
    return ((struct scene *)user)->wall_ms;
}
static int64_t mono_ms(void *user) {
    return ((struct scene *)user)->mono_ms;
}
static void quiet_log(void *user, int level, const char *line) {
    struct scene *scene = user;
    size_t used = strlen(scene->log);
    snprintf(scene->log + used, sizeof scene->log - used, "%s\n", line);
    scene->log_lines++;
    if (level == 0) print_message("log: %s\n", line);
}

static void chat_send(struct channel *channel, const struct outgoing *message) {
    struct scene_chat *chat = (struct scene_chat *)channel;
    size_t used = strlen(chat->sent);
    snprintf(chat->sent + used, sizeof chat->sent - used, "%s%s", used ? "\n---\n" : "", message->text);
    if (message->image_path) snprintf(chat->last_image, sizeof chat->last_image, "%s", message->image_path);
    chat->messages++;
    if (chat->heard_count < SCENE_HEARD) {
        snprintf(chat->heard[chat->heard_count].chat, sizeof chat->heard->chat, "%s", message->chat);
        snprintf(chat->heard[chat->heard_count++].text, sizeof chat->heard->text, "%s", message->text);
    }
    if (chat->hold) {
        chat->held = message->message;
        return;
    }
    char id[32];
    snprintf(id, sizeof id, "sent-%u", ++chat->ids);
    struct sent sent = {.status = SENT_OK, .service_id = id};
    outbox_done(channel->bot, message->message, &sent);
}
static void chat_logout(struct channel *channel, const char *chat) {
    struct scene_chat *at = (struct scene_chat *)channel;
    snprintf(at->goodbye, sizeof at->goodbye, "%s", scene_heard(at, chat));
    at->logouts++;
}
static void chat_typing(struct channel *channel, const char *chat, bool on) {
    struct scene_chat *at = (struct scene_chat *)channel;
    snprintf(at->typing_chat, sizeof at->typing_chat, "%s", chat);
    on ? at->typing_on++ : at->typing_off++;
}
static int chat_login(struct channel *channel, char *why, size_t why_size) {
    struct scene_chat *at = (struct scene_chat *)channel;
    at->logins++;
    if (at->login_fails) snprintf(why, why_size, "the token file is missing");
    return at->login_fails ? TB_EACCESS : TB_OK;
}
static bool chat_invite(const struct channel *channel, const char *code, char *text, size_t size) {
    if (!((const struct scene_chat *)channel)->invites) return false;
    snprintf(text, size, "https://%s.example/bot?start=%s", channel->ops->name, code);
    return true;
}
static bool chat_is_group(const struct channel *channel, const char *chat) {
    (void)channel;
    return chat[0] == '-';
}
static void chat_describe(const struct channel *channel, enum lang lang, char *text, size_t size) {
    (void)channel;
    snprintf(text, size, "%s", lang == LANG_ZH ? "连着" : "connected");
}
#define CHAT_OPS                                                                                                       \
    .send = chat_send, .logout = chat_logout, .typing = chat_typing, .login = chat_login, .invite = chat_invite,       \
    .is_group = chat_is_group, .describe = chat_describe
static const struct channel_ops chat_ops = {.name = "talk", CHAT_OPS};
static const struct channel_ops side_ops = {.name = "side", CHAT_OPS};

static int conn_send(struct trainer_conn *conn, const struct wire_frame *frame) {
    struct scene_conn *trainer = (struct scene_conn *)conn;
    const char *id = "";
    switch (frame->kind) {
    case WIRE_SET:
        trainer->sets++;
        id = frame->u.set.id;
        for (size_t i = 0; i < frame->u.set.count; i++)
            if (strcmp(frame->u.set.params[i].name, "lr") == 0) trainer->lr = frame->u.set.params[i].value.number;
        break;
    case WIRE_STOP:
        trainer->stops++;
        id = frame->u.stop.id;
        break;
    case WIRE_CALL:
        trainer->calls++;
        id = frame->u.call.id;
        snprintf(trainer->call, sizeof trainer->call, "%s %s", frame->u.call.name,
                 frame->u.call.args ? frame->u.call.args : "");
        break;
    case WIRE_PAUSE:
        id = frame->u.pause.id;
        break;
    case WIRE_RESUME:
        id = frame->u.resume.id;
        break;
    case WIRE_SAVE:
        id = frame->u.save.id;
        break;
    default:
        trainer->others++;
        return TB_OK;
    }
    snprintf(trainer->id, sizeof trainer->id, "%s", id);
    return TB_OK;
}
static void conn_close(struct trainer_conn *conn) {
    (void)conn;
}
static const struct trainer_conn_ops conn_ops = {.send = conn_send, .close = conn_close};

/* ---- life ---- */

static char *cnn_command[] = {"train", "--model", "cnn", "--param", "lr={lr}", NULL};
static char *cnn_resume[] = {"--resume", "{checkpoint}", NULL};
static char *cnn_describe[] = {"train", "--model", "cnn", "--describe", NULL};
static char *mlp_command[] = {"train", "--model", "mlp", NULL};
static struct identity operators[] = {{"talk", "op"}}, viewers[] = {{"talk", "view"}};

static void bot_begin(struct scene *scene) {
    static int plotter; /* its address stands for a plotter */
    char why[300] = "";
    struct bot_ports ports = {.clock = &scene->clock,
                              .store = scene->store,
                              .settings = &scene->settings,
                              .log = quiet_log,
                              .plotter = (struct plotter *)&plotter,
                              .user = scene};
    assert_int_equal(bot_create(&ports, &scene->bot), TB_OK);
    scene->chat.channel = (struct channel){.ops = &chat_ops, .traits = {.text_max_bytes = 8000, .image = true}};
    bot_add_channel(scene->bot, &scene->chat.channel);
    scene->side.channel = (struct channel){.ops = &side_ops};
    if (scene->with_side) bot_add_channel(scene->bot, &scene->side.channel);
    assert_int_equal(bot_load(scene->bot, why, sizeof why), TB_OK);
}

int scene_setup(void **state) {
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    here = scene;
    snprintf(scene->dir, sizeof scene->dir, "/tmp/trainbot-scene-XXXXXX");
    assert_non_null(mkdtemp(scene->dir));
    char why[300] = "";
    assert_int_equal(store_open(scene->dir, &scene->store, why, sizeof why), TB_OK);
    scene->wall_ms = 1700000000000;
    scene->mono_ms = 1000000;
    scene->clock = (struct clock){wall_ms, mono_ms, scene};
    scene->trainers[0] = (struct trainer_settings){.name = "cnn",
                                                   .command = cnn_command,
                                                   .resume_args = cnn_resume,
                                                   .describe = cnn_describe,
                                                   .stop_timeout_s = 60};
    scene->trainers[1] = (struct trainer_settings){.name = "mlp", .command = mlp_command, .stop_timeout_s = 60};
    scene->settings = (struct settings){.state_dir = scene->dir,
                                        .language = LANG_ZH,
                                        .default_trainer = "cnn",
                                        .max_running = 1,
                                        .trainers = scene->trainers,
                                        .trainers_count = 2,
                                        .owner = {"talk", "boss"},
                                        .operators = operators,
                                        .operators_count = 1,
                                        .viewers = viewers,
                                        .viewers_count = 1};
    scene->role = ROLE_OWNER;
    bot_begin(scene);
    assert_non_null(session_get(scene->bot, "web", "token")); /* as the page's channel does */
    *state = scene;
    return 0;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *walk) {
    (void)info, (void)type, (void)walk;
    return remove(path);
}

int scene_teardown(void **state) {
    struct scene *scene = *state;
    if (scene->capture_done) scene_describe(scene, 1, "");
    if (scene->plot_done) scene->plot_done(scene->plot_user, TB_EGONE, NULL, 0, "leaving");
    if (scene->trainer.conn.run) runs_disconnected(scene->bot, &scene->trainer.conn);
    bot_free(scene->bot);
    store_close(scene->store);
    nftw(scene->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(scene);
    return 0;
}

void scene_restart(struct scene *scene) {
    if (scene->trainer.conn.run) runs_disconnected(scene->bot, &scene->trainer.conn);
    memset(&scene->trainer, 0, sizeof scene->trainer);
    bot_free(scene->bot);
    bot_begin(scene);
}

void scene_kill(struct scene *scene) {
    if (scene->trainer.conn.run) runs_disconnected(scene->bot, &scene->trainer.conn);
    memset(&scene->trainer, 0, sizeof scene->trainer);
    launcher_output_cb *done = scene->capture_done;
    scene->capture_done = NULL;
    store_rollback(scene->store);
    if (done) done(scene->capture_user, 1, "", 0); /* frees what it waited for; nothing of it is ever committed */
    store_rollback(scene->store);
    bot_free(scene->bot);
    store_rollback(scene->store);
    bot_begin(scene);
}

const char *scene_heard(const struct scene_chat *at, const char *chat) {
    static char text[SCENE_TEXT];
    text[0] = 0;
    for (int i = 0; i < at->heard_count; i++) {
        size_t used = strlen(text);
        if (strcmp(at->heard[i].chat, chat) == 0)
            snprintf(text + used, sizeof text - used, "%s%s", used ? "\n---\n" : "", at->heard[i].text);
    }
    return text;
}

void scene_forget(struct scene *scene) {
    scene->chat.heard_count = scene->side.heard_count = 0;
    scene->chat.sent[0] = scene->side.sent[0] = 0;
}

void scene_turn(struct scene *scene) {
    bot_tick(scene->bot);
    bot_turn_end(scene->bot);
}

void scene_pass(struct scene *scene, int64_t ms) {
    scene->wall_ms += ms;
    scene->mono_ms += ms;
    scene_turn(scene);
}

/* ---- asking ---- */

static void heard(void *user, const struct reply *reply) {
    struct scene *scene = user;
    scene->replies_count++;
    if (reply->image) scene->image = reply->image;
    if (!reply->text) return;
    size_t used = strlen(scene->replies);
    snprintf(scene->replies + used, sizeof scene->replies - used, "%s%s", used ? "\n---\n" : "", reply->text);
    snprintf(scene->last, sizeof scene->last, "%s", reply->text);
}
static void finished(void *user, bool ok) {
    struct scene *scene = user;
    scene->done_calls++;
    scene->all_done++;
    scene->ok = ok;
}

const char *scene_say_only(struct scene *scene, const char *text, size_t size) {
    scene->replies[0] = scene->last[0] = 0;
    scene->replies_count = scene->done_calls = 0;
    scene->ok = false;
    struct asker asker = {.channel = "web",
                          .chat = "token",
                          .sender = "token",
                          .role = scene->role,
                          .reply = heard,
                          .done = finished,
                          .user = scene,
                          .lang = scene->lang,
                          .lang_known = scene->lang_known};
    request_begin(scene->bot, &asker, text, size);
    scene_turn(scene);
    return scene->last;
}

const char *scene_say(struct scene *scene, const char *text) {
    int captures = scene->captures;
    scene_say_only(scene, text, strlen(text));
    if (scene->captures > captures && strstr(scene->argv, "--describe")) scene_describe(scene, 0, scene_described_json);
    return scene->last;
}

void scene_describe(struct scene *scene, int exit_code, const char *output) {
    launcher_output_cb *done = scene->capture_done;
    assert_non_null(done);
    scene->capture_done = NULL;
    done(scene->capture_user, exit_code, output, strlen(output));
    scene_turn(scene);
}

int scene_inbound(struct scene *scene, const char *chat, const char *sender, const char *text, bool group) {
    static unsigned number;
    char id[32];
    snprintf(id, sizeof id, "any-%u", ++number);
    struct inbound inbound = {.channel = "talk",
                              .chat = chat,
                              .sender = sender,
                              .service_id = id,
                              .text = text,
                              .size = strlen(text),
                              .group = group};
    int status = bot_inbound(scene->bot, &inbound);
    scene_turn(scene);
    return status;
}

const char *scene_message(struct scene *scene, const char *sender, const char *text, int64_t age_ms) {
    static unsigned number;
    char id[32];
    snprintf(id, sizeof id, "in-%u", ++number);
    scene->chat.sent[0] = 0;
    struct inbound inbound = {.channel = "talk",
                              .chat = sender,
                              .sender = sender,
                              .service_id = id,
                              .text = text,
                              .size = strlen(text),
                              .sent_ms = age_ms ? scene->wall_ms - age_ms : 0};
    int captures = scene->captures;
    assert_int_equal(bot_inbound(scene->bot, &inbound), TB_OK);
    scene_turn(scene);
    if (scene->captures > captures && strstr(scene->argv, "--describe")) scene_describe(scene, 0, scene_described_json);
    scene_turn(scene);
    return scene->chat.sent;
}

/* ---- the trainer ---- */

static void frame_line(struct scene *scene, const char *line) {
    struct wire_frame frame;
    struct wire_fault fault;
    if (wire_decode(line, strlen(line), &frame, &fault) != 0) fail_msg("%s: %s\n%s", fault.code, fault.why, line);
    assert_int_equal(runs_frame(scene->bot, &scene->trainer.conn, &frame), TB_OK);
    wire_frame_clear(&frame);
    scene_turn(scene);
}

void scene_frame(struct scene *scene, const char *format, ...) {
    char body[4000], line[5000];
    va_list args;
    va_start(args, format);
    vsnprintf(body, sizeof body, format, args);
    va_end(args);
    snprintf(line, sizeof line, "{\"seq\":%llu,%s}", (unsigned long long)next_seq++, body);
    frame_line(scene, line);
}

static void say_hello(struct scene *scene, int64_t run, const char *name, double lr) {
    char line[6000], *params = strdup(scene_described_json + 1), *value;
    assert_non_null(params);
    params[strlen(params) - 1] = 0;
    value = strstr(params, "0.001");
    assert_non_null(value);
    *value = 0;
    if (scene->trainer.conn.run) runs_disconnected(scene->bot, &scene->trainer.conn);
    memset(&scene->trainer, 0, sizeof scene->trainer);
    scene->trainer.conn.ops = &conn_ops;
    snprintf(line, sizeof line,
             "{\"type\":\"hello\",\"seq\":1,\"v\":1,\"instance\":\"%032x\",\"run\":\"%lld\",\"name\":\"%s\",\"pid\":77,"
             "\"host\":\"box\",\"total_steps\":1562,\"batch\":128,%s%.17g%s,\"next_seq\":1}",
             instances, (long long)run, name, params, lr, value + 5);
    free(params);
    frame_line(scene, line);
}

void scene_hello(struct scene *scene, int64_t run, const char *name, double lr) {
    instances++;
    next_seq = 2;
    say_hello(scene, run, name, lr);
}

void scene_reconnect(struct scene *scene, int64_t run, const char *name, double lr) {
    say_hello(scene, run, name, lr);
}

int64_t scene_run(struct scene *scene, const char *text, double lr) {
    int launches = scene->launches;
    scene_say(scene, text);
    assert_int_equal(scene->launches, launches + 1);
    int64_t run = runs_newest(scene->bot);
    scene_hello(scene, run, "cnn", lr);
    return run;
}

void scene_progress(struct scene *scene, int64_t step, double loss, double acc) {
    scene_frame(scene, "\"type\":\"metrics\",\"step\":%lld,\"t_ms\":%lld,\"values\":{\"loss\":%.17g}", (long long)step,
                (long long)scene->wall_ms, loss);
    scene_frame(scene, "\"type\":\"progress\",\"step\":%lld,\"values\":{\"loss\":%.17g,\"acc\":%.17g}", (long long)step,
                loss, acc);
}
