/*
 * render_card.h: the pieces of text about a whole run that facts, outcomes and commands share. Pure.
 */
#ifndef TRAINBOT_RENDER_CARD_H
#define TRAINBOT_RENDER_CARD_H

#include "words.h"

/* "cnn #7 · 62 % · 准确率 0.8906 ↑" and the lines below it; classic: one line as in the seed. */
void render_progress(struct words *words, const struct run *run, enum lang lang, enum progress_style style);
/* The card for 状态: as render_progress, its first line naming the state where it is not running. */
void render_status(struct words *words, const struct run *run, enum lang lang);
/* "#7 cnn 已开始:lr 0.01,批量 128,共 200,000 样本,每 10 步报告。" from_step: where it goes on,
 * 0 unknown. */
void render_started(struct words *words, const struct run *run, int64_t from_step, enum lang lang);
/* "#7 已停在第 530 步,准确率 0.8712。存档:runs/7/…(39.3 MB)。" path "": says that nothing was saved. */
void render_stopped(struct words *words, const struct run *run, int64_t step, const char *path, int64_t bytes,
                    enum lang lang);
/* All parameters: value, range, when a new value counts. */
void render_params(struct words *words, const struct run *run, enum lang lang);
/* One line of 列表. */
void render_list_line(struct words *words, const struct run *run, enum lang lang);

#endif
