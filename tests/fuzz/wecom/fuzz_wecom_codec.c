/* Any bytes as a frame of the gateway: what is handed out keeps the header's promises, and refusals say why. */
#include "wecom_codec.h"
#include <stdlib.h>
#include <string.h>

static void holds(bool good) {
    if (!good) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct wecom_frame frame = {.errcode = 42};
    char why[64] = "", *bytes = malloc(size + 1);
    if (!bytes) return 0;
    if (size) memcpy(bytes, data, size);
    size_t kept = wecom_strip_controls(bytes, size);
    holds(kept <= size);
    if (wecom_decode(bytes, kept, &frame, why, sizeof why) < 0) {
        holds(why[0] && frame.errcode == 42);
        free(bytes);
        return 0;
    }
    const char *texts[] = {frame.req_id, frame.errmsg, frame.upload_id, frame.media_id, frame.msgid,
                           frame.userid, frame.chatid, frame.event_key, frame.task_id};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        holds(texts[i] != NULL);
    holds(strlen(frame.req_id) <= WECOM_ID_MAX && strlen(frame.userid) <= WECOM_ID_MAX);
    holds(strlen(frame.task_id) <= WECOM_TASK_MAX && strlen(frame.event_key) <= WECOM_KEY_MAX);
    if (frame.kind == WECOM_ACK) (void)wecom_verdict(frame.errcode, frame.errmsg);
    if (frame.kind == WECOM_MESSAGE) holds(frame.msgid[0] && frame.userid[0] && wecom_chat_of(&frame)[0]);
    if (frame.kind == WECOM_EVENT && frame.event == WECOM_EVENT_BUTTON) {
        holds(frame.userid[0] && frame.task_id[0] && frame.event_key[0]);
        char *answer = wecom_encode_card_taken(frame.req_id, frame.task_id, frame.event_key);
        holds(answer != NULL);
        free(answer);
    }
    holds(frame.sent_ms >= 0 && (!frame.group || frame.chatid[0]));
    wecom_frame_clear(&frame);
    free(bytes);
    return 0;
}
