-- Long work: what is to be done, who is at it, and what they say.

CREATE SEQUENCE job_revisions;

CREATE TABLE jobs (
    seq bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    id text PRIMARY KEY,
    type text NOT NULL,
    target text NOT NULL,
    status text NOT NULL CHECK (status IN ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'CANCELLED', 'DEAD')),
    payload json NOT NULL,
    collapsible boolean NOT NULL,
    untouched boolean NOT NULL DEFAULT true,
    attempt integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL,
    losses integer NOT NULL DEFAULT 0,
    run_after timestamptz NOT NULL,
    cancel_requested_at timestamptz,
    progress json,
    error text,
    result json,
    correlation_id text,
    created_by text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    revision bigint
);
COMMENT ON TABLE jobs IS 'Long work. Times are those of the database''s clock';
COMMENT ON COLUMN jobs.seq IS 'Jobs of one target run in this order';
COMMENT ON COLUMN jobs.target IS 'What it works on, such as repository/{id}: one job at a time';
COMMENT ON COLUMN jobs.payload IS 'For the handler of its type; shown to nobody, since it may name secrets';
COMMENT ON COLUMN jobs.collapsible IS 'While it was never taken, another of its type and target is the same job';
COMMENT ON COLUMN jobs.untouched IS 'It was never taken, cancelled or driven again';
COMMENT ON COLUMN jobs.attempt IS 'Attempts that began, without those whose worker was lost or handed it back';
COMMENT ON COLUMN jobs.losses IS 'How often the worker was lost over it';
COMMENT ON COLUMN jobs.run_after IS 'Not before this time';
COMMENT ON COLUMN jobs.created_by IS 'Name of the person; null: the platform itself';
COMMENT ON COLUMN jobs.started_at IS 'Begin of the latest attempt';
COMMENT ON COLUMN jobs.revision IS 'Number of the latest change in the feed; null: it has none yet. Given under a lock, so that numbers become visible in their order';

CREATE INDEX jobs_to_take ON jobs (seq) WHERE status = 'PENDING';
CREATE INDEX jobs_active_of_target ON jobs (target, seq) WHERE status IN ('PENDING', 'RUNNING');
CREATE UNIQUE INDEX jobs_collapsed ON jobs (type, target) WHERE collapsible AND untouched;
CREATE INDEX jobs_by_creator ON jobs (created_by, seq);
CREATE INDEX jobs_by_target ON jobs (target, seq);
CREATE INDEX jobs_by_end ON jobs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX jobs_by_revision ON jobs (revision);
CREATE INDEX jobs_without_revision ON jobs (seq) WHERE revision IS NULL;

CREATE TABLE job_locks (
    target text PRIMARY KEY,
    number bigint NOT NULL,
    job text,
    worker uuid,
    folder text,
    expires_at timestamptz NOT NULL,
    CHECK ((worker IS NULL) = (job IS NULL))
);
CREATE INDEX job_locks_held ON job_locks (expires_at) WHERE worker IS NOT NULL;
CREATE INDEX job_locks_of_worker ON job_locks (worker) WHERE worker IS NOT NULL;
COMMENT ON TABLE job_locks IS 'Who works on a target. A job runs exactly as long as its target''s lock names it';
COMMENT ON COLUMN job_locks.number IS 'Grows at each taking: a worker writes only with the number that it was given';
COMMENT ON COLUMN job_locks.worker IS 'The process; null: nobody';
COMMENT ON COLUMN job_locks.folder IS 'Its data folder: whoever holds the lock of that folder knows that the worker has ended';

CREATE TABLE job_logs (
    job text NOT NULL REFERENCES jobs ON DELETE CASCADE,
    number integer NOT NULL,
    attempt integer NOT NULL,
    time timestamptz NOT NULL,
    level text NOT NULL CHECK (level IN ('info', 'warning', 'error')),
    message text NOT NULL,
    PRIMARY KEY (job, number)
);
COMMENT ON TABLE job_logs IS 'What jobs say, line by line from 1';

CREATE TABLE job_removals (
    id text PRIMARY KEY,
    created_by text,
    revision bigint,
    removed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX job_removals_by_revision ON job_removals (revision);
COMMENT ON TABLE job_removals IS 'Jobs that are gone, for those who read the feed; kept for a day';
