/* Where the counters are: Documentation/admin-guide/cgroup-v2.rst (memory.events), cgroup-v1/memory.rst
 * (memory.oom_control), and oom_kill in /proc/vmstat since Linux 4.13. */
#include "oom.h"
#include "record.h"
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* -1: unreadable or without such a line. */
static int64_t read_count(int fd) {
    static char text[16 * 1024]; /* /proc/vmstat has about 4 KiB */
    ssize_t size = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
    if (size <= 0) return -1;
    text[size] = '\0';
    char *line = !strncmp(text, "oom_kill ", 9) ? text : strstr(text, "\noom_kill ");
    if (!line) return -1;
    line += *line == '\n' ? 10 : 9;
    line[strcspn(line, "\n")] = '\0';
    int64_t count;
    return record_number(line, &count) ? count : -1;
}

static bool try_file(struct oom *oom, bool notifies, const char *a, const char *b, const char *c) {
    char path[4096 + 256];
    if ((size_t)snprintf(path, sizeof path, "%s%s%s", a, b, c) >= sizeof path) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    int64_t count = read_count(fd);
    if (count < 0) {
        if (fd >= 0) close(fd);
        return false;
    }
    oom->fd = fd;
    oom->count = count;
    oom->notifies = notifies;
    return true;
}

/* One line of /proc/self/cgroup: "0::/path" (version 2) or "4:memory:/path" (version 1, controllers with commas). */
static bool try_line(struct oom *oom, const char *cgroups, char *line) {
    char *controllers = strchr(line, ':');
    char *path = controllers ? strchr(controllers + 1, ':') : NULL;
    if (!path) return false;
    *path++ = '\0';
    controllers++;
    if (!strcmp(path, "/")) path = "";
    if (!*controllers) {
        char unified[256];
        snprintf(unified, sizeof unified, "%s/unified", cgroups);
        return try_file(oom, true, cgroups, path, "/memory.events") ||
               try_file(oom, true, unified, path, "/memory.events");
    }
    bool memory = false;
    char *rest;
    for (char *one = strtok_r(controllers, ",", &rest); one; one = strtok_r(NULL, ",", &rest))
        memory = memory || !strcmp(one, "memory");
    char base[256];
    snprintf(base, sizeof base, "%s/memory", cgroups);
    return memory && try_file(oom, false, base, path, "/memory.oom_control");
}

void oom_open(struct oom *oom, const char *proc, const char *cgroups, int64_t now_ms) {
    *oom = (struct oom){.fd = -1, .rose_ms = -1, .seen_ms = now_ms};
    char path[256], text[8192];
    snprintf(path, sizeof path, "%s/self/cgroup", proc);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0) close(fd);
    if (size > 0) {
        text[size] = '\0';
        char *rest;
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
            if (try_line(oom, cgroups, line)) return;
    }
    try_file(oom, false, proc, "/vmstat", "");
}

void oom_look(struct oom *oom, int64_t now_ms) {
    int64_t count = read_count(oom->fd);
    if (count < 0) return;
    if (count > oom->count) oom->rose_ms = now_ms;
    oom->count = count;
    oom->seen_ms = now_ms;
}

bool oom_rose(struct oom *oom, int64_t now_ms) {
    oom_look(oom, now_ms);
    return oom->rose_ms >= 0 && now_ms - oom->rose_ms <= OOM_NEAR_MS;
}
