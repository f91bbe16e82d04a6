/* steps.c: between the loop and the engine. A device computes steps while the program goes on; their metrics are taken
 * in order and told with the step they belong to. On a processor they are there at once, and nothing of this shows. */
#include "trainer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

double steps_rate(const struct trainer *t, int64_t step) {
    const struct schedule schedule = settings_schedule(&t->settings);
    return schedule_rate(&schedule, t->settings.lr, step, t->total_steps);
}

size_t steps_values(const struct trainer *t, const double *metrics, double rate, struct tb_value *values) {
    const struct schedule schedule = settings_schedule(&t->settings);
    size_t count = (size_t)t->model->metrics_count;
    for (size_t i = 0; i < count; i++)
        values[i] = (struct tb_value){t->model->metrics[i], metrics[i]};
    if (schedule_moves(&schedule)) values[count++] = (struct tb_value){"lr", rate};
    return count;
}

static void metrics_print(const struct flight *flight, const struct tb_value *values, size_t count) {
    char number[32];
    printf("%" PRId64, flight->step - 1);
    for (size_t i = 0; i < count; i++)
        printf(" %s=%s", values[i].name, say_number(values[i].value, number, sizeof number));
    putchar('\n');
}

static void row_tell(struct trainer *t, const struct flight *flight, const double *metrics) {
    struct tb_value values[STEPS_VALUES_MAX];
    size_t count = steps_values(t, metrics, flight->rate, values);
    tb_epoch(t->run, (double)flight->samples / (double)t->order.count);
    tb_log(t->run, flight->step, values, count);
    if (t->options->print_metrics) metrics_print(flight, values, count);
}

static void row_book(struct trainer *t, const struct flight *flight, const double *metrics) {
    epochs_take(&t->epochs, metrics, t->model->metrics_count, flight->count);
    if (!isfinite(metrics[0])) return;
    t->loss = metrics[0];
    t->loss_sum += metrics[0];
    t->loss_count++;
}

static void fail(struct trainer *t, int64_t step, int rc) {
    t->want_of_memory = rc == ENGINE_ENOMEM;
    if (t->want_of_memory)
        say_note(t, "step %lld failed: not enough memory for batches of %lld samples; a smaller bs needs less",
                 (long long)step, (long long)t->settings.bs);
    else
        say_note(t, "step %lld failed: the compute library refused it", (long long)step);
    t->ending = ENDING_FAILED;
}

bool steps_submit(struct trainer *t, struct batch *ret_batch) {
    const struct step_options options = {.lr = steps_rate(t, t->step + 1), .dropout = t->settings.dropout};
    int rc = batch_next(t, ret_batch) != 0 ? ENGINE_ENOMEM : engine_submit(t->engine, ret_batch, &options);
    if (rc != 0) {
        int64_t step = t->step + 1;
        if (steps_settle(t) && t->ending == ENDING_NONE) fail(t, step, rc); /* what came before it is told first */
        return false;
    }
    t->step++;
    t->samples += ret_batch->count;
    t->flights[(t->flights_first + t->flights_count++) % ENGINE_IN_FLIGHT] =
        (struct flight){.step = t->step, .samples = t->samples, .count = ret_batch->count, .rate = options.lr};
    return true;
}

static struct flight flight_take(struct trainer *t) {
    struct flight flight = t->flights[t->flights_first];
    t->flights_first = (t->flights_first + 1) % ENGINE_IN_FLIGHT;
    t->flights_count--;
    return flight;
}

/* What began before the trouble was seen is done and told, but decides nothing: there is one decision to take. */
static void rest_tell(struct trainer *t) {
    double metrics[ENGINE_METRICS_MAX];
    while (t->flights_count > 0 && engine_collect(t->engine, true, metrics) == 1) {
        const struct flight flight = flight_take(t);
        row_tell(t, &flight, metrics);
    }
    t->flights_count = 0;
}

static bool collect(struct trainer *t, bool all) {
    while (t->flights_count > 0) {
        double metrics[ENGINE_METRICS_MAX];
        int rc = engine_collect(t->engine, all || t->flights_count == ENGINE_IN_FLIGHT, metrics);
        if (rc == 0) return true;
        const struct flight flight = flight_take(t);
        if (rc < 0) {
            t->flights_count = 0;
            fail(t, flight.step, rc);
            return false;
        }
        row_tell(t, &flight, metrics);
        if (!trouble_finite(t, metrics)) {
            if (t->settings.nan != NAN_IGNORE) rest_tell(t);
            if (!trouble_meet_metrics(t, flight.step, metrics)) return false;
        }
        row_book(t, &flight, metrics);
    }
    return true;
}

bool steps_collect(struct trainer *t) {
    return collect(t, false);
}

bool steps_settle(struct trainer *t) {
    return collect(t, true);
}
