/*
 * records.c: see records.h. A table small enough to be searched from end to end; the one used longest ago makes room.
 */
#include "records.h"

#include <stddef.h>

void records_init(struct records *records, void (*release)(void *recording)) {
    *records = (struct records){.release = release};
}

static void clear(struct records *records, struct record *record) {
    if (record->recording != NULL) records->release(record->recording);
    *record = (struct record){.state = RECORD_EMPTY};
}

static struct record *find(struct records *records, uint64_t shape) {
    for (int i = 0; i < RECORDS_MAX; i++) {
        struct record *record = &records->table[i];
        if (record->state != RECORD_EMPTY && record->shape == shape) return record;
    }
    return NULL;
}

static struct record *make_room(struct records *records) {
    struct record *oldest = &records->table[0];
    for (int i = 0; i < RECORDS_MAX; i++) {
        struct record *record = &records->table[i];
        if (record->state == RECORD_EMPTY) return record;
        if (record->used < oldest->used) oldest = record;
    }
    clear(records, oldest);
    return oldest;
}

static struct record *find_or_make(struct records *records, uint64_t shape, enum record_state state) {
    struct record *record = find(records, shape);
    if (record == NULL) {
        record = make_room(records);
        *record = (struct record){.state = state, .shape = shape};
    }
    record->used = ++records->clock;
    return record;
}

enum record_action records_begin(struct records *records, uint64_t shape, void **ret_recording) {
    bool known = find(records, shape) != NULL;
    struct record *record = find_or_make(records, shape, RECORD_SEEN);
    if (!known || record->state == RECORD_REFUSED) return RECORD_RUN;
    if (record->state == RECORD_SEEN) return RECORD_RUN_AND_RECORD;
    *ret_recording = record->recording;
    return RECORD_REPLAY;
}

void records_keep(struct records *records, uint64_t shape, void *recording) {
    struct record *record = find_or_make(records, shape, RECORD_SEEN);
    if (record->recording != NULL) records->release(record->recording);
    record->state = RECORD_KEPT;
    record->recording = recording;
}

void records_refuse(struct records *records, uint64_t shape) {
    struct record *record = find_or_make(records, shape, RECORD_REFUSED);
    if (record->recording != NULL) records->release(record->recording);
    record->recording = NULL;
    record->state = RECORD_REFUSED;
}

void records_drop(struct records *records) {
    for (int i = 0; i < RECORDS_MAX; i++) {
        clear(records, &records->table[i]);
    }
}
