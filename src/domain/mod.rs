//! Rules over the custom resources: no I/O, no clock, no SQL.

pub mod activity;
pub mod catalog;
pub mod conditions;
pub mod doctor;
pub mod duration;
pub mod fields;
pub mod host;
pub mod jobs;
pub mod keys;
pub mod lifecycle;
pub mod lists;
pub mod lock_out;
pub mod merge;
pub mod names;
pub mod nodes;
pub mod origins;
pub mod outgoing;
pub mod parameters;
pub mod people;
pub mod phase;
pub mod quantity;
pub mod quota;
pub mod session;
pub mod ssh;
pub mod template;
pub mod time;
