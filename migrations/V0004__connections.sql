-- Who is connected to which session, and when a person last did something in it.

CREATE TABLE connections (
    id uuid PRIMARY KEY,
    session text NOT NULL,
    session_uid text NOT NULL,
    user_name text NOT NULL,
    user_epoch integer,
    credential text NOT NULL CHECK (credential IN ('sign-in', 'token', 'access', 'anyone')),
    credential_id uuid,
    client_address text,
    user_agent text NOT NULL,
    connected_at timestamptz NOT NULL,
    last_heartbeat timestamptz NOT NULL,
    closed_at timestamptz,
    ticket_hash bytea,
    ticket_expires_at timestamptz,
    CHECK ((credential = 'anyone') = (credential_id IS NULL))
);
CREATE INDEX connections_open ON connections (session) WHERE closed_at IS NULL;
CREATE INDEX connections_open_by_heartbeat ON connections (last_heartbeat) WHERE closed_at IS NULL;
CREATE INDEX connections_closed ON connections (closed_at) WHERE closed_at IS NOT NULL;
CREATE UNIQUE INDEX connections_by_ticket ON connections (ticket_hash) WHERE ticket_hash IS NOT NULL;
COMMENT ON TABLE connections IS 'Connections of people to sessions. A closed one is kept for a while: the cookie of its browser may open it again';
COMMENT ON COLUMN connections.id IS 'What the cookie on the session''s own origin stands for';
COMMENT ON COLUMN connections.session_uid IS 'metadata.uid: a session of the same name made later is another';
COMMENT ON COLUMN connections.user_epoch IS 'users.epoch when it was opened: what an access token opened ends with it';
COMMENT ON COLUMN connections.credential IS 'What opened it: a browser''s sign-in, a personal token, an access token, or AUTH_MODE=none. Its end ends this';
COMMENT ON COLUMN connections.last_heartbeat IS 'Last sign of life; 60 s without one close the connection';
COMMENT ON COLUMN connections.ticket_hash IS 'SHA-256 of the entry ticket; null: redeemed, or none was given';

CREATE TABLE activity (
    session text PRIMARY KEY,
    session_uid text NOT NULL,
    last_activity timestamptz,
    last_cause text NOT NULL DEFAULT '',
    snoozed_until timestamptz
);
COMMENT ON TABLE activity IS 'What is known of the use of a session; written at most every 10 s each';
COMMENT ON COLUMN activity.last_activity IS 'When the person, or the person''s program, last did something that counts; null = not yet';
COMMENT ON COLUMN activity.last_cause IS 'What that was, as part of a sentence';
COMMENT ON COLUMN activity.snoozed_until IS 'No idle stop before this';
