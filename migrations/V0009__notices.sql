-- What people are told about their sessions, kept for as long as it is worth knowing.

CREATE SEQUENCE notice_numbers;

CREATE TABLE notices (
    session_uid text NOT NULL,
    reason text NOT NULL,
    number bigint NOT NULL UNIQUE,
    session text NOT NULL,
    user_name text NOT NULL,
    message text NOT NULL,
    at timestamptz NOT NULL,
    stops_at timestamptz NOT NULL,
    PRIMARY KEY (session_uid, reason)
);
COMMENT ON TABLE notices IS 'Warnings before a session stops; a later one about the same takes the place of the earlier one';
COMMENT ON COLUMN notices.number IS 'Place in the feed. Given under a lock, so that numbers become visible in their order';
COMMENT ON COLUMN notices.stops_at IS 'When the session stops; after that the warning is worth nothing';
