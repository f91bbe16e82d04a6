/*
 * web_bot.c: a small host for tests of the web side: the real core, store and web channel on a loop of their own, a
 * launcher that starts a trainer as a plain child, and a plotter that gives a fixed picture. Prints "link URL" when it
 * listens; ends when its standard input ends, and exits 0 only when the loop could be closed.
 *
 * web_bot STATE_DIR LISTEN [key=value …]: trainer_token=FILE cert=FILE key=FILE hosts=NAMES lang=en trainer=COMMAND…
 * (trainer= takes the rest of the arguments as the trainer's command).
 */
#include "bot.h"
#include "runs.h"
#include "web.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

extern char **environ;

struct launcher {
    uv_loop_t *loop;
    struct bot *bot;
};

struct host {
    uv_loop_t loop;
    uv_prepare_t turn;
    uv_timer_t timer;
    uv_pipe_t input;
    uv_async_t wake;
    struct bot *bot;
    struct channel *channel;
    struct store *store;
    struct launcher launcher;
    bool ending;
};
static struct host host;

static int64_t wall_ms(void *user) {
    struct timespec t;
    (void)user;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int64_t mono_ms(void *user) {
    struct timespec t;
    (void)user;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const struct clock real_clock = {wall_ms, mono_ms, NULL};

/* ---- a launcher without keepers ---- */

struct child {
    uv_process_t process;
    int64_t run;
};

static void child_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void child_exit(uv_process_t *process, int64_t status, int signal) {
    struct child *child = process->data;
    const struct process_end end = {.exit_code = signal ? -1 : (int)status,
                                    .signal = signal,
                                    .ended_ms = wall_ms(NULL)};
    if (!host.ending) runs_process_ended(host.bot, child->run, &end);
    uv_close((uv_handle_t *)process, child_closed);
}

static char **join_env(char *const *more) {
    size_t count = 0, more_count = 0;
    while (environ[count])
        count++;
    while (more && more[more_count])
        more_count++;
    char **all = calloc(count + more_count + 1, sizeof(*all));
    if (!all) abort();
    memcpy(all, more, more_count * sizeof(*all));
    memcpy(all + more_count, environ, count * sizeof(*all));
    return all;
}

int launcher_start(struct launcher *launcher, const struct launch *launch, char *why, size_t why_size) {
    struct child *child = calloc(1, sizeof(*child));
    if (!child) return TB_ENOMEM;
    char **env = join_env(launch->env), **argv = (char **)launch->argv;
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE},
                                     {.flags = UV_INHERIT_FD, .data.fd = 2},
                                     {.flags = UV_INHERIT_FD, .data.fd = 2}};
    const uv_process_options_t options = {
        .exit_cb = child_exit, .file = argv[0], .args = argv, .env = env, .stdio = stdio, .stdio_count = 3};
    child->run = launch->run;
    child->process.data = child;
    int result = uv_spawn(launcher->loop, &child->process, &options);
    free(env);
    if (result < 0) {
        snprintf(why, why_size, "%s", uv_strerror(result));
        uv_close((uv_handle_t *)&child->process, child_closed);
        return TB_EIO;
    }
    return TB_OK;
}

int launcher_adopt(struct launcher *launcher, int64_t run, const char *run_dir) {
    (void)launcher, (void)run, (void)run_dir;
    return TB_ENOTFOUND;
}

int launcher_signal(struct launcher *launcher, int64_t run, int signal) {
    (void)launcher, (void)run, (void)signal;
    return TB_ENOTFOUND;
}

int launcher_usage(struct launcher *launcher, int64_t run, double *ret_cpu_percent, int64_t *ret_rss_bytes) {
    (void)launcher, (void)run, (void)ret_cpu_percent, (void)ret_rss_bytes;
    return TB_ENOTFOUND;
}

int launcher_capture(struct launcher *launcher, char *const *argv, char *const *env, const char *directory,
                     int64_t timeout_ms, launcher_output_cb *done, void *user) {
    (void)launcher, (void)argv, (void)env, (void)directory, (void)timeout_ms, (void)done, (void)user;
    return TB_ENOTFOUND;
}

