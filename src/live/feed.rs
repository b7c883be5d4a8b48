//! One feed of objects: what is there now, and what happened lately.

use std::{collections::BTreeMap, sync::Arc};

use bytes::{BufMut, Bytes, BytesMut};
use jiff::Timestamp;

use super::{
    cursor::Mark,
    event::{Change, Style, Subject},
    frame,
    outbox::{Key, Queue, Verb, Weigh},
    ring::Ring,
    scope::{Scope, Whose},
};
use crate::domain::sharing::Level;

/// Pieces in which a large snapshot is sent; they are shared by everyone who sees the same sessions.
const PIECE_BYTES: usize = 64 * 1024;
/// A gap of more bytes than this is not sent: a snapshot says the same in less.
const GAP_BYTES: usize = 512 * 1024;

/// An object as the relay saw it.
#[derive(Clone, Debug)]
pub struct Item {
    /// `metadata.name`.
    pub name: Arc<str>,
    /// `metadata.resourceVersion`.
    pub number: u64,
    /// Who may know of it.
    pub whose: Whose,
    /// The name by which its logs are asked, where it has some.
    pub logs: Option<Box<str>>,
    /// The object as JSON, exactly as `GET` answers it.
    pub json: Bytes,
}

#[derive(Clone, Debug)]
struct Entry {
    id: u64,
    item: Item,
}

/// The state of a feed.
#[derive(Debug)]
pub struct Feed {
    subject: Subject,
    entries: BTreeMap<Arc<str>, Entry>,
    ready: bool,
    /// Number of the latest change that is taken in here.
    head: u64,
    /// How many places without a number were given after `head`.
    parts: u32,
    ring: Ring,
    next_id: u64,
    /// All objects, joined for snapshots; forgotten with the next change.
    joined: Option<Arc<[Bytes]>>,
}

/// How a reader begins.
#[derive(Debug)]
pub enum Welcome {
    /// The frame that says that nothing was missed but what follows, and the gap.
    Resumed(Bytes, Vec<Arc<Change>>),
    /// A snapshot, in pieces of one frame.
    Snapshot(Vec<Bytes>),
}

impl Weigh for Arc<Change> {
    fn weight(&self) -> usize {
        self.object.len()
    }
}

impl Feed {
    /// An empty feed that is not ready.
    #[must_use]
    pub fn new(subject: Subject) -> Self {
        Self {
            subject,
            entries: BTreeMap::new(),
            ready: false,
            head: 0,
            parts: 0,
            ring: Ring::default(),
            // In step with the other feeds, so that no session has the id of a template.
            next_id: Subject::ALL.iter().position(|other| *other == subject).unwrap_or_default() as u64,
            joined: None,
        }
    }

