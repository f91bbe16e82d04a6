/*
 * web_body.h: what clients say in JSON: bodies of POST requests and messages on /ws. Pure; strict about types, deaf to
 * unknown fields. Texts are copied out as bytes: core checks their length and UTF-8.
 */
#ifndef TRAINBOT_WEB_BODY_H
#define TRAINBOT_WEB_BODY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEB_ID_SIZE 65
#define WEB_WATCH_MAX 16

struct web_command {
    char *text;   /* freed by web_command_release */
    char as[200]; /* "channel:id"; "" none */
};
/* {"text":"…","as":"channel:id"?}. false: `why` says in one line what would be right. */
bool web_command_parse(const char *body, size_t size, struct web_command *ret_command, char *why, size_t why_size);
void web_command_release(struct web_command *command);

/* {"token":"…"} */
bool web_session_parse(const char *body, size_t size, char *token, size_t token_size, char *why, size_t why_size);

enum web_say_kind { SAY_TEXT, SAY_SINCE, SAY_WATCH };
struct web_say {
    enum web_say_kind kind;
    char *text;           /* SAY_TEXT; freed by web_say_release */
    char id[WEB_ID_SIZE]; /* SAY_TEXT: the client's own id, [A-Za-z0-9_.-]{1,64}, for dedupe */
    int64_t rev;          /* SAY_SINCE */
    bool all;             /* SAY_WATCH: every run */
    int64_t runs[WEB_WATCH_MAX];
    size_t runs_count;
};
bool web_say_parse(const char *message, size_t size, struct web_say *ret_say, char *why, size_t why_size);
void web_say_release(struct web_say *say);

#endif
