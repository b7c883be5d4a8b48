-- One-time tickets for opening a WebSocket where neither a cookie nor a header can be sent.

CREATE TABLE socket_tickets (
    secret_hash bytea PRIMARY KEY,
    standing jsonb NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX socket_tickets_by_expiry ON socket_tickets (expires_at);
COMMENT ON TABLE socket_tickets IS 'Tickets that were given out and not used; a row goes when it is used, or with a later ticket once it has expired';
COMMENT ON COLUMN socket_tickets.secret_hash IS 'SHA-256 of the ticket, which is 256 random bits and kept nowhere';
COMMENT ON COLUMN socket_tickets.standing IS 'The credential of the one it was given to, asked again when it is used';
