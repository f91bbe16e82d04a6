/*
 * `trainbot login weixin`: the QR code in this terminal, what the phone asks for, and how it ended. It needs no running
 * bot; one that runs sees the new account by itself.
 */
#include "app.h"
#include "channels.h"
#include "said.h"
#include "weixin_login.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct screen {
    uv_loop_t loop;
    uv_poll_t input;
    uv_signal_t signals[2];
    struct weixin_login *login;
    char line[64]; /* typed so far */
    size_t size;
    bool zh, reads, deaf, asked, over; /* deaf: nothing can be typed (any more) */
    int exit_code, input_flags;        /* of the terminal as it was; negative: unknown */
};

static void handle_closed(uv_handle_t *handle) {
    (void)handle;
}
static void login_closed(void *user) {
    (void)user;
}

static void finish(struct screen *screen, int exit_code) {
    if (screen->over) return;
    screen->over = true;
    screen->exit_code = exit_code;
    weixin_login_close(screen->login, login_closed, screen);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&screen->signals[i], handle_closed);
    if (screen->reads) uv_close((uv_handle_t *)&screen->input, handle_closed);
}

static void on_signal(uv_signal_t *handle, int number) {
    struct screen *screen = handle->data;
    printf(screen->zh ? "\n没有登录。\n" : "\nNot logged in.\n");
    finish(screen, 128 + number);
}

/* Where nobody can type there is nothing to wait for. */
static void no_number(struct screen *screen) {
    fprintf(stderr,
            screen->zh
                ? "\ntrainbot: 这里没有键盘,输不了这个数字。请在终端里直接运行 trainbot login weixin\n"
                : "\ntrainbot: there is no keyboard to type the number; run trainbot login weixin in a terminal\n");
    finish(screen, EXIT_REFUSED);
}

/* The number that the phone shows, once a line is whole. */
static void take_line(struct screen *screen) {
    char digits[16];
    size_t count = 0;
    for (size_t i = 0; i < screen->size && count + 1 < sizeof digits; i++)
        if (screen->line[i] >= '0' && screen->line[i] <= '9') digits[count++] = screen->line[i];
    digits[count] = 0;
    screen->size = 0;
    if (!screen->asked) return;
    if (count == 0) {
        printf(screen->zh ? "请输入手机上显示的数字:" : "Please type the number that the phone shows: ");
        fflush(stdout);
        return;
    }
    screen->asked = false;
    weixin_login_number(screen->login, digits);
}

static void on_input(uv_poll_t *handle, int status, int events) {
    struct screen *screen = handle->data;
    char bytes[256];
    (void)events;
    ssize_t count = status < 0 ? 0 : read(STDIN_FILENO, bytes, sizeof bytes);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
    if (count <= 0) {
        uv_poll_stop(handle); /* no number can be typed any more; the code itself still can be scanned */
        screen->deaf = true;
        if (screen->asked) no_number(screen);
        return;
    }
    for (ssize_t i = 0; i < count && !screen->over; i++) {
        if (bytes[i] == '\n' || bytes[i] == '\r')
            take_line(screen);
        else if (screen->size < sizeof screen->line)
            screen->line[screen->size++] = bytes[i];
    }
}

static void show_code(const struct screen *screen, const char *address) {
    printf(screen->zh ? "用微信扫这个码,再在手机上确认:\n\n"
                      : "Scan this code with WeChat, then confirm on the phone:\n\n");
    if (qr_print(stdout, address) < 0) printf("(no QR code: out of memory)\n");
    printf("\n%s\n", address);
}

