/* commands.c: the trainer's own commands, for the chat (through the publisher) and for --call. A row here is declared
 * in hello and --describe, and found by both. */
#include "commands.h"
#include "pictures.h"
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
    struct answer *answer = calloc(1, sizeof *answer);
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

#define CALL(make)                                                                                                     \
    static int make##_call(void *user, const char *args, struct tb_reply *reply) {                                     \
        return reply_with(make, user, args, reply);                                                                    \
    }
CALL(recognize)
CALL(hardest)
CALL(confusion)
CALL(filters)
CALL(reconstructions)
CALL(latent)
CALL(samples)

static bool classifies(const struct model_info *model) {
    return model->classifier;
}
static bool reconstructs(const struct model_info *model) {
    return model->reconstructs;
}
static bool makes_images(const struct model_info *model) {
    return model->samples_images;
}
static bool has_layers(const struct model_info *model) {
    return classifies(model) || reconstructs(model) || makes_images(model);
}

#define ROW(word, arguments)                                                                                           \
    .tb.name = #word, .tb.args = arguments, .tb.call = word##_call, .tb.reads = true, .make = word

/* The Chinese words stand here alone: they travel in hello, and the bot knows them from there. */
static const struct {
    struct tb_command tb;
    make_fn *make;
    bool (*of)(const struct model_info *model); /* which models have it */
} rows[] = {
    {ROW(recognize, "10 [zh|en]"), .tb.help = "predictions for the first N test images", .tb.zh = "识别",
     .tb.zh_help = "识别前 N 张测试图片", .of = classifies},
    {ROW(hardest, "16 [zh|en]"), .tb.help = "the N test images of highest loss", .tb.zh = "难例|最难",
     .tb.zh_help = "测试图里损失最大的 N 张", .of = classifies},
    {ROW(confusion, "[zh|en]"), .tb.help = "which class is taken for which", .tb.zh = "混淆|混淆矩阵",
     .tb.zh_help = "混淆矩阵:哪一类被认成哪一类", .of = classifies},
    {ROW(reconstructions, "8 [zh|en]"), .tb.help = "N test images and what the network gives back",
     .tb.zh = "重建|还原|重构", .tb.zh_help = "N 张测试图和网络还原出来的图", .of = reconstructs},
    {ROW(samples, "36 [zh|en]"), .tb.help = "N new images; samples 36 7: those of seed 7", .tb.zh = "样本|生成",
     .tb.zh_help = "N 张新图;样本 36 7:用种子 7", .of = makes_images},
    {ROW(latent, "[zh|en]"), .tb.help = "a map of the codes of 2,000 test images", .tb.zh = "潜空间|隐空间",
     .tb.zh_help = "2,000 张测试图的编码画成地图", .of = reconstructs},
    {ROW(filters, "[zh|en]"), .tb.help = "the first layer's filters", .tb.zh = "滤波器|滤镜|卷积核",
     .tb.zh_help = "第一层的滤波器", .of = has_layers},
};
#define ROWS (sizeof rows / sizeof *rows)

size_t trainer_commands(const struct model_info *model, const struct tb_command **ret_commands) {
    static struct tb_command chosen[ROWS];
    size_t count = 0;
    for (size_t i = 0; i < ROWS; i++)
        if (rows[i].of(model)) chosen[count++] = rows[i].tb;
    *ret_commands = chosen;
    return count;
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

/* Whether `word` (length bytes) is the row's name or one of its Chinese words. */
static bool row_named(size_t row, const char *word, size_t length) {
    const char *name = rows[row].tb.name;
    if (strlen(name) == length && strncmp(name, word, length) == 0) return true;
    for (const char *zh = rows[row].tb.zh; *zh != '\0';) {
        size_t size = strcspn(zh, "|");
        if (size == length && strncmp(zh, word, length) == 0) return true;
        zh += size + (zh[size] == '|');
    }
    return false;
}

/* Splits "recognize 10"; finds the row. -1: none, `error` lists what there is. */
static int command_find(const struct trainer *t, const char *line, const char **ret_args, char *error) {
    size_t length = strcspn(line, " ");
    char names[APP_ERROR_SIZE / 2] = "";
    for (size_t i = 0; i < ROWS; i++) {
        if (!rows[i].of(t->model)) continue;
        snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", *names != '\0' ? ", " : "",
                 rows[i].tb.name);
        if (!row_named(i, line, length)) continue;
        *ret_args = line + length + strspn(line + length, " ");
        return (int)i;
    }
    snprintf(error, APP_ERROR_SIZE, "no command \"%.*s\"; %s knows: %s", (int)(length < 60 ? length : 60), line,
             t->model->name, *names != '\0' ? names : "none");
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
    struct answer *answer = calloc(1, sizeof *answer);
    if (answer == NULL) {
        snprintf(error, APP_ERROR_SIZE, "not enough memory");
        return EXIT_FAILED;
    }
    if (rows[row].make(t, args, answer) == 0) {
        rc = answer_print(t, rows[row].tb.name, answer, error);
    } else {
        snprintf(error, APP_ERROR_SIZE, "%.400s", answer->text);
        rc = EXIT_USAGE;
    }
    answer_release(answer);
    free(answer);
    return rc;
}
