/* The limit of a server on a Unix socket: what comes in goes out, unread, by one thread and epoll.
 *
 *   echo SOCKET        until it is killed
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static char buffer[1 << 16];

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static int listen_at(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    unlink(path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096))
        fail(path);
    return fd;
}

static void watch(int poll, int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    if (epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event))
        fail("epoll_ctl");
}

/* Send back one read's worth; returns whether the peer is still there. */
static int answer(int fd)
{
    ssize_t size = read(fd, buffer, sizeof buffer);
    for (ssize_t done = 0; done < size;) {
        ssize_t sent = write(fd, buffer + done, (size_t)(size - done));
        if (sent < 0)
            return 0;
        done += sent;
    }
    return size > 0;
}

int main(int argc, char **argv)
{
    struct epoll_event ready[256];
    if (argc != 2)
        return 2;
    signal(SIGPIPE, SIG_IGN);
    int listener = listen_at(argv[1]), poll = epoll_create1(EPOLL_CLOEXEC);
    watch(poll, listener);
    for (;;) {
        int events = epoll_wait(poll, ready, 256, -1);
        for (int i = 0; i < events; i++) {
            int fd = ready[i].data.fd;
            if (fd == listener) {
                if ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
                    watch(poll, fd);
            } else if (!answer(fd)) {
                close(fd);
            }
        }
    }
}
