-- People, how they sign in, what they may do with a token, and the audit.

CREATE TABLE installation (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    id uuid NOT NULL DEFAULT gen_random_uuid()
);
COMMENT ON TABLE installation IS 'One row: what tells this installation from every other';
COMMENT ON COLUMN installation.id IS 'Issuer of the tokens, as urn:streamspace:{id}; it outlives a change of the address';
INSERT INTO installation DEFAULT VALUES;

CREATE TABLE users (
    id uuid PRIMARY KEY,
    name text NOT NULL UNIQUE CHECK (name ~ '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'),
    display_name text NOT NULL DEFAULT '',
    email text,
    roles text[] NOT NULL,
    disabled boolean NOT NULL DEFAULT false,
    password_hash text,
    epoch integer NOT NULL DEFAULT 0,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    last_sign_in_at timestamptz,
    deleted_at timestamptz
);
COMMENT ON TABLE users IS 'Accounts. A row outlives its account, because a name is never given out again';
COMMENT ON COLUMN users.name IS 'DNS label: part of the names of sessions and homes';
COMMENT ON COLUMN users.roles IS 'Words of roles; a word that a release does not know gives nothing';
COMMENT ON COLUMN users.password_hash IS 'argon2id as a PHC string; null: none was set, or the account was deleted';
COMMENT ON COLUMN users.epoch IS 'Access tokens carry it; adding one ends all that were issued before';
COMMENT ON COLUMN users.version IS 'Grows with each change that the API shows; the ETag';
COMMENT ON COLUMN users.deleted_at IS 'When it was deleted; what was known of the person was erased then';

CREATE TABLE sign_ins (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    secret_hash bytea NOT NULL UNIQUE,
    method text NOT NULL,
    created_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    ended_at timestamptz,
    address text,
    user_agent text
);
CREATE INDEX sign_ins_of_user ON sign_ins (user_id) WHERE ended_at IS NULL;
CREATE INDEX sign_ins_by_expiry ON sign_ins (expires_at);
COMMENT ON TABLE sign_ins IS 'Browsers that signed in';
COMMENT ON COLUMN sign_ins.secret_hash IS 'SHA-256 of the cookie''s value, which is 256 random bits and kept nowhere';
COMMENT ON COLUMN sign_ins.method IS 'password or link';
COMMENT ON COLUMN sign_ins.last_seen_at IS 'Last request, to about a minute';
COMMENT ON COLUMN sign_ins.expires_at IS 'Absolute limit; the limit without activity is configured and counts from last_seen_at';
COMMENT ON COLUMN sign_ins.ended_at IS 'When it was ended before its time: signed out, disabled, password changed';

