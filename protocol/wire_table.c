/*
 * wire_table.c: wire_table.h's rows as arrays that code can walk, and the names of kinds, events, types and faults.
 * Nothing here knows JSON. All storage is static and read-only.
 */
#include "wire_table.h"

#include <assert.h>

#define FIELD(member, extra_member, name, type, need, low, high, help)                                                 \
    {name, type, need, offsetof(struct wire_frame, u.member), offsetof(struct wire_frame, u.extra_member),             \
     low,  high, help},
#define FRAME(kind, name, direction, help) static const struct wire_field fields_##kind[] = {WIRE_FIELDS_##kind(FIELD)};
WIRE_FRAMES(FRAME)
#undef FRAME
#undef FIELD

static const struct wire_frame_row frames[] = {
#define FRAME(kind, name, direction, help)                                                                             \
    [WIRE_##kind] = {name, direction, help, fields_##kind, sizeof fields_##kind / sizeof *fields_##kind},
    WIRE_FRAMES(FRAME)
#undef FRAME
};
static_assert(sizeof frames / sizeof *frames == WIRE_KINDS, "a frame is missing in wire_table.h");

static const char *const events[] = {
#define EVENT(kind, name) [WIRE_EV_##kind] = name,
    WIRE_EVENTS(EVENT)
#undef EVENT
};
static_assert(sizeof events / sizeof *events == WIRE_EV_KINDS, "an event is missing in wire_table.h");

static const char *const types[] = {
#define TYPE(type, name) [WIRE_##type] = name,
    WIRE_TYPES(TYPE)
#undef TYPE
};

static const struct {
    const char *name, *when;
} faults[] = {
#define FAULT(code, name, when) [WIRE_F_##code] = {name, when},
    WIRE_FAULTS(FAULT)
#undef FAULT
};

const struct wire_frame_row *wire_frame_row(enum wire_kind kind) {
    assert((unsigned)kind < WIRE_KINDS);
    return &frames[kind];
}

const char *wire_fault_name(enum wire_fault_code code) {
    return faults[code].name;
}

const char *wire_fault_when(enum wire_fault_code code) {
    return faults[code].when;
}

const char *wire_kind_name(enum wire_kind kind) {
    return wire_frame_row(kind)->name;
}

const char *wire_event_name(enum wire_event_kind kind) {
    assert((unsigned)kind < WIRE_EV_KINDS);
    return events[kind];
}

const char *wire_type_name(enum wire_type type) {
    assert((unsigned)type < sizeof types / sizeof *types);
    return types[type];
}
