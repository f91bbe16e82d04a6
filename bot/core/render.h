/*
 * render.h: the words. Every line a person reads about a run is made here, in Chinese and English, from plain structs;
 * pure functions, no clock, no globals. Each writes at most `size` bytes with the final zero, never cuts a UTF-8
 * character, and returns the length.
 */
#ifndef TRAINBOT_RENDER_H
#define TRAINBOT_RENDER_H

#include "control.h"
#include "fact.h"
#include "settings.h"

#define RENDER_MAX 4096

size_t render_fact(const struct fact *fact, enum lang lang, enum progress_style style, char *text, size_t size);
/* Quick replies that fit a run's state, one per line ("暂停\n停止\n曲线"). */
size_t render_buttons(const struct run *run, enum lang lang, char *text, size_t size);
/* An outcome as the asker reads it. */
size_t render_outcome(const struct control *control, const struct outcome *outcome, enum lang lang, char *text, size_t size);
/* Three to four significant digits, thousands separated where whole: 0.3021, 2,140, 1.2e-05. */
size_t render_number(double value, char *text, size_t size);
/* A parameter's value, exactly (fewest digits that read back the same). */
size_t render_exact(double value, char *text, size_t size);
size_t render_duration(double seconds, enum lang lang, char *text, size_t size);
size_t render_bytes(int64_t bytes, char *text, size_t size);

#endif
