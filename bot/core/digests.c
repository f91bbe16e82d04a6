#include "outbox_state.h"
void digests_sent(struct bot *bot, struct line *line, const struct entry *entry) { (void)bot, (void)line, (void)entry; }
void digests_refused(struct bot *bot, struct line *line, const struct entry *entry) { (void)bot, (void)line, (void)entry; }
void digests_tick(struct bot *bot) { (void)bot; }
int digests_load(struct bot *bot) { (void)bot; return TB_OK; }
void digests_free(struct bot *bot) { (void)bot; }
