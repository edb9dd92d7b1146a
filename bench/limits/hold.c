/* Connections that say nothing.
 *
 *   hold SOCKET REQUEST COUNT
 *
 * Opens COUNT connections to a Unix socket. Each asks once and reads the first bytes of its answer,
 * so that the server has surely taken it on. Then writes "held COUNT", keeps them all open until
 * its standard input ends, and goes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void raise_limit(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

static void take_up(const char *path, const char *request, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct timeval patience = {.tv_sec = 20};
    char answer[4096];
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
    if (write(fd, request, size) != (ssize_t)size)
        fail("write");
    if (read(fd, answer, sizeof answer) <= 0)
        fail("no answer");
}

int main(int argc, char **argv)
{
    static char request[1 << 16];
    if (argc != 4)
        return 2;
    FILE *file = fopen(argv[2], "rb");
    if (!file)
        fail(argv[2]);
    size_t size = fread(request, 1, sizeof request, file);
    int count = atoi(argv[3]);
    raise_limit();
    for (int i = 0; i < count; i++)
        take_up(argv[1], request, size);
    printf("held %d\n", count);
    fflush(stdout);
    while (getchar() != EOF)
        ;
    return 0;
}
