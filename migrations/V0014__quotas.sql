-- What people and groups may have at once, and what sessions hold of it.

CREATE TABLE quotas (
    kind text NOT NULL CHECK (kind IN ('default', 'user', 'group')),
    subject text NOT NULL,
    sessions bigint,
    cpu_millicores bigint,
    memory_bytes bigint,
    gpus bigint,
    storage_bytes bigint,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (kind, subject),
    CHECK ((kind = 'default') = (subject = ''))
);
COMMENT ON TABLE quotas IS 'Limits; null = none. A person''s own row takes the place of the default one as a whole';
COMMENT ON COLUMN quotas.subject IS 'Name of the user or the group; empty for the default';

CREATE TABLE reservations (
    session text PRIMARY KEY,
    session_uid text,
    owner text NOT NULL,
    cpu_millicores bigint NOT NULL,
    memory_bytes bigint NOT NULL,
    gpus bigint NOT NULL,
    home text NOT NULL,
    storage_bytes bigint NOT NULL,
    running boolean NOT NULL,
    reserved_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX reservations_of_owner ON reservations (owner);
COMMENT ON TABLE reservations IS 'What each session holds of its owner''s and their groups'' limits; written under one advisory lock';
COMMENT ON COLUMN reservations.session IS 'metadata.name';
COMMENT ON COLUMN reservations.session_uid IS 'metadata.uid; null until the object was seen';
COMMENT ON COLUMN reservations.home IS 'Sessions of one home hold its storage once';
COMMENT ON COLUMN reservations.running IS 'CPU, memory and GPUs count only while it holds';
COMMENT ON COLUMN reservations.reserved_at IS 'By the clock of the database; without its object it is freed a minute later';
