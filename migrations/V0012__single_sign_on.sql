-- Signing in through identity providers, and what their claims give: groups and roles.

CREATE TABLE identities (
    id uuid NOT NULL UNIQUE,
    issuer text NOT NULL,
    subject text NOT NULL,
    user_id uuid NOT NULL REFERENCES users,
    roles text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    last_sign_in_at timestamptz,
    PRIMARY KEY (issuer, subject)
);
CREATE INDEX identities_of_user ON identities (user_id);
COMMENT ON TABLE identities IS 'Who a person is elsewhere. The subject is the provider''s own id of them, never an e-mail address';
COMMENT ON COLUMN identities.last_sign_in_at IS 'Null: an administrator joined it to the account, and it was not used since';
COMMENT ON COLUMN identities.roles IS 'What the claims of the last sign-in gave';

ALTER TABLE users ADD COLUMN mapped_roles text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN users.roles IS 'Words of roles that an administrator gave; a word that a release does not know gives nothing';
COMMENT ON COLUMN users.mapped_roles IS 'Words of roles that the identities of the person gave at their last sign-ins';
COMMENT ON COLUMN sign_ins.method IS 'password, link or oidc';

DROP TRIGGER tell_change ON users;
CREATE TRIGGER tell_change AFTER UPDATE ON users FOR EACH ROW
    WHEN ((OLD.name, OLD.roles, OLD.mapped_roles, OLD.disabled, OLD.epoch, OLD.deleted_at)
          IS DISTINCT FROM (NEW.name, NEW.roles, NEW.mapped_roles, NEW.disabled, NEW.epoch, NEW.deleted_at))
    EXECUTE FUNCTION people_changed();

CREATE TABLE rbac_mappings (
    id uuid PRIMARY KEY,
    issuer text NOT NULL,
    claim text NOT NULL,
    value text NOT NULL,
    team text,
    role text,
    enabled boolean NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL,
    CHECK (team IS NOT NULL OR role IS NOT NULL)
);
COMMENT ON TABLE rbac_mappings IS 'Rules: whoever this issuer says that of is in the team and holds the role, until it no longer says so';
COMMENT ON COLUMN rbac_mappings.claim IS 'Name of a claim or of an attribute; dots lead into objects';
COMMENT ON COLUMN rbac_mappings.team IS 'Name of a group; one that was deleted meanwhile gives nothing';

CREATE TABLE sign_in_requests (
    state_hash bytea PRIMARY KEY,
    browser_hash bytea NOT NULL,
    issuer text NOT NULL,
    return_to text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sign_in_requests_by_expiry ON sign_in_requests (expires_at);
COMMENT ON TABLE sign_in_requests IS 'Sign-ins that a provider was asked for and has not answered';
COMMENT ON COLUMN sign_in_requests.state_hash IS 'SHA-256 of what the provider hands back, which is 256 random bits and kept nowhere';
COMMENT ON COLUMN sign_in_requests.browser_hash IS 'SHA-256 of the cookie of the browser that asked: no other may bring the answer';
COMMENT ON COLUMN sign_in_requests.return_to IS 'Path of the page that the person wanted';
