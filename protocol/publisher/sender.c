/*
 * sender.c: the sender thread: ring and messages → numbered frames → backlog → socket, and what comes back → controls.
 * It alone gives out sequence numbers and touches socket and spool. It never waits for the bot; it sleeps in one poll
 * whose length pace.h chooses, and ends within CLOSE_NS of being told to.
 */
#include "backlog.h"
#include "batch.h"
#include "link.h"
#include "pace.h"
#include "run.h"
#include "sha256.h"

#include <math.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define MS INT64_C(1000000)
#define HEARTBEAT_NS (5000 * MS)
#define WELCOME_NS (5000 * MS) /* without a welcome for so long, the connection is tried anew */
#define STUCK_NS (100 * MS)    /* frames that nobody takes for so long go to the disk */
#define CLOSE_NS (1500 * MS)
#define FAULTS_MAX 100 /* bad lines on one connection, then it is given up */

struct sender {
    struct tb_run *run;
    char *socket;
    struct link link;
    struct backlog backlog;
    struct batch batch;
    struct pace pace;
    struct wire_buf buf;
    char *spool_hello; /* first line of the spool; made when first needed */
    int64_t now_ns, heartbeat_ns, close_ns;
    int64_t step, step_ns; /* last step seen, and when */
    int64_t t_ms;          /* of the last frame */
    bool cut_told;
    /* thinning: rows left out while the spool is nearly full */
    uint64_t rows_seen;
    int thin_level;
    int64_t thin_from, thin_to, thin_rows;
    union { /* the newest progress row among them: the end of a stretch, and of the training, stays known */
        struct ring_row row;
        unsigned char bytes[sizeof(struct ring_row) + TB_VALUES_MAX * sizeof(struct tb_value)];
    } kept;
    bool has_kept;
};

struct sender *sender_create(struct tb_run *run, const char *socket_path, char *spool_path, uint64_t spool_max) {
    struct sender *s = calloc(1, sizeof *s);
    if (s) s->socket = strdup(socket_path);
    if (!s || !s->socket) {
        free(s);
        free(spool_path);
        return NULL;
    }
    uint64_t random = strtoull(run->instance + 16, NULL, 16);
    s->run = run;
    link_init(&s->link, s->socket, random);
    backlog_init(&s->backlog, spool_path, spool_max);
    s->backlog.last_seq = 1; /* hello */
    return s;
}

void sender_free(struct sender *s) {
    if (!s) return;
    link_release(&s->link);
    backlog_release(&s->backlog);
    wire_buf_release(&s->buf);
    free(s->spool_hello);
    free(s->socket);
    free(s);
}

void sender_close_in_child(struct sender *s) {
    if (s->link.fd >= 0) close(s->link.fd);
    if (s->backlog.spool.fd >= 0) close(s->backlog.spool.fd);
    close(s->run->wake_fd);
}

static int64_t clock_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- frames out ---- */

/* The hello with the first unacknowledged frame; caller frees. */
static char *make_hello(struct sender *s, size_t *ret_size) {
    char *line = NULL;
    pthread_mutex_lock(&s->run->lock);
    int n = asprintf(&line, "%.*s,\"next_seq\":%llu}\n", (int)s->run->hello_size, s->run->hello,
                     (unsigned long long)s->backlog.acked + 1);
    pthread_mutex_unlock(&s->run->lock);
    if (n < 0) return NULL;
    *ret_size = (size_t)n;
    return line;
}

static void need_spool_hello(struct sender *s) {
    size_t size;
    if (s->spool_hello || !(s->spool_hello = make_hello(s, &size))) return;
    backlog_set_hello(&s->backlog, s->spool_hello, size);
}

static void add_line(struct sender *s, const char *line, size_t size, uint64_t seq) {
    char *copy = malloc(size);
    if (!copy) return;
    memcpy(copy, line, size);
    need_spool_hello(s);
    backlog_add(&s->backlog, copy, size, seq);
}

/* A line that has no seq yet: it is put behind the type, where the encoder has it too. */
static void number_line(struct sender *s, enum wire_kind kind, const char *line, size_t size) {
    uint64_t seq = s->backlog.last_seq + 1;
    size_t head = strlen("{\"type\":\"\"") + strlen(wire_kind_name(kind));
    char *numbered = NULL;
    int n = asprintf(&numbered, "%.*s,\"seq\":%llu%.*s", (int)head, line, (unsigned long long)seq, (int)(size - head),
                     line + head);
    if (n < 0) return;
    need_spool_hello(s);
    backlog_add(&s->backlog, numbered, (size_t)n, seq);
}

