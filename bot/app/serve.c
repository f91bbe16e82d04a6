/*
 * The daemon: the only owner of the loop. It puts the parts together, ends every loop turn with one commit, and leaves
 * in a fixed order (channels, link, launcher, plotter, own handles) so that uv_loop_close finds nothing left.
 */
#include "app.h"
#include "bot.h"
#include "channels.h"
#include "launcher_uv.h"
#include "link.h"
#include "outbox.h"
#include "plotter_uv.h"
#include "runs.h"
#include "text.h"
#include "web.h"
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define GATHER_ROWS_MS 100 /* plain metrics rows wait at most this long */
#define GATHER_NS 1000000  /* commits closer to each other than this are gathered */

enum phase { STARTING, RUNNING, CLOSING_CHANNELS, CLOSING_PARTS, CLOSING_OWN };

struct serve {
    uv_loop_t loop;
    uv_prepare_t turn;
    uv_timer_t timer, gather;
    uv_signal_t signals[2];
    const struct app_options *options;
    struct config *config;
    struct clock clock;
    struct store *store;
    struct launcher *launcher;
    struct plotter *plotter;
    struct trainer_link *link;
    struct bot *bot;
    struct channel *web;
    enum phase phase;
    bool quit_asked;
    bool waiting;                /* … for company, and only as long as nothing else comes */
    bool gathered;               /* the wait is over */
    bool gathering;              /* this turn's commit waits a moment for more */
    uint64_t turn_ns;            /* when the last one was made */
    bool folding;                /* a checkpoint of the log is under way */
    struct store_reader *folder; /* its connection; opened with the first, touched by one pool thread at a time */
    int lock_fd, to_close, level, exit_code;
    int64_t started_ms, timer_due_ms; /* INT64_MAX: the timer does not run */
};

/* ---- ports ---- */

