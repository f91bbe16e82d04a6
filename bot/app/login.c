/* `trainbot login CHANNEL`: for web, the page's link and its QR code; the secret stays on this terminal. */
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
        fprintf(stderr, "trainbot: %s: %s; the bot makes it when it first starts\n", config->web.token_file, errno ? strerror(errno) : "empty");
        return EXIT_REFUSED;
    }
    const char *listen = config->web.listen, *port = strrchr(listen, ':');
    bool all = strncmp(listen, "0.0.0.0:", 8) == 0 || strncmp(listen, "[::]:", 5) == 0;
    char *link = text_print("http%s://%s%s/#t=%s", config->web.tls_cert[0] ? "s" : "", all ? "127.0.0.1" : "", all ? port : listen, token);
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

int login_main(const struct app_options *options) {
    const char *channel = options->words_count == 1 ? options->words[0] : "";
    if (strcmp(channel, "web") != 0) {
        fprintf(stderr, "trainbot: login to what? There is: trainbot login web\n");
        return EXIT_USAGE;
    }
    struct config *config = app_config(options);
    if (!config) return EXIT_REFUSED;
    int code = login_web(config);
    config_free(config);
    return code;
}
