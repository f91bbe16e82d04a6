/*
 * shown.c: which columns a person sees of a run's series, metrics and progress merged.
 */
#include "metrics.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void shown_release(struct shown_list *list) {
    for (size_t i = 0; i < list->count; i++)
        free(list->at[i].name);
    free(list->at);
    *list = (struct shown_list){0};
}

static bool is_taken(const struct series_list *series, const char *name) {
    return series_find(series, false, name, 0) >= 0 || series_find(series, true, name, 0) >= 0;
}

/* "progress_NAME"; the prefix is repeated where a series of the trainer's own has that name. */
static char *collided_name(const struct series_list *series, const char *name) {
    char *shown = strdup(name);
    do {
        char *longer = NULL;
        if (!shown || asprintf(&longer, "progress_%s", shown) < 0) longer = NULL;
        free(shown);
        shown = longer;
    } while (shown && is_taken(series, shown));
    return shown;
}

int shown_make(const struct series_list *series, const bool *collides, struct shown_list *ret_list) {
    struct shown_list list = {.at = calloc(series->count * 2 + 1, sizeof *list.at)};
    if (!list.at) return TB_ENOMEM;
    for (size_t i = 0; i < series->count; i++) {
        const struct series *one = &series->at[i];
        if (one->twin >= 0 && (size_t)one->twin < i) continue; /* shown with its twin */
        int metric = one->progress ? one->twin : (int)i;
        int progress = one->progress ? (int)i : one->twin;
        list.at[list.count] = (struct shown){strdup(one->name), metric, progress, false};
        if (!list.at[list.count++].name) goto fail;
    }
    for (size_t i = 0; i < series->count; i++) {
        const struct series *one = &series->at[i];
        if (!one->progress || one->twin < 0 || !collides[i]) continue;
        list.at[list.count] = (struct shown){collided_name(series, one->name), one->twin, (int)i, true};
        if (!list.at[list.count++].name) goto fail;
    }
    *ret_list = list;
    return TB_OK;
fail:
    shown_release(&list);
    return TB_ENOMEM;
}