static int64_t wall_ms(void *user) {
    struct timespec now;
    (void)user;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t mono_ms(void *user) {
    struct timespec now;
    (void)user;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void log_line(void *user, int level, const char *line) {
    static const char *const names[] = {"error", "warning", "info", "debug"};
    const struct serve *serve = user;
    if (level > serve->level) return;
    struct timespec now;
    struct tm parts;
    char when[32];
    clock_gettime(CLOCK_REALTIME, &now);
    localtime_r(&now.tv_sec, &parts);
    strftime(when, sizeof when, "%Y-%m-%d %H:%M:%S", &parts);
    fprintf(stderr, "%s.%03ld %s: %s\n", when, now.tv_nsec / 1000000, names[level], line);
}

static void live_rows(void *user, const struct run *run, const struct wire_rows *rows, bool progress) {
    struct serve *serve = user;
    if (serve->web) web_live_rows(serve->web, run, rows, progress);
}

static void live_run(void *user, const struct run *run) {
    struct serve *serve = user;
    if (serve->web) web_live_run(serve->web, run);
}

/* Asked from inside a command: it is answered first, at this turn's end. */
static void quit(void *user) {
    struct serve *serve = user;
    serve->quit_asked = true;
}

static void begin_stop(struct serve *serve);

static void fold_log(struct serve *serve);

/* ---- the turn ---- */

static void on_timer(uv_timer_t *timer) {
    struct serve *serve = timer->data;
    serve->timer_due_ms = INT64_MAX;
    bot_tick(serve->bot);
}

static void on_gathered(uv_timer_t *timer) {
    struct serve *serve = timer->data;
    serve->gathering = serve->waiting = false;
    serve->gathered = true;
}

static bool gather_for(struct serve *serve, uint64_t ms) {
    uv_update_time(&serve->loop);
    serve->gathering = uv_timer_start(&serve->gather, on_gathered, ms, 0) == 0;
    return serve->gathering;
}

/* True: this turn's commit waits. Plain metrics rows wait for company, as their trainer keeps them and the pages have
 * them already: that is what a training feels of the bot. Under load, what comes within a moment shares a commit: a
 * hundred trainers would cause thousands a second, and the disk's part of each is the same for one row as for ten. All
 * else, on a quiet bot, is committed at once. */
static bool gather(struct serve *serve) {
    uint64_t now_ns = uv_hrtime();
    bool can_wait = store_can_wait(serve->store) && !serve->gathered;
    if (serve->gathering && (!serve->waiting || can_wait)) return true;
    if (serve->gathering) uv_timer_stop(&serve->gather);
    bool soon = store_is_dirty(serve->store) && !serve->gathered && now_ns - serve->turn_ns <= GATHER_NS;
    serve->gathering = serve->gathered = false;
    serve->waiting = can_wait;
    if (can_wait && gather_for(serve, GATHER_ROWS_MS)) return true;
    serve->waiting = false;
    if (soon && gather_for(serve, 1)) return true;
    serve->turn_ns = now_ns;
    return false;
}

/* Before the loop waits: what the turn wrote becomes durable, then acknowledgements and messages leave. */
static void on_turn(uv_prepare_t *prepare) {
    struct serve *serve = prepare->data;
    if (serve->phase >= CLOSING_CHANNELS || gather(serve)) return;
    bot_turn_end(serve->bot);
    if (serve->quit_asked) begin_stop(serve);
    if (serve->phase >= CLOSING_CHANNELS) return;
    fold_log(serve);
    int64_t due_ms = bot_next_ms(serve->bot), now_ms = mono_ms(NULL);
    if (due_ms == serve->timer_due_ms) return;
    serve->timer_due_ms = due_ms;
    if (due_ms == INT64_MAX) {
        uv_timer_stop(&serve->timer);
        return;
    }
    uv_update_time(&serve->loop);
    uv_timer_start(&serve->timer, on_timer, due_ms > now_ms ? (uint64_t)(due_ms - now_ms) : 0, 0);
}

/* The log's pages go back into the file on libuv's pool, so that no turn waits for the disk. */
struct checkpoint {
    uv_work_t work;
    struct serve *serve;
};

static void checkpoint_work(uv_work_t *work) {
    struct checkpoint *checkpoint = (struct checkpoint *)work;
    if (!checkpoint->serve->folder &&
        store_reader_open(checkpoint->serve->config->settings.state_dir, &checkpoint->serve->folder) < 0)
        return;
    (void)!store_reader_checkpoint(checkpoint->serve->folder);
}

static void checkpoint_done(uv_work_t *work, int status) {
    struct checkpoint *checkpoint = (struct checkpoint *)work;
    (void)status;
    checkpoint->serve->folding = false;
    free(checkpoint);
}

static void fold_log(struct serve *serve) {
    if (serve->folding || !store_wants_checkpoint(serve->store)) return;
    struct checkpoint *checkpoint = malloc(sizeof *checkpoint);
    if (!checkpoint) return;
    checkpoint->serve = serve;
    serve->folding = uv_queue_work(&serve->loop, &checkpoint->work, checkpoint_work, checkpoint_done) == 0;
    if (!serve->folding) free(checkpoint);
}

/* ---- leaving ---- */

static void own_closed(uv_handle_t *handle) {
    (void)handle;
}

static void close_own(struct serve *serve) {
    serve->phase = CLOSING_OWN;
    uv_close((uv_handle_t *)&serve->turn, own_closed);
    uv_close((uv_handle_t *)&serve->timer, own_closed);
    uv_close((uv_handle_t *)&serve->gather, own_closed);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&serve->signals[i], own_closed);
}

static void part_closed(void *user);

static void close_parts(struct serve *serve) {
    serve->phase = CLOSING_PARTS;
    serve->to_close = 3;
    trainer_link_close(serve->link, part_closed, serve);
    if (serve->launcher)
        launcher_close(serve->launcher, part_closed, serve);
    else
        part_closed(serve);
    plotter_close(serve->plotter, part_closed, serve);
    serve->link = NULL;
    serve->launcher = NULL;
    serve->plotter = NULL;
}

static void part_closed(void *user) {
    struct serve *serve = user;
    if (--serve->to_close > 0) return;
    if (serve->phase == CLOSING_CHANNELS)
        close_parts(serve);
    else
        close_own(serve);
}

static void begin_stop(struct serve *serve) {
    if (serve->phase >= CLOSING_CHANNELS) return;
    serve->phase = CLOSING_CHANNELS;
    bot_leave(serve->bot); /* what is open stays so in the store: the next bot finds it as after a SIGKILL */
    serve->to_close = 1;
    for (struct channel *channel = serve->bot->channels; channel; channel = channel->next)
        serve->to_close++;
    for (struct channel *channel = serve->bot->channels, *next; channel; channel = next) {
        next = channel->next;
        channel->ops->stop(channel, part_closed, serve);
    }
    serve->bot->channels = NULL;
    part_closed(serve);
}

static void on_signal(uv_signal_t *handle, int number) {
    struct serve *serve = handle->data;
    bot_log(serve->bot, 2, "signal %d: leaving; trainings go on", number);
    begin_stop(serve);
}

/* ---- arriving ---- */

static int fail(const char *what, const char *why) {
    fprintf(stderr, "trainbot: %s%s%s\n", what, what[0] ? ": " : "", why);
    return -1;
}

int app_make_folders(const char *path) {
    char *copy = strdup(path);
    int status = copy ? 0 : -1;
    for (char *slash = copy ? strchr(copy + 1, '/') : NULL; slash && status == 0; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        if (mkdir(copy, 0755) < 0 && errno != EEXIST) status = -1;
        *slash = '/';
    }
    if (status == 0 && mkdir(path, 0700) < 0 && errno != EEXIST) status = -1;
    free(copy);
    return status;
}

/* The state directory, ours alone, and the lock that keeps a second bot out of it. */
static int open_state(struct serve *serve) {
    const char *dir = serve->config->settings.state_dir;
    struct stat info;
    if (app_make_folders(dir) < 0 || stat(dir, &info) < 0) return fail(dir, strerror(errno));
    if (!S_ISDIR(info.st_mode)) return fail(dir, "not a folder");
    if (access(dir, R_OK | W_OK | X_OK) < 0) return fail(dir, strerror(errno));
    if ((info.st_mode & 077) && info.st_uid == geteuid() && chmod(dir, 0700) < 0) return fail(dir, strerror(errno));
    char *path = text_print("%s/lock", dir);
    serve->lock_fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
    free(path);
    if (serve->lock_fd < 0) return fail(dir, strerror(errno));
    if (flock(serve->lock_fd, LOCK_EX | LOCK_NB) < 0)
        return fail(
            dir,
            errno == EWOULDBLOCK
                ? "another trainbot runs on this state_dir; stop it, or choose another with --set bot.state_dir=DIR"
                : strerror(errno));
    return 0;
}

static struct rlimit raise_nofile(void) {
    struct rlimit was, now;
    if (getrlimit(RLIMIT_NOFILE, &was) < 0) return (struct rlimit){1024, 1024};
    now = was;
    now.rlim_cur = now.rlim_max < 8192 ? now.rlim_max : 8192;
    if (now.rlim_cur > was.rlim_cur) (void)setrlimit(RLIMIT_NOFILE, &now);
    return was;
}

static int make_ports(struct serve *serve) {
    char why[512];
    const struct settings *settings = &serve->config->settings;
    struct rlimit nofile = raise_nofile();
    if (store_open(settings->state_dir, &serve->store, why, sizeof why) < 0) return fail("", why);
    struct bot_ports ports = {.clock = &serve->clock,
                              .store = serve->store,
                              .settings = settings,
                              .log = log_line,
                              .live_rows = live_rows,
                              .live_run = live_run,
                              .quit = quit,
                              .user = serve};
    char *keeper = text_print("%s/trainbot-keeper", app_bin_dir()),
         *plot = text_print("%s/trainbot-plot", app_bin_dir());
    if (!keeper || !plot) return fail("", "out of memory");
    struct launcher_events events = {.started = runs_process_started,
                                     .ended = runs_process_ended,
                                     .lost = runs_process_lost};
    int status = bot_create(&ports, &serve->bot);
    events.user = serve->bot;
    if (status == TB_OK) status = launcher_create(&serve->loop, keeper, &events, &serve->launcher);
    if (status == TB_OK) launcher_set_nofile(serve->launcher, nofile.rlim_cur, nofile.rlim_max);
    if (status == TB_OK) status = plotter_create(&serve->loop, plot, settings->state_dir, &serve->plotter);
    free(keeper);
    free(plot);
    if (status < 0) return fail("", tb_error_text(status));
    serve->bot->ports.launcher = serve->launcher;
    serve->bot->ports.plotter = serve->plotter;
    return 0;
}

static int make_channels(struct serve *serve) {
    int status = channels_create(serve->config, &serve->loop, serve->bot, &serve->web);
    return status < 0 ? fail("", tb_error_text(status)) : 0;
}

/* The page's address for the person at this terminal; the link holds the secret, so it goes nowhere but here. */
static void greet(struct serve *serve) {
    if (!serve->web) return;
    char link[512];
    web_link(serve->web, link, sizeof link);
    char *lan = serve->options->lan ? link_for_lan(link) : NULL;
    printf("trainbot: %s\n", lan ? lan : link);
    if (serve->options->lan) {
        if (qr_print(stdout, lan ? lan : link) < 0) printf("(no QR code: out of memory)\n");
        if (!serve->config->web.tls_cert[0])
            printf("Plain HTTP: what you write and read can be seen in this network. Set [channel web] tls_cert and "
                   "tls_key to encrypt it.\n");
    }
    fflush(stdout);
    free(lan);
}

static int start_parts(struct serve *serve) {
    char why[512];
    if (bot_load(serve->bot, why, sizeof why) < 0) return fail("", why);
    char *path = text_print("%s/trainer.sock", serve->config->settings.state_dir);
    int status = path ? trainer_link_create(&serve->loop, serve->bot, path, &serve->link, why, sizeof why) : TB_ENOMEM;
    free(path);
    if (status < 0) return fail("", why);
    if (channels_start(serve->bot, why, sizeof why) < 0) return fail("", why);
    bot_turn_end(serve->bot);
    return 0;
}

static void own_handles(struct serve *serve) {
    uv_prepare_init(&serve->loop, &serve->turn);
    uv_timer_init(&serve->loop, &serve->timer);
    uv_timer_init(&serve->loop, &serve->gather);
    serve->gather.data = serve;
    serve->turn.data = serve->timer.data = serve;
    uv_prepare_start(&serve->turn, on_turn);
    const int numbers[2] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; i++) {
        uv_signal_init(&serve->loop, &serve->signals[i]);
        serve->signals[i].data = serve;
        uv_signal_start(&serve->signals[i], on_signal, numbers[i]);
    }
}

