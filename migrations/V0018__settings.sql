-- Settings that were changed while the server runs.

CREATE TABLE changed_settings (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    overrides jsonb NOT NULL DEFAULT '{}',
    version bigint NOT NULL DEFAULT 0,
    changed_by text,
    changed_at timestamptz
);
INSERT INTO changed_settings DEFAULT VALUES;
COMMENT ON TABLE changed_settings IS 'What differs from how each server was started; one row';
COMMENT ON COLUMN changed_settings.overrides IS 'By the names of the API; what is absent is as configured';
COMMENT ON COLUMN changed_settings.version IS 'Grows with each change; its ETag';
COMMENT ON COLUMN changed_settings.changed_by IS 'Who made the latest change; null: nobody yet';
