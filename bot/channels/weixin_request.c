/* Requests to WeChat's bot interface: see weixin_request.h. */
#include "weixin_request.h"
#include "service_url.h"
#include "weixin_codec.h"
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT_LEAST_MS 2000
#define ANSWER_MAX (256u << 10) /* bytes */

const char *const weixin_domains[] = {"weixin.qq.com", "wechat.com", NULL};

int64_t weixin_limit_ms(int64_t ms) {
    int64_t scaled = service_ms(ms);
    if (scaled < LIMIT_LEAST_MS) scaled = LIMIT_LEAST_MS;
    return scaled < ms ? scaled : ms;
}

int weixin_request_start(const struct weixin_api *api, struct weixin_request *request, http_done *done, void *user,
                         struct http_call **ret_call) {
    char uin[48], version[64], *authorization = NULL, path[4200], number[24];
    uint32_t random = 0;
    if (RAND_bytes((unsigned char *)&random, sizeof random) != 1) random = 0; /* any number will do */
    weixin_uin(random, number);
    snprintf(uin, sizeof uin, "X-WECHAT-UIN: %s", number);
    snprintf(version, sizeof version, "iLink-App-ClientVersion: %s", api->version);
    int length = snprintf(path, sizeof path, "ilink/bot/%s", request->path);
    char *url = length > 0 && (size_t)length < sizeof path ? service_url_join(api->base_url, path) : NULL;
    const char *headers[6] = {"iLink-App-Id: bot", version};
    size_t count = 2;
    bool good = url && (request->get || request->body);
    if (!request->get) {
        headers[count++] = "AuthorizationType: ilink_bot_token";
        headers[count++] = uin;
    }
    if (good && !request->get && api->token) {
        good = asprintf(&authorization, "Authorization: Bearer %s", secret_reveal(api->token)) >= 0;
        if (good)
            headers[count++] = authorization;
        else
            authorization = NULL;
    }
    struct http_call_options options = {.url = url,
                                        .post = !request->get,
                                        .headers = headers,
                                        .content_type = request->get ? NULL : "application/json",
                                        .body = request->body,
                                        .body_size = request->body ? strlen(request->body) : 0,
                                        .timeout_ms = request->timeout_ms,
                                        .answer_max = request->answer_max ? request->answer_max : ANSWER_MAX,
                                        .once = request->once};
    int status = good ? http_call_start(api->client, &options, done, user, ret_call) : TB_ENOMEM;
    if (authorization) OPENSSL_cleanse(authorization, strlen(authorization));
    if (url) OPENSSL_cleanse(url, strlen(url));
    OPENSSL_cleanse(path, sizeof path);
    free(authorization);
    free(url);
    weixin_body_free(request->body);
    request->body = NULL;
    return status;
}
