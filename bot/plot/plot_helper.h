/*
 * plot_helper.h: one helper process with its two pipes, as the plotter sees it: bytes in, checked answers out, or gone.
 * After plot_helper_drop or `gone` nothing but `released` is called; memory is free only then.
 */
#ifndef TRAINBOT_PLOT_HELPER_H
#define TRAINBOT_PLOT_HELPER_H

#include "plot_format.h"
#include <uv.h>

struct plot_helper;

struct plot_helper_calls {
    void *user;
    /* An answer in the format; bytes (answer->size) are borrowed until return, also across plot_helper_drop. */
    void (*answer)(void *user, const struct plot_answer *answer, const uint8_t *bytes);
    void (*gone)(void *user);     /* it ended, closed a pipe, or sent what is not in the format; it is being killed */
    void (*released)(void *user); /* reaped, handles closed, memory free; always the last call */
};

/* Starts PATH --idle-ms N. Whatever it returns but TB_ENOMEM, `released` will be called once. TB_EGONE: cannot be
 * started. */
MUST_USE int plot_helper_start(uv_loop_t *loop, const char *path, uint64_t idle_ms,
                               const struct plot_helper_calls *calls, struct plot_helper **ret_helper);
/* Takes bytes (freed with free(), whatever is returned). Failures to write are told through `gone`. TB_ENOMEM,
 * TB_EGONE. */
MUST_USE int plot_helper_send(struct plot_helper *helper, uint8_t *bytes, size_t size);
/* Kills it; `gone` is not called any more. */
void plot_helper_drop(struct plot_helper *helper);
int plot_helper_pid(const struct plot_helper *helper);

#endif
