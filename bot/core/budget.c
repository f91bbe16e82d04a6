/* budget.c: see budget.h. */
#include "budget.h"

bool budget_heard(struct budget *budget, const struct budget_rules *rules, int64_t sent_ms, int64_t now_ms,
                  int64_t under_way) {
    if (sent_ms <= 0 || sent_ms > now_ms) sent_ms = now_ms;
    if (sent_ms < budget->heard_ms && budget->heard_ms <= now_ms) return false;
    budget->heard_ms = sent_ms;
    budget->left = under_way < rules->budget ? rules->budget - under_way : 0;
    return true;
}

int64_t budget_until_ms(const struct budget *budget, const struct budget_rules *rules, int64_t now_ms) {
    if (rules->budget <= 0 || rules->window_ms <= 0 || budget->heard_ms <= 0) return 0;
    int64_t until_ms = budget->heard_ms + rules->window_ms;
    return until_ms > now_ms ? until_ms : 0;
}

int64_t budget_left(const struct budget *budget, const struct budget_rules *rules, int64_t now_ms) {
    if (rules->budget <= 0) return INT64_MAX;
    if (rules->window_ms > 0 && budget_until_ms(budget, rules, now_ms) == 0) return 0;
    return budget->left < rules->budget ? budget->left : rules->budget;
}

bool budget_allows(const struct budget *budget, const struct budget_rules *rules, int64_t now_ms, bool spare) {
    return budget_left(budget, rules, now_ms) > (spare && rules->budget > 0 ? rules->reserve : 0);
}

void budget_spend(struct budget *budget, const struct budget_rules *rules) {
    if (rules->budget > 0 && budget->left > 0) budget->left--;
}

void budget_give_back(struct budget *budget, const struct budget_rules *rules) {
    if (budget->left < rules->budget) budget->left++;
}

void budget_close(struct budget *budget) {
    budget->left = 0;
}
