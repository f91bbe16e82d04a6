/*
 * fake_core.h: what the channel asks of core and the store, written down for a test instead of done. Defines the
 * functions, so that the real ones are not linked.
 */
#ifndef FAKE_CORE_H
#define FAKE_CORE_H

#include "bot.h"

struct fake_inbound {
    char service_id[200], text[200], sender[200];
    int64_t sent_ms;
};
struct fake_core {
    struct bot bot;
    struct settings settings;
    struct clock clock;
    int64_t now_ms; /* wall */
    char log[16384];
    size_t log_lines;
    struct fake_inbound inbound[64];
    size_t inbound_count, batches;
    int batch_status; /* what bot_inbound_batch answers */
    char owner[200];  /* "": none */
    struct sent sent; /* the last outcome; its texts copied below */
    char sent_id[200], sent_why[300];
    int64_t sent_message;
    size_t sent_count;
    int64_t waiting; /* outbox_count().queued */
};
extern struct fake_core core;
void fake_core_begin(void);
void fake_core_end(void); /* the store as well */
/* "" where there is none. Borrowed until the next change. */
const char *fake_stored(const char *key);
size_t fake_stored_count(const char *prefix);

#endif
