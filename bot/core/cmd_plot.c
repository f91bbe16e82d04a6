/*
 * cmd_plot.c: 曲线: a picture from the plot helper, with a line where a parameter changed; where no picture can be had,
 * the curves as a line of text, so that the person sees something in any case.
 */
#include "command.h"
#include "pictures.h"
#include "render.h"
#include "said.h"
#include "sparks.h"
#include "words.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MARKS_MAX 32

struct marks {
    struct plot_mark marks[MARKS_MAX];
    char texts[MARKS_MAX][96];
    size_t count;
};

static bool take_mark(void *user, const struct param_change_record *change) {
    struct marks *marks = user;
    if (change->step <= 0 || strcmp(change->by, "start") == 0) return true;
    if (marks->count == MARKS_MAX) { /* the newest ones count */
        memmove(marks->texts, marks->texts + 1, sizeof marks->texts[0] * (MARKS_MAX - 1));
        memmove(marks->marks, marks->marks + 1, sizeof marks->marks[0] * (MARKS_MAX - 1));
        marks->count--;
    }
    struct words words;
    words_init(&words, marks->texts[marks->count], sizeof marks->texts[0]);
    words_add_foreign(&words, change->name, 32);
    words_add(&words, " ");
    words_add_foreign(&words, change->old_value, 20);
    words_add(&words, " → ");
    words_add_foreign(&words, change->new_value, 20);
    marks->marks[marks->count++].step = change->step;
    return true;
}

/* ---- which metrics ---- */

struct names {
    char names[64][WIRE_NAME_MAX + 1];
    size_t count;
};

static bool take_name(void *user, const char *name) {
    struct names *names = user;
    snprintf(names->names[names->count++], WIRE_NAME_MAX + 1, "%s", name);
    return names->count < 64;
}

struct choice {
    const char *metrics[PLOT_METRICS_MAX];
    size_t count;
};

static bool choose(struct request *request, const struct parsed *parsed, size_t first, const struct names *names,
                   struct choice *choice) {
    for (size_t i = first; i < parsed->count; i++) {
        const char *asked = words_alias(parsed->tokens[i]), *found = NULL;
        if (!asked) asked = parsed->tokens[i];
        for (size_t j = 0; j < names->count && !found; j++)
            if (parse_same(names->names[j], asked) ||
                strcmp(words_label(names->names[j], LANG_ZH), parsed->tokens[i]) == 0)
                found = names->names[j];
        if (!found || choice->count == PLOT_METRICS_MAX) {
            char text[1000];
            struct words words;
            words_init(&words, text, sizeof text);
            words_add(&words, request_zh(request) ? "没有\"" : "There is no metric \"");
            words_add_foreign(&words, parsed->tokens[i], 60);
            words_add(&words, request_zh(request) ? "\"这个指标。有:" : "\". There are:");
            for (size_t j = 0; j < names->count; j++)
                words_add(&words, " %s", names->names[j]);
            request_say(request, "%s", text);
            return false;
        }
        choice->metrics[choice->count++] = found;
    }
    return true;
}

/* ---- without a picture ---- */

static void tell_sparks(struct request *request, const struct run *run, const struct choice *choice, const char *why) {
    char text[RENDER_MAX];
    struct words words;
    words_init(&words, text, sizeof text);
    sparks_head(&words, run, request->lang);
    (void)sparks_add(request->bot, run, choice->metrics, choice->count, request->lang, &words);
    if (why && why[0]) {
        words_add(&words, request_zh(request) ? "\n(画不出图:" : "\n(no picture: ");
        words_add_said(&words, why, 200, request->lang);
        words_add(&words, ")");
    }
    request_tell(request, text, 0, run->id, NULL);
}

/* ---- with one ---- */

struct drawing {
    struct bot *bot;
    uint64_t request;
    int64_t run;
    char title[100];
    struct names names; /* the choice points into them */
    struct choice choice;
};

static void drawn(void *user, int status, const uint8_t *bytes, size_t size, const char *why) {
    struct drawing *drawing = user;
    struct bot *bot = drawing->bot;
    struct request *request = request_find(bot, drawing->request);
    struct run *run = runs_find(bot, drawing->run);
    int64_t image =
        status == TB_OK && request && run ? pictures_keep(bot, drawing->run, "plot", drawing->title, bytes, size) : 0;
    if (request && image > 0) {
        request_tell(request, NULL, image, drawing->run, NULL);
        request_finish(request, true);
    } else if (request && run) {
        tell_sparks(request, run, &drawing->choice, status == TB_OK ? NULL : why);
        request_finish(request, true);
    } else if (request) {
        request_say(request, request_zh(request) ? "#%lld 已经删掉了。" : "#%lld was deleted.",
                    (long long)drawing->run);
        request_finish(request, false);
    }
    if (bot->ports.wake) bot->ports.wake(bot->ports.user);
    free(drawing);
}

static bool begin_drawing(struct request *request, const struct run *run, struct drawing *drawing) {
    struct marks *marks = calloc(1, sizeof *marks);
    if (!marks) return false;
    int status = store_param_changes(request->bot->ports.store, run->id, take_mark, marks);
    for (size_t i = 0; i < marks->count; i++)
        marks->marks[i].text = marks->texts[i];
    struct plot_request plot = {.run = run->id,
                                .title = drawing->title,
                                .metrics_count = drawing->choice.count,
                                .lang = request->lang,
                                .marks = marks->marks,
                                .marks_count = status == TB_OK ? marks->count : 0};
    memcpy(plot.metrics, drawing->choice.metrics, sizeof plot.metrics);
    status = plotter_draw(request->bot->ports.plotter, &plot, drawn, drawing);
    free(marks);
    return status == TB_OK;
}

enum verdict cmd_plot(struct request *request, struct parsed *parsed) {
    bool used = false;
    struct run *run = pick_run(request, parsed, 1, &used);
    if (!run) return REFUSED;
    struct drawing *drawing = calloc(1, sizeof *drawing);
    if (!drawing) return request_refuse(request, "内存不够。", "Out of memory.");
    drawing->bot = request->bot;
    drawing->request = request->id;
    drawing->run = run->id;
    struct words title;
    words_init(&title, drawing->title, sizeof drawing->title);
    words_add_foreign(&title, run->name, 60);
    words_add(&title, " #%lld", (long long)run->id);
    enum verdict verdict = REFUSED;
    int status = store_metric_names(request->bot->ports.store, run->id, take_name, &drawing->names);
    if (status < 0)
        request_refuse(request, "读不出来:%s。", "Cannot be read: %s.", said_error(status, request->lang));
    else if (drawing->names.count == 0)
        request_refuse(request, "#%lld 还没有数据。", "#%lld has no data yet.", (long long)run->id);
    else if (choose(request, parsed, used ? 2 : 1, &drawing->names, &drawing->choice))
        verdict = DONE;
    if (verdict == DONE && request->bot->ports.plotter && begin_drawing(request, run, drawing))
        return OPEN; /* drawn() frees it */
    if (verdict == DONE) tell_sparks(request, run, &drawing->choice, NULL);
    free(drawing);
    return verdict;
}
