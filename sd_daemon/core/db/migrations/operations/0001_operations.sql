-- What file operations of one library have done to the disk, and are about to do. Times are
-- nanoseconds since the Unix epoch; a path is TEXT where it is valid UTF-8 and a BLOB of its exact
-- bytes where it is not.

-- One row per job that changes files.
CREATE TABLE operations (
    id          TEXT PRIMARY KEY,  -- UUID of the job
    kind        TEXT NOT NULL,     -- copy, move, delete, rename, create, restore, empty, resolve, undo
    title       TEXT NOT NULL,     -- a sentence's beginning for a person: Copy of 3 files to /mnt
    state       TEXT NOT NULL,     -- doing, done, failed, cancelled
    undoes      TEXT,              -- operations.id: what it takes back
    undone_by   TEXT,              -- operations.id: what took it back
    lasting     TEXT,              -- why it cannot be undone; NULL: it can
    boot        TEXT,              -- the kernel's name for the boot that it was begun in
    flushed_at  INTEGER,           -- what was written before this is on the disk, whatever happens
    created_at  INTEGER NOT NULL,
    finished_at INTEGER
) WITHOUT ROWID;
CREATE INDEX operations_created ON operations (created_at);

-- The steps of an operation, in the order in which they are done. A step is on the disk before it
-- is `done`, and `doing` before anything of it is on the disk.
CREATE TABLE steps (
    operation TEXT NOT NULL,     -- operations.id
    number    INTEGER NOT NULL,  -- from 1
    kind      TEXT NOT NULL,     -- create: target is new; move: source became target;
                                 -- trash: source went into the trash, as target; remove: source is gone
    source,                      -- absolute path
    target,                      -- absolute path
    state     TEXT NOT NULL,     -- planned, doing, done, skipped, failed, undone
    device    INTEGER,           -- of what was made, when it was done: to know it again
    inode     INTEGER,
    size      INTEGER,
    mtime     INTEGER,
    detail    TEXT,              -- why it was skipped or failed; JSON of what the step needs besides
    PRIMARY KEY (operation, number)
) WITHOUT ROWID;
CREATE INDEX steps_open ON steps (operation, number) WHERE state IN ('planned', 'doing');
