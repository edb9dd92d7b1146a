/* All subscribers of a fan-out: many connections, one thread, epoll.
 *
 *   subscribe SOCKET REQUEST ANSWER [-c CONNECTIONS] [-q QUIET] [-w WARM]
 *
 * Each connection sends the bytes of the file REQUEST and waits until the text ANSWER has come, so
 * that it is surely subscribed. Then "ready" is written. The first QUIET connections read nothing
 * from here on. When a line comes on standard input, it says how many events were published; once
 * all of them have come everywhere, or none has for a second, JSON is written: deliveries per
 * second, their delays in microseconds, and what they cost this program.
 *
 * An event's delay is from the stamp in its text to the return of the read that brought it. What
 * comes within WARM seconds of the first stamp does not count. At last the quiet ones read what is
 * left for them: `late` events, `missed` ones that they were told of, `cut` connections.
 */
#include "client.h"
#include "stamp.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

enum { BUFFER = 1 << 18, FINE = 7, OCTAVES = 48, IDLE_MS = 1000, LATE_MS = 300 };

struct connection {
    int fd;
    int kept;       /* bytes of `rest`: the end of a read, where a stamp may have been cut */
    char rest[32];
    uint64_t events;
};

/* 128 buckets per doubling of the delay: below one percent of error, and small enough to stay in
 * the processor's cache while a flood is counted. */
static uint64_t histogram[OCTAVES << FINE];
static uint64_t counted, reads, bytes, events, fewest;
static int64_t first_stamp, begin, last, longest, warm_ns = 200000000;
static int connections = 1, quiet;
static char buffer[BUFFER + 64];

static int bucket_of(uint64_t ns)
{
    if (ns < (1u << FINE))
        return (int)ns;
    int octave = 63 - __builtin_clzll(ns) - FINE;
    return ((octave + 1) << FINE) + (int)(ns >> octave) - (1 << FINE);
}

static double middle_of(int bucket)
{
    int octave = (bucket >> FINE) - 1;
    if (octave < 0)
        return bucket;
    return ((double)((bucket & ((1 << FINE) - 1)) + (1 << FINE)) + 0.5) * (double)(1ULL << octave);
}

static double rank(double share)
{
    uint64_t below = 0, wanted = (uint64_t)(share * (double)counted);
    for (int i = 0; i < OCTAVES << FINE; i++)
        if ((below += histogram[i]) > wanted)
            return middle_of(i) / 1e3;
    return 0;
}

static void count(int64_t stamp, int64_t now)
{
    if (!first_stamp) {
        first_stamp = stamp;
        begin = stamp + warm_ns;
    }
    if (now < begin)
        return;
    int64_t delay = now > stamp ? now - stamp : 0;
    int bucket = bucket_of((uint64_t)delay);
    histogram[bucket < OCTAVES << FINE ? bucket : (OCTAVES << FINE) - 1]++;
    counted++;
    last = now;
    if (delay > longest)
        longest = delay;
}

/* Read once and count what came; returns whether the connection is still there. */
static int receive(struct connection *c)
{
    memcpy(buffer, c->rest, (size_t)c->kept);
    ssize_t size = read(c->fd, buffer + c->kept, BUFFER);
    if (size <= 0)
        return size < 0 && errno == EAGAIN;
    int64_t now = now_ns();
    char *at = buffer, *end = buffer + c->kept + size, *stamp;
    uint64_t before = c->events;
    while ((stamp = find_stamp(at, end))) {
        count(read_stamp(stamp), now);
        c->events++;
        at = stamp + STAMP + DIGITS;
    }
    events += c->events - before;
    reads++;
    bytes += (uint64_t)size;
    c->kept = end - at < STAMP + DIGITS ? (int)(end - at) : STAMP + DIGITS - 1;
    memcpy(c->rest, end - c->kept, (size_t)c->kept);
    return 1;
}

static struct connection *subscribe(char **argv, int poll)
{
    size_t size;
    char *request = whole_file(argv[1], &size);
    struct connection *all = calloc((size_t)connections, sizeof *all);
    for (int i = 0; i < connections; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        all[i].fd = dial(argv[0]);
        send_all(all[i].fd, request, size);
        wait_for(all[i].fd, argv[2]);
        fcntl(all[i].fd, F_SETFL, O_NONBLOCK);
        if (i >= quiet && epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event))
            fail("epoll_ctl");
    }
    return all;
}