static int leave(struct serve *serve) {
    if (serve->bot) {
        if (serve->phase == STARTING) serve->bot->leaving = true; /* not all channels are there to send through */
        if (serve->phase < CLOSING_CHANNELS) begin_stop(serve);
        uv_run(&serve->loop, UV_RUN_DEFAULT);
    }
    web_free(serve->web);
    uv_run(&serve->loop, UV_RUN_DEFAULT);
    bot_free(serve->bot);
    store_reader_close(serve->folder);
    store_close(serve->store);
    int left = uv_loop_close(&serve->loop);
    if (left != 0) fprintf(stderr, "trainbot: the loop still held handles: %s\n", uv_strerror(left));
    if (serve->lock_fd >= 0) close(serve->lock_fd);
    config_free(serve->config);
    return left == 0 ? serve->exit_code : EXIT_REFUSED;
}

int serve_main(const struct app_options *options) {
    static struct serve serve; /* static: handles must keep their address, and the stack is small */
    serve.options = options;
    serve.lock_fd = -1;
    serve.level = options->log_level;
    serve.clock = (struct clock){.wall_ms = wall_ms, .mono_ms = mono_ms};
    serve.started_ms = mono_ms(NULL);
    serve.timer_due_ms = INT64_MAX;
    signal(SIGPIPE, SIG_IGN);
    mallopt(M_ARENA_MAX, 2); /* pool threads must not grow an arena each */
    serve.config = app_config(options);
    if (!serve.config) return EXIT_REFUSED;
    if (options->lan) config_lan(serve.config);
    if (serve.config->settings.timezone) setenv("TZ", serve.config->settings.timezone, 1);
    tzset();
    if (uv_loop_init(&serve.loop) < 0) return fail("", "no event loop"), EXIT_REFUSED;
    if (open_state(&serve) < 0) {
        uv_loop_close(&serve.loop);
        if (serve.lock_fd >= 0) close(serve.lock_fd);
        config_free(serve.config);
        return EXIT_REFUSED;
    }
    own_handles(&serve);
    if (make_ports(&serve) < 0 || make_channels(&serve) < 0 || start_parts(&serve) < 0) {
        serve.exit_code = EXIT_REFUSED;
        if (!serve.bot) close_own(&serve);
        return leave(&serve);
    }
    serve.phase = RUNNING;
    greet(&serve);
    bot_log(serve.bot, 2, "trainbot " TRAINBOT_VERSION " ready in %lld ms, state in %s",
            (long long)(mono_ms(NULL) - serve.started_ms), serve.config->settings.state_dir);
    uv_run(&serve.loop, UV_RUN_DEFAULT);
    return leave(&serve);
}
