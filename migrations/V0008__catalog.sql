-- The template catalog: repositories, what was found in them, and what was told about them.

CREATE TABLE catalog_repositories (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    url text NOT NULL,
    url_key text NOT NULL,
    reference_kind text NOT NULL CHECK (reference_kind IN ('default', 'branch', 'tag', 'commit')),
    reference text,
    folder text NOT NULL,
    auth_kind text NOT NULL CHECK (auth_kind IN ('none', 'token', 'basic', 'ssh')),
    auth_user text,
    credential bytea,
    host_keys text,
    webhook_secret bytea,
    interval_s bigint,
    status text NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'syncing', 'synced', 'failed')),
    commit text,
    rules integer NOT NULL DEFAULT 0,
    template_count integer NOT NULL DEFAULT 0,
    last_error text,
    last_sync_at timestamptz,
    next_sync_at timestamptz,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_by text NOT NULL
);
CREATE UNIQUE INDEX catalog_repositories_name ON catalog_repositories (lower(name));
CREATE INDEX catalog_repositories_url_key ON catalog_repositories (url_key);
CREATE INDEX catalog_repositories_due ON catalog_repositories (next_sync_at) WHERE next_sync_at IS NOT NULL;
COMMENT ON TABLE catalog_repositories IS 'Git repositories that templates are read from';
COMMENT ON COLUMN catalog_repositories.url_key IS 'Host and path without scheme, user and .git: by which webhooks name it';
COMMENT ON COLUMN catalog_repositories.credential IS 'Token, password or private key, sealed with SECRET_KEY';
COMMENT ON COLUMN catalog_repositories.host_keys IS 'Of an SSH host, one a line: it is known by them';
COMMENT ON COLUMN catalog_repositories.webhook_secret IS 'Sealed with SECRET_KEY; null: none was made yet';
COMMENT ON COLUMN catalog_repositories.interval_s IS 'Seconds between syncs; 0: only when asked to; null: the server''s setting';
COMMENT ON COLUMN catalog_repositories.commit IS 'What the templates were read from last; null: nothing yet';
COMMENT ON COLUMN catalog_repositories.rules IS 'By which rules the templates were read; under others all are read again';
COMMENT ON COLUMN catalog_repositories.last_sync_at IS 'End of the latest sync that went well';
COMMENT ON COLUMN catalog_repositories.version IS 'Grows with each change of the settings; the ETag';

CREATE TABLE catalog_templates (
    id uuid PRIMARY KEY,
    repository uuid NOT NULL REFERENCES catalog_repositories ON DELETE CASCADE,
    name text NOT NULL,
    path text NOT NULL,
    version uuid NOT NULL,
    display_name text NOT NULL,
    description text NOT NULL,
    category text NOT NULL,
    tags text[] NOT NULL,
    icon text,
    installs bigint NOT NULL DEFAULT 0,
    added_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    removed_at timestamptz,
    words tsvector NOT NULL,
    UNIQUE (repository, name)
);
CREATE INDEX catalog_templates_words ON catalog_templates USING gin (words);
CREATE INDEX catalog_templates_tags ON catalog_templates USING gin (tags);
COMMENT ON TABLE catalog_templates IS 'Templates found in repositories, as they are now; a file that moves stays the same template';
COMMENT ON COLUMN catalog_templates.installs IS 'How often it was installed';
COMMENT ON COLUMN catalog_templates.removed_at IS 'Since when it is not in the repository any more; null: it is';

CREATE TABLE catalog_versions (
    id uuid PRIMARY KEY,
    template uuid NOT NULL REFERENCES catalog_templates ON DELETE CASCADE,
    number integer NOT NULL,
    commit text NOT NULL,
    path text NOT NULL,
    manifest text NOT NULL,
    spec json NOT NULL,
    notes json NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (template, number)
);
COMMENT ON TABLE catalog_versions IS 'What a template was at each commit that changed it';
COMMENT ON COLUMN catalog_versions.manifest IS 'The document as it stands in the file';
COMMENT ON COLUMN catalog_versions.spec IS 'What it means in the current spelling';
COMMENT ON COLUMN catalog_versions.notes IS 'What somebody should know of it: older spellings, fields that are ignored';

CREATE TABLE catalog_files (
    repository uuid NOT NULL REFERENCES catalog_repositories ON DELETE CASCADE,
    path text NOT NULL,
    blob text NOT NULL,
    names text[] NOT NULL,
    problems json NOT NULL,
    PRIMARY KEY (repository, path)
);
COMMENT ON TABLE catalog_files IS 'Files as they were read last, so that only those that changed are read again';
COMMENT ON COLUMN catalog_files.names IS 'Templates that come from it; of a broken file those that came from it last';

CREATE TABLE catalog_syncs (
    id uuid PRIMARY KEY,
    repository uuid NOT NULL REFERENCES catalog_repositories ON DELETE CASCADE,
    job text NOT NULL,
    result text NOT NULL CHECK (result IN ('synced', 'failed')),
    commit text,
    added integer NOT NULL DEFAULT 0,
    changed integer NOT NULL DEFAULT 0,
    removed integer NOT NULL DEFAULT 0,
    error text,
    problems json NOT NULL DEFAULT '[]',
    began_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX catalog_syncs_of_repository ON catalog_syncs (repository, ended_at DESC);
COMMENT ON TABLE catalog_syncs IS 'Syncs that found something new or failed; the latest of each repository are kept';

CREATE TABLE catalog_installs (
    id uuid PRIMARY KEY,
    template_name text NOT NULL,
    template_uid text NOT NULL,
    catalog_template uuid NOT NULL,
    version uuid NOT NULL,
    commit text NOT NULL,
    path text NOT NULL,
    action text NOT NULL CHECK (action IN ('install', 'upgrade', 'rollback')),
    by text NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX catalog_installs_of_template ON catalog_installs (template_uid, id DESC);
COMMENT ON TABLE catalog_installs IS 'Which versions a template of the cluster had: what a rollback goes back to';
COMMENT ON COLUMN catalog_installs.template_uid IS 'metadata.uid: one of the same name that comes later is another';

CREATE TABLE catalog_deliveries (
    id uuid PRIMARY KEY,
    repository uuid NOT NULL REFERENCES catalog_repositories ON DELETE CASCADE,
    provider text NOT NULL,
    delivery text NOT NULL,
    event text NOT NULL,
    reference text,
    result text NOT NULL CHECK (result IN ('accepted', 'ignored', 'pong', 'replayed')),
    reason text,
    job text,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE UNIQUE INDEX catalog_deliveries_once ON catalog_deliveries (repository, provider, delivery) WHERE result <> 'replayed';
CREATE INDEX catalog_deliveries_of_repository ON catalog_deliveries (repository, received_at DESC);
COMMENT ON TABLE catalog_deliveries IS 'Webhooks with a good signature, and what became of them; kept for 30 days';
COMMENT ON COLUMN catalog_deliveries.delivery IS 'The sender''s id of the delivery, or the SHA-256 of its body where it gives none';
