//! The hub: what happens, told to every browser that may see it, over WebSockets.
//!
//! ```text
//! ObjectStore ─ relay ─▶ feed (state, ring) ─▶ shards ─▶ sockets (what each reads) ─▶ wire ─▶ kernel
//!                        figures, warnings ───────┘          ▲                         └─▶ body, when it is full
//!                                                 engine logs┘
//! ```
//!
//! An event is serialised once for all its readers. A reader begins with a snapshot or, from a cursor, with the gap;
//! what it takes too slowly collapses to the latest states; past the outbox's capacity it is closed and comes back.
//! This module knows bytes and permissions that were decided elsewhere; HTTP is `http/ws.rs`.

mod cursor;
mod decode;
mod drain;
mod event;
mod fanout;
mod feed;
mod feeds;
mod frame;
mod hub;
mod kernel;
mod outbox;
mod people;
mod protocol;
mod relay;
mod ring;
mod scope;
mod socket;
mod state;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod wire;

pub use cursor::Cursor;
pub use decode::MESSAGE_MAX;
pub use drain::Drain;
pub use event::Subject;
pub use feeds::{
    figures::{Figure, announce},
    logs::LogWish,
};
pub use frame::CloseCode;
pub use hub::Hub;
pub use protocol::{Conversation, Topic};
pub use scope::Scope;
pub use socket::{Access, Gate, Socket};
pub use wire::Line;
