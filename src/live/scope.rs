//! Who may know of an object, and which objects a reader sees.

use std::{
    collections::{BTreeMap, BTreeSet},
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use crate::domain::sharing::Level;

/// Who may know of an object.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Whose {
    /// `metadata.uid`.
    pub uid: Arc<str>,
    /// Whose it is; `None`: everybody's, or that of `groups`.
    pub owner: Option<Arc<str>>,
    /// What belongs to nobody is for those who belong to one of these; empty: for everybody.
    pub groups: Arc<[String]>,
}

impl Whose {
    /// What is no object of anybody's: only who sees all sees it.
    #[must_use]
    pub fn the_operators() -> Self {
        Self { uid: "".into(), owner: Some("".into()), groups: Arc::default() }
    }
}

/// Which objects a reader sees.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those that concern one person.
    Of(Reader),
}

/// A person, as far as it says what concerns them.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Reader {
    user: Arc<str>,
    groups: Arc<BTreeSet<String>>,
    shared: Arc<BTreeMap<String, Level>>,
}

impl Scope {
    /// What belongs to `user` alone, and what is everybody's.
    #[must_use]
    pub fn own(user: impl Into<Arc<str>>) -> Self {
        Self::Of(Reader { user: user.into(), groups: Arc::default(), shared: Arc::default() })
    }

    /// The same with what is for one of `groups`.
    #[must_use]
    pub fn with_groups(self, groups: BTreeSet<String>) -> Self {
        match self {
            Self::All => Self::All,
            Self::Of(reader) => Self::Of(Reader { groups: Arc::new(groups), ..reader }),
        }
    }

    /// The same with the objects of those uids, which others share with them.
    #[must_use]
    pub fn with_shared(self, shared: BTreeMap<String, Level>) -> Self {
        match self {
            Self::All => Self::All,
            Self::Of(reader) => Self::Of(Reader { shared: Arc::new(shared), ..reader }),
        }
    }

    /// Whether it takes in what is `whose`.
    #[must_use]
    pub fn sees(&self, whose: &Whose) -> bool {
        let Self::Of(reader) = self else { return true };
        match &whose.owner {
            Some(owner) => *owner == reader.user || reader.shared.contains_key(&*whose.uid),
            None => whose.groups.is_empty() || whose.groups.iter().any(|group| reader.groups.contains(group)),
        }
    }

    /// How far another's object is shared with the reader, where it is.
    #[must_use]
    pub fn shared(&self, whose: &Whose) -> Option<Level> {
        let Self::Of(reader) = self else { return None };
        let others = whose.owner.as_ref().is_some_and(|owner| *owner != reader.user);
        reader.shared.get(&*whose.uid).copied().filter(|_| others)
    }

    /// What tells this scope from others of the same person: 0 where nothing is shared with them and no group counts.
    #[must_use]
    pub fn mark(&self) -> u64 {
        match self {
            Self::Of(reader) if !reader.groups.is_empty() || !reader.shared.is_empty() => {
                let mut hasher = DefaultHasher::new();
                (&reader.groups, &reader.shared).hash(&mut hasher);
                hasher.finish().max(1)
            }
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whose(owner: Option<&str>, groups: &[&str]) -> Whose {
        Whose {
            uid: "uid".into(),
            owner: owner.map(Arc::from),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
        }
    }

    #[test]
    fn a_reader_sees_what_is_theirs_what_is_shared_and_what_is_for_their_groups() {
        let bob = Scope::own("bob");
        let guest = bob.clone().with_shared([("uid".to_owned(), Level::Use)].into());
        let member = bob.clone().with_groups(["lab".to_owned()].into());
        let (hers, open, closed) = (whose(Some("alice"), &[]), whose(None, &[]), whose(None, &["lab", "ops"]));
        let sees = |scope: &Scope| [&hers, &open, &closed].map(|whose| scope.sees(whose));
        assert_eq!(sees(&bob), [false, true, false]);
        assert_eq!(sees(&guest), [true, true, false]);
        assert_eq!(sees(&member), [false, true, true]);
        assert_eq!(sees(&Scope::All), [true; 3]);
        assert_eq!(sees(&Scope::own("alice")), [true, true, false]);
        assert_eq!((guest.shared(&hers), guest.shared(&whose(Some("bob"), &[]))), (Some(Level::Use), None));
    }

    #[test]
    fn what_is_shared_and_which_groups_count_makes_another_scope() {
        let bob = Scope::own("bob");
        let shared = |level| bob.clone().with_shared([("uid".to_owned(), level)].into());
        let marks = [&bob, &shared(Level::View), &shared(Level::Use), &bob.clone().with_groups(["lab".into()].into())];
        let different: BTreeSet<u64> = marks.iter().map(|scope| scope.mark()).collect();
        assert_eq!((bob.mark(), different.len()), (0, marks.len()));
    }
}