static void add_frame(struct sender *s, struct wire_frame *frame) {
    s->buf.size = 0;
    frame->seq = s->backlog.last_seq + 1;
    if (wire_encode(frame, &s->buf) == 0) add_line(s, s->buf.bytes, s->buf.size, frame->seq);
}

static void add_gap(struct sender *s, int64_t from, int64_t to, int64_t rows) {
    struct wire_frame frame = {.kind = WIRE_EVENT};
    frame.u.event = (struct wire_event){
        .kind = WIRE_EV_GAP, .step = to, .t_ms = s->t_ms, .from_step = from, .to_step = to, .dropped = rows};
    add_frame(s, &frame);
}

static void flush_batch(struct sender *s) {
    struct wire_rows rows = batch_rows(&s->batch);
    for (size_t done = 0; done < rows.rows_count;) {
        uint64_t seq = s->backlog.last_seq + 1;
        s->buf.size = 0;
        int n = wire_encode_rows(seq, &rows, done, &s->buf);
        if (n <= 0) break;
        add_line(s, s->buf.bytes, s->buf.size, seq);
        done += (size_t)n;
    }
    batch_clear(&s->batch);
}

static void add_progress(struct sender *s) {
    struct wire_rows rows = batch_rows(&s->batch);
    struct wire_frame frame = {.kind = WIRE_PROGRESS, .u.progress = rows};
    add_frame(s, &frame);
    batch_clear(&s->batch);
}

static void end_thinning(struct sender *s) {
    if (!s->thin_rows) return;
    flush_batch(s);
    if (s->has_kept && batch_add(&s->batch, &s->kept.row)) {
        add_progress(s);
        s->thin_rows--;
    }
    s->has_kept = false;
    if (s->thin_rows) add_gap(s, s->thin_from, s->thin_to, s->thin_rows);
    s->thin_rows = 0;
}

/* 0: every row is kept; n: one of 2^n; past the bound: none. The last quarter of the room is halved again and again. */
static int thin_level(const struct sender *s) {
    size_t pending = s->batch.rows_count * (32 + 20 * s->batch.cols_count); /* about what the batch will take */
    double left = (1 - backlog_fullness(&s->backlog, pending)) / 0.25;
    if (left >= 1) return 0;
    if (left <= 0) return 64;
    return 1 + (int)floor(-log2(left));
}

static bool thinned(struct sender *s, const struct ring_row *row) {
    int level = thin_level(s);
    if (level != s->thin_level) end_thinning(s); /* a gap for each level: it names the stretch with one density */
    s->thin_level = level;
    s->rows_seen++;
    if (level == 0 || (level < 64 && s->rows_seen % (UINT64_C(1) << level) == 0)) return false;
    if (s->thin_rows++ == 0) s->thin_from = row->step;
    s->thin_to = row->step;
    if (row->kind == RING_PROGRESS) {
        memcpy(s->kept.bytes, row, sizeof *row + row->count * sizeof *row->values);
        s->has_kept = true;
    }
    return true;
}

static void tell_cut(struct sender *s, const struct ring_row *row) {
    struct wire_frame frame = {.kind = WIRE_EVENT};
    if (s->cut_told) return;
    s->cut_told = true;
    frame.u.event = (struct wire_event){.kind = WIRE_EV_NOTE,
                                        .step = row->step,
                                        .t_ms = row->t_ms,
                                        .text = "a row has more than 16 values; the others are left out"};
    add_frame(s, &frame);
}

static void take_row(struct sender *s, const struct ring_row *row) {
    if (row->kind == RING_GAP) {
        flush_batch(s);
        add_gap(s, row->step, row->t_ms, (int64_t)row->epoch);
        return;
    }
    s->t_ms = row->t_ms;
    if (thinned(s, row)) return;
    if (row->kind == RING_PROGRESS) flush_batch(s);
    if (!batch_add(&s->batch, row)) {
        flush_batch(s);
        batch_add(&s->batch, row);
    }
    if (row->kind == RING_PROGRESS) add_progress(s);
    if (row->cut) tell_cut(s, row);
}

/* ---- messages ---- */