CREATE TABLE sign_in_links (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    secret_hash bytea NOT NULL UNIQUE,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX sign_in_links_of_user ON sign_in_links (user_id) WHERE used_at IS NULL;
COMMENT ON TABLE sign_in_links IS 'One-time links: the first administrator, new accounts, lost passwords. At most one per person works';
COMMENT ON COLUMN sign_in_links.secret_hash IS 'SHA-256 of the secret, which is 256 random bits and kept nowhere';
COMMENT ON COLUMN sign_in_links.used_at IS 'When it was used, or made void by a newer one';

CREATE TABLE sign_in_failures (
    name_mac bytea PRIMARY KEY,
    attempts integer NOT NULL,
    last_attempt_at timestamptz NOT NULL,
    locked_until timestamptz NOT NULL
);
CREATE INDEX sign_in_failures_by_time ON sign_in_failures (last_attempt_at);
COMMENT ON TABLE sign_in_failures IS 'Attempts with a password since the last that was right, for names with and without an account alike';
COMMENT ON COLUMN sign_in_failures.name_mac IS 'MAC of the name as typed, since people type passwords there too';
COMMENT ON COLUMN sign_in_failures.attempts IS 'Counted before the password is looked at, so that many at once count as many';

CREATE TABLE api_tokens (
    id uuid PRIMARY KEY,
    user_id uuid NOT NULL REFERENCES users,
    name text NOT NULL,
    token_hash bytea NOT NULL,
    scopes text[],
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    last_used_at timestamptz,
    revoked_at timestamptz
);
CREATE INDEX api_tokens_of_user ON api_tokens (user_id, created_at DESC);
COMMENT ON TABLE api_tokens IS 'Personal API tokens, which are JWTs whose jti is the id';
COMMENT ON COLUMN api_tokens.token_hash IS 'SHA-256 of the whole token, which is shown once and kept nowhere';
COMMENT ON COLUMN api_tokens.scopes IS 'Permissions it is narrowed to; null: all that the person''s roles give';
COMMENT ON COLUMN api_tokens.last_used_at IS 'Last request, to about a minute';

CREATE TABLE signing_keys (
    kid text PRIMARY KEY,
    algorithm text NOT NULL,
    public_key bytea NOT NULL,
    private_key bytea,
    created_at timestamptz NOT NULL,
    retired_at timestamptz
);
COMMENT ON TABLE signing_keys IS 'Keys that sign tokens: the newest one that is not retired signs, all that are here verify';
COMMENT ON COLUMN signing_keys.private_key IS 'Sealed with SECRET_KEY (PKCS#8 DER); erased when the key is retired';

CREATE TABLE audit_entries (
    id uuid PRIMARY KEY,
    time timestamptz NOT NULL DEFAULT clock_timestamp(),
    actor text,
    credential text NOT NULL,
    address text,
    action text NOT NULL,
    target text,
    result text NOT NULL,
    request_id text,
    before json,
    after json
);
CREATE INDEX audit_entries_by_time ON audit_entries (time DESC, id DESC);
CREATE INDEX audit_entries_by_actor ON audit_entries (actor, time DESC);
CREATE INDEX audit_entries_by_target ON audit_entries (target, time DESC);
COMMENT ON TABLE audit_entries IS 'Who did what, from where, with which result. Insert and read: nothing else is granted, and a trigger refuses it to the owner';
COMMENT ON COLUMN audit_entries.actor IS 'Name of the person; null for a sign-in under a name without an account';
COMMENT ON COLUMN audit_entries.before IS 'What was there, without secrets; json, not jsonb, so that the text that was hashed stays as it is';

CREATE TABLE audit_pending (
    entry uuid PRIMARY KEY
);
COMMENT ON TABLE audit_pending IS 'Entries that have no link yet; the only table of the audit that is emptied';

CREATE TABLE audit_links (
    number bigint PRIMARY KEY,
    entry uuid NOT NULL UNIQUE REFERENCES audit_entries,
    hash bytea NOT NULL
);
COMMENT ON TABLE audit_links IS 'The chain: each link''s hash covers the link before and its entry. Insert and read only';
COMMENT ON COLUMN audit_links.number IS 'From 1, without a gap';

CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_links
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();

CREATE FUNCTION audit_await_link() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO audit_pending (entry) VALUES (NEW.id);
    RETURN NULL;
END $$;
CREATE TRIGGER await_link AFTER INSERT ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION audit_await_link();

-- Whoever changes what a credential gives, be it by hand, says so to every replica: the name of the account.
CREATE FUNCTION people_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('streamspace_people', OLD.name);
    RETURN NULL;
END $$;
CREATE TRIGGER tell_change AFTER UPDATE ON users FOR EACH ROW
    WHEN ((OLD.name, OLD.roles, OLD.disabled, OLD.epoch, OLD.deleted_at)
          IS DISTINCT FROM (NEW.name, NEW.roles, NEW.disabled, NEW.epoch, NEW.deleted_at))
    EXECUTE FUNCTION people_changed();
CREATE TRIGGER tell_end AFTER DELETE ON users FOR EACH ROW EXECUTE FUNCTION people_changed();

CREATE FUNCTION credentials_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('streamspace_people', name) FROM users WHERE id = OLD.user_id;
    RETURN NULL;
END $$;
CREATE TRIGGER tell_change AFTER UPDATE ON sign_ins FOR EACH ROW
    WHEN ((OLD.ended_at, OLD.expires_at) IS DISTINCT FROM (NEW.ended_at, NEW.expires_at))
    EXECUTE FUNCTION credentials_changed();
CREATE TRIGGER tell_change AFTER UPDATE ON api_tokens FOR EACH ROW
    WHEN ((OLD.revoked_at, OLD.expires_at, OLD.scopes) IS DISTINCT FROM (NEW.revoked_at, NEW.expires_at, NEW.scopes))
    EXECUTE FUNCTION credentials_changed();
-- Rows that ended long ago go without a word.
CREATE TRIGGER tell_end AFTER DELETE ON sign_ins FOR EACH ROW
    WHEN (OLD.ended_at IS NULL AND OLD.expires_at > clock_timestamp()) EXECUTE FUNCTION credentials_changed();
CREATE TRIGGER tell_end AFTER DELETE ON api_tokens FOR EACH ROW
    WHEN (OLD.revoked_at IS NULL AND OLD.expires_at > clock_timestamp()) EXECUTE FUNCTION credentials_changed();
