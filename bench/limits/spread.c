/* The limit of a fan-out: one thread that writes the same bytes to every subscriber.
 *
 *   spread SOCKET EVENT SUBSCRIBERS [-b BATCH] [-s SECONDS] [-r RATE]
 *
 * Takes SUBSCRIBERS connections, answers each one's first read with "Subscribed", and begins when
 * a line comes on standard input: BATCH times the file EVENT in one write per subscriber, each
 * with the time of its making. A subscriber that does not keep up is waited for. With RATE, one
 * event at a time and that often per second. Writes how many events were published.
 */
#include "client.h"
#include "stamp.h"

static int batch = 1;
static double seconds = 1.0, rate;

static int *take(const char *path, int count)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char request[ANSWER_MAX];
    int *all = calloc((size_t)count, sizeof *all);
    int listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strncpy(address.sun_path, path, sizeof address.sun_path - 1);
    unlink(path);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address)
        || listen(listener, 4096))
        fail(path);
    for (int i = 0; i < count; i++) {
        all[i] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        if (all[i] < 0 || read(all[i], request, sizeof request) <= 0)
            fail("accept");
        send_all(all[i], "\"Subscribed\"\n", 13);
    }
    return all;
}

int main(int argc, char **argv)
{
    int option;
    while ((option = getopt(argc, argv, "b:s:r:")) > 0) {
        switch (option) {
        case 'b': batch = atoi(optarg); break;
        case 's': seconds = atof(optarg); break;
        case 'r': rate = atof(optarg); break;
        default: return 2;
        }
    }
    if (argc - optind != 3 || batch < 1) {
        fprintf(stderr, "usage: spread [options] SOCKET EVENT SUBSCRIBERS\n");
        return 2;
    }
    raise_limit();
    size_t size;
    char *event = whole_file(argv[optind + 1], &size), *data = malloc(size * (size_t)batch);
    for (int i = 0; i < batch; i++)
        memcpy(data + size * (size_t)i, event, size);
    char *stamp = find_stamp(data, data + size);
    int count = atoi(argv[optind + 2]), *all = take(argv[optind], count);
    if (getchar() == EOF)
        return 1;
    int64_t due = now_ns(), end = due + (int64_t)(seconds * 1e9);
    int64_t step = rate > 0 ? (int64_t)(1e9 * batch / rate) : 0;
    uint64_t published = 0;
    while (now_ns() < end) {
        for (int i = 0; i < batch; i++)
            write_stamp(stamp + size * (size_t)i, now_ns());
        for (int i = 0; i < count; i++)
            send_all(all[i], data, size * (size_t)batch);
        published += (uint64_t)batch;
        if (step)
            sleep_until(due += step);
    }
    printf("%lu\n", published);
    fflush(stdout);
    while (getchar() != EOF) /* hanging up would take from the subscribers what they still read */
        ;
    return 0;
}
