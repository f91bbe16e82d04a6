/* digest.c: see digest.h. */
#include "digest.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const double milestones[] = {10, 25, 50, 75};
#define MILESTONES ((int64_t)(sizeof milestones / sizeof *milestones))

static double value_of(const struct run_metric *metric) {
    return metric ? metric->value : NAN;
}

struct digest_figures digest_figures(const struct run *run, int64_t now_ms) {
    const struct run_param *lr = run_param(run, "lr");
    double percent = run->total_steps > 0 ? 100 * (double)run->step / (double)run->total_steps : -1;
    return (struct digest_figures){.t_ms = now_ms,
                                   .step = run->step,
                                   .percent = percent > 100 ? 100 : percent,
                                   .accuracy = value_of(run_accuracy(run)),
                                   .loss = value_of(run_loss(run)),
                                   .lr = lr ? lr->number : NAN};
}

static int64_t passed(double percent) {
    int64_t count = 0;
    while (count < MILESTONES && percent >= milestones[count])
        count++;
    return count;
}

void digest_begin(struct digest *digest, const struct digest_figures *figures, bool goes_on) {
    digest->from = digest->written = *figures;
    digest->best = NAN;
    digest->alerts = digest->alerts_written = 0;
    digest->reached = goes_on || figures->percent >= milestones[1] ? passed(figures->percent) : 0;
    digest->since_ms = figures->t_ms;
    digest->gap_ms = DIGEST_FIRST_GAP_MS;
    digest->waits = digest->window = false;
}

bool digest_best(struct digest *digest, const struct run *run) {
    const struct run_metric *metric = run_accuracy(run);
    bool smaller = !metric;
    if (!metric) metric = run_loss(run);
    if (!metric || !isfinite(metric->value)) return false;
    double value = metric->value;
    bool better = !isfinite(digest->best) || (smaller ? value < digest->best : value > digest->best);
    if (better) digest->best = value;
    return better;
}

static bool due_by_time(struct digest *digest, const struct digest_figures *now, int64_t gap_ms) {
    if (now->t_ms >= digest->since_ms && now->t_ms - digest->since_ms < gap_ms) return false;
    digest->since_ms = now->t_ms;
    return now->step != digest->from.step; /* else it would say nothing */
}

bool digest_due(struct digest *digest, const struct digest_figures *now, int64_t every_ms) {
    if (every_ms > 0) return due_by_time(digest, now, every_ms);
    if (now->percent < 0) {
        if (!due_by_time(digest, now, digest->gap_ms)) return false;
        digest->gap_ms *= 2;
        return true;
    }
    int64_t reached = passed(now->percent);
    if (reached <= digest->reached || now->percent >= 100) return false; /* the end has a message of its own */
    digest->reached = reached;
    return true;
}

int64_t digest_next_ms(const struct digest *digest, const struct digest_figures *now, int64_t every_ms) {
    if (every_ms > 0) return digest->since_ms + every_ms;
    return now->percent < 0 ? digest->since_ms + digest->gap_ms : INT64_MAX;
}

void digest_wrote(struct digest *digest, const struct digest_figures *figures) {
    digest->written = *figures;
    digest->alerts_written = digest->alerts;
    digest->waits = true;
}

void digest_sent(struct digest *digest) {
    if (!digest->waits) return;
    digest->from = digest->written;
    digest->alerts -= digest->alerts_written;
    digest->alerts_written = 0;
    digest->best = NAN;
    digest->waits = digest->window = false;
}

static int print_figures(const struct digest_figures *figures, char *text, size_t size) {
    return snprintf(text, size, " %lld %lld %.17g %.17g %.17g %.17g", (long long)figures->t_ms,
                    (long long)figures->step, figures->percent, figures->accuracy, figures->loss, figures->lr);
}

void digest_print(const struct digest *digest, char *text, size_t size) {
    int used = snprintf(text, size, "%.17g %lld %lld %lld %lld %lld %d %d", digest->best, (long long)digest->alerts,
                        (long long)digest->alerts_written, (long long)digest->reached, (long long)digest->since_ms,
                        (long long)digest->gap_ms, digest->waits, digest->window);
    used += print_figures(&digest->from, text + used, size - (size_t)used);
    print_figures(&digest->written, text + used, size - (size_t)used);
}

static bool parse_figures(struct digest_figures *figures, const char **text) {
    long long t_ms, step;
    int used = 0;
    if (sscanf(*text, "%lld %lld %lf %lf %lf %lf%n", &t_ms, &step, &figures->percent, &figures->accuracy,
               &figures->loss, &figures->lr, &used) != 6)
        return false;
    figures->t_ms = t_ms;
    figures->step = step;
    *text += used;
    return true;
}

bool digest_parse(struct digest *digest, const char *text) {
    long long alerts, alerts_written, reached, since_ms, gap_ms;
    int waits, window, used = 0;
    if (sscanf(text, "%lf %lld %lld %lld %lld %lld %d %d%n", &digest->best, &alerts, &alerts_written, &reached,
               &since_ms, &gap_ms, &waits, &window, &used) != 8)
        return false;
    text += used;
    if (!parse_figures(&digest->from, &text) || !parse_figures(&digest->written, &text)) return false;
    digest->alerts = alerts;
    digest->alerts_written = alerts_written;
    digest->reached = reached;
    digest->since_ms = since_ms;
    digest->gap_ms = gap_ms > 0 && gap_ms < INT64_MAX / 4 ? gap_ms : DIGEST_FIRST_GAP_MS;
    digest->waits = waits != 0;
    digest->window = window != 0;
    return true;
}
