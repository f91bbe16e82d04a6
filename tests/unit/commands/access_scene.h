/* access_scene.h: what the tests about access look for: in what left, and in everything that the store holds. */
#ifndef TRAINBOT_TEST_COMMANDS_ACCESS_SCENE_H
#define TRAINBOT_TEST_COMMANDS_ACCESS_SCENE_H

#include "scene.h"

/* Whether `text` left for this chat of "talk". */
bool heard(struct scene *s, const char *chat, const char *text);
bool pick_code(const char *text, char code[9]); /* the typed form, out of an answer in Chinese */
/* The owner makes a code by this command; nothing counts as heard afterwards. */
void make_code(struct scene *s, const char *command, char code[9]);
/* In how many rows of the kind a text stands. */
int in_history(struct scene *s, const char *channel, const char *chat, const char *text);
int in_audit(struct scene *s, const char *text);
int in_pairs(struct scene *s, const char *text);
int rows_of(struct scene *s, const char *chat); /* messages of a chat of "talk" */

#endif
