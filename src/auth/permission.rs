//! The one table from roles to permissions.

use std::{collections::BTreeSet, sync::Arc};

use serde::{Deserialize, Serialize};

pub use crate::domain::people::Role;
use crate::domain::sharing::Belonging;

/// A permission in the type of a handler's argument.
pub trait Required: Send + Sync + 'static {
    /// The permission.
    const PERMISSION: Permission;
}

/// Declares the permissions: variant, its word on the wire, the roles that hold it.
macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $word:literal: $($role:ident)+;)+) => {
        /// What a call needs. The word on the wire is `noun:verb`.
        #[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
        pub enum Permission { $($(#[$doc])* #[serde(rename = $word)] $name,)+ }

        impl Permission {
            /// Every permission there is.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];

            /// Its word on the wire.
            #[must_use]
            pub const fn word(self) -> &'static str {
                match self { $(Self::$name => $word,)+ }
            }

            /// The permission of that word.
            #[must_use]
            pub fn from_word(word: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|permission| permission.word() == word)
            }

            /// The roles that hold it.
            #[must_use]
            pub const fn roles(self) -> &'static [Role] {
                match self { $(Self::$name => &[$(Role::$role),+],)+ }
            }
        }

        /// The permissions as types, for `Guarded<…>`.
        pub mod needs {
            use super::{Permission, Required};
            $($(#[$doc])* #[derive(Debug)] pub struct $name;
            impl Required for $name { const PERMISSION: Permission = Permission::$name; })+
        }
    };
}

permissions! {
    /// Create, change, connect to and delete sessions of one's own.
    SessionsOwn = "sessions:own": User Operator Admin;
    /// See sessions: one's own, or all with `SessionsReadAll`.
    SessionsRead = "sessions:read": User Operator Auditor Admin;
    /// See everybody's sessions, with their events and history.
    SessionsReadAll = "sessions:read-all": Operator Auditor Admin;
    /// Change and delete everybody's sessions.
    SessionsWriteAll = "sessions:write-all": Operator Admin;
    /// Create a session for another person, and enter another person's session.
    SessionsActAs = "sessions:act-as": Admin;
    /// Read the logs of everybody's sessions.
    LogsReadAll = "logs:read-all": Operator Auditor Admin;
    /// Follow the logs of everybody's sessions as they are written.
    LogsFollowAll = "logs:follow-all": Operator Admin;
    /// See the templates that are for everybody or for a group of one's own, or all with `TemplatesReadAll`.
    TemplatesRead = "templates:read": User Operator Auditor Admin;
    /// See the templates that are for groups of others.
    TemplatesReadAll = "templates:read-all": Auditor Admin;
    /// Create, change and delete templates.
    TemplatesWrite = "templates:write": Admin;
    /// Look through the catalog.
    CatalogRead = "catalog:read": User Operator Auditor Admin;
    /// See the catalog's repositories, their syncs and webhooks.
    CatalogRepositories = "catalog:repositories": Operator Auditor Admin;
    /// Have repositories synced.
    CatalogSync = "catalog:sync": Operator Admin;
    /// Add, change and remove repositories.
    CatalogWrite = "catalog:write": Admin;
    /// Let templates be root inside their containers.
    CatalogGrant = "catalog:grant": Admin;
    /// See jobs: those that one asked for, or all with `JobsReadAll`.
    JobsRead = "jobs:read": User Operator Auditor Admin;
    /// See everybody's jobs and the platform's own.
    JobsReadAll = "jobs:read-all": Operator Auditor Admin;
    /// Cancel jobs that one asked for.
    JobsOwn = "jobs:own": User Operator Admin;
    /// Cancel everybody's jobs and drive them again.
    JobsWriteAll = "jobs:write-all": Operator Admin;
    /// See the nodes and what is on them.
    NodesRead = "nodes:read": Operator Auditor Admin;
    /// Follow the nodes' figures as they change.
    NodesFollow = "nodes:follow": Operator Admin;
    /// Label, taint, cordon and drain nodes.
    NodesWrite = "nodes:write": Operator Admin;
    /// See the objects of the cluster that the platform runs on.
    ClusterRead = "cluster:read": Operator Auditor Admin;
    /// Apply, change and delete objects of the cluster, of the kinds that are allowed.
    ClusterWrite = "cluster:write": Admin;
    /// See accounts.
    UsersRead = "users:read": Operator Auditor Admin;
    /// Create, change, disable and delete accounts.
    UsersWrite = "users:write": Admin;
    /// See groups and who belongs to them.
    GroupsRead = "groups:read": Operator Auditor Admin;
    /// Create, change and delete groups, and say who belongs to them.
    GroupsWrite = "groups:write": Admin;
    /// See projects: those that one belongs to, or all with `ProjectsReadAll`; as a manager also change them.
    ProjectsRead = "projects:read": User Operator Auditor Admin;
    /// See everybody's projects.
    ProjectsReadAll = "projects:read-all": Operator Auditor Admin;
    /// Create, change and delete projects, and say who belongs to them.
    ProjectsWrite = "projects:write": Admin;
    /// See what others may use, and how much they do.
    QuotasRead = "quotas:read": Operator Auditor Admin;
    /// Say what people and groups may use.
    QuotasWrite = "quotas:write": Admin;
    /// See, change and try the rules from what identity providers say to groups and roles.
    SsoManage = "sso:manage": Admin;
    /// One's own account, tokens, password, sign-ins and audit entries.
    SelfManage = "self:manage": User Operator Auditor Admin;
    /// Read the whole audit.
    AuditRead = "audit:read": Auditor Admin;
    /// Read and change the server's settings.
    ConfigWrite = "config:write": Admin;
}

/// Who is calling, as the credential says; never from a body or a query.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The person's name: a DNS label.
    pub user: String,
    /// Roles at this moment.
    pub roles: BTreeSet<Role>,
    /// Narrows what the roles give, for tokens with scopes. `None`: no narrowing.
    pub scopes: Option<BTreeSet<Permission>>,
    /// The groups that they belong to, and the sessions that are shared with them at this moment.
    pub belonging: Arc<Belonging>,
    /// How the caller is known.
    pub credential: Credential,
    /// Address of the peer, as far as it can be believed.
    pub address: Option<std::net::IpAddr>,
    /// Id of the request, as the answer and the log show it.
    pub request_id: Option<String>,
}

/// How a caller is known.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub enum Credential {
    /// A browser that signed in: the id of its sign-in row (not the cookie's value).
    SignIn(uuid::Uuid),
    /// A personal API token: its id.
    Token(uuid::Uuid),
    /// A short-lived access token that a program got for a sign-in: its id.
    Access(uuid::Uuid),
    /// `AUTH_MODE=none`.
    Anyone,
    /// The command line on the server's host.
    Console,
}

impl Caller {
    /// `user` with `roles`, known by `credential`, without narrowing, address or request.
    #[must_use]
    pub fn new(user: impl Into<String>, roles: impl IntoIterator<Item = Role>, credential: Credential) -> Self {
        Self {
            user: user.into(),
            roles: roles.into_iter().collect(),
            scopes: None,
            belonging: Arc::default(),
            credential,
            address: None,
            request_id: None,
        }
    }

    /// Whether the caller holds `permission`.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        permission.roles().iter().any(|role| self.roles.contains(role))
            && self.scopes.as_ref().is_none_or(|scopes| scopes.contains(&permission))
    }

    /// What the caller may do, for the page.
    #[must_use]
    pub fn permissions(&self) -> Vec<Permission> {
        Permission::ALL.iter().copied().filter(|permission| self.may(*permission)).collect()
    }
}