static void add_image(struct sender *s, struct message *m) {
    char sha256[65];
    struct wire_frame frame = {.kind = WIRE_IMAGE};
    if (backlog_fullness(&s->backlog, m->size) >= 1) return; /* pictures are let go as a whole */
    sha256_hex(m->bytes, m->size, sha256);
    frame.u.image.id = m->id;
    frame.u.image.title = m->title;
    frame.u.image.mime = m->mime;
    frame.u.image.size = (int64_t)m->size;
    frame.u.image.sha256 = sha256;
    add_frame(s, &frame);
    for (size_t at = 0; at < m->size; at += WIRE_CHUNK_MAX) {
        struct wire_frame chunk = {.kind = WIRE_CHUNK};
        chunk.u.chunk.id = m->id;
        chunk.u.chunk.offset = (int64_t)at;
        chunk.u.chunk.data = (const uint8_t *)m->bytes + at;
        chunk.u.chunk.size = m->size - at < WIRE_CHUNK_MAX ? m->size - at : WIRE_CHUNK_MAX;
        add_frame(s, &chunk);
    }
}

static struct message *next_message(struct sender *s) {
    struct tb_run *run = s->run;
    if (!atomic_load_explicit(&run->has_messages, memory_order_acquire)) return NULL;
    pthread_mutex_lock(&run->lock);
    struct message *m = run->messages;
    if (m) {
        run->messages = m->next;
        run->messages_bytes -= m->size;
    }
    if (!run->messages) {
        run->messages_tail = &run->messages;
        atomic_store_explicit(&run->has_messages, false, memory_order_relaxed);
    }
    pthread_mutex_unlock(&run->lock);
    return m;
}

/* Rows before `until` → frames. true: there were some. */
static bool take_rows(struct sender *s, uint64_t until) {
    bool any = false;
    for (const struct ring_row *row; (row = ring_peek(&s->run->ring, until)); any = true) {
        take_row(s, row);
        ring_pop(&s->run->ring, row);
    }
    return any;
}

/* Everything that waits, in the order in which it was said. true: there were rows. */
static bool drain(struct sender *s) {
    bool rows = false;
    for (struct message *m; (m = next_message(s));) {
        rows |= take_rows(s, m->after);
        flush_batch(s);
        if (m->kind == WIRE_IMAGE)
            add_image(s, m);
        else
            number_line(s, m->kind, m->bytes, m->size);
        message_free(m);
    }
    rows |= take_rows(s, ring_published(&s->run->ring));
    flush_batch(s);
    return rows;
}

/* ---- lines in ---- */

static void express(struct sender *s, struct wire_frame *frame) {
    if (s->link.express.size - s->link.express_sent > 4096)
        return; /* a peer that reads nothing gets no more of these */
    if (wire_encode(frame, &s->link.express) < 0) return;
}

static void refuse_line(struct sender *s, const char *code, const char *why) {
    struct wire_frame frame = {.kind = WIRE_ERROR};
    frame.u.error.code = code;
    frame.u.error.why = why;
    s->link.faults++;
    express(s, &frame);
}

static const char *control_id(const struct wire_frame *f) {
    switch (f->kind) {
    case WIRE_SET:
        return f->u.set.id;
    case WIRE_STOP:
        return f->u.stop.id;
    case WIRE_PAUSE:
        return f->u.pause.id;
    case WIRE_RESUME:
        return f->u.resume.id;
    case WIRE_SAVE:
        return f->u.save.id;
    case WIRE_CALL:
        return f->u.call.id;
    default:
        return NULL;
    }
}

/* A place for a new id: a free one, else the oldest that is answered. NULL: all wait for their answers. */
static struct answer *answer_place(struct tb_run *run) {
    for (size_t i = 0; i < RUN_ANSWERS; i++) {
        struct answer *a = &run->answers[(run->answers_next + i) % RUN_ANSWERS];
        if (a->id && !a->line) continue;
        run->answers_next = (run->answers_next + i + 1) % RUN_ANSWERS;
        free(a->id);
        free(a->line);
        *a = (struct answer){0};
        return a;
    }
    return NULL;
}

static struct answer *answer_find(struct tb_run *run, const char *id) {
    for (size_t i = 0; i < RUN_ANSWERS; i++)
        if (run->answers[i].id && strcmp(run->answers[i].id, id) == 0) return &run->answers[i];
    return NULL;
}

