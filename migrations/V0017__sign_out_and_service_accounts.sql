-- Signing out at OpenID Connect providers, and accounts of programs.

CREATE TABLE oidc_sessions (
    sign_in_id uuid PRIMARY KEY REFERENCES sign_ins ON DELETE CASCADE,
    issuer text NOT NULL,
    subject text NOT NULL,
    session_id text,
    id_token bytea NOT NULL
);
CREATE INDEX oidc_sessions_by_subject ON oidc_sessions (issuer, subject);
COMMENT ON TABLE oidc_sessions IS 'What a provider calls the sign-ins that it gave, so that either side can end both';
COMMENT ON COLUMN oidc_sessions.session_id IS 'The provider''s sid; null: it names none';
COMMENT ON COLUMN oidc_sessions.id_token IS 'Sealed: shown to the provider again where its person signs out';

ALTER TABLE users ADD COLUMN kind text NOT NULL DEFAULT 'person' CHECK (kind IN ('person', 'service'));
COMMENT ON COLUMN users.kind IS 'person, or service: a program, which never signs in and has tokens that an administrator makes';
COMMENT ON TABLE api_tokens IS 'API tokens of people and of programs, which are JWTs whose jti is the id';
