/*
 * Short commands with their output captured. The keeper program cleans up and becomes the command (--exec), in a group
 * of its own; the group is killed while its leader is unreaped, so never a stranger's. What the command leaves behind
 * holding its output open is not waited for.
 */
#include "launcher_impl.h"
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#define OUTPUT_MAX (1024 * 1024)
#define ERRORS_MAX (64 * 1024)
#define PIPES_GRACE_MS 200

struct stream {
    uv_pipe_t pipe;
    char *text;
    size_t size, room, max;
    bool open;
};

struct capture {
    struct launcher *launcher;
    struct capture *next;
    uv_process_t process;
    uv_timer_t timer;
    struct stream output, errors;
    launcher_output_cb *done;
    void *user;
    int handles, failure, exit_code;
    bool exited, finishing, canceled;
};

static void capture_free(struct capture *capture) {
    free(capture->output.text);
    free(capture->errors.text);
    free(capture);
}

static void capture_handle_closed(uv_handle_t *handle) {
    struct capture *capture = handle->data;
    struct launcher *launcher = capture->launcher;
    if (--capture->handles == 0) capture_free(capture);
    handle_closed(launcher);
}

static void capture_close_handles(struct capture *capture) {
    uv_handle_t *handles[] = {(uv_handle_t *)&capture->process, (uv_handle_t *)&capture->timer,
                              (uv_handle_t *)&capture->output.pipe, (uv_handle_t *)&capture->errors.pipe};
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++)
        uv_close(handles[i], capture_handle_closed);
}

static void capture_kill(struct capture *capture, int failure) {
    if (!capture->failure) capture->failure = failure;
    if (!capture->exited) kill(-capture->process.pid, SIGKILL);
}

static void capture_finish(struct capture *capture) {
    if (capture->finishing) return;
    capture->finishing = true;
    struct capture **at = &capture->launcher->captures;
    while (*at != capture)
        at = &(*at)->next;
    *at = capture->next;
    capture_close_handles(capture);
    if (capture->canceled) return;
    int code = capture->failure ? capture->failure : capture->exit_code;
    const struct stream *told = code && !capture->output.size ? &capture->errors : &capture->output;
    capture->done(capture->user, code, told->size ? told->text : "", told->size);
}

static void capture_may_finish(struct capture *capture) {
    if (capture->exited && !capture->output.open && !capture->errors.open) capture_finish(capture);
}

static struct stream *stream_of(struct capture *capture, const uv_handle_t *handle) {
    return handle == (const uv_handle_t *)&capture->output.pipe ? &capture->output : &capture->errors;
}

static void give_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer) {
    (void)suggested;
    struct stream *stream = stream_of(handle->data, handle);
    if (stream->size + 4096 > stream->room) {
        size_t room = stream->room ? stream->room * 2 : 8192;
        char *text = realloc(stream->text, room);
        if (text) {
            stream->text = text;
            stream->room = room;
        }
    }
    *buffer = uv_buf_init(stream->text + stream->size, (unsigned)(stream->room ? stream->room - stream->size - 1 : 0));
}

static void have_read(uv_stream_t *handle, ssize_t size, const uv_buf_t *buffer) {
    (void)buffer;
    struct capture *capture = handle->data;
    struct stream *stream = stream_of(capture, (uv_handle_t *)handle);
    if (size > 0) {
        stream->size += (size_t)size;
        stream->text[stream->size] = '\0';
        if (stream->size <= stream->max) return;
        stream->size = stream->max;
        stream->text[stream->size] = '\0';
        if (stream == &capture->errors) return; /* its beginning is enough */
        capture_kill(capture, TB_ERANGE);
    }
    if (size == 0) return;
    if (size == UV_ENOBUFS) capture_kill(capture, TB_ENOMEM);
    uv_read_stop(handle);
    stream->open = false;
    capture_may_finish(capture);
}

static void pipes_late(uv_timer_t *timer) {
    capture_finish(timer->data);
}

static void time_over(uv_timer_t *timer) {
    capture_kill(timer->data, TB_ETIMEDOUT);
}

