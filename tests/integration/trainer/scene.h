/*
 * scene.h: what a test of trainbot-train stands on: its folder, one program, and where it is wanted a scripted bot.
 * Each test enters and leaves (cmocka's set-up and tear-down). One of each at a time.
 */
#ifndef TEST_SCENE_H
#define TEST_SCENE_H

#include "peer.h"
#include "program.h"

extern struct program program;
extern struct peer peer;

/* With a bot that listens; without one. */
int scene_enter(void **state);
int scene_leave(void **state);
int scene_enter_alone(void **state);
int scene_leave_alone(void **state);

/* Runs it to its end, without the bot; what the one before printed must not be needed any more. Its exit status. */
int scene_run(const char *line);
/* Starts it as the bot does: socket, run and folder in the environment; welcomed with `params` (a JSON object). */
void scene_launch(const char *line, const char *params);

#endif
