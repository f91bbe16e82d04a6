/* cmd_control.c: 停止 暂停 继续 保存: asked of a live run, answered when it has happened. */
#include "command.h"

#include <string.h>

static enum verdict ask(struct request *request, struct parsed *parsed, enum control_kind kind) {
    bool used = false;
    if (parsed->count > 2) return refuse_usage(request);
    int64_t id;
    if (parsed->count == 2 && !parse_run(parsed->tokens[1], &id)) return refuse_usage(request);
    struct run *run = pick_live(request, parsed, 1, &used);
    if (!run) return REFUSED;
    long long number = (long long)run->id;
    if (kind == CONTROL_PAUSE && run->state == RUN_PAUSED)
        return request_refuse(request, "#%lld 已经暂停了(第 %lld 步)。", "#%lld is paused already (step %lld).", number,
                              (long long)run->step);
    if (kind == CONTROL_RESUME && run->state == RUN_RUNNING)
        return request_refuse(request, "#%lld 没有暂停,正在运行。", "#%lld is not paused, it is running.", number);
    if (kind != CONTROL_STOP && run->state == RUN_STOPPING)
        return request_refuse(request, "#%lld 正在停止。", "#%lld is stopping.", number);
    return ask_run(request, run, kind, NULL, 0, NULL, NULL);
}

enum verdict cmd_stop(struct request *request, struct parsed *parsed) {
    return ask(request, parsed, CONTROL_STOP);
}

enum verdict cmd_pause(struct request *request, struct parsed *parsed) {
    return ask(request, parsed, CONTROL_PAUSE);
}

enum verdict cmd_resume(struct request *request, struct parsed *parsed) {
    return ask(request, parsed, CONTROL_RESUME);
}

enum verdict cmd_save(struct request *request, struct parsed *parsed) {
    return ask(request, parsed, CONTROL_SAVE);
}
