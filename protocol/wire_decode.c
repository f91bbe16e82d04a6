/*
 * wire_decode.c: one line → one frame, by the rows of wire_table.h. Whatever the bytes are, the outcome is a frame
 * whose every field holds what the table promises, or a fault that names the field; nothing is guessed or rounded.
 */
#include "wire_decode.h"
#include "wire_base64.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

bool decode_fail(struct decoder *d, enum wire_fault_code code, const char *format, ...) {
    va_list args;
    va_start(args, format);
    d->fault->code = wire_fault_name(code);
    vsnprintf(d->fault->why, sizeof d->fault->why, format, args);
    va_end(args);
    /* the cut may have split a character of a name that came from the peer */
    for (size_t n = strlen(d->fault->why); n > 0 && !utf8_valid(d->fault->why, n);)
        d->fault->why[--n] = 0;
    return false;
}

void *decode_take(struct decoder *d, size_t count, size_t bytes) {
    void *p = wire_arena_take(d->arena, count * bytes);
    if (!p) {
        decode_fail(d, WIRE_F_BAD_FIELD, "out of memory");
        return NULL;
    }
    return memset(p, 0, count * bytes);
}

bool decode_number(const struct json *n, double *ret) {
    if (n->type == JSON_NUMBER) {
        *ret = n->number.value;
        return true;
    }
    if (n->type != JSON_STRING) return false;
    if (strcmp(n->text, "nan") == 0)
        *ret = NAN;
    else if (strcmp(n->text, "inf") == 0)
        *ret = INFINITY;
    else if (strcmp(n->text, "-inf") == 0)
        *ret = -INFINITY;
    else
        return false;
    return true;
}

bool decode_name_good(const char *name, size_t size) {
    if (size == 0 || size > WIRE_NAME_MAX) return false;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)name[i] < 0x20 || name[i] == 0x7f) return false;
    return true;
}

static bool bad(struct decoder *d, const char *field, const char *what) {
    return decode_fail(d, WIRE_F_BAD_FIELD, "%.64s: %s", field, what);
}

/* A member of an inner object: fails when given twice; null counts as absent. */
static bool inner(struct decoder *d, const struct json *object, const char *name, const struct json **ret) {
    bool twice = false;
    *ret = json_member(object, name, &twice);
    if (twice) return bad(d, name, "given twice");
    if (*ret && (*ret)->type == JSON_NULL) *ret = NULL;
    return true;
}

static bool inner_text(struct decoder *d, const struct json *object, const char *name, const char **ret) {
    const struct json *n;
    if (!inner(d, object, name, &n)) return false;
    if (n && n->type != JSON_STRING) return bad(d, name, "must be a string");
    if (n) *ret = n->text;
    return true;
}

static bool inner_truth(struct decoder *d, const struct json *object, const char *name, bool *ret) {
    const struct json *n;
    if (!inner(d, object, name, &n)) return false;
    if (n && n->type != JSON_BOOL) return bad(d, name, "must be true or false");
    if (n) *ret = n->truth;
    return true;
}

static bool inner_bound(struct decoder *d, const struct json *object, const char *name, bool *ret_has, double *ret) {
    const struct json *n;
    if (!inner(d, object, name, &n)) return false;
    *ret_has = n != NULL;
    return !n || decode_number(n, ret) || bad(d, name, "must be a number");
}

/* A value whose type is what the JSON says; whole numbers beyond 2^53 are refused rather than rounded. */
static bool free_value(struct decoder *d, const struct json *n, struct wire_value *ret) {
    switch (n->type) {
    case JSON_BOOL:
        *ret = (struct wire_value){.type = WIRE_BOOL, .number = n->truth};
        return true;
    case JSON_STRING: /* "nan" may be meant as the number: then `number` has it too */
        *ret = (struct wire_value){.type = WIRE_STRING, .text = n->text};
        if (n->size > WIRE_TEXT_MAX) return bad(d, n->key, "is too long");
        decode_number(n, &ret->number);
        return true;
    case JSON_NUMBER:
        *ret = (struct wire_value){.type = n->number.plain ? WIRE_INT : WIRE_FLOAT, .number = n->number.value};
        if (n->number.plain &&
            (!n->number.is_integer || n->number.integer > WIRE_INT_MAX || n->number.integer < -WIRE_INT_MAX))
            return bad(d, n->key, "a whole number must be within ±(2^53-1)");
        return true;
    default:
        return bad(d, n->key, "must be a number, a string, true or false");
    }
}

