//! Hears what changed about people, so that what is remembered of them can be believed.
//!
//! Triggers announce every change, whoever makes it. While this connection answers, no word is missed; each answer
//! extends the time for which the memory is believed. After a break everything that is remembered is compared with the
//! database first.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use futures::StreamExt;
use tokio::{
    sync::broadcast,
    time::{sleep, timeout},
};
use tokio_postgres::{AsyncMessage, Client};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Credential, known::Known};
use crate::{
    Error,
    clock::Clock,
    store::{self, Connector, Messages, Pool, shares, sign_ins, tokens, users},
};

/// Where the triggers announce changes: the name of the account.
const CHANNEL: &str = "streamspace_people";
/// How often the connection is asked whether it is there.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How long it may take to answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// For how long after it was asked an answer keeps the memory believed. Together with the 2 s of a look-up this stays
/// below the 5 s within which an account that is disabled has to be out.
const BELIEVED_FOR: Duration = Duration::from_secs(3);
/// Longest time for connecting and subscribing.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Pause between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(500);

/// What the listener tells, and whom.
pub(super) struct Listener {
    pub(super) connector: Connector,
    pub(super) pool: Pool,
    pub(super) known: Known,
    pub(super) changes: broadcast::Sender<String>,
    pub(super) clock: Arc<dyn Clock>,
}

impl Listener {
    /// Listens until `stop`, and connects again whenever the connection breaks.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut said = false;
        loop {
            let reason = tokio::select! {
                () = stop.cancelled() => return,
                reason = self.connected(&mut said) => reason,
            };
            self.known.distrust();
            if !std::mem::replace(&mut said, true) {
                tracing::warn!(reason, "nothing is heard about people: every request asks the database until it is");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(PAUSE) => {}
            }
        }
    }

    /// Connects and listens until the connection breaks; returns why. `said`: whether a break was written down.
    async fn connected(&self, said: &mut bool) -> String {
        let (client, messages) = match timeout(CONNECT_WITHIN, self.connector.connect()).await {
            Ok(Ok(connection)) => connection,
            Ok(Err(error)) => return error.to_string(),
            Err(_) => return "no connection in time".to_owned(),
        };
        tokio::select! {
            () = self.hear(messages) => "the connection ended".to_owned(),
            reason = self.keep_belief(&client, said) => reason,
        }
    }

    /// Forgets those about whom something is announced, until the connection ends.
    async fn hear(&self, mut messages: Messages) {
        while let Some(Ok(message)) = messages.next().await {
            let AsyncMessage::Notification(notification) = message else { continue };
            self.known.forget_user(notification.payload());
            self.tell(notification.payload());
        }
    }

    /// Lets the memory be believed for as long as the connection answers; returns why it no longer does.
    async fn keep_belief(&self, client: &Client, said: &mut bool) -> String {
        if let Err(reason) = answer(store::listen(client, &[CHANNEL])).await {
            return reason;
        }
        // What was looked up before nobody would have told us of; it must not be remembered after the comparison.
        self.known.distrust();
        let mut asked = Instant::now();
        if let Err(error) = self.compare().await {
            return error.to_string();
        }
        if std::mem::take(said) {
            tracing::info!("changes of people are heard again");
        }
        loop {
            self.known.trust_until(asked + BELIEVED_FOR);
            sleep(ASK_EVERY).await;
            asked = Instant::now();
            if let Err(reason) = answer(store::ping(client)).await {
                return reason;
            }
        }
    }

    /// Compares everything that is remembered with the database.
    async fn compare(&self) -> Result<(), Error> {
        let remembered = self.known.all();
        if remembered.is_empty() {
            return Ok(());
        }
        let ids = |id: fn(&Credential) -> Option<Uuid>| -> Vec<Uuid> {
            remembered.iter().filter_map(|identity| id(&identity.credential)).collect()
        };
        let sign_ins = ids(|credential| match credential {
            Credential::SignIn(id) => Some(*id),
            _ => None,
        });
        let tokens = ids(|credential| match credential {
            Credential::Token(id) => Some(*id),
            _ => None,
        });
        let people: HashSet<Uuid> = remembered.iter().map(|identity| identity.user_id).collect();
        let client = self.pool.get().await?;
        let mut standing = sign_ins::standing(&client, &sign_ins).await?;
        standing.extend(tokens::standing(&client, &tokens).await?);
        let people: Vec<Uuid> = people.into_iter().collect();
        let users = users::by_ids(&client, &people).await?;
        let users: HashMap<Uuid, users::User> = users.into_iter().map(|user| (user.id, user)).collect();
        let belongings = shares::belongings(&client, &people, self.clock.now()).await?;
        for name in self.known.reconcile(&users, &belongings, &standing) {
            self.tell(&name);
        }
        Ok(())
    }

    fn tell(&self, name: &str) {
        // Nobody listening is no error: tests, and subcommands.
        let _ = self.changes.send(name.to_owned());
    }
}

async fn answer(asked: impl Future<Output = Result<(), tokio_postgres::Error>>) -> Result<(), String> {
    match timeout(ANSWER_WITHIN, asked).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    }
}
