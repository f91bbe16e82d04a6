/*
 * changes.h: values that somebody asked for, held against what a trainer declares, and kept for the next start under
 * "default/TRAINER/NAME" as "UNIX_MS VALUE".
 */
#ifndef TRAINBOT_CHANGES_H
#define TRAINBOT_CHANGES_H

#include "command.h"

/* All assignments against `declared`; "x0.5" counts from the value asked for last. All or nothing: false has said why.
 * `example` is put before an example ("开始 cnn "; "" for the plain form). trainer: whose values for the next start
 * "x0.5" counts from; NULL: from the run itself. The changes carry name, type, number, text; free with changes_free. */
bool changes_check(struct request *request, const struct run *declared, const char *trainer,
                   const struct assignment *assignments, size_t count, struct run_param **ret_changes,
                   size_t *ret_count, const char *example);
/* The parameter meant: by its name, case-folded, or in Chinese. NULL: none. */
const struct run_param *changes_param(const struct run *declared, const char *name);
/* The value as the store and a command line take it. */
void change_text(const struct run_param *change, char *text, size_t size);
/* The value for the next start, newer than since_ms. Caller frees; NULL: none. */
char *default_get(struct bot *bot, const char *trainer, const char *name, int64_t since_ms);
/* What the next start will use in place of the declared value: that, else the configuration's param.NAME. Caller frees;
 * NULL: the declared value. */
char *next_get(struct bot *bot, const char *trainer, const char *name);
int default_put(struct bot *bot, const char *trainer, const char *name, const char *text);

#endif
