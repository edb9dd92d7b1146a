/* A whole client of the Spacedrive daemon in C, with nothing but POSIX.
 *
 *     cc -o client client.c && ./client [--socket PATH | --data-dir PATH] [EVENT ...]
 *
 * It says Hello, makes a call, handles an error, and then prints every event, one line of JSON each,
 * for as long as it runs. A connection that ends is made again, and goes on where it ended: every
 * event is printed exactly once. Remarks go to standard error.
 *
 * There is no JSON reader here. A few facts of the protocol make up for it: the key that names a
 * message is the first of its line, and a quotation mark inside of a text always has a backslash
 * before it. So `"sequence":` can only be a key, and the last one of an event's line is the one that
 * stands beside the event.
 */
#define _POSIX_C_SOURCE 200809L

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define LONGEST (8u * 1024 * 1024) /* bytes of a line */

static const struct timespec PAUSE = {0, 200000000}; /* between two attempts to connect */

/* --- lines of a stream ------------------------------------------------------------------------ */

struct connection {
  int fd;
  char *bytes; /* what was read and not yet given out */
  size_t start, end, room;
};

/* The next line, without its LF and closed with a NUL, or NULL when the daemon has gone. It is good
 * until the next call. */
static char *read_line(struct connection *c) {
  size_t seen = c->start; /* no LF before this */
  for (;;) {
    char *lf = c->end > seen ? memchr(c->bytes + seen, '\n', c->end - seen) : NULL;
    if (lf != NULL) {
      char *line = c->bytes + c->start;
      *lf = '\0';
      c->start = (size_t)(lf - c->bytes) + 1;
      return line;
    }
    if (c->start > 0) { /* make room at the end: a line may come in any number of pieces */
      memmove(c->bytes, c->bytes + c->start, c->end - c->start);
      c->end -= c->start;
      c->start = 0;
    }
    seen = c->end;
    if (c->end == c->room) {
      size_t room = c->room == 0 ? 65536 : c->room * 2;
      char *larger = room > 2 * LONGEST ? NULL : realloc(c->bytes, room);
      if (larger == NULL) return NULL;
      c->bytes = larger;
      c->room = room;
    }
    ssize_t got = read(c->fd, c->bytes + c->end, c->room - c->end);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return NULL; /* half a line at the end is none */
    c->end += (size_t)got;
  }
}

static int send_all(struct connection *c, const char *bytes) {
  size_t left = strlen(bytes);
  while (left > 0) {
    ssize_t sent = write(c->fd, bytes, left);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return -1;
    bytes += sent;
    left -= (size_t)sent;
  }
  return 0;
}

static void hang_up(struct connection *c) {
  close(c->fd);
  free(c->bytes);
  memset(c, 0, sizeof *c);
}

/* --- what stands in a line --------------------------------------------------------------------- */

static int begins(const char *line, const char *with) {
  return strncmp(line, with, strlen(with)) == 0;
}

/* What stands behind the last `key` of a line, or NULL. */
static const char *behind(const char *line, const char *key) {
  const char *found = NULL;
  for (const char *at = line; (at = strstr(at, key)) != NULL; at += 1) found = at + strlen(key);
  return found;
}

static unsigned long long number(const char *line, const char *key) {
  const char *at = behind(line, key);
  return at == NULL ? 0 : strtoull(at, NULL, 10);
}

/* The text behind a key, up to its quotation mark. */
static void text(const char *line, const char *key, char *into, size_t room) {
  const char *at = behind(line, key);
  size_t length = at == NULL ? 0 : strcspn(at, "\"");
  if (length >= room) length = room - 1;
  memcpy(into, at == NULL ? "" : at, length);
  into[length] = '\0';
}

/* --- where the daemon is ----------------------------------------------------------------------- */

static const char *variable(const char *name) {
  const char *value = getenv(name);
  return value != NULL && value[0] != '\0' ? value : NULL;
}

/* The sockets to try, first to last; how many there are. One that was named is the only one. */
static int find_sockets(const char *named, const char *data, char paths[2][4096]) {
  const char *instance = variable("SD_INSTANCE"), *home = variable("HOME");
  const char *xdg = variable("XDG_DATA_HOME");
  char name[256];
  snprintf(name, sizeof name, "daemon%s%s.sock", instance ? "-" : "", instance ? instance : "");
  if (named == NULL && data == NULL) named = variable("SD_SOCKET");
  if (named == NULL && data == NULL) data = variable("SD_DATA_DIR");
  if (named != NULL) {
    snprintf(paths[0], 4096, "%s", named);
    return 1;
  }
  if (data != NULL) {
    snprintf(paths[0], 4096, "%s/daemon/%s", data, name);
    return 1;
  }
  if (home == NULL) home = "";
#ifdef __APPLE__
  xdg = NULL;
  snprintf(paths[0], 4096, "%s/Library/Application Support/spacedrive/daemon/%s", home, name);
#else
  if (xdg != NULL && xdg[0] == '/')
    snprintf(paths[0], 4096, "%s/spacedrive/daemon/%s", xdg, name);
  else
    snprintf(paths[0], 4096, "%s/.local/share/spacedrive/daemon/%s", home, name);
#endif
  snprintf(paths[1], 4096, "/run/spacedrive/%s", name);
  return 2;
}

