/*
 * hello.c: how the run introduces itself. The line is kept without its closing brace; the sender adds next_seq. It is
 * made anew when a parameter or the plan changes, so that a bot that comes back sees what holds now.
 */
#include "run.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void fill_params(const struct tb_run *run, struct wire_param *to, bool with_help) {
    for (size_t i = 0; i < run->params_count; i++) {
        const struct param *p = &run->params[i];
        to[i] = (struct wire_param){.name = p->name,
                                    .has_min = p->has_min,
                                    .has_max = p->has_max,
                                    .min_open = p->has_min && p->min_open,
                                    .min = p->min,
                                    .max = p->max,
                                    .choices = (const char *const *)p->choices,
                                    .choices_count = p->choices_count,
                                    .live = p->live,
                                    .help = with_help ? p->help : NULL};
        param_show(p, &to[i].value);
    }
}

/* detail 2: everything; 1: without help; 0: without parameters and commands, should all that not fit one line. */
static int encode(const struct tb_run *run, int detail, struct wire_buf *buf) {
    char host[256] = "";
    struct wire_param params[WIRE_PARAMS_MAX];
    struct wire_command commands[WIRE_PARAMS_MAX];
    struct wire_frame frame = {.kind = WIRE_HELLO, .seq = 1};
    struct wire_hello *h = &frame.u.hello;
    if (gethostname(host, sizeof host - 1) < 0) host[0] = 0;
    *h = (struct wire_hello){.v = WIRE_VERSION,
                             .instance = run->instance,
                             .run = getenv("TRAINBOT_RUN"),
                             .name = run->name,
                             .host = host,
                             .pid = getpid(),
                             .total_steps = run->total_steps,
                             .batch = run->batch};
    if (detail > 0) {
        fill_params(run, params, detail > 1);
        for (size_t i = 0; i < run->commands_count; i++) {
            const struct tb_command *from = &run->commands[i];
            commands[i] = (struct wire_command){.name = from->name,
                                                .args = detail > 1 ? from->args : NULL,
                                                .help = detail > 1 ? from->help : NULL,
                                                .zh = from->zh,
                                                .zh_help = detail > 1 ? from->zh_help : NULL,
                                                .reads = from->reads};
        }
        h->params = params;
        h->params_count = run->params_count;
        h->commands = commands;
        h->commands_count = run->commands_count;
    }
    return wire_encode(&frame, buf);
}

int hello_build(struct tb_run *run) {
    struct wire_buf buf = {0};
    for (int detail = 2; detail >= 0; detail--) {
        if (encode(run, detail, &buf) < 0 || buf.size > WIRE_FRAME_MAX - 64) {
            buf.size = 0;
            continue;
        }
        free(run->hello);
        run->hello = buf.bytes;
        run->hello_size = buf.size - 2;
        return 0;
    }
    wire_buf_release(&buf);
    return -1;
}
