/*
 * api_metrics.c: /metrics in Prometheus' text format: what an operator watches. Numbers are taken when asked for;
 * nothing is kept for it.
 */
#include "http_internal.h"
#include "outbox.h"
#include "runs.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void line(struct json_out *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void line(struct json_out *out, const char *format, ...) {
    char text[400];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    json_raw(out, text, (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1);
}

static void one(struct json_out *out, const char *name, const char *type, const char *help, double value) {
    char number[40];
    wire_format_double(value, number, sizeof(number));
    line(out, "# HELP %s %s\n# TYPE %s %s\n%s %s\n", name, help, name, type, name, number);
}

static int64_t resident_bytes(void) {
    FILE *file = fopen("/proc/self/statm", "re");
    long long total = 0, resident = 0;
    bool ok = file && fscanf(file, "%lld %lld", &total, &resident) == 2;
    if (file) fclose(file);
    return ok ? resident * sysconf(_SC_PAGESIZE) : 0;
}

static bool count_state(void *user, const struct run_record *record) {
    int64_t *states = user;
    int state = run_state_parse(record->state);
    if (state >= 0 && state < RUN_STATES) states[state]++;
    return true;
}

static void put_runs(struct json_out *out, struct bot *bot) {
    int64_t states[RUN_STATES] = {0}, attached = 0;
    if (store_runs(bot->ports.store, 0, INT64_MAX, count_state, states) < 0) memset(states, 0, sizeof(states));
    for (const struct run *run = runs_first(bot); run; run = run->next)
        attached += run->conn != NULL;
    line(out, "# HELP trainbot_runs Runs by state.\n# TYPE trainbot_runs gauge\n");
    for (int i = 0; i < RUN_STATES; i++)
        line(out, "trainbot_runs{state=\"%s\"} %lld\n", run_state_name((enum run_state)i), (long long)states[i]);
    one(out, "trainbot_trainers_attached", "gauge", "Trainers connected now.", (double)attached);
}

static void put_messages(struct json_out *out, struct bot *bot) {
    line(out, "# HELP trainbot_messages Outgoing messages by channel and what became of them.\n"
              "# TYPE trainbot_messages gauge\n");
    for (const struct channel *channel = bot->channels; channel; channel = channel->next) {
        const char *name = channel->ops->name;
        struct outbox_count count = outbox_count(bot, name);
        line(out, "trainbot_messages{channel=\"%s\",state=\"queued\"} %lld\n", name, (long long)count.queued);
        line(out, "trainbot_messages{channel=\"%s\",state=\"sending\"} %lld\n", name, (long long)count.sending);
        line(out, "trainbot_messages{channel=\"%s\",state=\"sent\"} %lld\n", name, (long long)count.sent);
        line(out, "trainbot_messages{channel=\"%s\",state=\"failed\"} %lld\n", name, (long long)count.failed);
        line(out, "trainbot_messages{channel=\"%s\",state=\"retried\"} %lld\n", name, (long long)count.retried);
    }
}

void api_metrics(struct http_request *request) {
    struct http_server *server = request->server;
    struct bot *bot = http_bot(server);
    struct json_out out = {0};
    struct http_counts counts = http_server_counts(server);
    line(&out, "# HELP trainbot_info The program.\n# TYPE trainbot_info gauge\ntrainbot_info{version=\"%s\"} 1\n",
         TRAINBOT_VERSION);
    put_runs(&out, bot);
    put_messages(&out, bot);
    one(&out, "trainbot_rows_total", "counter", "Rows taken from trainers since the start.", (double)counts.rows);
    one(&out, "trainbot_values_total", "counter", "Metric values taken since the start.", (double)counts.values);
    one(&out, "trainbot_http_requests_total", "counter", "HTTP requests.", (double)counts.requests);
    one(&out, "trainbot_http_refused_total", "counter", "Wrong tokens, hosts and origins.", (double)counts.refused);
    one(&out, "trainbot_pages", "gauge", "Pages connected now.", (double)counts.pages);
    one(&out, "trainbot_remote_trainers", "gauge", "Trainers connected over /trainer now.", (double)counts.trainers);
    one(&out, "trainbot_live_dropped_total", "counter", "Live packets left out for slow pages.",
        (double)counts.dropped);
    one(&out, "trainbot_store_ok", "gauge", "1 while the database can be written.", bot->store_status == TB_OK);
    one(&out, "trainbot_uptime_seconds", "gauge", "Since the start.",
        (double)(http_mono_ms(server) - bot->started_mono_ms) / 1000.0);
    one(&out, "process_resident_memory_bytes", "gauge", "Resident memory.", (double)resident_bytes());
    size_t size = 0;
    char *bytes = json_out_take(&out, &size);
    if (bytes)
        http_reply(request, 200, "text/plain; version=0.0.4; charset=utf-8", bytes, size);
    else
        http_error(request, 500, "out of memory");
}
