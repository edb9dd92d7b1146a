/* The limits of everything that reads a tree of files.
 *
 *   walk look ROOT           look at every entry: getdents and fstatat
 *   walk store ROOT DB       and write a row for each into a new SQLite file, durably
 *   walk read ROOT           open, read and close every regular file
 *
 * Writes JSON: seconds, files, folders, bytes, and the most memory it had in KiB.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static enum { LOOK, STORE, READ } mode;
static sqlite3 *db;
static sqlite3_stmt *insert;
static int64_t files, folders, bytes, last_id;
static char buffer[1 << 20];

static void fail(const char *what)
{
    fprintf(stderr, "%s: %s\n", what, db ? sqlite3_errmsg(db) : strerror(errno));
    exit(1);
}

static void run(const char *sql)
{
    if (sqlite3_exec(db, sql, NULL, NULL, NULL))
        fail(sql);
}

static void open_store(const char *path)
{
    unlink(path);
    if (sqlite3_open(path, &db))
        fail(path);
    run("PRAGMA page_size = 8192");
    run("PRAGMA journal_mode = WAL");
    run("PRAGMA synchronous = NORMAL");
    run("PRAGMA cache_size = -32768");
    run("CREATE TABLE entries (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL, name TEXT NOT NULL,"
        " kind INTEGER NOT NULL, size INTEGER NOT NULL, mtime INTEGER NOT NULL,"
        " ctime INTEGER NOT NULL, inode INTEGER NOT NULL)");
    if (sqlite3_prepare_v2(db, "INSERT INTO entries VALUES (?,?,?,?,?,?,?,?)", -1, &insert, NULL))
        fail("prepare");
    run("BEGIN");
}

/* One transaction, then the index that makes (folder, name) unique, then all of it on the disk. */
static void close_store(void)
{
    run("COMMIT");
    run("CREATE UNIQUE INDEX entries_by_name ON entries (parent, name)");
    run("PRAGMA wal_checkpoint(TRUNCATE)");
    sqlite3_finalize(insert);
    sqlite3_close(db);
}

static int64_t in_ns(struct timespec t)
{
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void store(int64_t id, int64_t parent, const char *name, const struct stat *found)
{
    sqlite3_bind_int64(insert, 1, id);
    sqlite3_bind_int64(insert, 2, parent);
    sqlite3_bind_text(insert, 3, name, -1, SQLITE_STATIC);
    sqlite3_bind_int64(insert, 4, found->st_mode >> 12);
    sqlite3_bind_int64(insert, 5, found->st_size);
    sqlite3_bind_int64(insert, 6, in_ns(found->st_mtim));
    sqlite3_bind_int64(insert, 7, in_ns(found->st_ctim));
    sqlite3_bind_int64(insert, 8, (int64_t)found->st_ino);
    if (sqlite3_step(insert) != SQLITE_DONE)
        fail("insert");
    sqlite3_reset(insert);
}

static void read_whole(int folder, const char *name)
{
    int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    ssize_t size;
    if (fd < 0)
        return;
    while ((size = read(fd, buffer, sizeof buffer)) > 0)
        bytes += size;
    close(fd);
}

static void walk(int fd, int64_t id);

static void take(int fd, const struct dirent *entry, int64_t parent)
{
    struct stat found;
    int is_folder = entry->d_type == DT_DIR;
    int64_t id = ++last_id;
    if (mode != READ) {
        if (fstatat(fd, entry->d_name, &found, AT_SYMLINK_NOFOLLOW))
            return;
        bytes += is_folder ? 0 : found.st_size;
    }
    if (mode == STORE)
        store(id, parent, entry->d_name, &found);
    if (mode == READ && entry->d_type == DT_REG)
        read_whole(fd, entry->d_name);
    files += !is_folder;
    if (is_folder) {
        int inner = openat(fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (inner >= 0)
            walk(inner, id);
    }
}

static void walk(int fd, int64_t id)
{
    DIR *folder = fdopendir(fd);
    struct dirent *entry;
    if (!folder)
        fail("fdopendir");
    folders++;
    while ((entry = readdir(folder)))
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, ".."))
            take(fd, entry, id);
    closedir(folder);
}

int main(int argc, char **argv)
{
    static const char *const modes[] = {"look", "store", "read"};
    struct timespec begin, end;
    struct rusage usage;
    for (mode = LOOK; argc > 2 && mode <= READ && strcmp(argv[1], modes[mode]); mode++)
        ;
    if (argc != (mode == STORE ? 4 : 3) || mode > READ)
        return 2;
    clock_gettime(CLOCK_MONOTONIC, &begin);
    int root = open(argv[2], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        fail(argv[2]);
    if (mode == STORE)
        open_store(argv[3]);
    walk(root, 0);
    if (mode == STORE)
        close_store();
    clock_gettime(CLOCK_MONOTONIC, &end);
    getrusage(RUSAGE_SELF, &usage);
    printf("{\"seconds\":%.4f,\"files\":%lld,\"folders\":%lld,\"bytes\":%lld,\"rss_kib\":%ld}\n",
           (double)(in_ns(end) - in_ns(begin)) / 1e9, (long long)files, (long long)folders,
           (long long)bytes, usage.ru_maxrss);
    return 0;
}