static void command_ended(uv_process_t *process, int64_t status, int signal_number) {
    struct capture *capture = process->data;
    capture->exited = true;
    capture->exit_code = (int)status;
    if (signal_number && !capture->failure) capture->failure = TB_EGONE;
    if (capture->canceled) {
        capture_finish(capture);
        return;
    }
    uv_timer_start(&capture->timer, pipes_late, PIPES_GRACE_MS, 0);
    capture_may_finish(capture);
}

static int capture_spawn(struct capture *capture, char **argv, char **env) {
    uv_stdio_container_t stdio[3] = {{.flags = UV_IGNORE}};
    stdio[1].flags = stdio[2].flags = (uv_stdio_flags)(UV_CREATE_PIPE | UV_WRITABLE_PIPE);
    stdio[1].data.stream = (uv_stream_t *)&capture->output.pipe;
    stdio[2].data.stream = (uv_stream_t *)&capture->errors.pipe;
    uv_process_options_t options = {.file = capture->launcher->keeper_path,
                                    .args = argv,
                                    .env = env,
                                    .stdio_count = 3,
                                    .stdio = stdio,
                                    .exit_cb = command_ended,
                                    .flags = UV_PROCESS_DETACHED};
    return uv_spawn(capture->launcher->loop, &capture->process, &options);
}

static struct capture *capture_create(struct launcher *launcher, launcher_output_cb *done, void *user) {
    struct capture *capture = calloc(1, sizeof *capture);
    if (!capture) return NULL;
    capture->launcher = launcher;
    capture->done = done;
    capture->user = user;
    capture->output.max = OUTPUT_MAX;
    capture->errors.max = ERRORS_MAX;
    capture->output.open = capture->errors.open = true;
    uv_timer_init(launcher->loop, &capture->timer);
    uv_pipe_init(launcher->loop, &capture->output.pipe, 0);
    uv_pipe_init(launcher->loop, &capture->errors.pipe, 0);
    capture->process.data = capture->timer.data = capture->output.pipe.data = capture->errors.pipe.data = capture;
    capture->handles = 4;
    for (int i = 0; i < capture->handles; i++)
        handle_opened(launcher);
    return capture;
}

static char **exec_command(struct launcher *launcher, char *const *argv, const char *directory) {
    size_t given = 0, count = 0;
    while (argv[given])
        given++;
    char **made = calloc(given + 8, sizeof *made);
    if (!made) return NULL;
    made[count++] = launcher->keeper_path;
    made[count++] = (char *)(uintptr_t) "--exec";
    made[count++] = (char *)(uintptr_t) "--nofile";
    made[count++] = launcher->nofile;
    if (directory) {
        made[count++] = (char *)(uintptr_t) "--directory";
        made[count++] = (char *)(uintptr_t)directory;
    }
    made[count++] = (char *)(uintptr_t) "--";
    memcpy(made + count, argv, given * sizeof *made);
    return made;
}

int launcher_capture(struct launcher *launcher, char *const *argv, char *const *env, const char *directory,
                     int64_t timeout_ms, launcher_output_cb *done, void *user) {
    if (launcher->closing || !argv || !argv[0] || timeout_ms < 0) return TB_EINVAL;
    char **command = exec_command(launcher, argv, directory), **environment = environment_make(env);
    struct capture *capture = command && environment ? capture_create(launcher, done, user) : NULL;
    int status = capture ? TB_OK : TB_ENOMEM;
    if (capture) {
        int error = capture_spawn(capture, command, environment);
        if (error < 0) {
            status = spawn_refused(launcher, error, NULL, 0);
            capture_close_handles(capture);
        } else {
            capture->next = launcher->captures;
            launcher->captures = capture;
            uv_timer_start(&capture->timer, time_over, (uint64_t)timeout_ms, 0);
            uv_read_start((uv_stream_t *)&capture->output.pipe, give_room, have_read);
            uv_read_start((uv_stream_t *)&capture->errors.pipe, give_room, have_read);
        }
    }
    free(command);
    free(environment);
    return status;
}

void capture_cancel_all(struct launcher *launcher) {
    struct capture *next;
    for (struct capture *capture = launcher->captures; capture; capture = next) {
        next = capture->next;
        capture->canceled = true;
        if (capture->exited) {
            capture_finish(capture);
        } else {
            capture_kill(capture, TB_EGONE);
        }
    }
}
