/*
 * weixin_login.h: logging in to personal WeChat by a QR code, as `trainbot login weixin` does it: get a code, show it,
 * ask how it is until it is confirmed; codes that grow old are renewed, a number that the phone shows is asked for, a
 * redirect is followed. At most three codes and 480 s. Success writes the account file, and a running bot sees it.
 * Loop thread only.
 */
#ifndef TRAINBOT_WEIXIN_LOGIN_H
#define TRAINBOT_WEIXIN_LOGIN_H

#include "weixin.h"

enum weixin_login_event {
    WEIXIN_LOGIN_CODE,    /* text: the address to draw as a QR code (and to show) */
    WEIXIN_LOGIN_SCANNED, /* the phone has it; it asks the person to confirm */
    WEIXIN_LOGIN_NUMBER, /* the phone shows a number: call weixin_login_number with it. text "again": the last was wrong
                          */
    WEIXIN_LOGIN_RENEWED, /* the code grew old (text: NULL) or took too many wrong numbers ("blocked"); a new CODE
                             follows */
    WEIXIN_LOGIN_WAITING, /* a network error, tried again; text: which */
    WEIXIN_LOGIN_DONE,    /* logged in, account written. text: the owner's id */
    WEIXIN_LOGIN_ALREADY, /* this person was bound to this bot before; the stored account stays */
    WEIXIN_LOGIN_FAILED   /* given up; text: why, and what to do */
};

struct weixin_login;
/* Begins; `event` is called from the loop. After DONE, ALREADY or FAILED nothing follows; weixin_login_close is due
 * then as well. TB_OK, TB_ENOMEM, TB_EINVAL (client_version). */
MUST_USE int weixin_login_start(const struct weixin_options *options,
                                void (*event)(void *user, enum weixin_login_event event, const char *text), void *user,
                                struct weixin_login **ret_login);
/* The number that the phone shows, digits as typed. */
void weixin_login_number(struct weixin_login *login, const char *digits);
/* Ends at once, also in the middle; closed() follows from the loop, and the login is freed by then. */
void weixin_login_close(struct weixin_login *login, void (*closed)(void *user), void *user);

#endif
