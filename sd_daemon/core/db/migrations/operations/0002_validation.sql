-- What jobs that validate files have found.

-- One row per such job, so that one that was interrupted goes on where its last transaction stands.
CREATE TABLE validations (
    job        TEXT PRIMARY KEY,  -- UUID of the job
    started_at INTEGER NOT NULL,
    place      INTEGER NOT NULL,  -- which of its paths it is at, from 0
    position   INTEGER NOT NULL,  -- entries.id it has come to there
    counts     TEXT NOT NULL      -- JSON: files, bytes, issues by severity
) WITHOUT ROWID;

-- What is wrong with a file, in the order in which it was found.
CREATE TABLE issues (
    job      TEXT NOT NULL,     -- validations.job
    number   INTEGER NOT NULL,  -- from 1
    severity INTEGER NOT NULL,  -- 0 info, 1 warning, 2 error, 3 critical
    path     NOT NULL,          -- absolute
    sentence TEXT NOT NULL,
    PRIMARY KEY (job, number)
) WITHOUT ROWID;

-- The whole content of files that were read completely: what a later reading has to find again
-- while size and mtime are the same.
CREATE TABLE readings (
    entry   INTEGER PRIMARY KEY,  -- entries.id in library.db
    size    INTEGER NOT NULL,
    mtime   INTEGER NOT NULL,
    hash    TEXT NOT NULL,        -- BLAKE3, 64 hexadecimal digits
    read_at INTEGER NOT NULL
);