static bool typed_value(struct decoder *d, const struct json *n, enum wire_type type, struct wire_value *ret) {
    struct wire_value v;
    if (!free_value(d, n, &v)) return false;
    double number;
    bool fits = false;
    switch (type) {
    case WIRE_FLOAT:
        fits = n->type != JSON_BOOL && decode_number(n, &number);
        break;
    case WIRE_INT:
        fits = n->type == JSON_NUMBER && n->number.is_integer;
        break;
    case WIRE_BOOL:
        fits = n->type == JSON_BOOL;
        break;
    case WIRE_STRING:
    case WIRE_ENUM:
        fits = n->type == JSON_STRING;
        break;
    }
    if (!fits) return decode_fail(d, WIRE_F_BAD_FIELD, "value: must be of type %s", wire_type_name(type));
    v.type = type;
    if (type == WIRE_FLOAT) v.text = NULL;
    *ret = v;
    return true;
}

static bool take_named(struct decoder *d, const struct json *object, const char *field, const struct wire_named **ret,
                       size_t *ret_count) {
    if (object->type != JSON_OBJECT) return bad(d, field, "must be an object");
    if (object->count > WIRE_PARAMS_MAX) return bad(d, field, "has too many members");
    struct wire_named *named = decode_take(d, object->count, sizeof *named);
    if (!named) return false;
    size_t i = 0;
    for (const struct json *n = object->first; n; n = n->next, i++) {
        named[i].name = n->key;
        if (!decode_name_good(n->key, strlen(n->key))) return bad(d, field, "a name must have 1 to 64 bytes");
        if (!free_value(d, n, &named[i].value)) return false;
        for (size_t k = 0; k < i; k++)
            if (strcmp(named[k].name, n->key) == 0) return bad(d, n->key, "given twice");
    }
    *ret = named;
    *ret_count = i;
    return true;
}

static bool take_strings(struct decoder *d, const struct json *array, const char *field, size_t max,
                         const char *const **ret, size_t *ret_count) {
    if (array->type != JSON_ARRAY || array->count > max)
        return bad(d, field, "must be an array of strings, not too long");
    const char **texts = decode_take(d, array->count, sizeof *texts);
    if (!texts) return false;
    size_t i = 0;
    for (const struct json *n = array->first; n; n = n->next) {
        if (n->type != JSON_STRING) return bad(d, field, "must be an array of strings");
        texts[i++] = n->text;
    }
    *ret = texts;
    *ret_count = i;
    return true;
}

static bool take_type(struct decoder *d, const struct json *object, enum wire_type *ret) {
    const char *text = NULL;
    if (!inner_text(d, object, "type", &text)) return false;
    for (enum wire_type type = WIRE_FLOAT; text && type <= WIRE_ENUM; type++) {
        if (strcmp(text, wire_type_name(type)) != 0) continue;
        *ret = type;
        return true;
    }
    return bad(d, "type", "of a parameter must be float, int, bool, string or enum");
}

static bool take_param(struct decoder *d, const struct json *object, struct wire_param *p) {
    const struct json *value, *choices;
    enum wire_type type = WIRE_FLOAT;
    if (object->type != JSON_OBJECT) return bad(d, "params", "must be an array of objects");
    if (!inner_text(d, object, "name", &p->name) || !inner_text(d, object, "help", &p->help) ||
        !inner_truth(d, object, "live", &p->live) || !inner_truth(d, object, "min_open", &p->min_open) ||
        !inner_bound(d, object, "min", &p->has_min, &p->min) || !inner_bound(d, object, "max", &p->has_max, &p->max))
        return false;
    if (!p->name || !decode_name_good(p->name, strlen(p->name)))
        return bad(d, "params", "a name must have 1 to 64 bytes");
    if (!take_type(d, object, &type) || !inner(d, object, "value", &value) || !inner(d, object, "choices", &choices))
        return false;
    if (!value) return decode_fail(d, WIRE_F_MISSING_FIELD, "value: of the parameter %.64s is missing", p->name);
    if (!typed_value(d, value, type, &p->value)) return false;
    if (choices && !take_strings(d, choices, "choices", 256, &p->choices, &p->choices_count)) return false;
    return type != WIRE_ENUM || p->choices_count > 0 || bad(d, "choices", "an enum needs them");
}

