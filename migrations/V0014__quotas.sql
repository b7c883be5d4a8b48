-- What people and groups may have at once and in a month, and what sessions hold and used of it.

CREATE TABLE quotas (
    kind text NOT NULL CHECK (kind IN ('default', 'user', 'group', 'project')),
    subject text NOT NULL,
    sessions bigint,
    cpu_millicores bigint,
    memory_bytes bigint,
    gpus bigint,
    storage_bytes bigint,
    cpu_seconds bigint,
    memory_seconds bigint,
    gpu_seconds bigint,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (kind, subject),
    CHECK ((kind = 'default') = (subject = ''))
);
COMMENT ON TABLE quotas IS 'Limits; null = none. A person''s own row takes the place of the default one as a whole';
COMMENT ON COLUMN quotas.cpu_seconds IS 'In a month: cores times seconds';
COMMENT ON COLUMN quotas.memory_seconds IS 'In a month: GiB times seconds';
COMMENT ON COLUMN quotas.gpu_seconds IS 'In a month: GPUs times seconds';
COMMENT ON COLUMN quotas.subject IS 'Name of the user, the group or the project; empty for the default';

CREATE TABLE reservations (
    session text PRIMARY KEY,
    session_uid text,
    owner text NOT NULL,
    project text,
    cpu_millicores bigint NOT NULL,
    memory_bytes bigint NOT NULL,
    gpus bigint NOT NULL,
    home text NOT NULL,
    storage_bytes bigint NOT NULL,
    running boolean NOT NULL,
    reserved_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX reservations_of_owner ON reservations (owner);
CREATE INDEX reservations_of_project ON reservations (project) WHERE project IS NOT NULL;
COMMENT ON TABLE reservations IS 'What each session holds of the limits of its owner, their groups and its project; written under one advisory lock';
COMMENT ON COLUMN reservations.session IS 'metadata.name';
COMMENT ON COLUMN reservations.session_uid IS 'metadata.uid; null until the object was seen';
COMMENT ON COLUMN reservations.home IS 'Sessions of one home hold its storage once';
COMMENT ON COLUMN reservations.running IS 'CPU, memory and GPUs count only while it holds';
COMMENT ON COLUMN reservations.reserved_at IS 'By the clock of the database; without its object it is freed a minute later';

CREATE TABLE usage_runs (
    session_uid text NOT NULL,
    run bigint NOT NULL,
    session text NOT NULL,
    owner text NOT NULL,
    project text,
    cpu_millicores bigint NOT NULL,
    memory_bytes bigint NOT NULL,
    gpus bigint NOT NULL,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (session_uid, run)
);
CREATE INDEX usage_runs_of_owner ON usage_runs (owner, started_at);
CREATE INDEX usage_runs_of_project ON usage_runs (project, started_at) WHERE project IS NOT NULL;
CREATE INDEX usage_runs_open ON usage_runs (session_uid) WHERE ended_at IS NULL;
COMMENT ON TABLE usage_runs IS 'What each run was given and for how long; kept when the session is gone';
COMMENT ON COLUMN usage_runs.seen_at IS 'Last sign of life, to about half a minute; a run that a crash left open ended then';

CREATE TABLE budgets_spent (
    holder text PRIMARY KEY,
    since timestamptz NOT NULL
);
COMMENT ON TABLE budgets_spent IS 'Whose running sessions are to end, since nothing is left of a budget that binds them';
COMMENT ON COLUMN budgets_spent.holder IS 'owner/project, with nothing behind the slash for sessions of no project';
