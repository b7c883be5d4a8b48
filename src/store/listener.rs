//! The one connection that listens: it wakes those who wait for news in the database.
//!
//! A notification is a wake-up and nothing more, but for figures that are worth nothing later: what is new is read from
//! tables, on the same connection, so that a busy pool does not delay it. Whoever was not connected is woken after the
//! next connect.

use std::{sync::Arc, time::Duration};

use deadpool_postgres::GenericClient;
use futures::StreamExt;
use tokio::{
    sync::{broadcast, watch},
    time::{sleep, timeout},
};
use tokio_postgres::{AsyncMessage, Client};
use tokio_util::sync::CancellationToken;

use super::{Connector, Messages, listen, sentence};
use crate::{Error, telemetry::task::Tasks};

/// The channel on which writes to objects are announced; the payload is the kind.
pub const OBJECTS: &str = "streamspace_objects";

/// The channel on which new jobs are announced, and those that can be taken again.
pub const JOBS: &str = "streamspace_jobs";
/// The channel on which it is announced that somebody asked for the end of a job.
pub const JOB_CANCELS: &str = "streamspace_job_cancels";
/// The channel on which it is announced that the feed of jobs has something new.
pub const JOB_FEED: &str = "streamspace_job_feed";

/// The channel on which it is announced that people are warned of something.
pub const NOTICES: &str = "streamspace_notices";
/// The channel of live figures, which are in the announcements themselves.
pub const FIGURES: &str = "streamspace_figures";

/// The channel of names of sessions whose idle deadline, or the reason for it, may be another now; empty: of any.
pub const USES: &str = "streamspace_uses";

/// The channel on which it is announced that settings were changed.
pub const SETTINGS: &str = "streamspace_settings";

/// Everything that is listened to.
const CHANNELS: [&str; 8] = [OBJECTS, JOBS, JOB_CANCELS, JOB_FEED, NOTICES, FIGURES, USES, SETTINGS];
/// Announcements of figures that wait for a reader before the oldest are lost.
const FIGURES_WAITING: usize = 256;
/// Names that wait for a reader, who looks at all sessions where more came.
const USES_WAITING: usize = 1_024;
/// Longest time for connecting and subscribing.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Pauses between attempts to connect, the last one over and over.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// Says `words` on `channel` to everybody who listens.
///
/// # Errors
/// Where the database does not answer; words of 8000 bytes or more are refused.
pub async fn announce(db: &impl GenericClient, channel: &str, words: &[String]) -> Result<(), Error> {
    let statement = db.prepare_cached("SELECT pg_notify($1, word) FROM unnest($2::text[]) AS word").await?;
    db.execute(&statement, &[&channel, &words]).await?;
    Ok(())
}

/// A handle to the connection that listens.
#[derive(Clone, Debug)]
pub struct Listener {
    link: watch::Receiver<Option<Arc<Client>>>,
    wakes: watch::Receiver<Wakes>,
    figures: broadcast::Sender<String>,
    uses: broadcast::Sender<String>,
}

/// How often each channel was heard, in the order of [`CHANNELS`].
type Wakes = [u64; CHANNELS.len()];

impl Listener {
    /// Connects, and connects again whenever the connection ends.
    #[must_use]
    pub fn start(connector: Connector, tasks: &mut Tasks) -> Self {
        let (link_sender, link) = watch::channel(None);
        let (wakes_sender, wakes) = watch::channel(Wakes::default());
        let (figures, _) = broadcast::channel(FIGURES_WAITING);
        let (uses, _) = broadcast::channel(USES_WAITING);
        let stop = tasks.stopping();
        let task =
            Task { connector, link: link_sender, wakes: wakes_sender, figures: figures.clone(), uses: uses.clone() };
        tasks.start("database-listener", async move { task.run(stop).await });
        Self { link, wakes, figures, uses }
    }

    /// The connection, for short reads; absent while there is none. Changes with every connect.
    #[must_use]
    pub fn link(&self) -> watch::Receiver<Option<Arc<Client>>> {
        self.link.clone()
    }

