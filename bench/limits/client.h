/* What every program of this folder needs that connects to a Unix socket. */
#ifndef CLIENT_H
#define CLIENT_H

#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { GIVE_UP_S = 20, ANSWER_MAX = 4096 };

static inline void fail(const char *what)
{
    perror(what);
    exit(1);
}

static inline int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static inline void sleep_until(int64_t ns)
{
    struct timespec until = {.tv_sec = ns / 1000000000LL, .tv_nsec = ns % 1000000000LL};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) == EINTR)
        ;
}

static inline void raise_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* The bytes of a file, at most 64 KiB of them. */
static inline char *whole_file(const char *path, size_t *size)
{
    char *data = malloc(1 << 16);
    FILE *file = fopen(path, "rb");
    if (!file)
        fail(path);
    *size = fread(data, 1, 1 << 16, file);
    fclose(file);
    return data;
}

/* Connect, however long the queue of those who want to. */
static inline int dial(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = GIVE_UP_S};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        fail("socket");
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    while (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        if (errno != EAGAIN)
            fail("connect");
        usleep(100);
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return fd;
}

static inline void send_all(int fd, const char *data, size_t size)
{
    while (size) {
        ssize_t sent = send(fd, data, size, MSG_NOSIGNAL);
        if (sent < 0)
            fail("write");
        data += sent;
        size -= (size_t)sent;
    }
}

/* Read until `text` has come. What follows it in the same read is lost: nothing may. */
static inline void wait_for(int fd, const char *text)
{
    char answer[ANSWER_MAX];
    size_t size = 0;
    while (!memmem(answer, size, text, strlen(text))) {
        ssize_t got = size < sizeof answer ? read(fd, answer + size, sizeof answer - size) : 0;
        if (got <= 0)
            fail("no answer to a subscription");
        size += (size_t)got;
    }
}

#endif