/* ---- a plotter with one picture: what was asked for, in words ---- */

struct plot_call {
    uv_timer_t timer;
    char text[512];
    plot_done *done;
    void *user;
};

static void plot_closed(uv_handle_t *handle) {
    free(handle->data);
}

static void plot_due(uv_timer_t *timer) {
    struct plot_call *call = timer->data;
    call->done(call->user, TB_OK, (const uint8_t *)call->text, strlen(call->text), NULL);
    uv_close((uv_handle_t *)timer, plot_closed);
}

int plotter_draw(struct plotter *plotter, const struct plot_request *request, plot_done *done, void *user) {
    struct plot_call *call = calloc(1, sizeof(*call));
    (void)plotter;
    if (!call) return TB_ENOMEM;
    snprintf(
        call->text, sizeof(call->text),
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"390\" height=\"240\"><text x=\"8\" y=\"20\">%s %s %d %s "
        "marks %zu</text></svg>",
        request->title, request->metrics_count ? request->metrics[0] : "default", request->width,
        request->dark ? "dark" : "light", request->marks_count);
    call->done = done;
    call->user = user;
    uv_timer_init(&host.loop, &call->timer);
    call->timer.data = call;
    return uv_timer_start(&call->timer, plot_due, 1, 0) == 0 ? TB_OK : TB_EIO;
}

/* ---- the loop ---- */

static void schedule(void);

static void on_timer(uv_timer_t *timer) {
    (void)timer;
    bot_tick(host.bot);
}

static void on_turn(uv_prepare_t *prepare) {
    (void)prepare;
    bot_turn_end(host.bot);
    schedule();
}

static void schedule(void) {
    int64_t next = bot_next_ms(host.bot);
    if (next == INT64_MAX) {
        uv_timer_stop(&host.timer);
        return;
    }
    int64_t wait = next - mono_ms(NULL);
    uv_update_time(&host.loop);
    uv_timer_start(&host.timer, on_timer, wait > 0 ? (uint64_t)wait : 0, 0);
}

static void on_wake(void *user) {
    (void)user;
    uv_async_send(&host.wake);
}

static void on_async(uv_async_t *async) {
    (void)async;
}

static void on_log(void *user, int level, const char *line) {
    (void)user;
    if (level <= 2) fprintf(stderr, "log %d %s\n", level, line);
}

static void on_rows(void *user, const struct run *run, const struct wire_rows *rows, bool progress) {
    (void)user;
    web_live_rows(host.channel, run, rows, progress);
}

static void on_run(void *user, const struct run *run) {
    (void)user;
    web_live_run(host.channel, run);
}

static void channel_closed(void *user) {
    (void)user;
    uv_close((uv_handle_t *)&host.turn, NULL);
    uv_close((uv_handle_t *)&host.timer, NULL);
    uv_close((uv_handle_t *)&host.wake, NULL);
}

/* What others open while the server ends must stay open: libwebsockets 4.1.6 closes its event pipe twice. */
static int others[64];

