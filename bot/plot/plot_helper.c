/*
 * plot_helper.c: three libuv handles (process, input, output) with one life: the first failure of any of them kills the
 * process, the pipes are closed at once, the process handle after it was reaped, and the last close callback frees.
 */
#include "plot_helper.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct plot_helper {
    uv_process_t process;
    uv_pipe_t input, output;
    struct plot_helper_calls calls;
    bool dropped, exited;
    int open; /* handles not yet closed */
    uint8_t head[PLOT_ANSWER_HEAD];
    size_t head_used;
    struct plot_answer answer;
    uint8_t *body; /* answer.size bytes once the head is complete */
    size_t body_used;
    char chunk[65536];
};

static void on_close(uv_handle_t *handle) {
    struct plot_helper *helper = handle->data;
    if (--helper->open > 0) return;
    struct plot_helper_calls calls = helper->calls;
    free(helper->body);
    free(helper);
    calls.released(calls.user);
}

static void close_handle(uv_handle_t *handle) {
    if (!uv_is_closing(handle)) uv_close(handle, on_close);
}

void plot_helper_drop(struct plot_helper *helper) {
    if (helper->dropped) return;
    helper->dropped = true;
    if (!helper->exited) (void)uv_process_kill(&helper->process, SIGKILL);
    close_handle((uv_handle_t *)&helper->input);
    close_handle((uv_handle_t *)&helper->output);
}

static void fail(struct plot_helper *helper) {
    if (helper->dropped) return;
    plot_helper_drop(helper);
    helper->calls.gone(helper->calls.user);
}

static void on_exit_status(uv_process_t *process, int64_t status, int signal_number) {
    struct plot_helper *helper = process->data;
    (void)status;
    (void)signal_number;
    helper->exited = true;
    close_handle((uv_handle_t *)process);
    fail(helper);
}

/* Consumes received bytes; false: not in the format. */
static bool consume(struct plot_helper *helper, const uint8_t *bytes, size_t size) {
    while (size > 0 && !helper->dropped) {
        if (helper->head_used < PLOT_ANSWER_HEAD) {
            size_t part = PLOT_ANSWER_HEAD - helper->head_used < size ? PLOT_ANSWER_HEAD - helper->head_used : size;
            memcpy(helper->head + helper->head_used, bytes, part);
            helper->head_used += part;
            bytes += part;
            size -= part;
            if (helper->head_used < PLOT_ANSWER_HEAD) return true;
            if (plot_answer_decode(helper->head, &helper->answer) != TB_OK) return false;
            helper->body = malloc(helper->answer.size + 1);
            helper->body_used = 0;
            if (!helper->body) return false;
        }
        size_t left = helper->answer.size - helper->body_used, part = left < size ? left : size;
        memcpy(helper->body + helper->body_used, bytes, part);
        helper->body_used += part;
        bytes += part;
        size -= part;
        if (helper->body_used < helper->answer.size) continue;
        uint8_t *body = helper->body;
        helper->body = NULL;
        helper->head_used = 0;
        helper->calls.answer(helper->calls.user, &helper->answer, body);
        free(body);
    }
    return true;
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf) {
    struct plot_helper *helper = handle->data;
    (void)suggested;
    *buf = uv_buf_init(helper->chunk, sizeof helper->chunk);
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buf) {
    struct plot_helper *helper = stream->data;
    if (helper->dropped || got == 0) return;
    if (got < 0 || !consume(helper, (const uint8_t *)buf->base, (size_t)got)) fail(helper);
}

struct sending {
    uv_write_t write;
    struct plot_helper *helper;
    uint8_t *bytes;
};

static void on_written(uv_write_t *write, int status) {
    struct sending *sending = write->data;
    struct plot_helper *helper = sending->helper;
    free(sending->bytes);
    free(sending);
    if (status < 0) fail(helper);
}

int plot_helper_send(struct plot_helper *helper, uint8_t *bytes, size_t size) {
    struct sending *sending = malloc(sizeof *sending);
    if (!sending || helper->dropped) {
        free(sending);
        free(bytes);
        return sending ? TB_EGONE : TB_ENOMEM;
    }
    *sending = (struct sending){.helper = helper, .bytes = bytes};
    sending->write.data = sending;
    uv_buf_t buf = uv_buf_init((char *)bytes, (unsigned)size);
    if (uv_write(&sending->write, (uv_stream_t *)&helper->input, &buf, 1, on_written) == 0) return TB_OK;
    free(sending);
    free(bytes);
    return TB_EGONE;
}

int plot_helper_start(uv_loop_t *loop, const char *path, uint64_t idle_ms, const struct plot_helper_calls *calls,
                      struct plot_helper **ret_helper) {
    struct plot_helper *helper = calloc(1, sizeof *helper);
    char idle[24], option[] = "--idle-ms", *name = strdup(path);
    if (!helper || !name) {
        free(helper);
        free(name);
        return TB_ENOMEM;
    }
    helper->calls = *calls;
    helper->open = 3;
    uv_pipe_init(loop, &helper->input, 0);
    uv_pipe_init(loop, &helper->output, 0);
    helper->process.data = helper->input.data = helper->output.data = helper;
    snprintf(idle, sizeof idle, "%llu", (unsigned long long)idle_ms);
    char *arguments[] = {name, option, idle, NULL};
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_CREATE_PIPE | UV_READABLE_PIPE, .data.stream = (uv_stream_t *)&helper->input},
        {.flags = UV_CREATE_PIPE | UV_WRITABLE_PIPE, .data.stream = (uv_stream_t *)&helper->output},
        {.flags = UV_INHERIT_FD, .data.fd = 2},
    };
    uv_process_options_t options = {
        .file = path, .args = arguments, .exit_cb = on_exit_status, .stdio = stdio, .stdio_count = 3};
    int status = uv_spawn(loop, &helper->process, &options);
    free(name);
    if (status == 0)
        status = uv_read_start((uv_stream_t *)&helper->output, on_alloc, on_read);
    else
        helper->exited = true;
    if (status == 0) {
        *ret_helper = helper;
        return TB_OK;
    }
    plot_helper_drop(helper);
    if (helper->exited) close_handle((uv_handle_t *)&helper->process);
    return TB_EGONE;
}

int plot_helper_pid(const struct plot_helper *helper) {
    return helper->exited ? 0 : (int)helper->process.pid;
}
