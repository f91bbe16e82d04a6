/*
 * own.h: the commands that a trainer declares itself, by the words that a person uses for them: its name, or one of the
 * Chinese words that it came with. Help, near misses, refusals and results all read them here. Pure; any thread.
 */
#ifndef TRAINBOT_OWN_H
#define TRAINBOT_OWN_H

#include "near.h"
#include "run.h"
#include "words.h"

/* The command of this name or Chinese word, case-folded; NULL: none, or run is NULL. Borrowed while the run says the
 * same hello. */
const struct run_command *own_find(const struct run *run, const char *word);
/* The word a person of this language uses: "难例", "hardest". */
const char *own_word(const struct run_command *command, enum lang lang);
/* Whether its last argument is the language of who asks ("[zh|en]"). */
bool own_speaks(const struct run_command *command);
/* Adds the language to `args` (room for `size` bytes) where it does and they do not end with one already. */
void own_speak(const struct run_command *command, enum lang lang, char *args, size_t size);
/* "难例 16": the word and its arguments as they are written, without the language. */
void own_usage(struct words *words, const struct run_command *command, enum lang lang);
/* "难例 16 · 滤波器", those with a built-in word left out unless `all`. Returns how many. */
size_t own_list(struct words *words, const struct run *run, bool all, enum lang lang);
/* Every word of them as a candidate. */
void own_near(struct near *near, const struct run *run);
/* A call as it was sent ("hardest 16 zh"), as a person says it: "难例 16". `run` may be NULL. Returns `out`. */
const char *own_said(const struct run *run, const char *line, enum lang lang, char *out, size_t size);

#endif
