/*
 * page_packet.h: what is sent to pages, as bytes: encoded once, shared by all pages that still have to send it.
 */
#ifndef TRAINBOT_PAGE_PACKET_H
#define TRAINBOT_PAGE_PACKET_H

#include "json_out.h"
#include "run.h"
#include "store.h"
#include <libwebsockets.h>

/* One text message; LWS_PRE bytes before `bytes` are libwebsockets' own. */
struct packet {
    int refs;
    size_t size;
    unsigned char *bytes;
    unsigned char room[];
};
/* Takes what was written (released in any case); one reference; NULL when memory ran out. */
struct packet *packet_take(struct json_out *out);
struct packet *packet_ref(struct packet *packet);
void packet_unref(struct packet *packet); /* NULL is fine */

struct packet *packet_message(const struct message_record *message);
struct packet *packet_run(const struct run *run);
struct packet *packet_rows(const struct run *run, const struct wire_rows *rows, bool progress);
/* {"type":TYPE} with one more text where key is not NULL. */
struct packet *packet_simple(const char *type, const char *key, const char *text);
/* The fields of one message, for /api/history as well. */
void message_json(struct json_out *out, const struct message_record *message);

#endif
