//! Which uid on the host belongs to which person, where the server runs as root.
//!
//! It lies beside the homes, which carry these uids as their owners, and not in the database: a home that was moved or
//! restored without it would belong to somebody else.

use std::{collections::BTreeMap, fs, io, os::unix::fs::MetadataExt};

use serde::{Deserialize, Serialize};

use super::{files, layout::Layout};

/// Uids that may be given out, from the base on.
const RANGE: u32 = 1_000_000;

/// A uid is given once and never to somebody else, not even when its person is gone: files of theirs may be left.
#[derive(Debug)]
pub(super) struct People {
    layout: Layout,
    base: u32,
    known: Known,
}

#[derive(Debug, Default, Deserialize, Serialize)]
struct Known {
    next: u32,
    uids: BTreeMap<String, u32>,
}

impl People {
    /// Reads who is known.
    pub(super) fn open(layout: &Layout, base: u32) -> io::Result<Self> {
        let mut known: Known = files::read(&layout.person_uids())?.unwrap_or_default();
        let used = owners(layout, base)?.into_iter().map(|uid| uid + 1).max().unwrap_or(base);
        known.next = known.next.max(used).max(base);
        Ok(Self { layout: layout.clone(), base, known })
    }

    /// The uid of `user`, who gets one now if they have none.
    pub(super) fn uid(&mut self, user: &str) -> io::Result<u32> {
        if let Some(uid) = self.known.uids.get(user) {
            return Ok(*uid);
        }
        let uid = self.known.next;
        if uid >= self.base.saturating_add(RANGE) {
            return Err(io::Error::other("all uids for people are given: choose a larger SESSION_UID_BASE"));
        }
        self.known.next += 1;
        self.known.uids.insert(user.to_owned(), uid);
        // Before it is used for anything.
        files::write(&self.layout.person_uids(), &self.known, files::Durable::Yes).inspect_err(|_| {
            self.known.uids.remove(user);
        })?;
        Ok(uid)
    }
}

/// Uids of the range that own a home: none of them may be given again, even if the table was lost.
fn owners(layout: &Layout, base: u32) -> io::Result<Vec<u32>> {
    let mut owners = Vec::new();
    for entry in fs::read_dir(layout.homes())? {
        let uid = fs::symlink_metadata(entry?.path())?.uid();
        if (base..base.saturating_add(RANGE)).contains(&uid) {
            owners.push(uid);
        }
    }
    Ok(owners)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_keeps_the_uid_and_nobody_else_gets_it() {
        let folder = tempfile::tempdir().unwrap();
        let layout = Layout::new(folder.path(), folder.path());
        fs::create_dir(layout.homes()).unwrap();
        let mut people = People::open(&layout, 5000).unwrap();
        assert_eq!(people.uid("alice").unwrap(), 5000);
        assert_eq!(people.uid("bob").unwrap(), 5001);
        let mut again = People::open(&layout, 5000).unwrap();
        assert_eq!(
            [again.uid("bob").unwrap(), again.uid("carol").unwrap(), again.uid("alice").unwrap()],
            [5001, 5002, 5000]
        );
    }
}
