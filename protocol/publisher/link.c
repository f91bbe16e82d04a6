/* link.c: see link.h. */
#include "link.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKOFF_MIN_NS INT64_C(20000000)
#define BACKOFF_MAX_NS INT64_C(1000000000)
#define READ_BYTES 16384
#define READS_MAX 16

void link_init(struct link *link, const char *path, uint64_t random) {
    *link = (struct link){.path = path, .fd = -1, .backoff_ns = BACKOFF_MIN_NS, .random = random | 1};
}

static void hang_up(struct link *link) {
    int fd = link->fd;
    link->fd = -1; /* before the close: a fork in between must not see a number that is free again */
    if (fd >= 0) close(fd);
    link->express.size = link->express_sent = 0;
    wire_reader_release(&link->reader);
    link->faults = 0;
    link->blocked = false;
}

void link_release(struct link *link) {
    hang_up(link);
    wire_buf_release(&link->express);
}

void link_drop(struct link *link, int64_t now_ns) {
    hang_up(link);
    link->state = LINK_DOWN;
    link->since_ns = now_ns;
    link->random ^= link->random << 13; /* xorshift: a thousand trainers must not come back in step */
    link->random ^= link->random >> 7;
    link->random ^= link->random << 17;
    int64_t jitter = (int64_t)(link->random % (uint64_t)link->backoff_ns) / 2;
    link->retry_ns = now_ns + link->backoff_ns * 3 / 4 + jitter;
    link->backoff_ns *= 2;
    if (link->backoff_ns > BACKOFF_MAX_NS) link->backoff_ns = BACKOFF_MAX_NS;
}

void link_ready(struct link *link, int64_t now_ns) {
    link->state = LINK_READY;
    link->since_ns = link->moved_ns = now_ns;
    link->backoff_ns = BACKOFF_MIN_NS;
}

bool link_connect(struct link *link, int64_t now_ns) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (link->state != LINK_DOWN || now_ns < link->retry_ns) return false;
    size_t size = strlen(link->path);
    if (size >= sizeof address.sun_path) goto fail;
    memcpy(address.sun_path, link->path, size);
    link->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (link->fd < 0 || connect(link->fd, (const struct sockaddr *)&address, sizeof address) < 0) goto fail;
    link->refused = false;
    link->state = LINK_GREETED;
    link->since_ns = link->moved_ns = now_ns;
    return true;
fail:
    link->refused = true;
    link_drop(link, now_ns);
    return false;
}

ssize_t link_write(struct link *link, const char *bytes, size_t size, int64_t now_ns) {
    ssize_t n = send(link->fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR && errno != ENOBUFS) return -1;
    link->blocked = n < (ssize_t)size;
    if (n <= 0) return 0;
    link->moved_ns = now_ns;
    return n;
}

bool link_writable(const struct link *link) {
    struct pollfd fd = {.fd = link->fd, .events = POLLOUT};
    return !link->blocked || poll(&fd, 1, 0) != 0;
}

int link_read(struct link *link, bool (*on_line)(void *, const char *, size_t), void *user) {
    char bytes[READ_BYTES];
    for (int i = 0; i < READS_MAX && link->fd >= 0; i++) {
        ssize_t n = recv(link->fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? 0 : -1;
        if (n == 0) return -1;
        if (wire_reader_feed(&link->reader, bytes, (size_t)n, on_line, user) < 0) return -1;
        if (n < (ssize_t)sizeof bytes) return 0;
    }
    return 0;
}