static int dial(struct connection *c, const char *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(path) >= sizeof address.sun_path) return -1;
  memcpy(address.sun_path, path, strlen(path) + 1);
  memset(c, 0, sizeof *c);
  c->fd = socket(AF_UNIX, SOCK_STREAM, 0);
  if (c->fd < 0) return -1;
  if (connect(c->fd, (struct sockaddr *)&address, sizeof address) == 0) return 0;
  hang_up(c);
  return -1;
}

/* --- the conversation -------------------------------------------------------------------------- */

/* Send one request and return its answer. Nothing else comes before there is a subscription. */
static char *ask(struct connection *c, const char *request) {
  return send_all(c, request) < 0 ? NULL : read_line(c);
}

/* A connection on which both ends know who the other is. */
static int introduce(struct connection *c, char paths[2][4096], int count) {
  for (int i = 0; i < count; i++) {
    if (dial(c, paths[i]) < 0) continue;
    char *line = ask(c, "{\"Hello\":{\"version\":1,\"client\":\"client.c\"},\"id\":1}\n");
    if (line != NULL && begins(line, "{\"Hello\":")) {
      char version[64];
      text(line, "\"daemon\":\"", version, sizeof version);
      fprintf(stderr, "connected to %s: daemon %s\n", paths[i], version);
      return 0;
    }
    hang_up(c);
  }
  return -1;
}

/* One call that works and one that does not. */
static int look_around(struct connection *c) {
  char *line = ask(c, "{\"Query\":{\"method\":\"query:libraries.list\"},\"id\":2}\n");
  if (line == NULL) return -1;
  fprintf(stderr, "libraries: %s\n", line);
  line = ask(c, "{\"Query\":{\"method\":\"query:no.such.operation\"},\"id\":3}\n");
  if (line == NULL) return -1;
  if (begins(line, "{\"Error\":")) {
    char code[64]; /* stable: what a program decides by */
    text(line, "\"code\":\"", code, sizeof code);
    fprintf(stderr, "an error, as expected: %s\n", code);
  }
  return 0;
}

/* Where we are in the stream of events. It outlives connections. */
struct place {
  int known;
  unsigned long long after;
  char stream[64];
};

static void subscribed(const char *line, struct place *place) {
  int gone = behind(line, "\"gone\":{") != NULL;
  if (gone) fprintf(stderr, "some events are not kept any more: %s\n", line);
  if (gone)
    place->after = number(line, "\"last\":");
  else if (!place->known)
    place->after = number(line, "\"sequence\":");
  text(line, "\"stream\":\"", place->stream, sizeof place->stream);
  place->known = 1;
  fprintf(stderr, "subscribed\n");
}

/* Print events until the connection ends; -1 where it makes no sense to try again. */
static int follow(struct connection *c, const char *types, struct place *place) {
  char request[8192], since[160] = "";
  if (place->known)
    snprintf(since, sizeof since, ",\"after\":%llu,\"stream\":\"%s\"", place->after, place->stream);
  snprintf(request, sizeof request,
           "{\"Subscribe\":{\"event_types\":[%s]%s},\"id\":\"events\"}\n", types, since);
  if (send_all(c, request) < 0) return 0;
  for (char *line; (line = read_line(c)) != NULL;) {
    if (begins(line, "{\"Event\":")) {
      if (puts(line) < 0 || fflush(stdout) != 0) return -1;
      place->after = number(line, "\"sequence\":");
    } else if (begins(line, "{\"Subscribed\":")) {
      subscribed(line, place);
    } else if (begins(line, "{\"CaughtUp\":")) {
      place->after = number(line, "\"sequence\":");
    } else if (begins(line, "{\"Lagged\":")) {
      place->after = number(line, "\"after\":"); /* too slow: ask again for what is missing */
      return 0;
    } else if (begins(line, "{\"Error\":")) {
      fprintf(stderr, "%s\n", line);
      return behind(line, "\"retryable\":true") != NULL ? 0 : -1;
    }
  }
  fprintf(stderr, "the connection ended\n");
  return 0;
}

int main(int argc, char **argv) {
  const char *named = NULL, *data = NULL;
  char paths[2][4096], types[4096] = "";
  struct connection c;
  struct place place = {0};
  for (int i = 1; i < argc; i++) {
    size_t used = strlen(types);
    if (strcmp(argv[i], "--socket") == 0 && i + 1 < argc)
      named = argv[++i];
    else if (strcmp(argv[i], "--data-dir") == 0 && i + 1 < argc)
      data = argv[++i];
    else
      snprintf(types + used, sizeof types - used, "%s\"%s\"", used > 0 ? "," : "", argv[i]);
  }
  signal(SIGPIPE, SIG_IGN); /* a connection that has ended shall be an error of write */
  int count = find_sockets(named, data, paths);
  if (introduce(&c, paths, count) < 0) {
    fprintf(stderr, "no daemon answers at %s%s%s\n", paths[0], count > 1 ? " or " : "",
            count > 1 ? paths[1] : "");
    return 3;
  }
  if (look_around(&c) < 0) return 1;
  while (follow(&c, types, &place) == 0) {
    hang_up(&c);
    do nanosleep(&PAUSE, NULL);
    while (introduce(&c, paths, count) < 0);
  }
  return 1;
}