    /// Changes when something was announced on `channel`, and with every connect.
    #[must_use]
    pub fn wakes(&self, channel: &str) -> Subscription {
        let index = CHANNELS.iter().position(|known| *known == channel);
        Subscription { wakes: self.wakes.clone(), index: index.unwrap_or_default(), seen: 0 }
    }

    /// What is announced on [`FIGURES`] from now on.
    #[must_use]
    pub fn figures(&self) -> broadcast::Receiver<String> {
        self.figures.subscribe()
    }

    /// What is announced on [`USES`] from now on, by whatever process; an empty name after each connect, since something
    /// may have been missed.
    #[must_use]
    pub fn uses(&self) -> broadcast::Receiver<String> {
        self.uses.subscribe()
    }
}

/// Waits for one channel.
#[derive(Debug)]
pub struct Subscription {
    wakes: watch::Receiver<Wakes>,
    index: usize,
    seen: u64,
}

impl Subscription {
    /// From now on only later announcements count.
    pub fn mark_seen(&mut self) {
        self.seen = self.wakes.borrow_and_update()[self.index];
    }

    /// Returns once there was an announcement after [`Subscription::mark_seen`]; never if the listener has ended.
    pub async fn woken(&mut self) {
        let (index, seen) = (self.index, self.seen);
        if self.wakes.wait_for(|wakes| wakes[index] != seen).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

struct Task {
    connector: Connector,
    link: watch::Sender<Option<Arc<Client>>>,
    wakes: watch::Sender<Wakes>,
    figures: broadcast::Sender<String>,
    uses: broadcast::Sender<String>,
}

impl Task {
    async fn run(self, stop: CancellationToken) {
        let mut attempt = 0;
        loop {
            let ended = tokio::select! {
                () = stop.cancelled() => return,
                ended = self.connected() => ended,
            };
            self.link.send_replace(None);
            match ended {
                Ended::NeverBegan(reason) => {
                    if attempt == 0 {
                        tracing::warn!(reason, "the connection that listens to the database could not be made");
                    }
                    attempt += 1;
                }
                Ended::Broke => {
                    tracing::warn!("the connection that listens to the database broke: connecting again");
                    attempt = 0;
                }
            }
            let pause = PAUSES[attempt.min(PAUSES.len() - 1)];
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(pause) => {}
            }
        }
    }

    /// Connects, subscribes, lets others in, and stays until the connection ends.
    async fn connected(&self) -> Ended {
        let (client, mut messages) = match timeout(CONNECT_WITHIN, self.connector.connect()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return Ended::NeverBegan(sentence(&error)),
            Err(_) => return Ended::NeverBegan("no answer in time".into()),
        };
        let subscribed = tokio::select! {
            done = timeout(CONNECT_WITHIN, listen(&client, &CHANNELS)) => done.is_ok_and(|done| done.is_ok()),
            () = until_broken(&mut messages, |_, _| {}) => false,
        };
        if !subscribed {
            return Ended::NeverBegan("LISTEN was refused".into());
        }
        // Only now: who reads after this is told of everything that is written after the read.
        self.link.send_replace(Some(Arc::new(client)));
        self.wakes.send_modify(|wakes| wakes.iter_mut().for_each(|count| *count += 1));
        // Here and below: nobody may be there to hear it.
        let _ = self.uses.send(String::new());
        until_broken(&mut messages, |channel, payload| {
            if channel == FIGURES {
                let _ = self.figures.send(payload.to_owned());
            } else if channel == USES {
                let _ = self.uses.send(payload.to_owned());
            } else if let Some(index) = CHANNELS.iter().position(|known| *known == channel) {
                self.wakes.send_modify(|wakes| wakes[index] += 1);
            }
        })
        .await;
        Ended::Broke
    }
}

enum Ended {
    NeverBegan(String),
    Broke,
}

/// Polls the connection, telling of each channel that is heard and what was said on it, until it ends.
async fn until_broken(messages: &mut Messages, mut heard: impl FnMut(&str, &str)) {
    while let Some(Ok(message)) = messages.next().await {
        if let AsyncMessage::Notification(notification) = message {
            heard(notification.channel(), notification.payload());
        }
    }
}
