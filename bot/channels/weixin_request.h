/*
 * weixin_request.h: one request to WeChat's bot interface: address, headers (token, fresh X-WECHAT-UIN, version), body,
 * time limit. The channel, the login and pictures send theirs through it. Loop thread only.
 */
#ifndef TRAINBOT_WEIXIN_REQUEST_H
#define TRAINBOT_WEIXIN_REQUEST_H

#include "http_client.h"
#include "secret.h"

#define WEIXIN_SEND_MS 15000  /* sendmessage, getuploadurl */
#define WEIXIN_SMALL_MS 10000 /* getconfig, sendtyping, msg/notify… */

struct weixin_api {
    struct http_client *client;
    char *base_url;
    const struct secret *token; /* NULL: a login, without Authorization */
    char version[16];           /* "132105" */
};

struct weixin_request {
    const char *path;   /* below /ilink/bot/, with its query */
    char *body;         /* taken and wiped; NULL with get = false: out of memory */
    bool get;           /* the code's status: no body, few headers */
    bool once;          /* a message: never twice by itself */
    int64_t timeout_ms; /* as it shall be */
    size_t answer_max;  /* 0: 256 KiB */
};
/* As http_call_start. */
MUST_USE int weixin_request_start(const struct weixin_api *api, struct weixin_request *request, http_done *done,
                                  void *user, struct http_call **ret_call);
/* A time limit as the tests' speed makes it, but never so short that loopback would miss it. */
int64_t weixin_limit_ms(int64_t ms);
/* The service's own domains, for what it names. */
extern const char *const weixin_domains[];

#endif
