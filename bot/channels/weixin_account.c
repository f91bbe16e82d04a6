/* The account file: see weixin_account.h. */
#include "weixin_account.h"
#include "weixin_json.h"
#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OLD_FILE "old.json"
#define FILE_MAX 131072 /* bytes */

void weixin_account_clear(struct weixin_account *account) {
    secret_clear(&account->token);
    *account = (struct weixin_account){.saved_ms = 0};
}

static char *path_of(const char *state_dir, const char *name) {
    char *path = NULL;
    return asprintf(&path, "%s/" WEIXIN_ACCOUNT_FOLDER "%s%s", state_dir, name[0] ? "/" : "", name) < 0 ? NULL : path;
}

static int failed(const char *path, int error, char *why, size_t why_size) {
    snprintf(why, why_size, "%s: %s", path ? path : WEIXIN_ACCOUNT_FOLDER, strerror(error));
    return error == ENOMEM ? TB_ENOMEM : TB_EIO;
}

int weixin_account_folder(const char *state_dir, char *why, size_t why_size) {
    char *path = path_of(state_dir, "");
    int status = TB_OK;
    if (!path)
        status = failed(path, ENOMEM, why, why_size);
    else if ((mkdir(path, 0700) < 0 && errno != EEXIST) || chmod(path, 0700) < 0)
        status = failed(path, errno, why, why_size);
    free(path);
    return status;
}

/* ---- bytes ---- */

/* A file that only its owner may read, with a zero behind it. Caller wipes and frees. */
static int read_private(const char *path, char **ret_bytes, size_t *ret_size, char *why, size_t why_size) {
    struct stat info;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        int error = errno;
        (void)failed(path, error, why, why_size);
        return error == ENOENT ? TB_ENOTFOUND : error == EACCES ? TB_EACCESS : TB_EIO;
    }
    int status = TB_OK;
    char *bytes = NULL;
    ssize_t size = 0;
    if (fstat(fd, &info) < 0 || !S_ISREG(info.st_mode)) {
        snprintf(why, why_size, "%s: not a plain file", path);
        status = TB_EINVAL;
    } else if (info.st_mode & 077) {
        snprintf(why, why_size, "%s can be read by others (mode %03o): chmod 600 it", path,
                 (unsigned)info.st_mode & 0777);
        status = TB_EACCESS;
    } else if (!(bytes = malloc(FILE_MAX + 1)) || (size = read(fd, bytes, FILE_MAX)) < 0) {
        status = failed(path, bytes ? errno : ENOMEM, why, why_size);
    }
    close(fd);
    if (status < 0) {
        free(bytes);
        return status;
    }
    bytes[size] = 0;
    *ret_bytes = bytes;
    *ret_size = (size_t)size;
    return TB_OK;
}

static int write_all(int fd, const char *bytes, size_t size) {
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        bytes += n;
        size -= (size_t)n;
    }
    return fsync(fd);
}

/* Beside it, to the disk, then over it. */
static int write_private(const char *path, const char *bytes, char *why, size_t why_size) {
    char *beside = NULL;
    if (asprintf(&beside, "%s.%ld", path, (long)getpid()) < 0) return failed(path, ENOMEM, why, why_size);
    (void)unlink(beside);
    int fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600), error = fd < 0 ? errno : 0;
    if (fd >= 0 && (fchmod(fd, 0600) < 0 || write_all(fd, bytes, strlen(bytes)) < 0)) error = errno;
    if (fd >= 0 && close(fd) < 0 && !error) error = errno;
    if (!error && rename(beside, path) < 0) error = errno;
    if (error) (void)unlink(beside);
    free(beside);
    return error ? failed(path, error, why, why_size) : TB_OK;
}

/* ---- JSON ---- */

static void wipe_json(char *json) {
    if (json) OPENSSL_cleanse(json, strlen(json));
    cJSON_free(json);
}

/* cJSON's own copy of the token goes back to the heap wiped. */
static void delete_json(cJSON *object) {
    for (cJSON *item = object ? object->child : NULL; item; item = item->next) {
        cJSON *token = cJSON_IsObject(item) ? cJSON_GetObjectItemCaseSensitive(item, "bot_token") : item;
        if (cJSON_IsString(token)) OPENSSL_cleanse(token->valuestring, strlen(token->valuestring));
    }
    cJSON_Delete(object);
}

static bool take_account(const cJSON *object, struct weixin_account *ret, struct weixin_odd *odd) {
    const char *token = weixin_json_text(object, "", "bot_token", WEIXIN_PRINTS, SECRET_MAX, odd);
    const char *bot = weixin_json_text(object, "", "ilink_bot_id", WEIXIN_PRINTS, sizeof ret->bot_id - 1, odd);
    const char *user = weixin_json_text(object, "", "ilink_user_id", WEIXIN_PRINTS, sizeof ret->user_id - 1, odd);
    const char *base = weixin_json_text(object, "", "baseurl", WEIXIN_PRINTS, sizeof ret->base_url - 1, odd);
    struct weixin_account account = {.saved_ms = 0};
    (void)weixin_json_integer(object, "", "saved_ms", &account.saved_ms, odd);
    if (!token || !bot) weixin_odd_set(odd, "%s: missing", token ? "ilink_bot_id" : "bot_token");
    if (odd->text[0] || secret_set(&account.token, token, strlen(token)) < 0) return false;
    snprintf(account.bot_id, sizeof account.bot_id, "%s", bot);
    snprintf(account.user_id, sizeof account.user_id, "%s", user ? user : "");
    snprintf(account.base_url, sizeof account.base_url, "%s", base ? base : "");
    *ret = account;
    return true;
}

