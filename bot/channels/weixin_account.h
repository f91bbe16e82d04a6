/*
 * weixin_account.h: who is logged in to personal WeChat: STATE_DIR/weixin/account.json (0600, its folder 0700), written
 * whole or not at all. Accounts that were replaced or logged out stay in STATE_DIR/weixin/old.json, at most ten: the
 * service wants to see old tokens at a new login, and may answer that one of them is still good. Small files, read and
 * written at once; any thread, one at a time.
 */
#ifndef TRAINBOT_WEIXIN_ACCOUNT_H
#define TRAINBOT_WEIXIN_ACCOUNT_H

#include "secret.h"
#include <stdint.h>

#define WEIXIN_ACCOUNT_FOLDER "weixin"
#define WEIXIN_ACCOUNT_FILE "account.json"
#define WEIXIN_TOKENS_MAX 10

struct weixin_account {
    struct secret token;
    char bot_id[128], user_id[128]; /* user_id: who scanned, the owner; "" not said */
    char base_url[512];             /* "": the configured one */
    int64_t saved_ms;
};
void weixin_account_clear(struct weixin_account *account); /* wipes the token */

/* Makes the folder where it is missing. TB_OK, TB_EIO; `why` gets one line. */
MUST_USE int weixin_account_folder(const char *state_dir, char *why, size_t why_size);
/* TB_OK; TB_ENOTFOUND: nobody is logged in; TB_EACCESS: others may read the file; TB_EINVAL: not what was written;
 * TB_EIO, TB_ENOMEM. *ret is untouched on failure; `why` gets one line with the file's path and without secrets. */
MUST_USE int weixin_account_load(const char *state_dir, struct weixin_account *ret, char *why, size_t why_size);
/* Makes it the account; one of another bot that was there goes to the old ones. TB_OK, TB_EIO, TB_ENOMEM. */
MUST_USE int weixin_account_save(const char *state_dir, const struct weixin_account *account, char *why,
                                 size_t why_size);
/* Nobody is logged in any more; the account goes to the old ones. TB_OK (also when there was none), TB_EIO, TB_ENOMEM.
 */
MUST_USE int weixin_account_forget(const char *state_dir, char *why, size_t why_size);
/* The account and the old ones, newest first, at most WEIXIN_TOKENS_MAX; unreadable files count as empty. The caller
 * clears them. */
size_t weixin_accounts(const char *state_dir, struct weixin_account accounts[WEIXIN_TOKENS_MAX]);

#endif
