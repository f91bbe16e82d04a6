/*
 * statements.h: every SQL statement of the store, by name; db.c prepares each once, when it is first used.
 *
 * Queries that a person waits for walk an index and touch only what they give back (tests/unit/store checks the plans).
 */
#ifndef TRAINBOT_STORE_STATEMENTS_H
#define TRAINBOT_STORE_STATEMENTS_H

/* hello comes last: it lies in a table of its own, since it is large and rarely changes. */
#define RUN_SELECT                                                                                                     \
    "SELECT run.id, instance, name, trainer, state, step, total_steps, batch, ack, created_ms, started_ms, ended_ms, " \
    "exit_code, exit_signal, pid, host, checkpoint, checkpoint_step, checkpoint_bytes, from_run, started_by, params, " \
    "metrics, extra, hello.text FROM run LEFT JOIN hello ON hello.run = run.id "
#define MESSAGE_COLUMNS                                                                                                \
    "id, rev, channel, chat, sender, class, state, text, image, run, key, service_id, buttons, created_ms, "           \
    "next_try_ms, sent_ms, attempts"
#define MESSAGE_SELECT "SELECT " MESSAGE_COLUMNS " FROM message "
#define MESSAGE_INSERT_SQL                                                                                             \
    "INSERT INTO message(rev, channel, chat, sender, class, state, text, image, run, key, service_id, buttons, "       \
    "created_ms, next_try_ms, sent_ms, attempts) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"

/* The literals of class and state are those of enum message_class and enum message_state; partial indexes need them
 * written out. store.c asserts that they agree. */
