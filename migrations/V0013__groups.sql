-- Groups of people. A membership says where it comes from, so that what one source gives only that source withdraws.

CREATE TABLE groups (
    name text PRIMARY KEY CHECK (name ~ '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'),
    display_name text NOT NULL DEFAULT '',
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL
);
COMMENT ON COLUMN groups.name IS 'DNS label; never changes, free again once the group is deleted';
COMMENT ON COLUMN groups.version IS 'Grows with each change that the API shows; the ETag';

CREATE TABLE group_members (
    group_name text NOT NULL REFERENCES groups ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users,
    source text NOT NULL DEFAULT 'manual',
    added_at timestamptz NOT NULL,
    PRIMARY KEY (group_name, user_id, source)
);
CREATE INDEX group_members_of_user ON group_members (user_id);
COMMENT ON TABLE group_members IS 'Who belongs to a group, once for each source that says so';
COMMENT ON COLUMN group_members.source IS 'manual: an administrator; otherwise the identity provider whose rules gave it at a sign-in';

-- What several people work at, for the sessions that name it.
CREATE TABLE projects (
    name text PRIMARY KEY CHECK (name ~ '^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$'),
    display_name text NOT NULL DEFAULT '',
    version bigint NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL
);
COMMENT ON COLUMN projects.version IS 'Grows with each change that the API shows; the ETag';

CREATE TABLE project_members (
    project text NOT NULL REFERENCES projects ON DELETE CASCADE,
    user_id uuid NOT NULL REFERENCES users,
    role text NOT NULL CHECK (role IN ('member', 'manager')),
    added_at timestamptz NOT NULL,
    PRIMARY KEY (project, user_id)
);
CREATE INDEX project_members_of_user ON project_members (user_id);
COMMENT ON COLUMN project_members.role IS 'A manager says who belongs to it';