/* Takes the frame, new or asked again. */
static void take_control(struct sender *s, struct wire_frame *frame, const char *id) {
    struct tb_run *run = s->run;
    struct wire_buf again = {0};
    enum wire_kind kind = WIRE_APPLIED;
    pthread_mutex_lock(&run->lock);
    struct answer *known = answer_find(run, id);
    if (known && known->line) {
        again = (struct wire_buf){.bytes = strndup(known->line, known->size), .size = known->size};
        kind = known->kind;
    } else if (!known) {
        struct control *control = malloc(sizeof *control);
        struct answer *place = control ? answer_place(run) : NULL;
        if (place) place->id = strdup(id);
        if (place && place->id) {
            *control = (struct control){.frame = *frame};
            frame->arena = NULL; /* moved */
            *run->controls_tail = control;
            run->controls_tail = &control->next;
            atomic_store_explicit(&run->pending, true, memory_order_release);
            pthread_cond_broadcast(&run->changed);
        } else {
            free(control); /* unanswered, so the bot asks again */
        }
    }
    pthread_mutex_unlock(&run->lock);
    if (again.bytes) number_line(s, kind, again.bytes, again.size);
    free(again.bytes);
}

static void take_welcome(struct sender *s, struct wire_frame *frame) {
    struct tb_run *run = s->run;
    char *end;
    long long number = strtoll(frame->u.welcome.run, &end, 10);
    if (s->link.state != LINK_GREETED) return;
    backlog_ack(&s->backlog, frame->u.welcome.ack);
    backlog_rewind(&s->backlog);
    link_ready(&s->link, s->now_ns);
    s->heartbeat_ns = s->now_ns + HEARTBEAT_NS;
    pthread_mutex_lock(&run->lock);
    if (!*end && number > 0) atomic_store_explicit(&run->number, number, memory_order_relaxed);
    if (!run->welcomed && (run->welcome = malloc(sizeof *run->welcome))) {
        *run->welcome = *frame;
        frame->arena = NULL; /* moved */
        atomic_store_explicit(&run->pending, true, memory_order_release);
    }
    run->welcomed = true;
    pthread_cond_broadcast(&run->changed);
    pthread_mutex_unlock(&run->lock);
}

static bool on_line(void *user, const char *line, size_t size) {
    struct sender *s = user;
    struct wire_frame frame;
    struct wire_fault fault;
    if (!line) {
        refuse_line(s, "too_long", "a line has at most 65536 bytes");
        return s->link.faults < FAULTS_MAX;
    }
    if (wire_decode(line, size, &frame, &fault) < 0) {
        refuse_line(s, fault.code, fault.why);
        return s->link.faults < FAULTS_MAX;
    }
    const char *id = control_id(&frame);
    if (frame.kind == WIRE_WELCOME)
        take_welcome(s, &frame);
    else if (frame.kind == WIRE_ACK && s->link.state == LINK_READY)
        backlog_ack(&s->backlog, frame.u.ack.seq);
    else if (id)
        take_control(s, &frame, id);
    else if (frame.kind == WIRE_ERROR)
        s->link.faults++; /* never answered: two ends must not argue */
    if (frame.arena) wire_frame_clear(&frame);
    return s->link.faults < FAULTS_MAX;
}

/* ---- the link ---- */

static void greet(struct sender *s) {
    size_t size;
    char *hello = make_hello(s, &size);
    if (!hello) return;
    free(s->link.express.bytes);
    s->link.express = (struct wire_buf){.bytes = hello, .size = size, .room = size};
    s->link.express_sent = 0;
}

/* Unnumbered lines go out between frames only. Negative: the connection is gone. */
static int write_express(struct sender *s) {
    struct link *l = &s->link;
    if (l->express_sent == l->express.size) return 0;
    if (l->express_sent == 0 && l->state == LINK_READY && !backlog_between_frames(&s->backlog)) return 0;
    ssize_t n = link_write(l, l->express.bytes + l->express_sent, l->express.size - l->express_sent, s->now_ns);
    if (n < 0) return -1;
    l->express_sent += (size_t)n;
    if (l->express_sent < l->express.size) return 1;
    l->express.size = l->express_sent = 0;
    return 0;
}

static int write_frames(struct sender *s) {
    const char *bytes;
    s->link.blocked = false;
    for (;;) {
        int begun = write_express(s);
        if (begun != 0 || s->link.state != LINK_READY) return begun < 0 ? -1 : 0;
        size_t size = backlog_next(&s->backlog, &bytes);
        if (!size) {
            s->link.moved_ns = s->now_ns;
            return 0;
        }
        ssize_t n = link_write(&s->link, bytes, size, s->now_ns);
        if (n < 0) return -1;
        if (n > 0) backlog_sent(&s->backlog, (size_t)n);
        if ((size_t)n < size) return 0;
    }
}

