/* A trainer's CPU share and memory from /proc/PID/stat (proc(5)); its starttime tells a reused process id from ours. */
#include "launcher_impl.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define USAGE_APART_NS 100000000U /* clock ticks are 10 ms: a shorter span says nothing */

/* Fields counted from 1, as in proc(5). */
enum { FIELD_UTIME = 14, FIELD_STIME = 15, FIELD_STARTTIME = 22, FIELD_RSS = 24 };

bool process_stat(pid_t pid, int64_t *ret_start_ticks, int64_t *ret_cpu_ticks, int64_t *ret_rss_bytes) {
    char path[64], text[2048];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (size <= 0) return false;
    text[size] = '\0';
    char *at = strrchr(text, ')'); /* the second field may hold blanks and parentheses */
    int64_t fields[FIELD_RSS + 1] = {0};
    char *rest;
    int field = 3;
    for (char *word = at ? strtok_r(at + 1, " ", &rest) : NULL; word && field <= FIELD_RSS;
         word = strtok_r(NULL, " ", &rest), field++)
        if (!record_number(word, &fields[field])) fields[field] = 0;
    if (field <= FIELD_RSS) return false;
    *ret_start_ticks = fields[FIELD_STARTTIME];
    *ret_cpu_ticks = fields[FIELD_UTIME] + fields[FIELD_STIME];
    *ret_rss_bytes = fields[FIELD_RSS] * sysconf(_SC_PAGESIZE);
    return true;
}

int launcher_usage(struct launcher *launcher, int64_t run, double *ret_cpu_percent, int64_t *ret_rss_bytes) {
    struct watch *watch = watch_find(launcher, run);
    if (!watch) return TB_ENOTFOUND;
    int64_t start, ticks, rss;
    if (!watch->pid || !process_stat(watch->pid, &start, &ticks, &rss) || start != watch->start_ticks) return TB_EGONE;
    uint64_t now = uv_hrtime();
    if (!watch->cpu_ns || now - watch->cpu_ns >= USAGE_APART_NS) {
        if (watch->cpu_ns) {
            double seconds = (double)(now - watch->cpu_ns) / 1e9;
            watch->cpu_percent = 100 * (double)(ticks - watch->cpu_ticks) / (double)sysconf(_SC_CLK_TCK) / seconds;
        }
        watch->cpu_ns = now;
        watch->cpu_ticks = ticks;
    }
    *ret_cpu_percent = watch->cpu_percent;
    *ret_rss_bytes = rss;
    return TB_OK;
}