static bool take_params(struct decoder *d, const struct json *array, const struct wire_param **ret, size_t *ret_count) {
    if (array->type != JSON_ARRAY || array->count > WIRE_PARAMS_MAX)
        return bad(d, "params", "must be an array of at most 128 objects");
    struct wire_param *params = decode_take(d, array->count, sizeof *params);
    if (!params) return false;
    size_t i = 0;
    for (const struct json *n = array->first; n; n = n->next, i++) {
        if (!take_param(d, n, &params[i])) return false;
        for (size_t k = 0; k < i; k++)
            if (strcmp(params[k].name, params[i].name) == 0) return bad(d, params[i].name, "given twice");
    }
    *ret = params;
    *ret_count = i;
    return true;
}

static bool take_commands(struct decoder *d, const struct json *array, const struct wire_command **ret,
                          size_t *ret_count) {
    if (array->type != JSON_ARRAY || array->count > WIRE_PARAMS_MAX)
        return bad(d, "commands", "must be an array of at most 128 objects");
    struct wire_command *commands = decode_take(d, array->count, sizeof *commands);
    if (!commands) return false;
    size_t i = 0;
    for (const struct json *n = array->first; n; n = n->next, i++) {
        struct wire_command *c = &commands[i];
        if (n->type != JSON_OBJECT) return bad(d, "commands", "must be an array of objects");
        if (!inner_text(d, n, "name", &c->name) || !inner_text(d, n, "args", &c->args) ||
            !inner_text(d, n, "help", &c->help) || !inner_text(d, n, "zh", &c->zh) ||
            !inner_text(d, n, "zh_help", &c->zh_help) || !inner_truth(d, n, "reads", &c->reads))
            return false;
        if (!c->name || !*c->name) return bad(d, "commands", "a name must not be empty");
    }
    *ret = commands;
    *ret_count = i;
    return true;
}

static bool take_bytes(struct decoder *d, const struct wire_field *f, const struct json *n, const uint8_t **ret,
                       size_t *ret_size) {
    if (n->type != JSON_STRING) return bad(d, f->name, "must be a base64 string");
    uint8_t *bytes = decode_take(d, n->size / 4 * 3 + 1, 1);
    if (!bytes) return false;
    ssize_t size = base64_decode(n->text, n->size, bytes);
    if (size < f->low || size > f->high) return bad(d, f->name, "must be 1 to 45000 bytes in base64");
    *ret = bytes;
    *ret_size = (size_t)size;
    return true;
}

/* `old` and `new` share one count, so they must name the same parameters; old is put into new's order. */
static bool pair_values(struct decoder *d, struct wire_frame *frame, const struct wire_named *old, size_t count) {
    if (count != frame->u.applied.count) return bad(d, "old", "must name the parameters that new names");
    struct wire_named *ordered = decode_take(d, count, sizeof *ordered);
    if (!ordered) return false;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < count && strcmp(old[k].name, frame->u.applied.new_values[i].name) != 0)
            k++;
        if (k == count) return bad(d, "old", "must name the parameters that new names");
        ordered[i] = old[k];
    }
    frame->u.applied.old_values = ordered;
    return true;
}

static bool take_string(struct decoder *d, const struct wire_field *f, const struct json *n, const char **ret) {
    if (n->type != JSON_STRING) return bad(d, f->name, "must be a string");
    if ((int64_t)n->size < f->low || (int64_t)n->size > f->high)
        return decode_fail(d, WIRE_F_BAD_FIELD, "%s: must have %lld to %lld bytes", f->name, (long long)f->low,
                           (long long)f->high);
    if (f->type == WIRE_T_HEX && strspn(n->text, "0123456789abcdef") != n->size)
        return bad(d, f->name, "must be lower-case hex digits");
    if (f->type == WIRE_T_STATUS && strcmp(n->text, "finished") != 0 && strcmp(n->text, "stopped") != 0 &&
        strcmp(n->text, "failed") != 0)
        return bad(d, f->name, "must be finished, stopped or failed");
    *ret = n->text;
    return true;
}

