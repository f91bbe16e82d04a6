/* scene.h: the channel with a service and a core that the test plays; shared by test_weixin_poll and test_weixin_send.
 */
#ifndef SCENE_H
#define SCENE_H

#include "fake_core.h"
#include "fake_http.h"
#include "weixin_state.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define PERSON "o9Ab@im.wechat"
#define BOT "0a1b@im.bot"

extern char scene_dir[64];
extern struct weixin *weixin;
int scene_begin(void **state); /* nobody is logged in */
int scene_bound(void **state); /* somebody is; msg/notifystart is answered, the first poll is open */
int scene_end(void **state);   /* stops the channel; fails where something was left open */
void scene_restart(void);      /* the channel ends and begins again on the same folder and store */
void scene_save(const char *bot, const char *token); /* an account, as the login writes it */
/* Answers the open poll: messages as JSON, with what must stand in each. */
void scene_poll(const char *body);
/* One message of PERSON with context token "CTX". */
void scene_say(const char *id, const char *text);
void scene_send(int64_t message, const char *text, const char *image);

#endif