static void on_event(void *user, enum weixin_login_event event, const char *text) {
    struct screen *screen = user;
    bool zh = screen->zh;
    char said[300];
    switch (event) {
    case WEIXIN_LOGIN_CODE:
        show_code(screen, text);
        break;
    case WEIXIN_LOGIN_SCANNED:
        printf(zh ? "已扫到,请在手机上确认。\n" : "Scanned; please confirm on the phone.\n");
        break;
    case WEIXIN_LOGIN_NUMBER:
        if (text && strcmp(text, "again") == 0) printf(zh ? "数字不对。" : "That number was wrong. ");
        printf(zh ? "手机上显示一个数字,请输入:" : "The phone shows a number; please type it: ");
        screen->asked = true;
        if (screen->deaf) {
            fflush(stdout);
            no_number(screen);
        }
        break;
    case WEIXIN_LOGIN_RENEWED:
        if (text && strcmp(text, "blocked") == 0)
            printf(zh ? "数字错得太多,这个码作废了;换一个新的。\n"
                      : "Too many wrong numbers, this code is void; here is a new one.\n");
        else
            printf(zh ? "这个码过期了,换一个新的。\n" : "The code has expired; here is a new one.\n");
        break;
    case WEIXIN_LOGIN_WAITING:
        printf(zh ? "网络不通(%s),还在试……\n" : "The network does not answer (%s); still trying…\n",
               said_in(text ? text : "", zh ? LANG_ZH : LANG_EN, said, sizeof said));
        break;
    case WEIXIN_LOGIN_DONE:
        printf(
            zh ? "✓ 登录成功。现在在微信里给它发\"帮助\"。\n机器人在运行的话已经生效,否则:./run\n"
               : "✓ Logged in. Now send it \"help\" in WeChat.\nA running bot has taken it up already; else: ./run\n");
        finish(screen, EXIT_DONE);
        break;
    case WEIXIN_LOGIN_ALREADY:
        printf(zh ? "✓ 这个微信早就绑在这里,登录照旧有效。\n"
                  : "✓ This WeChat was bound here before; its login stays.\n");
        finish(screen, EXIT_DONE);
        break;
    case WEIXIN_LOGIN_FAILED:
        fflush(stdout);
        fprintf(stderr, "trainbot: %s\n", text ? text : "");
        finish(screen, EXIT_REFUSED);
        break;
    }
    fflush(stdout);
}

static void begin(struct screen *screen) {
    static const int numbers[2] = {SIGINT, SIGTERM};
    for (int i = 0; i < 2; i++) {
        uv_signal_init(&screen->loop, &screen->signals[i]);
        screen->signals[i].data = screen;
        uv_signal_start(&screen->signals[i], on_signal, numbers[i]);
    }
    /* a plain file or /dev/null cannot be waited for: then nothing is typed */
    screen->input_flags = fcntl(STDIN_FILENO, F_GETFL); /* libuv makes it non-blocking, for every program that has it */
    screen->reads = uv_poll_init(&screen->loop, &screen->input, STDIN_FILENO) == 0;
    screen->deaf = !screen->reads;
    screen->input.data = screen;
    if (screen->reads) uv_poll_start(&screen->input, UV_READABLE, on_input);
}

int login_weixin(const struct config *config) {
    struct screen screen = {.zh = config->settings.language == LANG_ZH, .exit_code = EXIT_REFUSED};
    struct weixin_options options;
    if (!config->weixin.enabled) {
        fprintf(stderr, "trainbot: [channel weixin] enabled=false; right would be: enabled=true\n");
        return EXIT_REFUSED;
    }
    if (app_make_folders(config->settings.state_dir) < 0) {
        fprintf(stderr, "trainbot: %s: %s\n", config->settings.state_dir, strerror(errno));
        return EXIT_REFUSED;
    }
    signal(SIGPIPE, SIG_IGN);
    if (uv_loop_init(&screen.loop) < 0) return EXIT_REFUSED;
    channels_weixin_options(config, &screen.loop, &options);
    int status = weixin_login_start(&options, on_event, &screen, &screen.login);
    if (status < 0)
        fprintf(stderr, "trainbot: %s\n", tb_error_text(status));
    else
        begin(&screen);
    uv_run(&screen.loop, UV_RUN_DEFAULT);
    if (screen.reads && screen.input_flags >= 0) (void)fcntl(STDIN_FILENO, F_SETFL, screen.input_flags);
    if (uv_loop_close(&screen.loop) != 0) fprintf(stderr, "trainbot: the loop still held handles\n");
    return screen.exit_code;
}
