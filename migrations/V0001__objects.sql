-- Sessions and Templates with Kubernetes' semantics. The JSON is kept as text: jsonb refuses strings with U+0000.

CREATE TABLE object_counters (
    namespace text NOT NULL,
    kind text NOT NULL,
    revision bigint NOT NULL DEFAULT 0,
    forgotten bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (namespace, kind)
);
COMMENT ON TABLE object_counters IS 'One row a kind; a writer locks it until it commits, so that numbers become visible in their order';
COMMENT ON COLUMN object_counters.revision IS 'Number of the last write';
COMMENT ON COLUMN object_counters.forgotten IS 'Changes up to this number are no longer kept';

CREATE TABLE objects (
    namespace text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    revision bigint NOT NULL,
    object json NOT NULL,
    PRIMARY KEY (namespace, kind, name)
);
COMMENT ON COLUMN objects.revision IS 'metadata.resourceVersion, which is not in the JSON';

CREATE TABLE object_changes (
    namespace text NOT NULL,
    kind text NOT NULL,
    revision bigint NOT NULL,
    deleted boolean NOT NULL,
    object json NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (namespace, kind, revision)
);
COMMENT ON TABLE object_changes IS 'What watchers read: the object after each write, or as it was last where it was deleted';

CREATE TABLE object_occurrences (
    namespace text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    uid text NOT NULL,
    type text NOT NULL,
    reason text NOT NULL,
    message text NOT NULL,
    message_sha256 bytea NOT NULL,
    count bigint NOT NULL DEFAULT 1,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (namespace, kind, name, uid, type, reason, message_sha256)
);
COMMENT ON TABLE object_occurrences IS 'Kubernetes Events; repeats are counted';
COMMENT ON COLUMN object_occurrences.written_at IS 'By the clock of the database, for the removal of old ones';
CREATE INDEX object_occurrences_written_at ON object_occurrences (written_at);

CREATE TABLE leadership (
    id boolean PRIMARY KEY DEFAULT true CHECK (id),
    holder text,
    folder text,
    epoch bigint NOT NULL DEFAULT 0,
    expires_at timestamptz NOT NULL DEFAULT '-infinity'
);
COMMENT ON TABLE leadership IS 'Who runs the controller. The leader''s writes lock the row FOR SHARE with their epoch';
COMMENT ON COLUMN leadership.holder IS 'The server process; null = nobody';
COMMENT ON COLUMN leadership.folder IS 'Its data folder: whoever holds the lock of that folder knows that the holder has ended';
COMMENT ON COLUMN leadership.epoch IS 'Grows by one with every change of the holder';
INSERT INTO leadership DEFAULT VALUES;
