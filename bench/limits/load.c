/* A client that asks the same thing over and over, on one or many connections to a Unix socket.
 *
 *   load SOCKET REQUEST [-c CONNECTIONS] [-d DEPTH] [-l LINES] [-s SECONDS] [-w WARM] [-r RATE]
 *
 * REQUEST is a file with the bytes of one request; a reply has ended after LINES line feeds.
 * Each connection has DEPTH requests under way. With RATE, one connection asks that often per
 * second instead of as fast as it can, and the time of an answer counts from when its question
 * was due, so that a server that stalls cannot hide the questions nobody asked meanwhile.
 * Writes JSON: requests per second, and the time of an answer in microseconds at four ranks.
 */
#include "client.h"

#include <sys/epoll.h>

enum { BUCKETS = 1 << 20, BUFFER = 1 << 18 };

struct connection {
    int fd;
    int lines;     /* line feeds seen of the reply that is being read */
    int oldest;    /* where in `asked` the oldest unanswered request stands */
    int64_t *asked;
};

static uint32_t histogram[BUCKETS]; /* one bucket is a tenth of a microsecond */
static uint64_t counted;
static int connections = 1, depth = 1, lines_per_reply = 1;
static double seconds = 1.0, warm = 0.2, rate = 0.0;
static char *batch;
static size_t request_size;

static void count(int64_t ns)
{
    int64_t bucket = ns / 100;
    histogram[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
    counted++;
}

static double rank(double share)
{
    uint64_t below = 0, wanted = (uint64_t)(share * (double)counted);
    for (int i = 0; i < BUCKETS; i++)
        if ((below += histogram[i]) > wanted)
            return i / 10.0;
    return BUCKETS / 10.0;
}

/* Read once; returns how many replies were completed. */
static int receive(struct connection *c, char *buffer)
{
    ssize_t size = read(c->fd, buffer, BUFFER);
    int replies = 0;
    if (size <= 0)
        fail("the server hung up, or did not answer");
    for (char *at = buffer, *end = buffer + size;
         (at = memchr(at, '\n', (size_t)(end - at))); at++) {
        if (++c->lines == lines_per_reply) {
            c->lines = 0;
            replies++;
        }
        if (at + 1 == end)
            break;
    }
    return replies;
}

static void start_counting(void)
{
    memset(histogram, 0, sizeof histogram);
    counted = 0;
}

/* One connection, one request at a time: no epoll between the client and its answer. */
static double in_turn(const char *path, char *buffer)
{
    struct connection c = {.fd = dial(path)};
    int64_t begin = now_ns() + (int64_t)(warm * 1e9), end = begin + (int64_t)(seconds * 1e9);
    int64_t due = now_ns(), step = rate > 0 ? (int64_t)(1e9 / rate) : 0, started = 0, asked;
    for (;;) {
        if (step)
            sleep_until(due);
        asked = step ? due : now_ns();
        if (now_ns() >= end)
            break;
        if (!started && asked >= begin) {
            started = now_ns();
            start_counting();
        }
        send_all(c.fd, batch, request_size);
        while (!receive(&c, buffer))
            ;
        count(now_ns() - asked);
        due += step;
    }
    return (double)(now_ns() - started) / 1e9;
}

static struct connection *dial_all(const char *path, int poll)
{
    struct connection *all = calloc((size_t)connections, sizeof *all);
    for (int i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        all[i].fd = dial(path);
        all[i].asked = calloc((size_t)depth, sizeof *all[i].asked);
        if (epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event))
            fail("epoll_ctl");
    }
    for (int i = 0; i < connections; i++) {
        for (int j = 0; j < depth; j++)
            all[i].asked[j] = now_ns();
        send_all(all[i].fd, batch, request_size * (size_t)depth);
    }
    return all;
}

static double all_at_once(const char *path, char *buffer)
{
    struct epoll_event ready[256];
    int poll = epoll_create1(EPOLL_CLOEXEC);
    dial_all(path, poll);
    int64_t begin = now_ns() + (int64_t)(warm * 1e9), end = begin + (int64_t)(seconds * 1e9);
    int64_t started = 0, now;
    while ((now = now_ns()) < end) {
        if (!started && now >= begin) {
            started = now;
            start_counting();
        }
        int events = epoll_wait(poll, ready, 256, GIVE_UP_S * 1000);
        if (events <= 0)
            fail("no answer");
        for (int i = 0; i < events; i++) {
            struct connection *c = ready[i].data.ptr;
            int replies = receive(c, buffer);
            now = now_ns();
            for (int j = 0; j < replies; j++) {
                count(now - c->asked[c->oldest]);
                c->asked[c->oldest] = now;
                c->oldest = (c->oldest + 1) % depth;
            }
            send_all(c->fd, batch, request_size * (size_t)replies);
        }
    }
    return (double)(now_ns() - started) / 1e9;
}

static void read_request(const char *path)
{
    char *request = whole_file(path, &request_size);
    batch = malloc(request_size * (size_t)depth);
    for (int i = 0; i < depth; i++)
        memcpy(batch + request_size * (size_t)i, request, request_size);
}

int main(int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "c:d:l:s:w:r:")) > 0) {
        switch (option) {
        case 'c': connections = atoi(optarg); break;
        case 'd': depth = atoi(optarg); break;
        case 'l': lines_per_reply = atoi(optarg); break;
        case 's': seconds = atof(optarg); break;
        case 'w': warm = atof(optarg); break;
        case 'r': rate = atof(optarg); break;
        default: return 2;
        }
    }
    if (argc - optind != 2 || connections < 1 || depth < 1) {
        fprintf(stderr, "usage: load [options] SOCKET REQUEST\n");
        return 2;
    }
    read_request(argv[optind + 1]);
    char *buffer = malloc(BUFFER);
    double took = connections == 1 && depth == 1 ? in_turn(argv[optind], buffer)
                                                 : all_at_once(argv[optind], buffer);
    printf("{\"rate\":%.1f,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f,\"max\":%.1f}\n",
           (double)counted / took, rank(0.5), rank(0.99), rank(0.999), rank(1.0 - 1e-12));
    return 0;
}