static bool take_whole(struct decoder *d, const struct wire_field *f, const struct json *n, int64_t *ret) {
    if (n->type != JSON_NUMBER || !n->number.is_integer || n->number.integer < f->low || n->number.integer > f->high) {
        if (f->type == WIRE_T_VERSION && n->type == JSON_NUMBER)
            return decode_fail(d, WIRE_F_BAD_VERSION, "v: this end speaks version %d", WIRE_VERSION);
        return decode_fail(d, WIRE_F_BAD_FIELD, "%s: must be a whole number from %lld to %lld", f->name,
                           (long long)f->low, (long long)f->high);
    }
    *ret = n->number.integer;
    return true;
}

static bool take_event_kind(struct decoder *d, const struct wire_field *f, const struct json *n,
                            enum wire_event_kind *ret) {
    for (enum wire_event_kind kind = 0; n->type == JSON_STRING && kind < WIRE_EV_KINDS; kind++) {
        if (strcmp(n->text, wire_event_name(kind)) != 0) continue;
        *ret = kind;
        return true;
    }
    return bad(d, f->name, "no such event");
}

static bool take_field(struct decoder *d, const struct wire_field *f, const struct json *n, struct wire_frame *frame) {
    void *to = (char *)frame + f->offset, *extra = (char *)frame + f->extra;
    int64_t whole = 0;
    switch (f->type) {
    case WIRE_T_VERSION:
    case WIRE_T_INT:
        return take_whole(d, f, n, to);
    case WIRE_T_MAYBE:
        *(bool *)extra = true;
        return take_whole(d, f, n, to);
    case WIRE_T_UINT:
        if (!take_whole(d, f, n, &whole)) return false;
        *(uint64_t *)to = (uint64_t)whole;
        return true;
    case WIRE_T_HEX:
    case WIRE_T_STRING:
    case WIRE_T_STATUS:
        return take_string(d, f, n, to);
    case WIRE_T_NUMBER:
        return decode_number(n, to) || bad(d, f->name, "must be a number");
    case WIRE_T_BOOL:
        if (n->type != JSON_BOOL) return bad(d, f->name, "must be true or false");
        *(bool *)to = n->truth;
        return true;
    case WIRE_T_EVENT:
        return take_event_kind(d, f, n, to);
    case WIRE_T_PARAMS:
        return take_params(d, n, to, extra);
    case WIRE_T_COMMANDS:
        return take_commands(d, n, to, extra);
    case WIRE_T_STRINGS:
        return take_strings(d, n, f->name, (size_t)f->high, to, extra);
    case WIRE_T_VALUES:
        return take_named(d, n, f->name, to, extra);
    case WIRE_T_BYTES:
        return take_bytes(d, f, n, to, extra);
    case WIRE_T_OLD: /* paired with new afterwards */
    case WIRE_T_ROW: /* decode_rows */
        break;
    }
    return true;
}

static bool absent_field(struct decoder *d, const struct wire_field *f, struct wire_frame *frame) {
    if (f->need == WIRE_TEXT) *(const char **)((char *)frame + f->offset) = "";
    if (f->type == WIRE_T_NUMBER) *(double *)((char *)frame + f->offset) = wire_absent();
    bool needed = f->need == WIRE_MUST || (frame->kind == WIRE_EVENT && f->need >> 8 & 1u << frame->u.event.kind);
    return !needed || decode_fail(d, WIRE_F_MISSING_FIELD, "%s: is missing", f->name);
}