#define STORE_STATEMENTS(X)                                                                                            \
    X(RUN_INSERT,                                                                                                      \
      "INSERT INTO run(instance, name, trainer, state, step, total_steps, batch, ack, created_ms, started_ms, "        \
      "ended_ms, exit_code, exit_signal, pid, host, checkpoint, checkpoint_step, checkpoint_bytes, from_run, "         \
      "started_by, params, metrics, extra) VALUES(?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)")                     \
    X(RUN_UPDATE,                                                                                                      \
      "UPDATE run SET instance=?, name=?, trainer=?, state=?, step=?, total_steps=?, batch=?, ack=?, created_ms=?, "   \
      "started_ms=?, ended_ms=?, exit_code=?, exit_signal=?, pid=?, host=?, checkpoint=?, checkpoint_step=?, "         \
      "checkpoint_bytes=?, from_run=?, started_by=?, params=?, metrics=?, extra=? WHERE id=?")                         \
    X(RUN_ADVANCE, "UPDATE run SET ack=?, step=? WHERE id=?")                                                          \
    X(RUN_HELLO, "INSERT INTO hello(run, text) VALUES(?,?) ON CONFLICT(run) DO UPDATE SET text=excluded.text")         \
    X(RUN_LIST, RUN_SELECT "WHERE run.id < ? ORDER BY run.id DESC LIMIT ?")                                            \
    X(RUN_BY_ID, RUN_SELECT "WHERE run.id = ?")                                                                        \
    X(RUN_BY_INSTANCE, RUN_SELECT "WHERE instance = ? AND instance <> '' ORDER BY run.id DESC LIMIT 1")                \
    X(RUN_EXISTS, "SELECT 1 FROM run WHERE id=?")                                                                      \
    X(RUN_DELETE, "DELETE FROM run WHERE id=?")                                                                        \
    X(HELLO_DELETE, "DELETE FROM hello WHERE run=?")                                                                   \
    X(EVENTS_DELETE, "DELETE FROM event WHERE run=?")                                                                  \
    X(CHANGES_DELETE, "DELETE FROM param_change WHERE run=?")                                                          \
    X(RESULTS_DELETE, "DELETE FROM result WHERE run=?")                                                                \
    X(MESSAGES_FORGET_IMAGE,                                                                                           \
      "UPDATE message SET image=0 WHERE image<>0 AND image IN (SELECT id FROM image WHERE run=?)")                     \
    X(MESSAGES_FORGET_RUN, "UPDATE message SET image=0, run=0 WHERE run<>0 AND run=?")                                 \
    X(IMAGES_DELETE, "DELETE FROM image WHERE run=?")                                                                  \
    X(SERIES_INSERT, "INSERT INTO series(run, slot, progress, name) VALUES(?,?,?,?)")                                  \
    X(SERIES_LIST, "SELECT slot, progress, name FROM series WHERE run=? ORDER BY slot")                                \
    X(SERIES_DELETE, "DELETE FROM series WHERE run=?")                                                                 \
    X(TAIL_INSERT, "INSERT INTO tail(id, rows, data) VALUES(?,?,?)")                                                   \
    X(TAIL_STATE, "SELECT coalesce(max(id)+1, 0), coalesce(sum(rows), 0) FROM tail WHERE id BETWEEN ? AND ?")          \
    X(TAIL_READ, "SELECT data FROM tail WHERE id BETWEEN ? AND ? ORDER BY id")                                         \
    X(TAIL_DELETE, "DELETE FROM tail WHERE id BETWEEN ? AND ?")                                                        \
    X(CHUNK_INSERT, "INSERT INTO chunk(run, first_step, last_step, rows, steps, times, epochs) VALUES(?,?,?,?,?,?,?)") \
    X(CHUNK_LIST, "SELECT id, first_step, last_step, rows FROM chunk WHERE run=? AND last_step>=? ORDER BY last_step") \
    X(CHUNK_READ, "SELECT steps, times, epochs FROM chunk WHERE id=?")                                                 \
    X(CHUNK_STEPS, "SELECT steps FROM chunk WHERE id=?")                                                               \
    X(CHUNK_DELETE, "DELETE FROM chunk WHERE id=?")                                                                    \
    X(PART_INSERT, "INSERT INTO part(id, data) VALUES(?,?)")                                                           \
    X(PART_READ, "SELECT id, data FROM part WHERE id BETWEEN ? AND ? ORDER BY id")                                     \
    X(PART_DELETE, "DELETE FROM part WHERE id BETWEEN ? AND ?")                                                        \
    X(PYRAMID_INSERT, "INSERT INTO pyramid(id, own, collided) VALUES(?,?,?)")                                          \
    X(PYRAMID_OWN, "SELECT own FROM pyramid WHERE id=?")                                                               \
    X(PYRAMID_COLLIDED, "SELECT collided FROM pyramid WHERE id=?")                                                     \
    X(PYRAMID_HAS_COLLIDED, "SELECT length(collided) FROM pyramid WHERE id=?")                                         \
    X(PYRAMID_DELETE, "DELETE FROM pyramid WHERE id BETWEEN ? AND ?")                                                  \
    X(EVENT_INSERT, "INSERT INTO event(run, t_ms, step, kind, text) VALUES(?,?,?,?,?)")                                \
    X(EVENT_LIST, "SELECT id, run, t_ms, step, kind, text FROM event WHERE run=? ORDER BY id")                         \
    X(CHANGE_INSERT,                                                                                                   \
      "INSERT INTO param_change(run, t_ms, step, name, old_value, new_value, author) VALUES(?,?,?,?,?,?,?)")           \
    X(CHANGE_LIST,                                                                                                     \
      "SELECT run, t_ms, step, name, old_value, new_value, author FROM param_change WHERE run=? ORDER BY id")          \
    X(RESULT_INSERT, "INSERT INTO result(run, t_ms, step, command, text, image) VALUES(?,?,?,?,?,?)")                  \
    X(RESULT_LIST,                                                                                                     \
      "SELECT id, run, t_ms, step, command, text, image FROM result WHERE run=? ORDER BY id DESC LIMIT ?")             \
    X(RESULT_LIST_ALL, "SELECT id, run, t_ms, step, command, text, image FROM result ORDER BY id DESC LIMIT ?")        \
    X(IMAGE_INSERT, "INSERT INTO image(run, t_ms, title, mime, path) VALUES(?,?,?,?,?)")                               \
    X(IMAGE_BY_ID, "SELECT id, run, t_ms, title, mime, path FROM image WHERE id=?")                                    \
    X(MESSAGE_REV, "SELECT max(rev) FROM message")                                                                     \
    X(MESSAGE_INSERT, MESSAGE_INSERT_SQL)                                                                              \
    X(MESSAGE_RECEIVE,                                                                                                 \
      MESSAGE_INSERT_SQL " ON CONFLICT(channel, service_id) WHERE class = 0 AND service_id <> '' DO NOTHING")          \
    X(MESSAGE_CHANGE, "UPDATE message SET rev=?, text=?, image=?, buttons=?, state=? WHERE id=?")                      \
    X(MESSAGE_STATE, "UPDATE message SET state=?, service_id=?, next_try_ms=?, sent_ms=?, attempts=? WHERE id=?")      \
    X(MESSAGE_STATE_REV,                                                                                               \
      "UPDATE message SET state=?, service_id=?, next_try_ms=?, sent_ms=?, attempts=?, rev=? WHERE id=?")              \
    X(MESSAGE_OPEN,                                                                                                    \
      MESSAGE_SELECT "INDEXED BY message_open WHERE class <> 0 AND state <= 1 AND channel = ? ORDER BY id")            \
    X(MESSAGE_OPEN_ALL, MESSAGE_SELECT "INDEXED BY message_open WHERE class <> 0 AND state <= 1 ORDER BY id")          \
    X(MESSAGE_WAITING,                                                                                                 \
      MESSAGE_SELECT "INDEXED BY message_open WHERE class <> 0 AND state <= 1 AND channel = ? AND chat = ? AND id > ? " \
                     "ORDER BY id LIMIT ?")                                                                            \
    X(MESSAGE_UNHANDLED, MESSAGE_SELECT "INDEXED BY message_new WHERE class = 0 AND state = 6 ORDER BY id")            \
    X(MESSAGE_HISTORY, "SELECT * FROM (" MESSAGE_SELECT                                                                \
                       "WHERE channel=? AND chat=? AND rev>? AND state<>4 ORDER BY rev DESC LIMIT ?) ORDER BY rev")    \
    X(MESSAGE_BY_KEY,                                                                                                  \
      MESSAGE_SELECT "WHERE channel=? AND chat=? AND key=? AND key<>'' AND state<>4 ORDER BY id DESC LIMIT 1")         \
    X(PAIR_SET, "INSERT INTO pair(key, value) VALUES(?,?) ON CONFLICT(key) DO UPDATE SET value=excluded.value")        \
    X(PAIR_DELETE, "DELETE FROM pair WHERE key=?")                                                                     \
    X(PAIR_GET, "SELECT value FROM pair WHERE key=?")                                                                  \
    X(PAIR_LIST, "SELECT key, value FROM pair WHERE key>=? ORDER BY key")                                              \
    X(AUDIT_INSERT, "INSERT INTO audit(t_ms, who, what, outcome, run) VALUES(?,?,?,?,?)")                              \
    X(AUDIT_LIST, "SELECT t_ms, who, what, outcome, run FROM audit ORDER BY id DESC LIMIT ?")

enum statement {
#define X(name, sql) name,
    STORE_STATEMENTS(X)
#undef X
        STATEMENTS
};

#endif
