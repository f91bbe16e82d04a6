/*
 * fake_http.h: http_client.h without a network, for tests: every call stays open until the test answers it. Defines the
 * functions of http_client.h, so the real client is not linked.
 */
#ifndef FAKE_HTTP_H
#define FAKE_HTTP_H

#include "http_client.h"

struct http_call {
    struct http_client *client;
    char *url, *body, *headers; /* headers: each with a newline behind it */
    size_t body_size;
    bool post, once;
    int64_t timeout_ms;
    http_done *done;
    void *user;
    struct http_call *next;
};

extern uv_loop_t fake_loop;
extern size_t fake_started; /* calls since the beginning */
/* The oldest open call whose URL holds `part`, NULL: none. */
struct http_call *fake_open(const char *part);
size_t fake_open_count(void);
/* The same; runs the loop until there is one, fails the test after 10 s. */
struct http_call *fake_wait(const char *part);
/* Answers and frees it. header: the value of the header that was asked for. */
void fake_answer(struct http_call *call, int status, const char *body);
void fake_answer_header(struct http_call *call, int status, const char *body, const char *header);
void fake_fail(struct http_call *call, enum http_reached reached, bool timed_out, const char *why);
/* Runs the loop until *flag, fails the test after 10 s. */
void fake_until(const bool *flag, const char *what);
/* What is due at once in the loop. */
void fake_turn(void);

#endif
