-- Requests that a caller may repeat without harm.

CREATE TABLE idempotency_keys (
    caller text NOT NULL,
    key text NOT NULL,
    request_hash bytea NOT NULL CHECK (octet_length(request_hash) = 32),
    attempt uuid NOT NULL,
    instance uuid NOT NULL,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    status smallint,
    headers jsonb,
    body bytea,
    PRIMARY KEY (caller, key)
);
CREATE INDEX idempotency_keys_by_expiry ON idempotency_keys (expires_at);
COMMENT ON TABLE idempotency_keys IS 'One row for each Idempotency-Key of a caller, with the answer to tell again';
COMMENT ON COLUMN idempotency_keys.request_hash IS 'SHA-256 of method, path with query, and body';
COMMENT ON COLUMN idempotency_keys.attempt IS 'The execution that runs or ran; only it may write the answer';
COMMENT ON COLUMN idempotency_keys.instance IS 'The server process that executes; a dead one''s attempts are taken up';
COMMENT ON COLUMN idempotency_keys.started_at IS 'Start of the attempt, by the database''s clock';
COMMENT ON COLUMN idempotency_keys.status IS 'HTTP status of the answer; null while the attempt is under way';
COMMENT ON COLUMN idempotency_keys.headers IS 'Headers of the answer that describe its body: pairs of name and value';
