//! What is meant for one person: warnings before their session is stopped.
//!
//! They are rows of a small table; whoever writes one announces that there is something new, and every replica reads
//! the table then. A reader begins with those that still hold, so that a page that was closed meanwhile misses none.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::{
    live::Hub,
    store::{
        Listener, NOTICES,
        notices::{self, Notice},
    },
};

/// Longest time for reading the table.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// Pause after a read that failed.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Every warning that holds, and how far readers were told.
#[derive(Debug, Default)]
pub struct Notices {
    /// With their numbers, which grow.
    all: Vec<(i64, Notice)>,
    /// Number of the latest that was told.
    told: i64,
}

impl Notices {
    /// Takes in the whole table; returns what is new in it.
    pub fn take_in(&mut self, all: Vec<(i64, Notice)>) -> Vec<(i64, Notice)> {
        let told = self.told;
        self.told = all.last().map_or(told, |(number, _)| told.max(*number));
        self.all = all;
        self.all.iter().filter(|(number, _)| *number > told).cloned().collect()
    }

    /// Number of the latest that was told.
    #[must_use]
    pub const fn head(&self) -> i64 {
        self.told
    }

    /// What `user` was warned of and is still ahead of `now`, as the fields of messages, without braces.
    pub fn of(&self, user: &str, now: Timestamp) -> Vec<String> {
        let ahead = self.all.iter().filter(|(_, notice)| notice.user == user && notice.stops_at > now);
        ahead.map(|(_, notice)| fields(notice)).collect()
    }
}

/// The fields of a `session.warning` after its type, topic and cursor, without braces.
pub fn fields(notice: &Notice) -> String {
    let Notice { session, reason, message, at, stops_at, session_uid: _, user: _ } = notice;
    let object = json!({ "time": at, "session": session, "reason": reason, "message": message, "stopsAt": stops_at })
        .to_string();
    object[1..object.len() - 1].to_owned()
}

/// The field that says how far a reader has read.
pub fn cursor(number: i64) -> String {
    format!("\"cursor\":\"notifications:{number}\"")
}

/// Reads the table whenever something new is announced, until `stop`.
pub(in crate::live) async fn follow(hub: Hub, listener: Listener, stop: CancellationToken) {
    let mut news = listener.wakes(NOTICES);
    loop {
        news.mark_seen();
        let known = read(&hub, &listener).await;
        tokio::select! {
            () = stop.cancelled() => return,
            () = news.woken() => {}
            () = tokio::time::sleep(AGAIN_AFTER), if !known => {}
        }
    }
}

/// Returns whether the table could be read, or will be with the next connection.
async fn read(hub: &Hub, listener: &Listener) -> bool {
    let connection = listener.link().borrow().clone();
    let Some(connection) = connection else { return true };
    match timeout(READ_WITHIN, notices::all(&connection)).await {
        Ok(Ok(all)) => {
            hub.notices(all);
            return true;
        }
        Ok(Err(error)) => tracing::warn!(error = %error, "what people are warned of cannot be read; trying again"),
        Err(_) => tracing::warn!("what people are warned of could not be read in time; trying again"),
    }
    false
}
