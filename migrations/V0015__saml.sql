-- Signing in through SAML 2.0 identity providers.

COMMENT ON COLUMN sign_ins.method IS 'password, link, oidc or saml';

CREATE TABLE saml_keys (
    id text PRIMARY KEY,
    certificate bytea NOT NULL,
    private_key bytea NOT NULL,
    created_at timestamptz NOT NULL
);
COMMENT ON TABLE saml_keys IS 'What providers know this server by where no files are configured: one row, made at the first start';
COMMENT ON COLUMN saml_keys.certificate IS 'X.509, DER';
COMMENT ON COLUMN saml_keys.private_key IS 'RSA, PKCS #8, sealed';

CREATE TABLE saml_metadata (
    source text PRIMARY KEY,
    document text NOT NULL,
    read_at timestamptz NOT NULL
);
COMMENT ON TABLE saml_metadata IS 'What providers last said of themselves, for a start while one is away';

CREATE TABLE saml_assertions (
    issuer text NOT NULL,
    assertion_id text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (issuer, assertion_id)
);
CREATE INDEX saml_assertions_by_expiry ON saml_assertions (expires_at);
COMMENT ON TABLE saml_assertions IS 'Assertions that let somebody in: none does twice';
COMMENT ON COLUMN saml_assertions.expires_at IS 'From then on it is refused for its age';

CREATE TABLE saml_sessions (
    sign_in_id uuid PRIMARY KEY REFERENCES sign_ins ON DELETE CASCADE,
    issuer text NOT NULL,
    name_id text NOT NULL,
    name_id_attributes jsonb NOT NULL,
    session_index text
);
CREATE INDEX saml_sessions_by_name ON saml_sessions (issuer, name_id);
COMMENT ON TABLE saml_sessions IS 'What a provider calls the sign-ins that it gave, so that either side can end both';
COMMENT ON COLUMN saml_sessions.name_id_attributes IS 'Format, NameQualifier and SPNameQualifier, as they stood there';
