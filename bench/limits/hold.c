/* Connections that say nothing.
 *
 *   hold SOCKET REQUEST COUNT
 *
 * Opens COUNT connections to a Unix socket. Each asks once and reads the first bytes of its answer,
 * so that the server has surely taken it on. Then writes "held COUNT", keeps them all open until
 * its standard input ends, and goes.
 */
#include "client.h"

static void take_up(const char *path, const char *request, size_t size)
{
    char answer[ANSWER_MAX];
    int fd = dial(path);
    send_all(fd, request, size);
    if (read(fd, answer, sizeof answer) <= 0)
        fail("no answer");
}

int main(int argc, char **argv)
{
    if (argc != 4)
        return 2;
    size_t size;
    char *request = whole_file(argv[2], &size);
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
