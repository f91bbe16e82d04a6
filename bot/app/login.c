/*
 * `trainbot login CHANNEL`: the way in. web: the page's link and its QR code, the secret stays on this terminal;
 * weixin: see login_weixin.c; wecom, telegram: the running bot connects and makes a code for the owner.
 */
#include "app.h"
#include "text.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static char *read_token(const char *path) {
    char bytes[512] = "";
    FILE *file = fopen(path, "re");
    if (!file) return NULL;
    size_t size = fread(bytes, 1, sizeof bytes - 1, file);
    fclose(file);
    while (size && strchr(" \r\n\t", bytes[size - 1]))
        bytes[--size] = 0;
    return size ? strdup(bytes) : NULL;
}

static int login_web(const struct config *config) {
    char *token = read_token(config->web.token_file);
    if (!token) {
        fprintf(stderr, "trainbot: %s: %s; the bot makes it when it first starts\n", config->web.token_file,
                errno ? strerror(errno) : "empty");
        return EXIT_REFUSED;
    }
    const char *listen = config->web.listen, *port = strrchr(listen, ':');
    bool all = strncmp(listen, "0.0.0.0:", 8) == 0 || strncmp(listen, "[::]:", 5) == 0;
    char *link = text_print("http%s://%s%s/#t=%s", config->web.tls_cert[0] ? "s" : "", all ? "127.0.0.1" : "",
                            all ? port : listen, token);
    char *lan = link && all ? link_for_lan(link) : NULL;
    int code = EXIT_REFUSED;
    if (link) {
        printf("%s\n", lan ? lan : link);
        code = qr_print(stdout, lan ? lan : link) < 0 ? EXIT_REFUSED : EXIT_DONE;
        if (!all) printf("The page listens on %s only; a phone reaches it when the bot runs with --lan.\n", listen);
    }
    free(lan);
    free(link);
    free(token);
    return code;
}

/* An answer of the bot; a link in it as a QR code as well. */
static void show_answer(const char *text, const char *image) {
    (void)image;
    if (!text) return;
    printf("%s\n", text);
    const char *link = strstr(text, "https://");
    if (link) {
        char *word = strndup(link, strcspn(link, " \n\t"));
        if (!word || qr_print(stdout, word) < 0) printf("(no QR code: out of memory)\n");
        free(word);
    }
    fflush(stdout);
}

/* The running bot connects, and makes a code that gives whoever sends it there the owner's rights. */
static int login_by_bot(const struct app_options *options, const struct config *config, const char *channel) {
    char *text = text_print("%s %s", config->settings.language == LANG_ZH ? "登录" : "login", channel);
    int code = text ? client_ask(options, text, show_answer) : EXIT_REFUSED;
    free(text);
    return code;
}

int login_main(const struct app_options *options) {
    static const char *const known[] = {"web", "weixin", "wecom", "telegram"};
    const char *channel = options->words_count == 1 ? options->words[0] : "";
    size_t at = 0;
    while (at < 4 && strcmp(channel, known[at]) != 0)
        at++;
    if (at == 4) {
        fprintf(stderr, "trainbot: login to what? There are: trainbot login weixin, wecom, telegram, web\n");
        return EXIT_USAGE;
    }
    struct config *config = app_config(options);
    if (!config) return EXIT_REFUSED;
    int code = at == 0 ? login_web(config) : at == 1 ? login_weixin(config) : login_by_bot(options, config, channel);
    config_free(config);
    return code;
}
