-- The whole story of every session; the object itself holds the latest fifty events.
CREATE TABLE lifecycle_events (
    session_uid  text        NOT NULL,
    session      text        NOT NULL,
    owner        text        NOT NULL,
    at           timestamptz NOT NULL,
    type         text        NOT NULL,
    event_type   text        NOT NULL,
    message      text        NOT NULL,
    details      jsonb       NOT NULL DEFAULT '{}',
    PRIMARY KEY (session_uid, at, type)
);
COMMENT ON TABLE lifecycle_events IS 'History of sessions; kept when the session is gone';
COMMENT ON COLUMN lifecycle_events.event_type IS 'Normal or Warning, as in Kubernetes Events';

-- Effects outside PostgreSQL that are to happen: written first, repeatable, closed when they happened.
CREATE TABLE intents (
    id          uuid        PRIMARY KEY,
    kind        text        NOT NULL,
    name        text        NOT NULL,
    actor       text        NOT NULL,
    object      jsonb       NOT NULL,
    audit       jsonb       NOT NULL,
    opened_at   timestamptz NOT NULL DEFAULT now(),
    taken_until timestamptz NOT NULL,
    closed_at   timestamptz
);
CREATE INDEX intents_open ON intents (taken_until) WHERE closed_at IS NULL;
CREATE INDEX intents_closed ON intents (closed_at) WHERE closed_at IS NOT NULL;
COMMENT ON TABLE intents IS 'Objects about to be made; one that is left open is closed or released by the sweep';
COMMENT ON COLUMN intents.name IS 'metadata.name of what will be made';
COMMENT ON COLUMN intents.audit IS 'The audit entry that is written when the object is there';
COMMENT ON COLUMN intents.taken_until IS 'Until then the request that opened it works on it; after that anyone may';
COMMENT ON COLUMN intents.closed_at IS 'It happened and was written down; kept a day, so that a repeated request does not write it down again';
