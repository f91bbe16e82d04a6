/*
 * weixin_media.h: pictures for WeChat: encrypted with a key of their own, uploaded to the service's store, then named
 * in a message. Costs no message of the budget. Loop thread only, except the pure functions at the end.
 */
#ifndef TRAINBOT_WEIXIN_MEDIA_H
#define TRAINBOT_WEIXIN_MEDIA_H

#include "weixin_request.h"
#include <uv.h>

#define WEIXIN_PICTURE_MAX (20u << 20) /* bytes */

/* A picture that lies in the service's store. */
struct weixin_media {
    char *param; /* owned; a secret */
    char aeskey_hex[33];
    int64_t cipher_bytes;
};
void weixin_media_clear(struct weixin_media *media);

enum weixin_upload_outcome {
    WEIXIN_UPLOADED,
    WEIXIN_UPLOAD_NEVER, /* this picture, or any, cannot be sent here: words instead */
    WEIXIN_UPLOAD_RETRY, /* this time not */
    WEIXIN_UPLOAD_DOWN,  /* the service could not be reached */
    WEIXIN_UPLOAD_DEAD,  /* the token is not taken any more */
};
struct weixin_upload_result {
    enum weixin_upload_outcome outcome;
    struct weixin_media *media; /* UPLOADED: take what is in it */
    const char *why;            /* one line; "" where it went well. Borrowed */
    const char *odd;            /* an answer was malformed: what, with its field; "" none */
};

struct weixin_upload_options {
    uv_loop_t *loop;
    const struct weixin_api *api; /* borrowed while the upload lives */
    const char *client_version;
    const char *cdn_base_url;
    bool base_is_loopback;
    const char *to, *path;
    void (*done)(void *user, const struct weixin_upload_result *result); /* at most once, from the loop */
    void *user;
    void (*released)(void *released_user); /* always, last, from the loop: its handles are closed, it is freed */
    void *released_user;
};
struct weixin_upload;
/* Reads the file at once. TB_OK, TB_ENOMEM; TB_ENOTFOUND, TB_ERANGE (empty, too large), TB_EIO: the file. On failure
 * nothing is called. */
MUST_USE int weixin_upload_start(const struct weixin_upload_options *options, struct weixin_upload **ret_upload);
/* Without done. Fine only before done. */
void weixin_upload_cancel(struct weixin_upload *upload);

/* ---- pure ---- */

/* With the padding, which is there always: 16 → 32. */
int64_t weixin_cipher_bytes(int64_t plain_bytes);
/* AES-128-ECB with PKCS#7. Caller frees. TB_OK, TB_ENOMEM. */
MUST_USE int weixin_encrypt(const unsigned char key[16], const void *plain, size_t size, unsigned char **ret_cipher,
                            size_t *ret_size);
/* False: the library has no MD5 (a FIPS build). */
bool weixin_md5_hex(const void *bytes, size_t size, char hex[33]);
void weixin_hex(const unsigned char *bytes, size_t size, char *hex); /* 2 * size + 1 bytes */

#endif
