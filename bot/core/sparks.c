/* sparks.c: see sparks.h. A long series is halved as it is read, so that any run fits into the same memory. */
#include "sparks.h"
#include "command.h"
#include "render.h"
#include "render_delivery.h"
#include "runs.h"
#include "sparkline.h"
#include <stdlib.h>
#include <string.h>

#define POINTS_MAX 4096
#define SPARK_WIDTH 24

struct series {
    double values[POINTS_MAX];
    size_t count, stride, share; /* each value is the mean of `stride` rows; `share` rows of the next one are summed */
    double sum, first, last;
    size_t column;
    const char *name;
    bool found;
};

static bool series_cols(void *user, const char *const *cols, size_t cols_count) {
    struct series *series = user;
    for (size_t i = 0; i < cols_count && !series->found; i++)
        if (strcmp(cols[i], series->name) == 0) {
            series->column = i;
            series->found = true;
        }
    return series->found;
}

static bool series_row(void *user, const struct store_row *row) {
    struct series *series = user;
    double value = row->values[series->column];
    if (wire_is_absent(value)) return true;
    if (series->count == 0 && series->share == 0) series->first = value;
    series->last = value;
    series->sum += value;
    if (++series->share < series->stride) return true;
    series->values[series->count++] = series->sum / (double)series->stride;
    series->sum = 0;
    series->share = 0;
    if (series->count < POINTS_MAX) return true;
    for (size_t i = 0; i < POINTS_MAX / 2; i++)
        series->values[i] = (series->values[2 * i] + series->values[2 * i + 1]) / 2;
    series->count = POINTS_MAX / 2;
    series->stride *= 2;
    return true;
}

/* One line a metric. False: there is nothing to show. */
static bool add_one(struct bot *bot, const struct run *run, const char *name, enum lang lang, struct words *words) {
    struct series *series = calloc(1, sizeof *series);
    if (!series) return false;
    series->name = name;
    series->stride = 1;
    int status = store_rows_read(bot->ports.store, run->id, 0, series_cols, series_row, series);
    bool good = status == TB_OK && series->found && series->count > 0;
    if (good) {
        char line[SPARKLINE_SIZE];
        sparkline(series->values, series->count, SPARK_WIDTH, line, sizeof line);
        words_add(words, "\n%s %s ", words_label(name, lang), line);
        words_add_number(words, series->first);
        words_add(words, " → ");
        words_add_number(words, series->last);
    }
    free(series);
    return good;
}

bool sparks_add(struct bot *bot, const struct run *run, const char *const *metrics, size_t count, enum lang lang,
                struct words *words) {
    bool any = false;
    for (size_t i = 0; i < count; i++)
        any = add_one(bot, run, metrics[i], lang, words) || any;
    const struct run_metric *usual[] = {run_loss(run), run_accuracy(run)};
    for (size_t i = 0; i < 2 && count == 0; i++)
        if (usual[i]) any = add_one(bot, run, usual[i]->name, lang, words) || any;
    for (size_t i = 0; i < run->metrics_count && i < 2 && !any && count == 0; i++)
        any = add_one(bot, run, run->metrics[i].name, lang, words) || any;
    return any;
}

void sparks_head(struct words *words, const struct run *run, enum lang lang) {
    words_add_foreign(words, run->name, 32);
    words_add(words, lang == LANG_ZH ? " #%lld · 第 %lld 步" : " #%lld · step %lld", (long long)run->id,
              (long long)run->step);
}

struct picture {
    struct words *words;
    bool plot, titled; /* titled: its title is wanted */
};

static bool see_picture(void *user, const struct image_record *image) {
    struct picture *picture = user;
    const char *name = strrchr(image->path, '/');
    picture->plot = strncmp(name ? name + 1 : image->path, "plot-", 5) == 0;
    if (picture->titled && !picture->plot) words_add_foreign(picture->words, image->title, 200);
    return false;
}

char *sparks_instead(struct bot *bot, const char *channel, const char *chat, int64_t run_id, int64_t image,
                     const char *text) {
    struct session *session = session_find(bot, channel, chat);
    enum lang lang = session ? session_lang(bot, session) : bot->ports.settings->language;
    size_t size = strlen(text) + RENDER_MAX;
    char *buffer = malloc(size);
    if (!buffer) return NULL;
    struct words words;
    words_init(&words, buffer, size);
    words_add(&words, "%s", text);
    struct picture picture = {.words = &words, .titled = text[0] == 0};
    bool known = store_image(bot->ports.store, image, see_picture, &picture) == TB_OK;
    const struct run *run = known && picture.plot && run_id > 0 ? runs_find(bot, run_id) : NULL;
    if (run) {
        if (!text[0]) sparks_head(&words, run, lang);
        (void)sparks_add(bot, run, NULL, 0, lang, &words);
    }
    if (words.length == 0) words_add(&words, lang == LANG_ZH ? "这里发不了图。" : "No pictures here.");
    if (bot_channel(bot, "web")) words_add(&words, "\n%s", render_on_page(lang));
    return buffer;
}
