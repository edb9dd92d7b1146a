-- The jobs of one library. Times are nanoseconds since the Unix epoch.

CREATE TABLE jobs (
    id             TEXT PRIMARY KEY,  -- UUID
    name           TEXT NOT NULL,     -- which work it is: indexer, index_verify, ...
    status         TEXT NOT NULL,     -- queued, running, paused, completed, failed, cancelled
    params         TEXT NOT NULL,     -- JSON: what the work is given
    progress       TEXT,              -- JSON: GenericProgress
    output         TEXT,              -- JSON: JobOutput, when completed
    error          TEXT,              -- a sentence, when failed
    error_code     TEXT,              -- the code of the error, when failed
    warnings       TEXT NOT NULL DEFAULT '[]',  -- JSON: sentences
    attempts       INTEGER NOT NULL DEFAULT 0,  -- workers started for it
    action_type    TEXT,              -- the operation that asked for it
    action_context TEXT,              -- JSON: ActionContext
    created_at     INTEGER NOT NULL,
    started_at     INTEGER,
    completed_at   INTEGER,
    limits         TEXT NOT NULL DEFAULT '{}'  -- JSON: JobLimits
) WITHOUT ROWID;
CREATE INDEX jobs_status ON jobs (status, created_at);
CREATE INDEX jobs_created ON jobs (created_at);
