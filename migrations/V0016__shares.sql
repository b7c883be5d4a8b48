-- Sessions that are open to others than their owner: to people, to groups, and to whoever has a link.

CREATE TABLE session_shares (
    id uuid PRIMARY KEY,
    session text NOT NULL,
    session_uid text NOT NULL,
    user_id uuid REFERENCES users,
    group_name text REFERENCES groups ON DELETE CASCADE,
    level text NOT NULL CHECK (level IN ('view', 'use', 'manage')),
    expires_at timestamptz,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL,
    CHECK ((user_id IS NULL) <> (group_name IS NULL))
);
CREATE UNIQUE INDEX session_shares_with_user ON session_shares (session_uid, user_id) WHERE user_id IS NOT NULL;
CREATE UNIQUE INDEX session_shares_with_group ON session_shares (session_uid, group_name) WHERE group_name IS NOT NULL;
CREATE INDEX session_shares_of_user ON session_shares (user_id) WHERE user_id IS NOT NULL;
CREATE INDEX session_shares_of_group ON session_shares (group_name) WHERE group_name IS NOT NULL;
CREATE INDEX session_shares_by_expiry ON session_shares (expires_at) WHERE expires_at IS NOT NULL;
COMMENT ON TABLE session_shares IS 'Who else may enter a session: one person or one group a row';
COMMENT ON COLUMN session_shares.session_uid IS 'metadata.uid: a session of the same name made later is another';
COMMENT ON COLUMN session_shares.level IS 'view: look on; use: work in it; manage: also change it and share it on';
COMMENT ON COLUMN session_shares.expires_at IS 'It has ended from then on, whether or not the row is gone; null: it does not end by itself';

CREATE TABLE session_invitations (
    id uuid PRIMARY KEY,
    session text NOT NULL,
    session_uid text NOT NULL,
    level text NOT NULL CHECK (level IN ('view', 'use', 'manage')),
    secret_hash bytea NOT NULL UNIQUE,
    uses_left integer NOT NULL CHECK (uses_left >= 0),
    expires_at timestamptz NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL
);
CREATE INDEX session_invitations_of ON session_invitations (session_uid);
CREATE INDEX session_invitations_by_expiry ON session_invitations (expires_at);
COMMENT ON TABLE session_invitations IS 'Links with which whoever is signed in gives themselves a share';
COMMENT ON COLUMN session_invitations.secret_hash IS 'SHA-256 of the secret, which is 256 random bits and kept nowhere';
COMMENT ON COLUMN session_invitations.uses_left IS 'So many more people may accept it';

ALTER TABLE connections ADD COLUMN entered_as text;
COMMENT ON COLUMN connections.entered_as IS 'owner, guest or administrator; null: opened before this was written down';

-- What somebody may do follows from the groups they belong to and from what is shared with them: both are announced
-- like a change of their account, whoever makes it, so that what is remembered of them is asked again.
CREATE FUNCTION membership_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('streamspace_people', name) FROM users WHERE id IN (NEW.user_id, OLD.user_id);
    RETURN NULL;
END $$;
CREATE TRIGGER tell_change AFTER INSERT OR DELETE ON group_members
    FOR EACH ROW EXECUTE FUNCTION membership_changed();

CREATE FUNCTION share_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('streamspace_people', u.name) FROM users u
    WHERE u.id IN (NEW.user_id, OLD.user_id)
       OR u.id IN (SELECT m.user_id FROM group_members m WHERE m.group_name IN (NEW.group_name, OLD.group_name));
    RETURN NULL;
END $$;
CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON session_shares
    FOR EACH ROW EXECUTE FUNCTION share_changed();
