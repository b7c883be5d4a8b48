-- What an administrator grants to templates that want to be root inside, and what the catalog shows beside manifests.

CREATE TABLE catalog_grants (
    id uuid PRIMARY KEY,
    repository uuid UNIQUE REFERENCES catalog_repositories ON DELETE CASCADE,
    template text,
    template_uid text UNIQUE,
    reason text NOT NULL,
    granted_by text NOT NULL,
    granted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (num_nonnulls(repository, template_uid) = 1 AND (template IS NULL) = (template_uid IS NULL))
);
COMMENT ON TABLE catalog_grants IS 'Who may be root inside its container (security: baseline): all templates of a repository, or one template';
COMMENT ON COLUMN catalog_grants.template_uid IS 'metadata.uid: one of the same name that comes later is another';

ALTER TABLE catalog_files ADD COLUMN text text;
COMMENT ON COLUMN catalog_files.text IS 'Of a README its Markdown; null: a manifest';
