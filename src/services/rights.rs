//! What a caller may do with a session. The API, the gateway and the feeds all ask here.
//!
//! A session is its owner's. It may be shared, as far as [`Level`] says; and some roles see, change or enter everybody's.
//! Roles and scopes still count for guests: a share opens a session, it gives no permission that the caller lacks.

use std::collections::BTreeMap;

use kube::ResourceExt;

use crate::{
    Error,
    auth::{Caller, Permission},
    crd::Session,
    domain::sharing::{EnteredAs, Level},
};

/// How far somebody comes in.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Entry {
    /// They see the screen and change nothing.
    LookOn,
    /// They work in it.
    Work,
}

/// Which sessions somebody sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// Everybody's.
    All,
    /// Their own, and those of these `metadata.uid`s, which are shared with them.
    Own(BTreeMap<String, Level>),
}

fn owns(caller: &Caller, session: &Session) -> bool {
    session.spec.user == caller.user
}

/// How far the session is shared with the caller.
#[must_use]
pub fn shared(caller: &Caller, session: &Session) -> Option<Level> {
    let share = caller.belonging.shared.get(session.metadata.uid.as_deref()?)?;
    Some(share.level)
}

fn shared_to(caller: &Caller, session: &Session, level: Level) -> bool {
    shared(caller, session).is_some_and(|shared| shared >= level)
}

/// Whether the caller may act on it as its owner does, or as a guest of that level.
fn acts(caller: &Caller, session: &Session, level: Level) -> bool {
    caller.may(Permission::SessionsOwn) && (owns(caller, session) || shared_to(caller, session, level))
}

/// Whether the caller may know of it.
#[must_use]
pub fn sees(caller: &Caller, session: &Session) -> bool {
    let concerned = owns(caller, session) || shared(caller, session).is_some();
    caller.may(Permission::SessionsRead) && (concerned || caller.may(Permission::SessionsReadAll))
}

/// Whether the caller may change it.
#[must_use]
pub fn changes(caller: &Caller, session: &Session) -> bool {
    acts(caller, session, Level::Manage) || caller.may(Permission::SessionsWriteAll)
}

/// Whether the caller may delete it: no guest may, since that cannot be undone.
#[must_use]
pub fn deletes(caller: &Caller, session: &Session) -> bool {
    (owns(caller, session) && caller.may(Permission::SessionsOwn)) || caller.may(Permission::SessionsWriteAll)
}

/// How far the caller comes in; `None`: not at all.
#[must_use]
pub fn entry(caller: &Caller, session: &Session) -> Option<Entry> {
    if acts(caller, session, Level::Use) || caller.may(Permission::SessionsActAs) {
        return Some(Entry::Work);
    }
    acts(caller, session, Level::View).then_some(Entry::LookOn)
}

/// As what the caller comes in.
#[must_use]
pub fn entered_as(caller: &Caller, session: &Session) -> EnteredAs {
    match shared(caller, session) {
        _ if owns(caller, session) => EnteredAs::Owner,
        Some(_) if !caller.may(Permission::SessionsActAs) => EnteredAs::Guest,
        _ => EnteredAs::Administrator,
    }
}

/// The most that the caller may give others of it; `None`: nothing. Who may enter nobody's session by their role opens
/// nobody's either: they would let themselves in.
#[must_use]
pub fn gives(caller: &Caller, session: &Session) -> Option<Level> {
    let own = owns(caller, session) && caller.may(Permission::SessionsOwn);
    if own || caller.may(Permission::SessionsActAs) {
        return Some(Level::Manage);
    }
    acts(caller, session, Level::Manage).then_some(Level::Use)
}

/// Whether the caller may read what its program writes.
#[must_use]
pub fn reads_logs(caller: &Caller, session: &Session) -> bool {
    let own = owns(caller, session) || shared_to(caller, session, Level::Manage);
    caller.may(Permission::SessionsRead) && (own || caller.may(Permission::LogsReadAll))
}

/// Whether the caller is told from where and with what others are connected, and with whom it is shared.
#[must_use]
pub fn oversees(caller: &Caller, session: &Session) -> bool {
    owns(caller, session) || shared_to(caller, session, Level::Manage) || caller.may(Permission::SessionsReadAll)
}

