/* A publisher for a broker: the same event again and again, each with the time it is sent at.
 *
 *   publish SOCKET REQUEST ANSWER EVENT [-b BATCH] [-e END] [-l LINES] [-s SECONDS] [-r RATE]
 *
 * Sends the file REQUEST first and waits for the text ANSWER. Then BATCH times the file EVENT, and
 * the file END behind them if there is one, in one write; the broker's answer has come when LINES
 * line feeds have, or anything at all where LINES is 0. So on, as fast as the broker answers or,
 * with RATE, one event at a time and that often per second. Writes how many were published.
 */
#include "client.h"
#include "stamp.h"

static int batch = 1, lines;
static double seconds = 1.0, rate;
static char answer[1 << 16];

static void read_answer(int fd)
{
    int left = lines;
    do {
        ssize_t size = read(fd, answer, sizeof answer);
        if (size <= 0)
            fail("the broker hung up, or did not answer");
        for (ssize_t i = 0; i < size; i++)
            left -= answer[i] == '\n';
    } while (left > 0);
}

/* One write's worth: the event `batch` times, and the end. */
static char *load(const char *event_path, const char *end_path, size_t *each, size_t *all)
{
    size_t end_size = 0;
    char *event = whole_file(event_path, each);
    char *end = end_path ? whole_file(end_path, &end_size) : NULL;
    char *data = malloc(*each * (size_t)batch + end_size);
    for (int i = 0; i < batch; i++)
        memcpy(data + *each * (size_t)i, event, *each);
    if (end)
        memcpy(data + *each * (size_t)batch, end, end_size);
    *all = *each * (size_t)batch + end_size;
    return data;
}

int main(int argc, char **argv)
{
    const char *end_path = NULL;
    int option;
    while ((option = getopt(argc, argv, "b:e:l:s:r:")) > 0) {
        switch (option) {
        case 'b': batch = atoi(optarg); break;
        case 'e': end_path = optarg; break;
        case 'l': lines = atoi(optarg); break;
        case 's': seconds = atof(optarg); break;
        case 'r': rate = atof(optarg); break;
        default: return 2;
        }
    }
    if (argc - optind != 4 || batch < 1) {
        fprintf(stderr, "usage: publish [options] SOCKET REQUEST ANSWER EVENT\n");
        return 2;
    }
    size_t size, each, all;
    char *request = whole_file(argv[optind + 1], &size);
    char *data = load(argv[optind + 3], end_path, &each, &all);
    char *stamp = find_stamp(data, data + each);
    int fd = dial(argv[optind]);
    send_all(fd, request, size);
    wait_for(fd, argv[optind + 2]);
    int64_t due = now_ns(), end = due + (int64_t)(seconds * 1e9);
    int64_t step = rate > 0 ? (int64_t)(1e9 * batch / rate) : 0;
    uint64_t published = 0;
    while (now_ns() < end) {
        for (int i = 0; i < batch; i++)
            write_stamp(stamp + each * (size_t)i, now_ns());
        send_all(fd, data, all);
        read_answer(fd);
        published += (uint64_t)batch;
        if (step)
            sleep_until(due += step);
    }
    printf("%lu\n", published);
    return 0;
}