static void heartbeat(struct sender *s) {
    struct wire_frame frame = {.kind = WIRE_HEARTBEAT};
    int64_t step = atomic_load_explicit(&s->run->step, memory_order_relaxed);
    if (step != s->step || !s->step_ns) {
        s->step = step;
        s->step_ns = s->now_ns;
    }
    if (s->link.state != LINK_READY || s->now_ns < s->heartbeat_ns) return;
    s->heartbeat_ns = s->now_ns + HEARTBEAT_NS;
    frame.u.heartbeat.step = step < 0 ? 0 : step;
    frame.u.heartbeat.since_step_ms = (s->now_ns - s->step_ns) / MS;
    if (!s->link.blocked) express(s, &frame);
}

/* Whether frames belong on the disk now: nobody is there, or somebody who takes nothing. */
static bool wants_disk(const struct sender *s) {
    switch (s->link.state) {
    case LINK_DOWN:
        return true;
    case LINK_GREETED:
        return s->now_ns - s->link.since_ns > STUCK_NS;
    case LINK_READY:
        return s->link.blocked && s->now_ns - s->link.moved_ns > STUCK_NS;
    }
    return true;
}

static void service_link(struct sender *s) {
    if (link_connect(&s->link, s->now_ns)) greet(s);
    heartbeat(s);
    if (s->link.fd >= 0) {
        bool gone = link_read(&s->link, on_line, s) < 0 || s->link.faults >= FAULTS_MAX;
        gone = gone || (link_writable(&s->link) && write_frames(s) < 0);
        gone = gone || (s->link.state == LINK_GREETED && s->now_ns - s->link.since_ns > WELCOME_NS);
        if (gone) link_drop(&s->link, s->now_ns);
    }
    need_spool_hello(s);
    backlog_to_disk(&s->backlog, wants_disk(s));
    if (s->thin_rows && thin_level(s) == 0) end_thinning(s);
}

/* ---- the loop ---- */

static int64_t sleep_ns(struct sender *s, bool closing) {
    int64_t ns = pace_sleep(&s->pace, s->now_ns), timer = s->heartbeat_ns - s->now_ns;
    if (s->link.state == LINK_DOWN) timer = s->link.retry_ns - s->now_ns;
    if (s->link.state == LINK_GREETED) timer = s->link.since_ns + WELCOME_NS - s->now_ns;
    if (s->link.blocked && ns > STUCK_NS / 2) ns = STUCK_NS / 2;
    if (closing && s->close_ns - s->now_ns < timer) timer = s->close_ns - s->now_ns;
    if (timer < ns) ns = timer;
    return ns < 0 ? 0 : ns;
}

static void sleep_a_little(struct sender *s, bool closing) {
    int64_t ns = sleep_ns(s, closing);
    struct timespec length = {ns / 1000000000, (long)(ns % 1000000000)};
    struct pollfd fds[2] = {{.fd = s->run->wake_fd, .events = POLLIN},
                            {.fd = s->link.fd, .events = (short)(POLLIN | (s->link.blocked ? POLLOUT : 0))}};
    uint64_t count;
    if (ppoll(fds, s->link.fd >= 0 ? 2 : 1, &length, NULL) > 0 && fds[0].revents) {
        ssize_t n = read(s->run->wake_fd, &count, sizeof count);
        (void)n;
    }
}

/* Closing: done when all is acknowledged, nobody is there to do it, or time is up. */
static bool may_end(const struct sender *s) {
    bool nobody = s->link.state == LINK_DOWN && s->link.refused;
    return backlog_empty(&s->backlog) || nobody || s->now_ns >= s->close_ns;
}

void *sender_main(void *user) {
    struct sender *s = user;
    prctl(PR_SET_NAME, "trainbot-sender");
    for (;;) {
        bool closing = atomic_load_explicit(&s->run->closing, memory_order_acquire);
        s->now_ns = clock_ns();
        if (closing && s->close_ns == 0) {
            s->close_ns = s->now_ns + CLOSE_NS;
            s->link.retry_ns = 0; /* one more try, should nobody be there */
        }
        pace_look(&s->pace, s->now_ns, drain(s));
        if (closing) end_thinning(s);
        service_link(s);
        if (closing && may_end(s)) break;
        sleep_a_little(s, closing);
    }
    if (backlog_empty(&s->backlog))
        spool_drop(&s->backlog.spool);
    else
        backlog_to_disk(&s->backlog, true);
    pthread_mutex_lock(&s->run->lock);
    s->run->ended = true;
    pthread_cond_broadcast(&s->run->changed);
    pthread_mutex_unlock(&s->run->lock);
    return NULL;
}