/// Which sessions the caller sees; `None`: none.
#[must_use]
pub fn seen(caller: &Caller) -> Option<Seen> {
    scope(caller, Permission::SessionsReadAll, Level::View)
}

/// Which sessions' logs the caller may follow; `None`: nobody's.
#[must_use]
pub fn followed(caller: &Caller) -> Option<Seen> {
    scope(caller, Permission::LogsFollowAll, Level::Manage)
}

fn scope(caller: &Caller, all: Permission, level: Level) -> Option<Seen> {
    let own = || {
        let shares = caller.belonging.shared.iter().filter(|(_, share)| share.level >= level);
        Seen::Own(shares.map(|(uid, share)| (uid.clone(), share.level)).collect())
    };
    let any = caller.may(Permission::SessionsRead);
    any.then(|| if caller.may(all) { Seen::All } else { own() })
}

/// What is said to one who sees a session and may not do what they asked for.
#[must_use]
pub fn not_yours(caller: &Caller, session: &Session) -> Error {
    let owner = &session.spec.user;
    Error::Forbidden(match shared(caller, session) {
        Some(level) => format!("{} is shared with you to {}: ask {owner} for more", session.name_any(), level.word()),
        None => "this is another person's session: you may see it, no more".into(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        auth::{Credential, Role},
        crd::SessionSpec,
        domain::sharing::{Belonging, Shared},
    };

    fn hers() -> Session {
        let mut session = Session::new("hers", SessionSpec { user: "alice".into(), ..SessionSpec::default() });
        session.metadata.uid = Some("uid".into());
        session
    }

    fn somebody(name: &str, role: Role, share: Option<Level>) -> Caller {
        let mut belonging = Belonging::default();
        if let Some(level) = share {
            belonging.add("uid".into(), Shared { session: "hers".into(), level, until: None });
        }
        Caller { belonging: Arc::new(belonging), ..Caller::new(name, [role], Credential::Anyone) }
    }

    /// One letter for each thing that the caller may: see, look on, enter, change, delete, read logs, oversee; and what
    /// they may give.
    fn rights(caller: &Caller) -> String {
        let session = hers();
        let letters = [
            ('s', sees(caller, &session)),
            ('v', entry(caller, &session) == Some(Entry::LookOn)),
            ('e', entry(caller, &session) == Some(Entry::Work)),
            ('c', changes(caller, &session)),
            ('d', deletes(caller, &session)),
            ('l', reads_logs(caller, &session)),
            ('o', oversees(caller, &session)),
        ];
        let may: String = letters.iter().filter(|(_, may)| *may).map(|(letter, _)| *letter).collect();
        match gives(caller, &session) {
            Some(level) => format!("{may} {}", level.word()),
            None => may,
        }
    }

    #[test]
    fn each_level_of_each_role_gives_what_is_written_here() {
        use Level::{Manage, Use, View};
        for (name, role, share, expected) in [
            ("alice", Role::User, None, "secdlo manage"),
            ("bob", Role::User, None, ""),
            ("bob", Role::User, Some(View), "sv"),
            ("bob", Role::User, Some(Use), "se"),
            ("bob", Role::User, Some(Manage), "seclo use"),
            ("bob", Role::Operator, None, "scdlo"),
            ("bob", Role::Operator, Some(View), "svcdlo"),
            ("bob", Role::Operator, Some(Manage), "secdlo use"),
            ("bob", Role::Auditor, None, "slo"),
            ("bob", Role::Auditor, Some(Manage), "slo"),
            ("bob", Role::Admin, None, "secdlo manage"),
            ("bob", Role::Admin, Some(View), "secdlo manage"),
        ] {
            assert_eq!(rights(&somebody(name, role, share)), expected, "{name} {role:?} {share:?}");
        }
    }

    #[test]
    fn a_token_without_the_scope_enters_nothing_that_is_shared() {
        let whole = somebody("bob", Role::User, Some(Level::Manage));
        let narrow = Caller { scopes: Some([Permission::SessionsRead].into()), ..whole };
        assert_eq!(rights(&narrow), "slo");
    }

    #[test]
    fn a_session_made_later_under_the_same_name_is_shared_with_nobody() {
        let bob = somebody("bob", Role::User, Some(Level::Manage));
        let mut another = hers();
        another.metadata.uid = Some("another".into());
        assert!(!sees(&bob, &another));
        assert!(sees(&bob, &hers()));
    }
}
