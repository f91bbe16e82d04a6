/*
 * console_codec.h: what `trainbot send`, `trainbot chat` and the daemon say to each other over STATE_DIR/control.sock:
 * one JSON object a line, UTF-8, at most CONTROL_LINE_MAX bytes. Pure: bytes ↔ structs.
 *
 *   client → daemon   {"type":"send","text":"…"}      one command; replies follow, then done
 *                     {"type":"attach","after":REV}   the conversation from then on; after -1: what was not yet seen
 *                     {"type":"say","text":"…"}       a message of an attached client
 *   daemon → client   {"type":"hello","version":"1.0.0"}
 *                     {"type":"reply","text":"…","image":"/path"}       of a send
 *                     {"type":"done","ok":true}
 *                     {"type":"message","id":5,"rev":9,"class":"alert","text":"…","image":"/path"}
 *                     {"type":"error","text":"…"}
 */
#ifndef TRAINBOT_CONSOLE_CODEC_H
#define TRAINBOT_CONSOLE_CODEC_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CONTROL_LINE_MAX (4u << 20)

enum control_line_kind { CONTROL_LINE_SEND, CONTROL_LINE_ATTACH, CONTROL_LINE_SAY, CONTROL_LINE_HELLO, CONTROL_LINE_REPLY,
                         CONTROL_LINE_DONE, CONTROL_LINE_MESSAGE, CONTROL_LINE_ERROR, CONTROL_LINE_KINDS };

struct control_line {
    enum control_line_kind kind;
    char *text, *image, *class; /* owned after decode (control_line_clear); borrowed for encode; NULL absent */
    size_t text_size;           /* encode: bytes of text; invalid UTF-8 travels as it is given */
    int64_t after, id, rev;
    bool ok;
};

/* TB_OK, TB_EINVAL (`why` says what is wrong), TB_ENOMEM. *ret is untouched on failure. */
MUST_USE int control_line_decode(const char *line, size_t size, struct control_line *ret, char *why, size_t why_size);
void control_line_clear(struct control_line *line);
/* A line with its newline; caller frees. NULL: out of memory. */
char *control_line_encode(const struct control_line *line);

#endif
