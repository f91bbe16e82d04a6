/*
 * app.h: the program trainbot: its options, and one function a verb. Exit codes: 0 done, 1 refused or failed, 2 bad use
 * or no bot, 3 time passed.
 */
#ifndef TRAINBOT_APP_H
#define TRAINBOT_APP_H

#include "config.h"

enum { EXIT_DONE = 0, EXIT_REFUSED = 1, EXIT_NO_BOT = 2, EXIT_TIME = 3, EXIT_USAGE = 2 };

struct app_options {
    const char *verb;
    const char *config_path;  /* NULL: looked for in the usual places */
    char **sets;              /* --set words */
    size_t sets_count;
    char **words;             /* what follows the verb */
    size_t words_count;
    int log_level;            /* 0 error, 1 warning, 2 info, 3 debug */
    bool lan;                 /* --lan: listen on all addresses, show the QR code */
    int64_t timeout_s;        /* --timeout; 0 none */
};

/* One line for every error goes to stderr; NULL then. */
struct config *app_config(const struct app_options *options);
/* Folder of this program, without a slash at its end; borrowed. "" unknown. */
const char *app_bin_dir(void);

int serve_main(const struct app_options *options);
int send_main(const struct app_options *options);
int chat_main(const struct app_options *options);
int login_main(const struct app_options *options);
int check_config_main(const struct app_options *options);

/* Sends one command to the running bot; each answer goes to `answer` as it comes. The exit code, as of send. */
int client_ask(const struct app_options *options, const char *text, void (*answer)(const char *text, const char *image));
int login_weixin(const struct config *config);
/* The folder and those above it; the last one only for its owner. 0, or -1 with errno. */
int app_make_folders(const char *path);

/* Prints text as a QR code of half blocks, black on white whatever the terminal's colours are. 0 or negative. */
int qr_print(FILE *out, const char *text);
/* The link's host replaced by this machine's first address in the local network; caller frees; NULL: there is none. */
char *link_for_lan(const char *link);

#endif