static cJSON *account_json(const struct weixin_account *account) {
    cJSON *object = cJSON_CreateObject();
    if (cJSON_AddStringToObject(object, "bot_token", secret_reveal(&account->token)) &&
        cJSON_AddStringToObject(object, "ilink_bot_id", account->bot_id) &&
        cJSON_AddStringToObject(object, "baseurl", account->base_url) &&
        cJSON_AddStringToObject(object, "ilink_user_id", account->user_id) &&
        cJSON_AddNumberToObject(object, "saved_ms", (double)account->saved_ms))
        return object;
    delete_json(object);
    return NULL;
}

static int write_json(const char *state_dir, const char *name, cJSON *object, char *why, size_t why_size) {
    char *json = object ? cJSON_Print(object) : NULL, *path = path_of(state_dir, name);
    int status = json && path ? write_private(path, json, why, why_size) : failed(path, ENOMEM, why, why_size);
    wipe_json(json);
    free(path);
    delete_json(object);
    return status;
}

/* ---- the account ---- */

int weixin_account_load(const char *state_dir, struct weixin_account *ret, char *why, size_t why_size) {
    char *path = path_of(state_dir, WEIXIN_ACCOUNT_FILE), *bytes = NULL;
    size_t size = 0;
    int status = path ? read_private(path, &bytes, &size, why, why_size) : failed(path, ENOMEM, why, why_size);
    if (status == TB_OK) {
        struct weixin_odd odd = {{0}};
        cJSON *object = weixin_json_parse(bytes, size, &odd);
        if (!object || !take_account(object, ret, &odd)) {
            snprintf(why, why_size, "%s: %s", path, odd.text[0] ? odd.text : "out of memory");
            status = odd.text[0] ? TB_EINVAL : TB_ENOMEM;
        }
        delete_json(object);
        OPENSSL_cleanse(bytes, size);
        free(bytes);
    }
    free(path);
    return status;
}

/* ---- the old ones ---- */

static size_t load_old(const char *state_dir, struct weixin_account *accounts, size_t max) {
    char *path = path_of(state_dir, OLD_FILE), *bytes = NULL, why[300];
    size_t size = 0, count = 0;
    if (path && read_private(path, &bytes, &size, why, sizeof why) == TB_OK) {
        cJSON *list = cJSON_ParseWithLength(bytes, size), *item;
        if (cJSON_IsArray(list)) cJSON_ArrayForEach(item, list) {
                struct weixin_odd odd = {{0}};
                if (count < max && take_account(item, &accounts[count], &odd)) count++;
            }
        delete_json(list);
        OPENSSL_cleanse(bytes, size);
        free(bytes);
    }
    free(path);
    return count;
}

/* Puts one in front of the old ones; another account of the same bot goes. */
static int add_old(const char *state_dir, const struct weixin_account *account, char *why, size_t why_size) {
    struct weixin_account old[WEIXIN_TOKENS_MAX];
    size_t count = load_old(state_dir, old, WEIXIN_TOKENS_MAX);
    cJSON *list = cJSON_CreateArray();
    bool good = list && cJSON_AddItemToArray(list, account_json(account));
    for (size_t i = 0, kept = 1; good && i < count && kept < WEIXIN_TOKENS_MAX; i++)
        if (strcmp(old[i].bot_id, account->bot_id) != 0) {
            good = cJSON_AddItemToArray(list, account_json(&old[i])) != 0;
            kept++;
        }
    for (size_t i = 0; i < count; i++)
        weixin_account_clear(&old[i]);
    if (good) return write_json(state_dir, OLD_FILE, list, why, why_size);
    delete_json(list);
    return failed(NULL, ENOMEM, why, why_size);
}

int weixin_account_save(const char *state_dir, const struct weixin_account *account, char *why, size_t why_size) {
    struct weixin_account before = {.saved_ms = 0};
    int status = weixin_account_folder(state_dir, why, why_size);
    if (status == TB_OK && weixin_account_load(state_dir, &before, why, why_size) == TB_OK &&
        strcmp(before.bot_id, account->bot_id) != 0)
        status = add_old(state_dir, &before, why, why_size);
    weixin_account_clear(&before);
    return status < 0 ? status : write_json(state_dir, WEIXIN_ACCOUNT_FILE, account_json(account), why, why_size);
}

int weixin_account_forget(const char *state_dir, char *why, size_t why_size) {
    struct weixin_account account = {.saved_ms = 0};
    int status = weixin_account_load(state_dir, &account, why, why_size);
    if (status == TB_OK)
        status = add_old(state_dir, &account, why, why_size);
    else if (status != TB_ENOMEM)
        status = TB_OK; /* what cannot be read need not be kept */
    weixin_account_clear(&account);
    char *path = path_of(state_dir, WEIXIN_ACCOUNT_FILE);
    if (!path || (unlink(path) < 0 && errno != ENOENT)) status = failed(path, path ? errno : ENOMEM, why, why_size);
    free(path);
    return status;
}

size_t weixin_accounts(const char *state_dir, struct weixin_account accounts[WEIXIN_TOKENS_MAX]) {
    char why[300];
    struct weixin_account account = {.saved_ms = 0};
    size_t count = weixin_account_load(state_dir, &account, why, sizeof why) == TB_OK;
    if (count) accounts[0] = account;
    size_t old = load_old(state_dir, accounts + count, WEIXIN_TOKENS_MAX - count), kept = count;
    for (size_t i = count; i < count + old; i++) {
        if (count && strcmp(accounts[i].bot_id, accounts[0].bot_id) == 0)
            weixin_account_clear(&accounts[i]);
        else
            accounts[kept++] = accounts[i];
    }
    return kept;
}
