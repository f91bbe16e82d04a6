/*
 * oom.h: did the kernel kill for want of memory? Watches the oom_kill counter of our own cgroup (version 2
 * memory.events, version 1 memory.oom_control), which the trainer shares; only where there is none, the whole machine's
 * in /proc/vmstat. A rise counts only close to the death, so that a kill of somebody else long ago accuses nobody.
 */
#ifndef TRAINBOT_OOM_H
#define TRAINBOT_OOM_H

#include <stdbool.h>
#include <stdint.h>

#define OOM_NEAR_MS 2000 /* how long before the death the counter may have been seen to rise */

struct oom {
    int fd; /* the counter's file, -1 none; a version 2 file raises POLLPRI when it changes */
    bool notifies;
    int64_t count, seen_ms, rose_ms; /* rose_ms -1: never */
};

/* proc: "/proc"; cgroups: "/sys/fs/cgroup". Always succeeds; without any counter oom_rose is false for ever. */
void oom_open(struct oom *oom, const char *proc, const char *cgroups, int64_t now_ms);

/* Reads the counter: call it when fd notifies, and now and then when awake anyway. now_ms is monotonic. */
void oom_look(struct oom *oom, int64_t now_ms);

/* Looks once more and says whether the counter rose since the look before, or at most OOM_NEAR_MS ago. */
bool oom_rose(struct oom *oom, int64_t now_ms);

#endif