    /// Whether the objects that are there have been read.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        self.ready
    }

    /// What the feed is about.
    #[must_use]
    pub const fn subject(&self) -> Subject {
        self.subject
    }

    /// Takes in the list of all objects as they were at `number`, and answers how it differs from what was known:
    /// what is gone first, then the rest in the order of their numbers. Nobody can resume from within a difference.
    pub fn reset(&mut self, mut items: Vec<Item>, number: u64, now: Timestamp) -> Vec<Arc<Change>> {
        items.sort_by_key(|item| item.number);
        let mut gone = std::mem::take(&mut self.entries);
        let mut came = Vec::new();
        for item in items {
            // An object of that name with another uid is another object: the old one stays among those that are gone.
            let same = gone.get(&item.name).is_some_and(|old| old.item.whose.uid == item.whose.uid);
            let old = same.then(|| gone.remove(&item.name)).flatten();
            let (id, verb) = match &old {
                Some(old) => (old.id, Verb::Updated),
                None => (self.new_id(), Verb::Created),
            };
            if old.as_ref().is_none_or(|old| old.item.number < item.number) {
                let change = change_of(self.subject, Mark::at(item.number), Key { subject: id, verb }, &item, now);
                came.push(Arc::new(change.after(old.as_ref().map(|old| &old.item))));
            }
            self.entries.insert(item.name.clone(), Entry { id, item });
        }
        let mut changes = Vec::new();
        for old in gone.into_values() {
            let key = Key { subject: old.id, verb: Verb::Deleted };
            changes.push(Arc::new(change_of(self.subject, self.next_part(), key, &old.item, now)));
        }
        changes.extend(came);
        self.joined = None;
        self.advance(number);
        self.ring.restart(self.head);
        if std::mem::replace(&mut self.ready, true) { changes } else { Vec::new() }
    }

    /// Takes in an object as it is now. `None`: that was known.
    pub fn apply(&mut self, item: Item, now: Timestamp) -> Option<Arc<Change>> {
        let old = self.entries.get(&item.name).cloned();
        if old.as_ref().is_some_and(|old| old.item.number >= item.number) {
            return None;
        }
        let (id, verb) = match &old {
            Some(old) => (old.id, Verb::Updated),
            None => (self.new_id(), Verb::Created),
        };
        let old = old.map(|old| old.item);
        let change = self.note(Key { subject: id, verb }, &item, old.as_ref(), now);
        self.entries.insert(item.name.clone(), Entry { id, item });
        Some(change)
    }

    /// Takes in that an object is gone; `item.number` is the number of its removal. `None`: that was known.
    pub fn remove(&mut self, item: &Item, now: Timestamp) -> Option<Arc<Change>> {
        let known = self.entries.get(&item.name).is_some_and(|old| old.item.number < item.number);
        let old = known.then(|| self.entries.remove(&item.name)).flatten()?;
        Some(self.note(Key { subject: old.id, verb: Verb::Deleted }, item, None, now))
    }

    /// Keeps an object no longer that is still there: who reads from now on does not see it, and nobody is told.
    pub fn forget(&mut self, name: &str) {
        if self.entries.remove(name).is_some() {
            self.joined = None;
        }
    }

    fn note(&mut self, key: Key, item: &Item, old: Option<&Item>, now: Timestamp) -> Arc<Change> {
        self.joined = None;
        self.advance(item.number);
        let change = Arc::new(change_of(self.subject, Mark::at(item.number), key, item, now).after(old));
        self.ring.push(change.clone());
        change
    }

    fn advance(&mut self, number: u64) {
        if number > self.head {
            self.head = number;
            self.parts = 0;
        }
    }

    fn new_id(&mut self) -> u64 {
        self.next_id += Subject::ALL.len() as u64;
        self.next_id
    }

    fn next_part(&mut self) -> Mark {
        self.parts += 1;
        Mark { number: self.head, part: self.parts }
    }

    /// How a reader of that style and scope begins who has read up to `mark`.
    pub fn welcome(&mut self, mark: Option<Mark>, style: Style, scope: &Scope) -> Welcome {
        let mark = mark.map(|mark| if mark == Mark::LATEST { Mark::at(self.head) } else { mark });
        match mark.and_then(|mark| Some((mark, self.gap(mark, scope)?))) {
            Some((mark, gap)) => {
                let begin = self.snapshot_begin(style, mark, true);
                Welcome::Resumed(frame::text(&[begin.as_bytes(), b"]}"]), gap)
            }
            None => Welcome::Snapshot(self.snapshot(style, scope)),
        }
    }

    fn gap(&self, mark: Mark, scope: &Scope) -> Option<Vec<Arc<Change>>> {
        // A replica that is behind the one the cursor came from cannot tell what it has not seen.
        if mark.number > self.head {
            return None;
        }
        let mut gap = Queue::default();
        for change in self.ring.after(mark)? {
            if let Some(key) = change.key_for(scope) {
                gap.push(Some(key), change.clone());
            }
        }
        (gap.weight() <= GAP_BYTES).then(|| gap.take_all())
    }

    fn snapshot_begin(&self, style: Style, mark: Mark, resumed: bool) -> String {
        let label = style.label(self.subject.topic());
        let cursor = style.cursor(self.subject, mark);
        format!("{{\"type\":\"snapshot\",{label}\"cursor\":\"{cursor}\",\"resumed\":{resumed},\"items\":[")
    }

    fn snapshot(&mut self, style: Style, scope: &Scope) -> Vec<Bytes> {
        let begin = self.snapshot_begin(style, Mark::at(self.head), false);
        let items = match scope {
            Scope::All => self.everything(),
            Scope::Of(_) => join(self.visible(scope).map(|entry| &entry.item.json)).into(),
        };
        let end = Bytes::from(format!("]{}}}", self.shared_in(scope)));
        let rest = items.iter().map(Bytes::len).sum::<usize>() + end.len();
        let first = frame::text_begin(begin.as_bytes(), rest);
        [first].into_iter().chain(items.iter().cloned()).chain([end]).collect()
    }

    /// The field that names what others share with the reader, and how far; nothing where nothing is.
    fn shared_in(&self, scope: &Scope) -> String {
        if scope.mark() == 0 {
            return String::new();
        }
        let shared = |entry: &Entry| scope.shared(&entry.item.whose).map(|level| (entry.item.name.to_string(), level));
        let shared: BTreeMap<String, Level> = self.entries.values().filter_map(shared).collect();
        match serde_json::to_string(&shared) {
            Ok(object) if !shared.is_empty() => format!(",\"shared\":{object}"),
            _ => String::new(),
        }
    }

    fn everything(&mut self) -> Arc<[Bytes]> {
        let entries = &self.entries;
        self.joined.get_or_insert_with(|| join(entries.values().map(|entry| &entry.item.json)).into()).clone()
    }

    fn visible<'a>(&'a self, scope: &'a Scope) -> impl Iterator<Item = &'a Entry> {
        self.entries.values().filter(|entry| scope.sees(&entry.item.whose))
    }

    /// What a reader has to be told whose scope changes: what came into sight, what went out of it, and what is shared
    /// with them to another level.
    pub fn rescope(&mut self, old: &Scope, new: &Scope, now: Timestamp) -> Vec<Arc<Change>> {
        let verb = |entry: &Entry| {
            let whose = &entry.item.whose;
            match (old.sees(whose), new.sees(whose)) {
                (false, true) => Some(Verb::Created),
                (true, false) => Some(Verb::Deleted),
                (true, true) if old.shared(whose) != new.shared(whose) => Some(Verb::Updated),
                _ => None,
            }
        };
        let turned: Vec<_> = self.entries.values().filter_map(|entry| Some((entry.clone(), verb(entry)?))).collect();
        turned
            .into_iter()
            .map(|(entry, verb)| {
                let key = Key { subject: entry.id, verb };
                Arc::new(change_of(self.subject, self.next_part(), key, &entry.item, now))
            })
            .collect()
    }

    /// The id by which events about the object of that name supersede each other.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<u64> {
        self.entries.get(name).map(|entry| entry.id)
    }

    /// Who may know of the object of that name.
    #[must_use]
    pub fn whose(&self, name: &str) -> Option<Whose> {
        self.entries.get(name).map(|entry| entry.item.whose.clone())
    }

    /// The name of the session whose logs have that name, and who may know of it.
    #[must_use]
    pub fn by_logs(&self, logs: &str) -> Option<(Arc<str>, Whose)> {
        let entry = self.entries.values().find(|entry| entry.item.logs.as_deref() == Some(logs))?;
        Some((entry.item.name.clone(), entry.item.whose.clone()))
    }
}

fn change_of(subject: Subject, mark: Mark, key: Key, item: &Item, now: Timestamp) -> Change {
    let (whose, object) = (item.whose.clone(), item.json.clone());
    Change { mark, subject, key, whose, before: None, time: now, object }
}

impl Change {
    /// The same as what became of `old`.
    fn after(self, old: Option<&Item>) -> Self {
        let before = old.map(|old| &old.whose).filter(|before| **before != self.whose).cloned();
        Self { before, ..self }
    }
}

/// The elements of a JSON array, with commas between them, in pieces of about [`PIECE_BYTES`].
fn join<'a>(items: impl Iterator<Item = &'a Bytes>) -> Vec<Bytes> {
    let mut pieces = Vec::new();
    let mut piece = BytesMut::new();
    for (index, json) in items.enumerate() {
        if index > 0 {
            piece.put_u8(b',');
        }
        piece.put_slice(json);
        if piece.len() >= PIECE_BYTES {
            pieces.push(piece.split().freeze());
        }
    }
    if !piece.is_empty() {
        pieces.push(piece.freeze());
    }
    pieces
}
