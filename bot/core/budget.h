/*
 * budget.h: how many messages may still follow a person's last one. Personal WeChat lets about ten follow each inbound
 * message within 24 hours; what it counts is what reached the wire. Pure: rules and the wall clock are arguments.
 * Always holds: 0 ≤ left ≤ budget, and left is taken before the wire, so that a death in between can only lose sends.
 */
#ifndef TRAINBOT_BUDGET_H
#define TRAINBOT_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct budget_rules {
    int64_t budget;    /* sends after each inbound message; 0: no limit, then the functions below allow everything */
    int64_t reserve;   /* of those, kept from progress */
    int64_t window_ms; /* counted from the inbound message; 0: it never ends */
};

struct budget {
    int64_t left;
    int64_t heard_ms; /* wall: the newest inbound message known; 0 none yet */
};

/* An inbound message written at sent_ms (0 or in the future: now). Sets the budget anew, it never adds. under_way:
 * messages handed over and not yet answered, which the service may count after it. False: it is older than the newest
 * known one, nothing changed (one that is known from the future is nobody's: the clock was set back). */
bool budget_heard(struct budget *budget, const struct budget_rules *rules, int64_t sent_ms, int64_t now_ms,
                  int64_t under_way);
/* Sends left now: 0 out of the window; INT64_MAX without a limit. */
int64_t budget_left(const struct budget *budget, const struct budget_rules *rules, int64_t now_ms);
/* When the window ends (wall); 0: there is none, or it has ended. */
int64_t budget_until_ms(const struct budget *budget, const struct budget_rules *rules, int64_t now_ms);
/* Whether one may leave now. spare: progress and what else must not touch the reserve. */
bool budget_allows(const struct budget *budget, const struct budget_rules *rules, int64_t now_ms, bool spare);
void budget_spend(struct budget *budget, const struct budget_rules *rules);     /* before the wire */
void budget_give_back(struct budget *budget, const struct budget_rules *rules); /* it certainly did not leave */
void budget_close(struct budget *budget);                                       /* the service said that none is left */

#endif
