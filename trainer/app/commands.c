/* commands.c: the trainer's own commands, for the chat (through the publisher) and for --call. A row here is declared
 * in hello and --describe, and found by both. */
#include "commands.h"
#include "recognize.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef int make_fn(struct trainer *trainer, const char *args, struct answer *ret_answer);

/* The publisher's half of a command: `make`'s answer as a reply. */
static int reply_with(make_fn *make, struct trainer *trainer, const char *args, struct tb_reply *reply) {
    struct answer *answer = malloc(sizeof *answer);
    if (answer == NULL) return -1;
    int rc = make(trainer, args != NULL ? args : "", answer);
    if (rc == 0 && answer->png != NULL &&
        tb_reply_image(reply, answer->title, "image/png", answer->png, answer->png_size) != 0)
        say_line("a picture of %zu bytes could not be sent", answer->png_size);
    tb_reply_text(reply, "%s", answer->text);
    answer_release(answer);
    free(answer);
    return rc;
}

static int recognize_call(void *user, const char *args, struct tb_reply *reply) {
    return reply_with(recognize, user, args, reply);
}

static const struct tb_command rows[] = {
    {.name = "recognize", .args = "[N] [zh|en]", .help = "predictions for the first N test images", .call = recognize_call}};
static make_fn *const makes[] = {recognize};
_Static_assert(sizeof rows / sizeof *rows == sizeof makes / sizeof *makes, "each command has both halves");

size_t trainer_commands(const struct model_info *model, const struct tb_command **ret_commands) {
    *ret_commands = rows;
    return model->classifier ? sizeof rows / sizeof *rows : 0;
}

static int file_write(const char *path, const uint8_t *bytes, size_t size) {
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0) return -1;
    while (size > 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break;
        bytes += n;
        size -= (size_t)n;
    }
    int saved = errno;
    if (close(fd) != 0 || size > 0) {
        unlink(path);
        errno = saved;
        return -1;
    }
    return 0;
}

/* Where pictures go: as asked, else the run's folder, else beside the checkpoint. */
static void picture_path(const struct trainer *t, const char *command, char *path, size_t size) {
    const char *run_dir = getenv("TRAINBOT_RUN_DIR");
    char beside[SHELF_PATH_MAX];
    snprintf(beside, sizeof beside, "%s", t->last_path);
    const char *folder = t->options->image_dir;
    if (folder == NULL && run_dir != NULL && *run_dir != '\0') folder = run_dir;
    if (folder == NULL) folder = dirname(beside);
    snprintf(path, size, "%s/%s-step-%lld.png", folder, command, (long long)t->step);
}

/* Splits "recognize 10"; finds the row. -1: none, `error` lists what there is. */
static int command_find(const struct trainer *t, const char *line, const char **ret_args, char *error) {
    const struct tb_command *list;
    size_t count = trainer_commands(t->model, &list), length = strcspn(line, " ");
    for (size_t i = 0; i < count; i++) {
        if (strlen(list[i].name) != length || strncmp(list[i].name, line, length) != 0) continue;
        *ret_args = line + length + strspn(line + length, " ");
        return (int)i;
    }
    snprintf(error, APP_ERROR_SIZE, "no command \"%.60s\"; %s knows: %s", line, t->model->name,
             count > 0 ? list[0].name : "none");
    return -1;
}

static int answer_print(const struct trainer *t, const char *command, const struct answer *answer, char *error) {
    char path[SHELF_PATH_MAX + 64];
    puts(answer->text);
    if (answer->png == NULL) return EXIT_GOOD;
    picture_path(t, command, path, sizeof path);
    if (file_write(path, answer->png, answer->png_size) != 0) {
        snprintf(error, APP_ERROR_SIZE, "cannot write the picture %.400s: %s", path, strerror(errno));
        return EXIT_FAILED;
    }
    printf("image: %s\n", path);
    return EXIT_GOOD;
}

int command_call(struct trainer *t, char *error) {
    const char *args = "";
    int row = command_find(t, t->options->call, &args, error);
    if (row < 0) return EXIT_USAGE;
    int rc = trainer_engine(t, error);
    if (rc != EXIT_GOOD) return rc;
    struct answer *answer = malloc(sizeof *answer);
    if (answer == NULL) {
        snprintf(error, APP_ERROR_SIZE, "not enough memory");
        return EXIT_FAILED;
    }
    if (makes[row](t, args, answer) == 0) {
        rc = answer_print(t, rows[row].name, answer, error);
    } else {
        snprintf(error, APP_ERROR_SIZE, "%.400s", answer->text);
        rc = EXIT_USAGE;
    }
    answer_release(answer);
    free(answer);
    return rc;
}
