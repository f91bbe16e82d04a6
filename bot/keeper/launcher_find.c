/*
 * What the files of a run's directory say. A lock on the file `keeper` means that the keeper lives; its absence, that
 * there never was one. Paths may be longer than a socket's address, so the socket is reached through the directory's
 * descriptor.
 */
#include "launcher_impl.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int open_in(const char *run_dir, const char *name, int flags, mode_t mode) {
    int dir = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return -1;
    int fd = openat(dir, name, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, mode);
    close(dir);
    return fd;
}

int find_exit(const char *run_dir, char text[RECORD_BYTES_MAX], struct record *ret) {
    int fd = open_in(run_dir, "exit", O_RDONLY, 0);
    if (fd < 0) return errno == ENOENT ? 0 : -1;
    ssize_t size = read(fd, text, RECORD_BYTES_MAX - 1);
    close(fd);
    return size > 0 && record_parse(text, (size_t)size, ret) == 1 ? 1 : -1;
}

int find_connect(const char *run_dir) {
    int dir = open(run_dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) return -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/keeper.sock", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct ucred peer;
    socklen_t size = sizeof peer;
    bool good = fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0 &&
                getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 && (peer.uid == geteuid() || peer.uid == 0);
    close(dir);
    if (good) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

/* false: not the text of a keeper that had started its trainer. */
static bool read_kept(char *text, struct kept *ret) {
    struct kept kept = {.guard_fd = -1};
    char *rest;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *value = strchr(line, ' ');
        if (!value) continue;
        *value++ = '\0';
        int64_t *number = !strcmp(line, "pid")     ? &kept.pid
                          : !strcmp(line, "start") ? &kept.start_ticks
                          : !strcmp(line, "guard") ? &kept.guard_fd
                          : !strcmp(line, "pipe")  ? &kept.pipe_inode
                                                   : NULL;
        if (number && !record_number(value, number)) return false;
        if (!strcmp(line, "boot")) snprintf(kept.boot, sizeof kept.boot, "%s", value);
    }
    if (kept.pid <= 1 || kept.pid > INT32_MAX) return false;
    *ret = kept;
    return true;
}

enum found find_keeper(const char *run_dir, struct kept *ret) {
    *ret = (struct kept){0};
    int fd = open_in(run_dir, "keeper", O_RDONLY, 0);
    if (fd < 0) return errno == ENOENT ? FOUND_NOTHING : FOUND_DEAD;
    enum found found = FOUND_DEAD;
    if (flock(fd, LOCK_SH | LOCK_NB) < 0) {
        found = FOUND_KEEPER;
    } else {
        char text[1024];
        ssize_t size = read(fd, text, sizeof text - 1);
        text[size > 0 ? size : 0] = '\0';
        if (!read_kept(text, ret)) ret->pid = 0;
    }
    close(fd); /* and with it the lock */
    return found;
}

bool find_claim(const char *run_dir) {
    int fd = open_in(run_dir, "keeper", O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd < 0) return errno != EEXIST; /* a directory that is gone can have no keeper either */
    static const char text[] = RECORD_FIRST_LINE "\nnone 1\nend\n";
    if (write(fd, text, sizeof text - 1) < 0) errno = 0; /* that the file is there is what counts */
    close(fd);
    return true;
}
