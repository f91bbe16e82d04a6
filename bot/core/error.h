/*
 * error.h: the bot's error codes from one table (name, text, worth retrying?). 0 or a count is good, negative is one of
 * these; codes of libuv, curl, SQLite are mapped to them where they enter.
 */
#ifndef TRAINBOT_ERROR_H
#define TRAINBOT_ERROR_H

#include <stdbool.h>

#define TB_ERRORS(X)                                                                                                   \
    X(ENOMEM, "out of memory", true)                                                                                   \
    X(ESTORE, "the database cannot be written", true)                                                                  \
    X(EFULL, "the disk is full", true)                                                                                 \
    X(EIO, "input or output failed", true)                                                                             \
    X(ENOTFOUND, "there is no such thing", false)                                                                      \
    X(EEXISTS, "it exists already", false)                                                                             \
    X(EINVAL, "malformed", false)                                                                                      \
    X(ERANGE, "out of range", false)                                                                                   \
    X(EBUSY, "busy", true)                                                                                             \
    X(EACCESS, "not allowed", false)                                                                                   \
    X(ENEWER, "made by a newer trainbot", false)                                                                       \
    X(EGONE, "the other side is gone", true)                                                                           \
    X(ETIMEDOUT, "no answer in time", true)

enum tb_error {
    TB_OK = 0,
#define X(name, text, retry) TB_##name##_INDEX,
    TB_ERRORS(X)
#undef X
    TB_ERRORS_END
};
#define X(name, text, retry) enum { TB_##name = -TB_##name##_INDEX };
TB_ERRORS(X)
#undef X

const char *tb_error_text(int error);
bool tb_error_retryable(int error);

#define MUST_USE __attribute__((warn_unused_result))

#endif
