/*
 * wire_doc.c: prints docs/wire.md from wire_table.h, so that what people read about the protocol is what the code does.
 * A test compares the committed file with this output.
 */
#include "wire_json.h"
#include "wire_table.h"

#include <stdio.h>

static const char *type_text(const struct wire_field *f) {
    switch (f->type) {
    case WIRE_T_VERSION:
    case WIRE_T_INT:
    case WIRE_T_MAYBE:
    case WIRE_T_UINT:
        return "whole number";
    case WIRE_T_HEX:
        return "hex digits";
    case WIRE_T_STRING:
    case WIRE_T_STATUS:
    case WIRE_T_EVENT:
        return "string";
    case WIRE_T_NUMBER:
        return "number";
    case WIRE_T_BOOL:
        return "true, false";
    case WIRE_T_PARAMS:
    case WIRE_T_COMMANDS:
    case WIRE_T_STRINGS:
        return "array";
    case WIRE_T_VALUES:
    case WIRE_T_OLD:
        return "object";
    case WIRE_T_BYTES:
        return "base64";
    case WIRE_T_ROW:
        return "";
    }
    return "";
}

static void print_range(const struct wire_field *f) {
    switch (f->type) {
    case WIRE_T_VERSION:
        printf("%lld", (long long)f->low);
        break;
    case WIRE_T_INT:
    case WIRE_T_MAYBE:
    case WIRE_T_UINT:
        if (f->high == WIRE_INT_MAX)
            printf("%lld to 2^53-1", (long long)f->low);
        else
            printf("%lld to %lld", (long long)f->low, (long long)f->high);
        break;
    case WIRE_T_STRING:
    case WIRE_T_HEX:
    case WIRE_T_BYTES:
        if (f->low == f->high)
            printf("%lld bytes", (long long)f->low);
        else
            printf("%lld to %lld bytes", (long long)f->low, (long long)f->high);
        break;
    case WIRE_T_PARAMS:
    case WIRE_T_COMMANDS:
    case WIRE_T_STRINGS:
    case WIRE_T_VALUES:
    case WIRE_T_OLD:
        printf("at most %lld", (long long)f->high);
        break;
    default:
        break;
    }
}

static void print_need(const struct wire_field *f) {
    if (f->need == WIRE_MUST) printf("always");
    if (f->need < 8) return;
    const char *between = "of ";
    for (enum wire_event_kind kind = 0; kind < WIRE_EV_KINDS; kind++) {
        if (!(f->need >> 8 & 1u << kind)) continue;
        printf("%s%s", between, wire_event_name(kind));
        between = ", ";
    }
}

static void print_frame(enum wire_kind kind) {
    const struct wire_frame_row *row = wire_frame_row(kind);
    printf("### `%s`\n%s.\n\n| field | type | required | range | what it is |\n|---|---|---|---|---|\n", row->name,
           row->help);
    for (size_t i = 0; i < row->fields_count; i++) {
        const struct wire_field *f = &row->fields[i];
        printf("| `%s` | %s | ", f->name, type_text(f));
        print_need(f);
        printf(" | ");
        print_range(f);
        printf(" | %s |\n", f->help);
    }
    printf("\n");
}

static void print_direction(const char *title, enum wire_direction direction) {
    printf("## %s\n\n", title);
    for (enum wire_kind kind = 0; kind < WIRE_KINDS; kind++)
        if (wire_frame_row(kind)->direction == direction) print_frame(kind);
}

int main(void) {
    printf(
        "# Wire protocol v%d\n\n"
        "This file is printed by `build/…/bin/wire-doc` from `protocol/wire_table.h`; a test holds the two "
        "together.\n\n"
        "One JSON object a line, UTF-8, at most %d bytes with its newline; over WebSocket one object a text message. "
        "`type` names the frame. Nesting is at most %d deep; whole numbers are within ±(2^53-1); a number that is not "
        "finite travels as `\"nan\"`, `\"inf\"`, `\"-inf\"`. Ids are strings. Unknown fields are ignored, `null` "
        "counts "
        "as absent. A line that is refused is answered with `error`; the lines around it are not harmed.\n\n"
        "Every frame of a trainer but `heartbeat` has `seq`: `hello` is 1 (again after a reconnect), the others rise "
        "from 2, and each is kept until it is acknowledged. After a reconnect the trainer says `hello`, waits for "
        "`welcome`, and sends again from the first frame that is not acknowledged; a receiver drops what it has.\n\n"
        "A spool file holds the same lines. Each `hello` in it begins the frames of one instance.\n\n",
        WIRE_VERSION, WIRE_FRAME_MAX, WIRE_DEPTH_MAX);
    print_direction("Trainer → bot", WIRE_UP);
    print_direction("Bot → trainer", WIRE_DOWN);
    print_direction("Either way", WIRE_BOTH);
    printf("| code | when |\n|---|---|\n");
    for (enum wire_fault_code code = 0; code < WIRE_FAULT_CODES; code++)
        printf("| `%s` | %s |\n", wire_fault_name(code), wire_fault_when(code));
    return 0;
}
