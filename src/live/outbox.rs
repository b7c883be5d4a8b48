//! What waits to be sent: in order, bounded, and of each session only what is still worth sending.

use std::collections::{HashMap, VecDeque};

/// What a frame tells of its subject.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Verb {
    /// It is there, or can be seen, since now.
    Created,
    /// It changed.
    Updated,
    /// It is gone, or can no longer be seen.
    Deleted,
    /// A figure about it, worthless once there is a newer one.
    Figure,
}

impl Verb {
    /// Which waiting frames of the same subject a newer one makes superfluous. Never one that says that it is gone;
    /// and one that says that it came waits beside its latest state, so that no reader hears of a change to what it
    /// does not know.
    const fn supersedes(self) -> &'static [Self] {
        match self {
            Self::Created => &[],
            Self::Updated => &[Self::Updated],
            Self::Deleted => &[Self::Created, Self::Updated, Self::Figure],
            Self::Figure => &[Self::Figure],
        }
    }
}

/// Whom and what a frame is about. `subject` is given once and never again, also not to a session of the same name.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct Key {
    /// The session or template.
    pub subject: u64,
    /// What it tells.
    pub verb: Verb,
}

/// How much an item takes of a queue's capacity.
pub trait Weigh {
    /// Bytes, or whatever the owner of the queue counts in.
    fn weight(&self) -> usize;
}

/// A queue in which a newer state takes the place of an older one of the same subject: the older one is removed and
/// the newer one goes to the end, so that cursors in it only grow.
#[derive(Debug)]
pub struct Queue<T> {
    /// `None`: removed; swept when there are too many of them.
    slots: VecDeque<Option<(Option<Key>, T)>>,
    /// Number of the first slot since the queue was made.
    first: u64,
    /// Where the item of a key is.
    index: HashMap<Key, u64>,
    len: usize,
    weight: usize,
}

/// Removed slots that are borne before the queue is swept.
const HOLES: usize = 64;

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { slots: VecDeque::new(), first: 0, index: HashMap::new(), len: 0, weight: 0 }
    }
}

impl<T: Weigh> Queue<T> {
    /// Whether nothing waits.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// What the items weigh together.
    #[must_use]
    pub const fn weight(&self) -> usize {
        self.weight
    }

    /// Adds `item` at the end and removes what it makes superfluous. Without a key it stands alone.
    pub fn push(&mut self, key: Option<Key>, item: T) {
        if let Some(key) = key {
            for verb in key.verb.supersedes() {
                self.remove(Key { verb: *verb, ..key });
            }
            self.index.insert(key, self.first + self.slots.len() as u64);
        }
        self.len += 1;
        self.weight += item.weight();
        self.slots.push_back(Some((key, item)));
        if self.slots.len() > 2 * self.len + HOLES {
            self.retain(|_| true);
        }
    }

    fn remove(&mut self, key: Key) {
        let Some(at) = self.index.remove(&key) else { return };
        let slot = usize::try_from(at - self.first).ok().and_then(|at| self.slots.get_mut(at));
        if let Some((_, item)) = slot.and_then(Option::take) {
            self.len -= 1;
            self.weight -= item.weight();
        }
    }

    /// Takes the oldest item.
    pub fn pop(&mut self) -> Option<T> {
        while let Some(slot) = self.slots.pop_front() {
            self.first += 1;
            if let Some((key, item)) = slot {
                if let Some(key) = key {
                    self.index.remove(&key);
                }
                self.len -= 1;
                self.weight -= item.weight();
                if self.len == 0 {
                    // An idle connection keeps no memory of its busy hour.
                    *self = Self::default();
                }
                return Some(item);
            }
        }
        None
    }

    /// The items, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().flatten().map(|(_, item)| item)
    }

    /// Keeps only what `keep` says, in the same order.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        let old = std::mem::take(self);
        for (key, item) in old.slots.into_iter().flatten().filter(|(_, item)| keep(item)) {
            if let Some(key) = key {
                self.index.insert(key, self.slots.len() as u64);
            }
            self.len += 1;
            self.weight += item.weight();
            self.slots.push_back(Some((key, item)));
        }
    }

    /// Takes everything, oldest first.
    pub fn take_all(&mut self) -> Vec<T> {
        std::mem::take(self).slots.into_iter().flatten().map(|(_, item)| item).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Weigh for &str {
        fn weight(&self) -> usize {
            str::len(self)
        }
    }

    fn key(subject: u64, verb: Verb) -> Key {
        Key { subject, verb }
    }

    fn queue(items: &[(u64, Verb, &'static str)]) -> Queue<&'static str> {
        let mut queue = Queue::default();
        for (subject, verb, item) in items {
            queue.push(Some(key(*subject, *verb)), *item);
        }
        queue
    }

    #[test]
    fn a_newer_state_goes_to_the_end_and_the_older_one_is_gone() {
        let mut queue = queue(&[(1, Verb::Updated, "a1"), (2, Verb::Updated, "b2"), (1, Verb::Updated, "a3")]);
        assert_eq!((queue.len, queue.weight()), (2, 4));
        assert_eq!(queue.take_all(), ["b2", "a3"]);
        assert!(queue.is_empty());
    }

    #[test]
    fn a_deletion_is_never_lost_and_makes_everything_else_of_its_subject_superfluous() {
        let mut queue = queue(&[
            (1, Verb::Created, "a1"),
            (1, Verb::Updated, "a2"),
            (1, Verb::Figure, "a3"),
            (1, Verb::Deleted, "a4"),
            (2, Verb::Created, "again5"),
            (2, Verb::Updated, "again6"),
            (2, Verb::Updated, "again7"),
        ]);
        assert_eq!(queue.take_all(), ["a4", "again5", "again7"]);
    }

    #[test]
    fn frames_without_a_key_stand_alone() {
        let mut queue = Queue::default();
        queue.push(None, "x");
        queue.push(None, "x");
        assert_eq!(queue.take_all(), ["x", "x"]);
    }

    #[test]
    fn a_subject_that_never_rests_takes_one_place_and_no_growing_memory() {
        let mut queue = queue(&[(1, Verb::Updated, "first")]);
        for _ in 0..10_000 {
            queue.push(Some(key(2, Verb::Updated)), "again");
        }
        assert_eq!(queue.len, 2);
        assert!(queue.slots.len() <= 2 * queue.len + HOLES);
        assert_eq!(queue.pop(), Some("first"));
        assert_eq!(queue.pop(), Some("again"));
        assert_eq!(queue.pop(), None);
    }

    #[test]
    fn what_was_taken_out_can_be_superseded_no_more() {
        let mut queue = queue(&[(1, Verb::Updated, "a"), (2, Verb::Updated, "b"), (3, Verb::Updated, "c")]);
        assert_eq!(queue.pop(), Some("a"));
        queue.push(Some(key(1, Verb::Updated)), "a'");
        queue.push(Some(key(3, Verb::Deleted)), "c'");
        queue.retain(|item| *item != "b");
        queue.push(Some(key(1, Verb::Updated)), "a''");
        assert_eq!(queue.take_all(), ["c'", "a''"]);
    }
}
