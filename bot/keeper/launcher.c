/* Starting keepers, and the launcher's own life. Everything that follows a start is in launcher_watch.c. */
#include "launcher_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

extern char **environ;

void handle_opened(struct launcher *launcher) {
    launcher->handles++;
}

static void launcher_free(struct launcher *launcher) {
    void (*closed)(void *user) = launcher->closed;
    void *user = launcher->closed_user;
    free(launcher->keeper_path);
    free(launcher);
    if (closed) closed(user);
}

void handle_closed(struct launcher *launcher) {
    if (--launcher->handles == 0 && launcher->closing) launcher_free(launcher);
}

int launcher_create(uv_loop_t *loop, const char *keeper_path, const struct launcher_events *events,
                    struct launcher **ret) {
    struct launcher *launcher = calloc(1, sizeof *launcher);
    if (!launcher) return TB_ENOMEM;
    launcher->loop = loop;
    launcher->events = *events;
    launcher->keeper_path = strdup(keeper_path);
    if (!launcher->keeper_path) {
        free(launcher);
        return TB_ENOMEM;
    }
    struct rlimit limit = {1024, 4096};
    getrlimit(RLIMIT_NOFILE, &limit);
    launcher_set_nofile(launcher, limit.rlim_cur, limit.rlim_max);
    *ret = launcher;
    return TB_OK;
}

void launcher_set_nofile(struct launcher *launcher, uint64_t soft, uint64_t hard) {
    snprintf(launcher->nofile, sizeof launcher->nofile, "%" PRIu64 ":%" PRIu64, soft, hard);
}

static void closing_timer_closed(uv_handle_t *handle) {
    handle_closed(handle->data);
    free(handle);
}

void launcher_close(struct launcher *launcher, void (*closed)(void *user), void *user) {
    if (!launcher || launcher->closing) return;
    launcher->closing = true;
    launcher->closed = closed;
    launcher->closed_user = user;
    while (launcher->watches)
        watch_destroy(launcher->watches);
    capture_cancel_all(launcher);
    uv_timer_t *timer = malloc(sizeof *timer); /* one handle to close at least, so that `closed` comes from the loop */
    if (!timer) {
        if (!launcher->handles) launcher_free(launcher);
        return;
    }
    uv_timer_init(launcher->loop, timer);
    timer->data = launcher;
    handle_opened(launcher);
    uv_close((uv_handle_t *)timer, closing_timer_closed);
}

int spawn_refused(const struct launcher *launcher, int uv_error, char *why, size_t why_size) {
    if (why_size) snprintf(why, why_size, "cannot run %s: %s", launcher->keeper_path, strerror(-uv_error));
    switch (uv_error) {
    case UV_ENOMEM:
        return TB_ENOMEM;
    case UV_ENOENT:
        return TB_ENOTFOUND;
    case UV_EACCES:
        return TB_EACCESS;
    case UV_E2BIG:
        return TB_ERANGE;
    case UV_EAGAIN:
    case UV_EMFILE:
    case UV_ENFILE:
        return TB_EBUSY;
    default:
        return TB_EIO;
    }
}

static size_t vector_count(char *const *vector) {
    size_t count = 0;
    while (vector && vector[count])
        count++;
    return count;
}

char **environment_make(char *const *env) {
    char **made = calloc(vector_count(environ) + vector_count(env) + 1, sizeof *made);
    if (!made) return NULL;
    size_t count = 0;
    for (char **at = environ; at && *at; at++)
        made[count++] = *at;
    for (char *const *at = env; at && *at; at++) {
        size_t name = strcspn(*at, "="), same = 0;
        while (same < count && (strncmp(made[same], *at, name) || made[same][name] != '='))
            same++;
        made[same] = *at;
        if (same == count) count++;
    }
    return made;
}

static void first_process_closed(uv_handle_t *handle) {
    handle_closed(handle->data);
    free(handle);
}

/* The keeper's first process ends at once: its grandchild is the keeper. */
static void first_process_ended(uv_process_t *process, int64_t status, int signal_number) {
    (void)status, (void)signal_number;
    uv_close((uv_handle_t *)process, first_process_closed);
}

