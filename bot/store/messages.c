/*
 * messages.c: inbox, outbox and the conversation's history, one table.
 *
 * rev counts every insert and every change that a reader of the history must see, over all conversations; the highest
 * one is read once and then counted here.
 */
#include "db.h"

static int rev_next(struct store *store, int64_t *ret_rev) {
    int r = store_begin(store);
    if (r < 0) return r;
    if (store->rev < 0) {
        r = db_integer(&store->db, MESSAGE_REV, 0, &store->rev, "");
        if (r < 0) return store_fail(store, r);
    }
    *ret_rev = ++store->rev;
    return TB_OK;
}

int64_t store_last_rev(const struct store *store) {
    return store->rev > 0 ? store->rev : 0;
}

static int insert(struct store *store, enum statement id, const struct message_record *m, int64_t *ret_id) {
    int64_t rev = 0, changes = 0;
    int r = rev_next(store, &rev);
    if (r < 0) return r;
    r = store_write(store, id, &changes, "itttiitiitttiiii", rev, m->channel, m->chat, m->sender, (int64_t)m->class,
                    (int64_t)m->state, m->text, m->image, m->run, m->key, m->service_id, m->buttons, m->created_ms,
                    m->next_try_ms, m->sent_ms, m->attempts);
    if (r < 0) return r;
    if (changes == 0) return TB_EEXISTS;
    *ret_id = store_last_id(store);
    return TB_OK;
}

int store_message_insert(struct store *store, const struct message_record *message, int64_t *ret_id) {
    return insert(store, MESSAGE_INSERT, message, ret_id);
}

int store_message_receive(struct store *store, const struct message_record *message, int64_t *ret_id) {
    if (message->class != MESSAGE_INBOUND) return TB_EINVAL;
    return insert(store, MESSAGE_RECEIVE, message, ret_id);
}

static int found(int r, int64_t changes) {
    if (r < 0) return r;
    return changes ? TB_OK : TB_ENOTFOUND;
}

int store_message_change(struct store *store, const struct message_record *message) {
    int64_t rev = 0, changes = 0;
    int r = rev_next(store, &rev);
    if (r < 0) return r;
    r = store_write(store, MESSAGE_CHANGE, &changes, "ititii", rev, message->text, message->image, message->buttons,
                    (int64_t)message->state, message->id);
    return found(r, changes);
}

int store_message_state(struct store *store, const struct message_record *message, bool bump) {
    int64_t rev = 0, changes = 0;
    if (!bump) {
        int r = store_write(store, MESSAGE_STATE, &changes, "itiiii", (int64_t)message->state, message->service_id,
                            message->next_try_ms, message->sent_ms, message->attempts, message->id);
        return found(r, changes);
    }
    int r = rev_next(store, &rev);
    if (r < 0) return r;
    r = store_write(store, MESSAGE_STATE_REV, &changes, "itiiiii", (int64_t)message->state, message->service_id,
                    message->next_try_ms, message->sent_ms, message->attempts, rev, message->id);
    return found(r, changes);
}

struct message_reading {
    store_message_cb *cb;
    void *user;
};

static bool message_row(void *user, sqlite3_stmt *row) {
    const struct message_reading *reading = user;
    struct message_record message = {
        .id = sqlite3_column_int64(row, 0),
        .rev = sqlite3_column_int64(row, 1),
        .channel = column_string(row, 2),
        .chat = column_string(row, 3),
        .sender = column_string(row, 4),
        .class = (enum message_class)sqlite3_column_int(row, 5),
        .state = (enum message_state)sqlite3_column_int(row, 6),
        .text = column_string(row, 7),
        .image = sqlite3_column_int64(row, 8),
        .run = sqlite3_column_int64(row, 9),
        .key = column_string(row, 10),
        .service_id = column_string(row, 11),
        .buttons = column_string(row, 12),
        .created_ms = sqlite3_column_int64(row, 13),
        .next_try_ms = sqlite3_column_int64(row, 14),
        .sent_ms = sqlite3_column_int64(row, 15),
        .attempts = sqlite3_column_int64(row, 16),
    };
    return reading->cb(reading->user, &message);
}

static int done(int64_t n) {
    return n < 0 ? (int)n : TB_OK;
}

int store_messages_open(struct store *store, const char *channel, store_message_cb *cb, void *user) {
    struct message_reading reading = {cb, user};
    if (!channel) return done(db_query(&store->db, MESSAGE_OPEN_ALL, message_row, &reading, ""));
    return done(db_query(&store->db, MESSAGE_OPEN, message_row, &reading, "t", channel));
}

int store_messages_waiting(struct store *store, const char *channel, const char *chat, int64_t after_id, int64_t limit,
                           store_message_cb *cb, void *user) {
    struct message_reading reading = {cb, user};
    return done(db_query(&store->db, MESSAGE_WAITING, message_row, &reading, "ttii", channel, chat, after_id,
                         limit > 0 ? limit : (int64_t)-1));
}

int store_messages_unhandled(struct store *store, store_message_cb *cb, void *user) {
    struct message_reading reading = {cb, user};
    return done(db_query(&store->db, MESSAGE_UNHANDLED, message_row, &reading, ""));
}

int store_history(struct store *store, const char *channel, const char *chat, int64_t after_rev, int64_t limit,
                  store_message_cb *cb, void *user) {
    struct message_reading reading = {cb, user};
    return done(db_query(&store->db, MESSAGE_HISTORY, message_row, &reading, "ttii", channel, chat, after_rev,
                         limit > 0 ? limit : (int64_t)-1));
}

int store_message_by_key(struct store *store, const char *channel, const char *chat, const char *key,
                         store_message_cb *cb, void *user) {
    struct message_reading reading = {cb, user};
    int64_t n = db_query(&store->db, MESSAGE_BY_KEY, message_row, &reading, "ttt", channel, chat, key);
    return n == 0 ? TB_ENOTFOUND : done(n);
}
