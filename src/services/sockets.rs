//! WebSockets: tickets to open one with, and who may still read on one.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::{
    App, Error,
    auth::{
        Auth, Caller, Standing, decode_secret, encode_secret,
        secret::{random, sha256},
    },
    store::socket_tickets,
};

/// How long a ticket waits to be used.
const LIFETIME: SignedDuration = SignedDuration::from_secs(30);
/// How often everybody who is connected is looked at, in case word of a change was lost on its way.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// Makes a ticket for the caller of that standing; returns it with the moment when it expires.
///
/// # Errors
/// Those of the database.
pub async fn issue(auth: &Auth, standing: &Standing) -> Result<(SecretString, Timestamp), Error> {
    let secret: [u8; 32] = random();
    let standing = serde_json::to_value(standing).map_err(Error::internal)?;
    let (now, expires_at) = (auth.now(), auth.now() + LIFETIME);
    socket_tickets::insert(&auth.client().await?, &sha256(&secret), &standing, now, expires_at).await?;
    Ok((encode_secret(&secret).into(), expires_at))
}

/// Uses a ticket up and answers whose it is.
///
/// # Errors
/// [`Error::Unauthenticated`] for one that was used, has expired or never was, and for one whose owner has been signed
/// out meanwhile.
pub async fn redeem(auth: &Auth, ticket: &SecretString) -> Result<(Caller, Standing), Error> {
    let secret = decode_secret(ticket.expose_secret()).ok_or(Error::Unauthenticated)?;
    let taken = socket_tickets::take(&auth.client().await?, &sha256(&secret), auth.now()).await?;
    let standing = serde_json::from_value(taken.ok_or(Error::Unauthenticated)?).map_err(Error::internal)?;
    let caller = auth.holder(&standing).await?.ok_or(Error::Unauthenticated)?;
    Ok((caller, standing))
}

/// Has the hub ask again about people whose roles or credentials changed, until `stop`.
pub async fn follow_changes(app: App, stop: CancellationToken) {
    let mut changes = app.auth.changes();
    let mut look = tokio::time::interval(LOOK_EVERY);
    loop {
        let changed = tokio::select! {
            () = stop.cancelled() => return,
            changed = changes.recv() => changed,
            _ = look.tick() => Err(RecvError::Lagged(0)),
        };
        match changed {
            Ok(user) => app.hub.recheck(&user),
            // Some names were missed: it may concern anybody.
            Err(RecvError::Lagged(_)) => app.hub.recheck_everybody(),
            // The application, which is held here, holds the other end.
            Err(RecvError::Closed) => return,
        }
    }
}