static void open_others(void) {
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        others[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static int lost_others(void) {
    int lost = 0;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        if (close(others[i]) < 0) lost++;
    return lost;
}

static void end(void) {
    if (host.ending) return;
    host.ending = true;
    uv_close((uv_handle_t *)&host.input, NULL);
    host.channel->ops->stop(host.channel, channel_closed, NULL);
    open_others();
}

static void on_alloc(uv_handle_t *handle, size_t size, uv_buf_t *buf) {
    static char bytes[256];
    (void)handle, (void)size;
    *buf = uv_buf_init(bytes, sizeof(bytes));
}

static void on_input(uv_stream_t *stream, ssize_t size, const uv_buf_t *buf) {
    (void)stream, (void)buf;
    if (size < 0) end();
}

static void on_quit(void *user) {
    (void)user;
    end();
}

/* ---- settings from the command line ---- */

static const char *option(int argc, char **argv, const char *name) {
    size_t size = strlen(name);
    for (int i = 3; i < argc; i++)
        if (strncmp(argv[i], name, size) == 0 && argv[i][size] == '=') return argv[i] + size + 1;
    return NULL;
}

static void trainer_from(int argc, char **argv, struct settings *settings, struct trainer_settings *trainer) {
    for (int i = 3; i < argc; i++) {
        if (strncmp(argv[i], "trainer=", 8) != 0) continue;
        argv[i] += 8;
        trainer->name = (char *)"cnn";
        trainer->command = &argv[i];
        trainer->stop_timeout_s = 60;
        settings->trainers = trainer;
        settings->trainers_count = 1;
        return;
    }
}

static int fail(const char *what, const char *why) {
    fprintf(stderr, "web_bot: %s: %s\n", what, why);
    return 2;
}

static int set_up(const struct settings *settings, int argc, char **argv) {
    char why[512] = "", token_file[4096];
    snprintf(token_file, sizeof(token_file), "%s/web-token", argv[1]);
    if (store_open(argv[1], &host.store, why, sizeof(why)) < 0) return fail("store", why);
    uv_loop_init(&host.loop);
    host.launcher.loop = &host.loop;
    const struct http_options options = {
        .loop = &host.loop,
        .listen = argv[2],
        .token_file = token_file,
        .tls_cert = option(argc, argv, "cert"),
        .tls_key = option(argc, argv, "key"),
        .trainer_token_file = option(argc, argv, "trainer_token"),
        .state_dir = argv[1],
        .hosts = option(argc, argv, "hosts"),
    };
    const struct bot_ports ports = {
        .clock = &real_clock,
        .store = host.store,
        .launcher = &host.launcher,
        .plotter = (struct plotter *)&host,
        .settings = settings,
        .wake = on_wake,
        .log = on_log,
        .live_rows = on_rows,
        .live_run = on_run,
        .quit = on_quit,
    };
    if (bot_create(&ports, &host.bot) < 0 || web_create(&options, &host.channel) < 0)
        return fail("create", "out of memory");
    bot_add_channel(host.bot, host.channel);
    if (bot_load(host.bot, why, sizeof(why)) < 0) return fail("load", why);
    uv_prepare_init(&host.loop, &host.turn);
    uv_prepare_start(&host.turn, on_turn);
    uv_timer_init(&host.loop, &host.timer);
    uv_async_init(&host.loop, &host.wake, on_async);
    uv_pipe_init(&host.loop, &host.input, 0);
    uv_pipe_open(&host.input, 0);
    uv_read_start((uv_stream_t *)&host.input, on_alloc, on_input);
    if (host.channel->ops->start(host.channel, why, sizeof(why)) < 0) return fail("start", why);
    return 0;
}

int main(int argc, char **argv) {
    static struct trainer_settings trainer;
    if (argc < 3) return fail("usage", "web_bot STATE_DIR LISTEN [key=value …]");
    const char *lang = option(argc, argv, "lang");
    struct settings settings = {
        .state_dir = argv[1],
        .language = lang && strcmp(lang, "en") == 0 ? LANG_EN : LANG_ZH,
        .default_trainer = (char *)"cnn",
        .max_running = 1,
    };
    trainer_from(argc, argv, &settings, &trainer);
    signal(SIGPIPE, SIG_IGN);
    mkdir(argv[1], 0700);
    int result = set_up(&settings, argc, argv);
    if (result) return result;
    char link[512];
    web_link(host.channel, link, sizeof(link));
    printf("link %s\n", link);
    fflush(stdout);
    uv_run(&host.loop, UV_RUN_DEFAULT);
    bot_free(host.bot);
    web_free(host.channel);
    store_close(host.store);
    int closed = uv_loop_close(&host.loop);
    int lost = lost_others();
    printf("closed %d, %d lost\n", closed, lost);
    return closed == 0 && lost == 0 ? 0 : 3;
}
