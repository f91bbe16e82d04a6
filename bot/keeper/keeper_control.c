/*
 * The control socket: who may connect (our own uid and root), what may be asked (one thing: signal), and telling the
 * end. A bot that does not read is let go; it finds everything again by connecting anew, or in the exit file.
 */
#include "keeper.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

int control_listen(struct keeper *k) {
    struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "keeper.sock"}; /* we are in the run's directory */
    k->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (k->listen_fd < 0) return -1;
    unlink(address.sun_path);
    if (bind(k->listen_fd, (struct sockaddr *)&address, sizeof address) < 0) return -1; /* 0600: umask */
    if (chmod(address.sun_path, 0600) < 0) return -1;
    return listen(k->listen_fd, 16);
}

static void client_close(struct client *client) {
    close(client->fd);
    client->fd = -1;
    client->used = 0;
}

static void client_send(struct client *client, const char *text, size_t size) {
    ssize_t n;
    while ((n = send(client->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0 && errno == EINTR)
        ;
    if (n != (ssize_t)size) client_close(client);
}

void control_add(struct keeper *k, int fd) {
    struct client *client = NULL;
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX && !client; i++)
        if (k->clients[i].fd < 0 || k->clients[i].fd == fd) client = &k->clients[i];
    if (!client) {
        close(fd);
        return;
    }
    client->fd = fd;
    client->used = 0;
    char hello[128];
    int n = snprintf(hello, sizeof hello, "hello 1 pid %d start %" PRId64 "\n", (int)k->pid, k->start_ticks);
    client_send(client, hello, (size_t)n);
    if (k->ended && client->fd >= 0) client_send(client, k->record_text, k->record_size);
}

void control_accept(struct keeper *k) {
    int fd = accept4(k->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) return;
    struct ucred peer;
    socklen_t size = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 || (peer.uid != geteuid() && peer.uid != 0)) {
        close(fd);
        return;
    }
    control_add(k, fd);
}

static void handle_line(struct keeper *k, struct client *client) {
    int64_t number;
    char answer[64];
    int n;
    if (!strncmp(client->line, "signal ", 7) && record_number(client->line + 7, &number) && number >= 0 &&
        number < 1000) {
        n = snprintf(answer, sizeof answer, "signalled %d %d\n", (int)number, group_signal(k, (int)number));
    } else {
        n = snprintf(answer, sizeof answer, "unknown\n");
    }
    client_send(client, answer, (size_t)n);
}

void control_read(struct keeper *k, struct client *client) {
    ssize_t size = recv(client->fd, client->line + client->used, sizeof client->line - client->used, MSG_DONTWAIT);
    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (size <= 0) {
        client_close(client);
        return;
    }
    client->used += (size_t)size;
    char *end;
    while (client->fd >= 0 && (end = memchr(client->line, '\n', client->used))) {
        *end = '\0';
        handle_line(k, client);
        size_t taken = (size_t)(end + 1 - client->line);
        if (client->fd < 0) return;
        client->used -= taken;
        memmove(client->line, end + 1, client->used);
    }
    if (client->used == sizeof client->line) client_close(client); /* no request is that long */
}

void control_tell_end(struct keeper *k) {
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++)
        if (k->clients[i].fd >= 0) client_send(&k->clients[i], k->record_text, k->record_size);
}

void control_close(struct keeper *k) {
    for (size_t i = 0; i < KEEPER_CLIENTS_MAX; i++)
        if (k->clients[i].fd >= 0) client_close(&k->clients[i]);
    if (k->listen_fd < 0) return;
    unlinkat(k->dir_fd, "keeper.sock", 0);
    close(k->listen_fd);
    k->listen_fd = -1;
}
