-- One machine as a node: what people set on it, and what happened to it.

CREATE TABLE host_node (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    labels jsonb NOT NULL DEFAULT '{}',
    taints jsonb NOT NULL DEFAULT '[]',
    unschedulable boolean NOT NULL DEFAULT false,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE host_node IS 'What people set on the host, of which there is one: it stays when the host gets another name';
COMMENT ON COLUMN host_node.unschedulable IS 'Cordoned: nothing new starts';
COMMENT ON COLUMN host_node.version IS 'Grows with each change; its ETag';

CREATE TABLE host_events (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL,
    type text NOT NULL CHECK (type IN ('Normal', 'Warning')),
    reason text NOT NULL,
    message text NOT NULL
);
COMMENT ON TABLE host_events IS 'What happened to the host; the latest hundred';
