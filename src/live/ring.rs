//! The latest changes of a feed, for readers that come back.

use std::{collections::VecDeque, sync::Arc};

use super::{cursor::Mark, event::Change};

/// Most changes that are kept.
pub const CHANGES_MAX: usize = 10_000;
/// Most bytes that they may take.
pub const BYTES_MAX: usize = 8 * 1024 * 1024;

/// The latest changes, oldest first.
#[derive(Debug, Default)]
pub struct Ring {
    changes: VecDeque<Arc<Change>>,
    bytes: usize,
    /// Every change after this number is kept.
    floor: u64,
}

impl Ring {
    /// Forgets everything: changes after `floor` will be kept.
    pub fn restart(&mut self, floor: u64) {
        *self = Self { floor, ..Self::default() };
    }

    /// Keeps `change`, which is later than all before it.
    pub fn push(&mut self, change: Arc<Change>) {
        self.bytes += change.weight();
        self.changes.push_back(change);
        while self.changes.len() > CHANGES_MAX || self.bytes > BYTES_MAX {
            let Some(oldest) = self.changes.pop_front() else { return };
            self.bytes -= oldest.weight();
            self.floor = self.floor.max(oldest.mark.number);
        }
    }

    /// The changes after `mark`, oldest first; `None` where some of them are no longer known, or `mark` is a place
    /// that only the connection it was given on could explain.
    #[must_use]
    pub fn after(&self, mark: Mark) -> Option<impl Iterator<Item = &Arc<Change>>> {
        if mark.part != 0 || mark.number < self.floor {
            return None;
        }
        let start = self.changes.partition_point(|change| change.mark <= mark);
        Some(self.changes.range(start..))
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::live::{
        event::Subject,
        outbox::{Key, Verb},
    };

    fn change(number: u64, size: usize) -> Arc<Change> {
        Arc::new(Change {
            mark: Mark::at(number),
            subject: Subject::Sessions,
            key: Key { subject: number, verb: Verb::Created },
            whose: crate::live::scope::Whose { uid: "".into(), owner: None, groups: Arc::default() },
            before: None,
            time: jiff::Timestamp::UNIX_EPOCH,
            object: Bytes::from(vec![b'x'; size]),
        })
    }

    fn after(ring: &Ring, mark: Mark) -> Option<Vec<u64>> {
        Some(ring.after(mark)?.map(|change| change.mark.number).collect())
    }

    #[test]
    fn a_gap_is_given_whole_or_not_at_all() {
        let mut ring = Ring::default();
        ring.restart(10);
        for number in [12, 15, 20] {
            ring.push(change(number, 1));
        }
        assert_eq!(after(&ring, Mark::at(9)), None);
        assert_eq!(after(&ring, Mark::at(10)), Some(vec![12, 15, 20]));
        assert_eq!(after(&ring, Mark::at(13)), Some(vec![15, 20]));
        assert_eq!(after(&ring, Mark::at(20)), Some(vec![]));
        assert_eq!(after(&ring, Mark { number: 15, part: 1 }), None);
    }

    #[test]
    fn it_is_bounded_in_number_and_in_bytes() {
        let mut ring = Ring::default();
        let most = CHANGES_MAX as u64;
        (1..=most + 5).for_each(|number| ring.push(change(number, 1)));
        assert_eq!(after(&ring, Mark::at(4)), None);
        assert_eq!(after(&ring, Mark::at(5)).unwrap().len(), CHANGES_MAX);
        ring.push(change(most + 6, BYTES_MAX - size_of::<Change>() - 1));
        assert!(ring.bytes <= BYTES_MAX);
        assert_eq!(after(&ring, Mark::at(most)), None);
        assert!(after(&ring, Mark::at(most + 5)).is_some());
    }
}
