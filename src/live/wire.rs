//! The way of bytes to one client.
//!
//! A frame goes straight to the kernel while the kernel takes it. What it does not take waits in the outbox until the
//! connection's own body, polled by its own task, finds the socket writable again. A connection with TLS in between
//! always takes the second way, through the body.

use std::{
    io::{self, ErrorKind, IoSlice},
    sync::Arc,
    task::Waker,
};

use bytes::{Buf, Bytes};
use tokio::{net::TcpStream, sync::Notify};

use super::{
    event::Subject,
    kernel,
    outbox::{Key, Queue, Weigh},
};

/// Most bytes that wait for one reader, snapshots aside.
pub const OUTBOX_BYTES: usize = 1024 * 1024;
/// Counted for each frame on top of its bytes: what keeping it costs.
const FRAME_COST: usize = 512;
/// Most pieces that are handed to the kernel in one call.
const BATCH: usize = 32;

/// The connection's own socket, where frames may be written to it as they are, beside the server's buffers; none with
/// TLS in between.
#[derive(Clone, Debug, Default)]
pub struct Line(pub Option<Arc<TcpStream>>);

/// Which subscription a piece belongs to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tag {
    /// A feed of objects.
    Feed(Subject),
    /// The nodes' figures.
    Cluster,
    /// What is meant for the person.
    Notifications,
    /// Logs, by the number of the subscription.
    Logs(u64),
    /// The connection itself.
    Control,
}

/// A frame, or a piece of one.
#[derive(Debug)]
pub struct Piece {
    bytes: Bytes,
    tag: Tag,
    /// Belongs to the same frame as the piece before it.
    continues: bool,
    /// Takes of the outbox's capacity.
    counted: bool,
}

impl Piece {
    /// A whole frame.
    #[must_use]
    pub const fn frame(tag: Tag, bytes: Bytes) -> Self {
        Self { bytes, tag, continues: false, counted: true }
    }

    /// A whole frame that finds room in a full outbox, such as the one that says that it is full.
    #[must_use]
    pub const fn exempt(bytes: Bytes) -> Self {
        Self { bytes, tag: Tag::Control, continues: false, counted: false }
    }

    /// The pieces of one frame that is shared with other readers, so that it takes nothing of the capacity.
    pub fn pieces(tag: Tag, pieces: Vec<Bytes>) -> impl Iterator<Item = Self> {
        let piece = move |(index, bytes)| Self { bytes, tag, continues: index > 0, counted: false };
        pieces.into_iter().enumerate().map(piece)
    }
}

impl Weigh for Piece {
    fn weight(&self) -> usize {
        if self.counted { self.bytes.len() + FRAME_COST } else { 0 }
    }
}

/// Whether frames go straight to the kernel.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Direct {
    /// Never: through the body.
    Never,
    /// Once the head of the response has left.
    NotYet,
    /// Yes.
    Now,
}

/// More waits than may.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Full;

/// What the body has to do.
#[derive(Debug)]
pub enum Step {
    /// Hand these on.
    Bytes(Bytes),
    /// Come back when the socket takes more.
    Blocked(Arc<TcpStream>),
    /// Come back when woken.
    Idle,
}

/// What waits for a client, and its socket.
#[derive(Debug)]
pub struct Wire {
    queue: Queue<Piece>,
    /// What the kernel did not take of a piece.
    rest: Bytes,
    stream: Option<Arc<TcpStream>>,
    direct: Direct,
    waker: Option<Waker>,
    /// Bytes that the kernel, or the body, took since the connection began.
    sent: u64,
    /// How many of them the client was known to have at the last look.
    taken: u64,
    broken: bool,
    /// Told after each progress, for those who wait until less waits.
    room: Option<Arc<Notify>>,
}

impl Wire {
    /// A wire over `line`, with nothing to send.
    #[must_use]
    pub fn new(line: Line) -> Self {
        let direct = match &line.0 {
            Some(stream) => {
                kernel::keep_short(stream);
                Direct::NotYet
            }
            None => Direct::Never,
        };
        Self {
            queue: Queue::default(),
            rest: Bytes::new(),
            stream: line.0,
            direct,
            waker: None,
            sent: 0,
            taken: 0,
            broken: false,
            room: None,
        }
    }