/* Read until all that was published is here. */
static void follow(int poll)
{
    struct epoll_event ready[256], input = {.events = EPOLLIN, .data.ptr = NULL};
    uint64_t published = UINT64_MAX, readers = (uint64_t)(connections - quiet);
    epoll_ctl(poll, EPOLL_CTL_ADD, STDIN_FILENO, &input);
    while (published == UINT64_MAX || events < published * readers) {
        int found = epoll_wait(poll, ready, 256, published == UINT64_MAX ? -1 : IDLE_MS);
        if (!found)
            break;
        for (int i = 0; i < found; i++) {
            struct connection *c = ready[i].data.ptr;
            if (c && !receive(c))
                epoll_ctl(poll, EPOLL_CTL_DEL, c->fd, NULL);
            if (!c && scanf("%lu", &published) != 1)
                exit(1); /* whoever started us has gone */
            if (!c)
                epoll_ctl(poll, EPOLL_CTL_DEL, STDIN_FILENO, NULL);
        }
    }
}

/* What a quiet connection finds when it reads at last. */
static void wake_up(struct connection *c, uint64_t *missed, uint64_t *cut)
{
    struct pollfd wait = {.fd = c->fd, .events = POLLIN};
    int there = 1;
    while (there && poll(&wait, 1, LATE_MS) > 0) {
        there = receive(c);
        char *told = there ? buffer : NULL;
        while (told && (told = memmem(told, (size_t)(buffer + BUFFER - told), "\"missed\":", 9)))
            *missed += strtoull(told += 9, NULL, 10);
        memset(buffer, 0, sizeof buffer); /* so that nothing is seen twice */
    }
    *cut += !there;
}

static void report(struct connection *all)
{
    struct rusage used;
    uint64_t late = 0, missed = 0, cut = 0, seen = events;
    double took = (double)(last - begin) / 1e9;
    getrusage(RUSAGE_SELF, &used);
    double user = (double)used.ru_utime.tv_sec + (double)used.ru_utime.tv_usec / 1e6;
    double kernel = (double)used.ru_stime.tv_sec + (double)used.ru_stime.tv_usec / 1e6;
    fewest = UINT64_MAX;
    for (int i = quiet; i < connections; i++)
        if (all[i].events < fewest)
            fewest = all[i].events;
    printf("{\"rate\":%.1f,\"p50\":%.1f,\"p99\":%.1f,\"max\":%.1f,\"fewest\":%lu,",
           took > 0 ? (double)counted / took : 0.0, rank(0.5), rank(0.99), (double)longest / 1e3,
           fewest);
    printf("\"received\":%lu,\"bytes_per_read\":%.0f,\"bytes_per_event\":%.1f,", seen,
           (double)bytes / (double)(reads ? reads : 1), (double)bytes / (double)(seen ? seen : 1));
    printf("\"reader_user_us\":%.4f,\"reader_kernel_us\":%.4f,", user * 1e6 / (double)(seen + 1),
           kernel * 1e6 / (double)(seen + 1));
    for (int i = 0; i < quiet; i++) {
        wake_up(&all[i], &missed, &cut);
        late += all[i].events;
    }
    printf("\"late\":%lu,\"missed\":%lu,\"cut\":%lu}\n", late, missed, cut);
}

int main(int argc, char **argv)
{
    int option, poll = epoll_create1(EPOLL_CLOEXEC);
    while ((option = getopt(argc, argv, "c:q:w:")) > 0) {
        switch (option) {
        case 'c': connections = atoi(optarg); break;
        case 'q': quiet = atoi(optarg); break;
        case 'w': warm_ns = (int64_t)(atof(optarg) * 1e9); break;
        default: return 2;
        }
    }
    if (argc - optind != 3 || quiet >= connections) {
        fprintf(stderr, "usage: subscribe [options] SOCKET REQUEST ANSWER\n");
        return 2;
    }
    raise_limit();
    struct connection *all = subscribe(argv + optind, poll);
    printf("ready\n");
    fflush(stdout);
    follow(poll);
    report(all);
    return 0;
}
