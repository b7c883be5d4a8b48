//! What keeps connections and activity in step between memory and the database; called by the clock.

use jiff::SignedDuration;

use super::{
    connections::{STALE_AFTER, session_of},
    presence::Presence,
};
use crate::{App, Error, store};

/// How long a closed connection can be opened again by its cookie.
const KEPT_FOR: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Writes signs of life: of connections that were opened again, or, with `all`, of every one.
///
/// # Errors
/// Where the database does not answer; nothing is lost then.
pub async fn write_beats(app: &App, presence: &Presence, all: bool) -> Result<(), Error> {
    let beats = presence.beats(app.clock.now(), all);
    if !beats.is_empty() {
        store::connections::beat(&app.pool.get().await?, &beats).await?;
        presence.written(&beats);
    }
    Ok(())
}

/// Closes connections without a sign of life.
///
/// # Errors
/// Where the database does not answer.
pub async fn close_stale(app: &App, presence: &Presence) -> Result<(), Error> {
    let now = app.clock.now();
    let closed = store::connections::close_stale(&app.pool.get().await?, now - STALE_AFTER, now).await?;
    for (id, session) in closed {
        presence.close(id);
        presence.changed(&session);
    }
    Ok(())
}

/// Tells every process for which sessions the idle deadline, or the reason for it, may be another now.
///
/// # Errors
/// Where the database does not answer.
pub async fn tell_uses(app: &App, sessions: &[String]) -> Result<(), Error> {
    if sessions.is_empty() {
        return Ok(());
    }
    store::announce(&app.pool.get().await?, store::USES, sessions).await
}

/// Removes what is known of connections that were closed long ago.
///
/// # Errors
/// Where the database does not answer.
pub async fn remove_closed(app: &App) -> Result<(), Error> {
    store::connections::remove_closed(&app.pool.get().await?, app.clock.now() - KEPT_FOR).await?;
    Ok(())
}

/// Writes the activity that is due, with `all` whatever is known, and returns the sessions it is of.
///
/// # Errors
/// Where the database does not answer; what is due stays due.
pub async fn write_activity(app: &App, presence: &Presence, all: bool) -> Result<Vec<String>, Error> {
    let notes = presence.due(app.clock.now(), all);
    if notes.is_empty() {
        return Ok(vec![]);
    }
    let written = async {
        let db = app.pool.get().await?;
        store::activity::note(&db, &notes).await
    };
    if let Err(error) = written.await {
        presence.postponed(&notes);
        return Err(error);
    }
    presence.taken(&notes);
    Ok(notes.into_iter().map(|note| note.session).collect())
}

/// Closes the row of a connection that was cut.
async fn close(app: &App, connection: &store::connections::Connection) {
    let closed = async { store::connections::close(&app.pool.get().await?, connection.id, app.clock.now()).await };
    // Without a sign of life it is closed in a minute in any case.
    if let Err(error) = closed.await {
        tracing::debug!(error = %error, "a connection that was cut could not be closed");
    }
}

/// Ends the streams of those who may no longer work in their session. Where that cannot be told, they go on.
pub async fn look_at_rights(app: &App, presence: &Presence) {
    for link in presence.streaming() {
        let allowed = session_of(app, &link.connection).await;
        if allowed.is_ok_and(|found| found.is_none_or(|(_, entry)| entry < link.needs())) {
            tracing::info!(session.id = link.connection.session, user.name = link.connection.user, "a stream was cut");
            presence.cut(&link);
            close(app, &link.connection).await;
        }
    }
}
