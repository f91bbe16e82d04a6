/* The error table's texts: see error.h. */
#include "error.h"
#include <stddef.h>

static const struct {
    const char *text;
    bool retryable;
} errors[TB_ERRORS_END] = {
    {"done", false},
#define X(name, text, retry) {text, retry},
    TB_ERRORS(X)
#undef X
};

const char *tb_error_text(int error) {
    return error <= 0 && -error < TB_ERRORS_END ? errors[-error].text : "unknown error";
}

bool tb_error_retryable(int error) {
    return error <= 0 && -error < TB_ERRORS_END && errors[-error].retryable;
}
