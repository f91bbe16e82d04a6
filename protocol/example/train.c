/* A training that a person can watch and steer. cc train.c $(pkg-config --cflags --libs trainbot) -lm */
#include <math.h>
#include <time.h>
#include <trainbot.h>

static double weight = 5;

static int show(void *user, const char *args, struct tb_reply *reply) {
    (void)user, (void)args;
    tb_reply_text(reply, "the weight is %.4f", weight);
    return 0;
}

int main(void) {
    const struct tb_param params[] = {
        {.name = "lr", .type = TB_FLOAT, .value = 0.01, .max = 1, .min_open = true, .live = true, .help = "step size"},
        {.name = "steps", .type = TB_INT, .value = 2000, .min = 1, .max = 1e6, .help = "how many steps"}};
    const struct tb_command commands[] = {{.name = "weight", .help = "what was learned", .call = show}};
    const struct tb_options options = {
        .name = "parabola", .params = params, .params_count = 2, .commands = commands, .commands_count = 1};
    struct tb_run *run = tb_open(&options);
    tb_wait_welcome(run, 200); /* values that the person gave with "start" hold from here */
    tb_plan(run, 0, tb_int(run, "steps"), 1);
    tb_started(run);
    unsigned asked = 0;
    for (int64_t step = 1; step <= tb_int(run, "steps") && !(asked & TB_ASK_STOP); step++) {
        double loss = weight * weight;
        weight -= tb_float(run, "lr") * 2 * weight;
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL); /* the work of a step */
        TB_LOG(run, step, {"loss", loss}, {"log_loss", log(loss)});
        if (step % 50 == 0) TB_PROGRESS(run, step, {"loss", loss});
        asked = tb_poll(run, step);
        if (asked & TB_ASK_PAUSE) tb_paused(run, step, "asked");
        while ((asked & TB_ASK_PAUSE) && !(asked & TB_ASK_STOP)) /* a resume is said once */
            if (!((asked = tb_wait(run, step, -1)) & TB_ASK_PAUSE)) tb_resumed(run, step);
    }
    tb_close(run, asked & TB_ASK_STOP ? "stopped" : "finished");
}