static bool take_fields(struct decoder *d, const struct json *object, struct wire_frame *frame) {
    const struct wire_frame_row *row = wire_frame_row(frame->kind);
    for (size_t i = 0; i < row->fields_count; i++) {
        const struct wire_field *f = &row->fields[i];
        const struct json *n;
        if (f->type == WIRE_T_ROW) continue;
        if (!inner(d, object, f->name, &n)) return false;
        if (n ? !take_field(d, f, n, frame) : !absent_field(d, f, frame)) return false;
    }
    if (frame->kind == WIRE_METRICS) return decode_rows(d, object, false, &frame->u.metrics);
    if (frame->kind == WIRE_PROGRESS) return decode_rows(d, object, true, &frame->u.progress);
    if (frame->kind != WIRE_APPLIED) return true;
    const struct json *old;
    const struct wire_named *values = NULL;
    size_t count = 0;
    if (!inner(d, object, "old", &old)) return false;
    if (old && !take_named(d, old, "old", &values, &count)) return false;
    return pair_values(d, frame, values, count);
}

/* `rows` was stepped over; in a frame that has none it is an unknown field, but still has to be JSON. */
static bool check_deferred(struct decoder *d, const struct json *object) {
    for (const struct json *n = object->first; n; n = n->next) {
        if (n->type != JSON_DEFERRED) continue;
        struct json_reader reader = {.at = n->text, .end = n->text + n->size, .arena = d->arena};
        if (!json_read_value(&reader) || reader.at != reader.end)
            return decode_fail(d, WIRE_F_NOT_JSON, "%s", reader.error ? reader.error : "no JSON value");
    }
    return true;
}

static bool take_frame(struct decoder *d, const struct json *object, struct wire_frame *frame) {
    static const struct wire_field seq = {.name = "seq", .type = WIRE_T_UINT, .low = 0, .high = WIRE_INT_MAX};
    const struct json *n;
    if (!inner(d, object, "type", &n)) return false;
    if (!n || n->type != JSON_STRING) return decode_fail(d, WIRE_F_NO_TYPE, "type: a string must name the frame");
    for (frame->kind = 0; frame->kind < WIRE_KINDS; frame->kind++)
        if (strcmp(n->text, wire_kind_name(frame->kind)) == 0) break;
    if (frame->kind == WIRE_KINDS) return decode_fail(d, WIRE_F_UNKNOWN_TYPE, "type: there is no frame %.64s", n->text);
    if (frame->kind != WIRE_METRICS && !check_deferred(d, object)) return false;
    int64_t whole = 0;
    if (frame->kind != WIRE_ACK) {
        if (!inner(d, object, "seq", &n) || (n && !take_whole(d, &seq, n, &whole))) return false;
        frame->seq = (uint64_t)whole;
    }
    return take_fields(d, object, frame);
}

static bool decode_line(struct decoder *d, const char *line, size_t size, struct wire_frame *frame) {
    struct json_reader reader = {.at = line, .end = line + size, .arena = d->arena, .defer = "rows"};
    const struct json *object = json_read(&reader);
    if (!object)
        return decode_fail(d, WIRE_F_NOT_JSON, "%s at byte %zu",
                           reader.no_memory ? "out of memory"
                           : reader.error   ? reader.error
                                            : "no JSON value",
                           (size_t)(reader.at - line));
    if (object->type != JSON_OBJECT) return decode_fail(d, WIRE_F_NOT_OBJECT, "a frame is a JSON object");
    return take_frame(d, object, frame);
}

int wire_decode(const char *line, size_t size, struct wire_frame *ret_frame, struct wire_fault *ret_fault) {
    struct decoder d = {.fault = ret_fault};
    if (size >= WIRE_FRAME_MAX) {
        decode_fail(&d, WIRE_F_TOO_LONG, "a line has at most %d bytes with its newline", WIRE_FRAME_MAX);
        return -1;
    }
    if (!utf8_valid(line, size)) {
        decode_fail(&d, WIRE_F_NOT_UTF8, "a line must be UTF-8");
        return -1;
    }
    d.arena = wire_arena_create(size + 2048);
    if (!d.arena) {
        decode_fail(&d, WIRE_F_NOT_JSON, "out of memory");
        return -1;
    }
    struct wire_frame frame = {0};
    if (!decode_line(&d, line, size, &frame)) {
        wire_arena_free(d.arena);
        return -1;
    }
    frame.arena = d.arena;
    *ret_frame = frame;
    return 0;
}

void wire_frame_clear(struct wire_frame *frame) {
    wire_arena_free(frame->arena);
    *frame = (struct wire_frame){0};
}
