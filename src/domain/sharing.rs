//! Sessions that are open to others than their owner.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How far a session is open to a guest; each level includes those before it.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = ShareLevel)]
pub enum Level {
    /// Look on: sessions with a screen alone, where the server drops what a viewer types.
    View,
    /// Work in it, and wake it.
    Use,
    /// Also change it, read its logs and open it to others, but not delete it.
    Manage,
}

impl Level {
    /// Every level, from least to most.
    pub const ALL: [Self; 3] = [Self::View, Self::Use, Self::Manage];

    /// Its word on the wire and in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Use => "use",
            Self::Manage => "manage",
        }
    }

    /// The level of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.word() == word)
    }
}

/// How somebody entered a session.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum EnteredAs {
    /// It is theirs.
    Owner,
    /// It is shared with them.
    Guest,
    /// Neither: their role lets them.
    Administrator,
}

impl EnteredAs {
    /// Its word on the wire and in the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Owner => "owner",
            Self::Guest => "guest",
            Self::Administrator => "administrator",
        }
    }

    /// The one of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Owner, Self::Guest, Self::Administrator].into_iter().find(|entered| entered.word() == word)
    }
}

/// A session that is shared with somebody.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Shared {
    /// The session's name.
    pub session: String,
    /// How far it is open to them, by whichever share gives most.
    pub level: Level,
    /// When the first of those shares ends; `None`: none ends by itself.
    pub until: Option<Timestamp>,
}

/// What somebody belongs to, beside their account.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Belonging {
    /// The groups that they belong to.
    pub groups: BTreeSet<String>,
    /// The sessions that are shared with them, by `metadata.uid`.
    pub shared: BTreeMap<String, Shared>,
}

impl Belonging {
    /// Takes in a share of the session `uid`.
    pub fn add(&mut self, uid: String, share: Shared) {
        match self.shared.get_mut(&uid) {
            None => {
                self.shared.insert(uid, share);
            }
            Some(known) => {
                known.level = known.level.max(share.level);
                known.until = [known.until, share.until].into_iter().flatten().min();
            }
        }
    }

    /// Whether nothing of it has ended by `now`, so that it still says what somebody may.
    #[must_use]
    pub fn holds(&self, now: Timestamp) -> bool {
        self.shared.values().filter_map(|share| share.until).all(|until| until > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(level: Level, until: Option<i64>) -> Shared {
        Shared { session: "s".into(), level, until: until.map(|second| Timestamp::from_second(second).unwrap()) }
    }

    #[test]
    fn of_several_shares_the_one_that_gives_most_counts_until_the_first_ends() {
        let mut belonging = Belonging::default();
        belonging.add("uid".into(), share(Level::Use, Some(90)));
        belonging.add("uid".into(), share(Level::View, Some(60)));
        belonging.add("uid".into(), share(Level::View, None));
        assert_eq!(belonging.shared["uid"], share(Level::Use, Some(60)));
        assert!(belonging.holds(Timestamp::from_second(59).unwrap()));
        assert!(!belonging.holds(Timestamp::from_second(60).unwrap()), "it has to be asked again what is left");
    }

    #[test]
    fn levels_are_read_as_they_are_written_and_each_includes_those_before() {
        assert_eq!(Level::ALL.map(|level| Level::from_word(level.word())), Level::ALL.map(Some));
        assert!(Level::ALL.is_sorted());
        assert_eq!(Level::from_word("own"), None);
    }
}