    /// Whether nothing waits here; the kernel may still have something.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.queue.is_empty() && self.rest.is_empty()
    }

    /// Whether, at the last look, the client had everything.
    #[must_use]
    pub fn is_taken(&self) -> bool {
        self.is_idle() && self.taken == self.sent
    }

    /// Whether the client cannot be reached any more.
    #[must_use]
    pub const fn is_broken(&self) -> bool {
        self.broken
    }

    /// Looks how much the client has taken; returns whether that is more than at the last look.
    ///
    /// What the kernel took has not reached anybody yet: a client that stopped reading shows in what it acknowledges.
    /// With TLS in between that cannot be seen, and what left counts as taken.
    pub fn has_moved(&mut self) -> bool {
        if self.taken == self.sent {
            return false;
        }
        let unacknowledged = match &self.stream {
            Some(stream) if self.direct == Direct::Now => kernel::unacknowledged(stream),
            _ => 0,
        };
        let taken = self.sent.saturating_sub(unacknowledged).max(self.taken);
        std::mem::replace(&mut self.taken, taken) < taken
    }

    /// Wakes the body.
    pub fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker.wake_by_ref();
        }
    }

    /// Sends `piece` now where the way is free, else queues it.
    pub fn send(&mut self, key: Option<Key>, piece: Piece) -> Result<(), Full> {
        if self.direct != Direct::Now || !self.is_idle() {
            self.queue(key, piece)?;
            // A body that waits for the socket to take more needs no other waking.
            if self.direct != Direct::Now {
                self.wake();
            }
            return Ok(());
        }
        match self.stream.as_deref().map(|stream| stream.try_write(&piece.bytes)) {
            Some(Ok(sent)) => {
                self.sent += sent as u64;
                if sent < piece.bytes.len() {
                    self.rest = piece.bytes.slice(sent..);
                    self.wake();
                }
            }
            Some(Err(error)) if is_blocked(&error) => {
                self.queue.push(key, piece);
                self.wake();
            }
            Some(Err(_)) | None => self.fail(),
        }
        Ok(())
    }

    /// Queues `piece`; [`Wire::flush`] is to follow.
    pub fn queue(&mut self, key: Option<Key>, piece: Piece) -> Result<(), Full> {
        self.queue.push(key, piece);
        if self.queue.weight() > OUTBOX_BYTES { Err(Full) } else { Ok(()) }
    }

    /// Sends what the kernel takes of what waits, and has the body see to the rest.
    pub fn flush(&mut self) {
        if self.direct != Direct::Now || self.write_all() {
            self.wake();
        }
    }

    /// Writes what waits. Returns whether the kernel takes no more.
    fn write_all(&mut self) -> bool {
        let Some(stream) = self.stream.clone() else { return false };
        while !self.is_idle() && !self.broken {
            let wrote = {
                let rest = (!self.rest.is_empty()).then_some(&self.rest);
                let waiting = rest.into_iter().chain(self.queue.iter().map(|piece| &piece.bytes));
                let slices: Vec<IoSlice<'_>> = waiting.take(BATCH).map(|bytes| IoSlice::new(bytes)).collect();
                stream.try_write_vectored(&slices)
            };
            match wrote {
                Ok(sent) => self.advance(sent),
                Err(error) if is_blocked(&error) => return true,
                Err(_) => self.fail(),
            }
        }
        false
    }

    /// Forgets `sent` bytes of what waits.
    fn advance(&mut self, mut sent: usize) {
        self.sent += sent as u64;
        loop {
            let part = sent.min(self.rest.len());
            self.rest.advance(part);
            sent -= part;
            if sent == 0 {
                break;
            }
            match self.queue.pop() {
                Some(piece) => self.rest = piece.bytes,
                None => break,
            }
        }
        if self.rest.is_empty() {
            self.rest = Bytes::new();
        }
        self.tell_room();
    }

    fn fail(&mut self) {
        self.broken = true;
        self.wake();
    }

    fn tell_room(&self) {
        if let Some(room) = &self.room {
            room.notify_waiters();
        }
    }

    /// What the body does next; `waker` is told when there is more to do.
    ///
    /// The first time the head of the response still lies in the server's buffer, which is flushed after that: from
    /// the second time on frames may take the direct way.
    pub fn step(&mut self, waker: &Waker, first: bool) -> Step {
        if self.waker.as_ref().is_none_or(|known| !known.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
        match (self.direct, &self.stream) {
            (Direct::NotYet, Some(_)) if first => {
                waker.wake_by_ref();
                Step::Idle
            }
            (Direct::NotYet | Direct::Now, Some(stream)) => {
                let stream = stream.clone();
                self.direct = Direct::Now;
                if self.write_all() { Step::Blocked(stream) } else { Step::Idle }
            }
            _ => match self.queue.pop() {
                Some(piece) => {
                    self.sent += piece.bytes.len() as u64;
                    self.tell_room();
                    Step::Bytes(piece.bytes)
                }
                None => Step::Idle,
            },
        }
    }

    /// Removes what waits and is not to be kept, except what belongs to a frame that has begun to leave.
    pub fn purge(&mut self, keep: impl Fn(Tag) -> bool) {
        let mut begun = true;
        self.queue.retain(|piece| {
            begun = begun && piece.continues;
            begun || keep(piece.tag)
        });
    }

    /// Bytes of the subscription that wait.
    #[must_use]
    pub fn waiting(&self, tag: Tag) -> usize {
        self.queue.iter().filter(|piece| piece.tag == tag).map(|piece| piece.bytes.len()).sum()
    }

    /// Told after each progress.
    pub fn room(&mut self) -> Arc<Notify> {
        self.room.get_or_insert_default().clone()
    }

    /// Cuts the connection.
    pub fn cut(&mut self) {
        if let Some(stream) = &self.stream {
            kernel::cut(stream);
        }
        self.fail();
    }

    /// Lets go of the socket and of everything that waits.
    pub fn release(&mut self) {
        self.queue = Queue::default();
        self.rest = Bytes::new();
        self.stream = None;
        self.direct = Direct::Never;
        self.broken = true;
        self.wake();
        self.waker = None;
        self.tell_room();
    }
}

fn is_blocked(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