static int spawn(struct launcher *launcher, char **argv, char **env, int control_fd) {
    uv_stdio_container_t stdio[4] = {{.flags = UV_IGNORE}, {.flags = UV_IGNORE}, {.flags = UV_IGNORE}};
    stdio[3].flags = UV_INHERIT_FD;
    stdio[3].data.fd = control_fd;
    uv_process_options_t options = {.file = launcher->keeper_path,
                                    .args = argv,
                                    .env = env,
                                    .stdio_count = 4,
                                    .stdio = stdio,
                                    .exit_cb = first_process_ended,
                                    .flags = UV_PROCESS_DETACHED};
    uv_process_t *process = calloc(1, sizeof *process);
    if (!process) return UV_ENOMEM;
    process->data = launcher;
    handle_opened(launcher);
    int status = uv_spawn(launcher->loop, process, &options);
    if (status < 0) uv_close((uv_handle_t *)process, first_process_closed);
    return status;
}

static char **keeper_command(struct launcher *launcher, const struct launch *launch) {
    char **argv = calloc(vector_count(launch->argv) + 10, sizeof *argv);
    if (!argv) return NULL;
    char *const options[] = {launcher->keeper_path,           (char *)(uintptr_t) "--control",
                             (char *)(uintptr_t) "--nofile",  launcher->nofile,
                             (char *)(uintptr_t) "--run-dir", (char *)(uintptr_t)launch->run_dir};
    size_t count = sizeof options / sizeof *options;
    memcpy(argv, options, sizeof options);
    if (launch->directory) {
        argv[count++] = (char *)(uintptr_t) "--directory";
        argv[count++] = (char *)(uintptr_t)launch->directory;
    }
    argv[count++] = (char *)(uintptr_t) "--";
    memcpy(argv + count, launch->argv, vector_count(launch->argv) * sizeof *argv);
    return argv;
}

static bool started_before(const char *run_dir) {
    static const char *const traces[] = {"keeper", "exit"};
    int dir = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    bool found = false;
    for (size_t i = 0; i < 2 && dir >= 0; i++)
        found = found || faccessat(dir, traces[i], F_OK, 0) == 0;
    if (dir >= 0) close(dir);
    return found;
}

static int start_keeper(struct launcher *launcher, struct watch *watch, const struct launch *launch, char *why,
                        size_t why_size) {
    char **argv = keeper_command(launcher, launch), **env = environment_make(launch->env);
    int ends[2] = {-1, -1}, status = argv && env ? TB_OK : TB_ENOMEM;
    if (status == TB_OK && socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) < 0)
        status = spawn_refused(launcher, -errno, why, why_size);
    if (status == TB_OK) {
        int error = spawn(launcher, argv, env, ends[1]);
        if (error < 0) status = spawn_refused(launcher, error, why, why_size);
        close(ends[1]);
        if (status == TB_OK) {
            watch->started_here = true;
            if (watch_control(watch, ends[0]) < 0) watch_look_soon(watch, 100); /* it runs: find it by its socket */
        } else {
            close(ends[0]);
        }
    }
    free(argv);
    free(env);
    return status;
}

int launcher_start(struct launcher *launcher, const struct launch *launch, char *why, size_t why_size) {
    if (why_size) *why = '\0';
    if (launcher->closing || !launch->argv || !launch->argv[0] || !launch->run_dir) return TB_EINVAL;
    if (watch_find(launcher, launch->run) || started_before(launch->run_dir)) {
        if (why_size) snprintf(why, why_size, "run %" PRId64 " was started before", launch->run);
        return TB_EEXISTS;
    }
    struct watch *watch = watch_create(launcher, launch->run, launch->run_dir);
    int status = watch ? start_keeper(launcher, watch, launch, why, why_size) : TB_ENOMEM;
    if (status < 0 && watch) watch_destroy(watch);
    if (status == TB_ENOMEM && why_size) snprintf(why, why_size, "out of memory");
    return status;
}

int launcher_adopt(struct launcher *launcher, int64_t run, const char *run_dir) {
    if (launcher->closing) return TB_EINVAL;
    if (watch_find(launcher, run)) return TB_EEXISTS;
    struct watch *watch = watch_create(launcher, run, run_dir);
    if (!watch) return TB_ENOMEM;
    watch_look_soon(watch, 0);
    return TB_OK;
}
