-- The index of one library. Readable with the stock sqlite3 shell.
--
-- Times are nanoseconds since the Unix epoch unless a column says otherwise; sizes are bytes.
-- A name or path is TEXT where it is valid UTF-8 and a BLOB of its exact bytes where it is not.

-- Everything that was found: one row per directory entry.
CREATE TABLE entries (
    id      INTEGER PRIMARY KEY AUTOINCREMENT, -- never reused; a rename or move keeps it
    parent  INTEGER NOT NULL,     -- entries.id of its folder; 0 for the root of a location
    name    NOT NULL,             -- with extension; for the root of a location its absolute path
    kind    INTEGER NOT NULL,     -- 0 file, 1 directory, 2 symlink, 3 fifo, 4 socket, 5 block device, 6 character device
    size    INTEGER NOT NULL,
    mtime   INTEGER NOT NULL,
    ctime   INTEGER NOT NULL,
    inode   INTEGER NOT NULL,
    content INTEGER               -- contents.id; NULL until identified, and for what has no content
);
CREATE UNIQUE INDEX entries_parent_name ON entries (parent, name);
CREATE INDEX entries_content ON entries (content) WHERE content IS NOT NULL;
-- entries_name, ON entries (name COLLATE NOCASE), serves search by prefix. The index job makes it
-- after the first load, because filling it row by row costs more than building it once. So does
-- folders_inode, ON folders (inode), by which a folder that was moved is found again.

-- The directories among the entries, with what a rescan needs to know without reading them.
CREATE TABLE folders (
    id     INTEGER PRIMARY KEY,  -- entries.id
    path   NOT NULL,             -- absolute, no trailing slash except for the root
    device INTEGER NOT NULL,     -- st_dev
    mtime  INTEGER NOT NULL,     -- as it was just before its names were read; 0: read it again
    ctime  INTEGER NOT NULL,
    inode  INTEGER NOT NULL,
    scan   INTEGER NOT NULL      -- scans.id that read it last; 0: never read; -1: read in part
);
CREATE UNIQUE INDEX folders_path ON folders (path);

-- Folders that a person chose to have indexed.
CREATE TABLE locations (
    id              INTEGER PRIMARY KEY,
    uuid            BLOB NOT NULL UNIQUE,   -- 16 bytes
    name            TEXT NOT NULL,
    path            NOT NULL UNIQUE,        -- absolute, no trailing slash
    entry           INTEGER NOT NULL UNIQUE, -- entries.id of its root folder
    index_mode      TEXT NOT NULL,          -- None, Shallow, Content, Deep
    scan_state      TEXT NOT NULL,          -- Idle, Scanning, Completed, Failed, Paused
    error           TEXT,                   -- why the last scan failed
    last_scan_at    INTEGER,
    file_count      INTEGER NOT NULL DEFAULT 0,
    directory_count INTEGER NOT NULL DEFAULT 0,
    total_size      INTEGER NOT NULL DEFAULT 0,
    unidentified    INTEGER NOT NULL DEFAULT 1, -- its files with an id below this are identified
    rules           TEXT,                   -- JSON: the rules its last complete scan followed
    job_policies    TEXT NOT NULL,          -- JSON
    created_at      INTEGER NOT NULL,
    updated_at      INTEGER NOT NULL
);

-- A pass over a subtree that has begun. A row stays until its last step is done, so that a pass
-- which was interrupted at any instant is continued from where its last transaction left it.
CREATE TABLE scans (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    job            TEXT NOT NULL,      -- the job it belongs to
    root           INTEGER NOT NULL,   -- entries.id of the folder where it starts
    first_new_id   INTEGER NOT NULL,   -- entries from here on are new in this pass
    phase          TEXT NOT NULL,      -- discover, settle, identify, names, done
    position       INTEGER NOT NULL DEFAULT 0, -- where the phase stands (an entries.id)
    again          INTEGER NOT NULL DEFAULT 0, -- 0, or: visit folders from this id on once more
    recount        INTEGER NOT NULL DEFAULT 0, -- 1: entries crossed the border of a location
    counts         TEXT NOT NULL,      -- JSON: what the report will say, as of the last transaction
    announced      INTEGER NOT NULL DEFAULT 0, -- changes of it that went into `announcements`
    started_at     INTEGER NOT NULL
);

-- Changes that were made and not announced yet to those who follow the files of the library. A row
-- is written with the change, and deleted when the change was announced.
CREATE TABLE announcements (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    change   TEXT NOT NULL,     -- created, modified, moved, deleted, identified, anything
    entry    INTEGER NOT NULL,  -- entries.id; 0 for 'anything'
    old_path,                   -- absolute: where it was that was moved or deleted; NULL: not known
    new_path                    -- absolute: where it then was that was moved
);
-- Entries up to this id have been announced as created, or what happened instead.
CREATE TABLE announced (entry INTEGER NOT NULL);
INSERT INTO announced VALUES (0);

-- Entries that are on their way out: their name was gone when their folder was read, or the location
-- they belong to was removed. When the pass settles, each is matched with a new entry of the same
-- device, inode and kind (it was moved, and keeps its id), or deleted.
CREATE TABLE vanished (
    entry  INTEGER PRIMARY KEY,
    scan   INTEGER NOT NULL,
    parent INTEGER NOT NULL,  -- entries.parent as it was
    device INTEGER NOT NULL,
    inode  INTEGER NOT NULL,
    inside INTEGER NOT NULL,  -- 0: it was seen to be gone; 1: the folder that held it is gone
    open   INTEGER NOT NULL   -- 1: what it holds has yet to be added to this table
);
CREATE INDEX vanished_inode ON vanished (inode);
CREATE INDEX vanished_open ON vanished (entry) WHERE open = 1;

-- What the index does not contain although it is on the disk, and why.
CREATE TABLE omissions (
    folder  INTEGER NOT NULL,  -- entries.id of the folder that holds it
    name    NOT NULL,          -- '.' stands for everything in the folder
    reason  TEXT NOT NULL,     -- 'rule' or an errno name such as EACCES
    detail  TEXT NOT NULL,     -- the rule's name, or the sentence for the error
    PRIMARY KEY (folder, name)
) WITHOUT ROWID;

-- What files contain. The primary key *is* the published content hash (64 bits, BLAKE3):
-- printf('%016x', id) prints it.
CREATE TABLE contents (
    id               INTEGER PRIMARY KEY,
    kind             INTEGER NOT NULL,  -- content kind number, 0 unknown .. 26
    mime             TEXT,
    size             INTEGER NOT NULL,
    integrity_hash   TEXT,              -- full BLAKE3, where something computed it
    first_seen_at    INTEGER NOT NULL,
    last_verified_at INTEGER NOT NULL
);

-- Full-text index over folded names (case and accents removed), by trigram. Contentless: the text
-- is computed from entries.name whenever a row is added or taken out.
CREATE VIRTUAL TABLE names USING fts5 (
    name, content = '', detail = none, columnsize = 0, tokenize = 'trigram'
);
-- Rows of entries up to this id are in `names`; later ones are found by reading them.
CREATE TABLE names_progress (entry INTEGER NOT NULL);
INSERT INTO names_progress VALUES (0);
