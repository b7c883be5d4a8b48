//! What people do with connections: open, keep, close and list them, and postpone the idle stop.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use deadpool_postgres::GenericClient;
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::{
    audit,
    presence::{Cause, Link, Presence},
    rights::{self, Entry},
    sessions,
};
use crate::{
    App, Error,
    auth::{Caller, permission::Credential},
    crd::{DesiredState, Phase, Session, Template},
    domain::{
        duration,
        sharing::EnteredAs,
        template::{self, View},
    },
    store::{
        self,
        connections::{Connection, OpenedBy, Ticket},
    },
};

pub use crate::store::connections::Connection as Open;

/// A connection without a sign of life for this long is closed.
pub const STALE_AFTER: SignedDuration = SignedDuration::from_secs(60);
/// A ticket is good this long.
const TICKET_FOR: SignedDuration = SignedDuration::from_secs(30);
/// Most characters of a user agent that are kept.
const USER_AGENT_CHARS: usize = 300;
/// Longest postponement where no ceiling is set.
const LONGEST_SNOOZE: Duration = duration::LONGEST_IDLE;
/// Shortest postponement.
const SHORTEST_SNOOZE: Duration = Duration::from_mins(1);

/// From where a connection is opened.
#[derive(Clone, Debug, Default)]
pub struct Device {
    /// What the client calls itself.
    pub user_agent: String,
}

/// What a caller wants of a session.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// A further port of the program; `None`: its main one.
    pub port: Option<u16>,
}

/// A connection as its opener gets it.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its id.
    pub id: Uuid,
    /// Where the person works: an entry to the app, or the dashboard's page for the viewer.
    pub url: String,
    /// The session as it stands.
    pub session: Arc<Session>,
    /// Whether the app answers already.
    pub ready: bool,
    /// When the connection is closed unless there is a sign of life.
    pub expires_at: Timestamp,
}

/// Opens a connection to a session: wakes it where it sleeps, tries it again where it failed.
///
/// # Errors
/// [`Error::NotFound`] for a session the caller may not know of, [`Error::Forbidden`] for one that is another
/// person's, [`Error::Conflict`] for one that has ended.
pub async fn connect(
    app: &App,
    presence: &Presence,
    caller: &Caller,
    id: &str,
    device: &Device,
    wish: &Wish,
) -> Result<Opened, Error> {
    let (session, entry) = sessions::get_enterable(app, caller, id).await?;
    let template = template_of(app, &session).await?;
    let port = port(&template, wish)?;
    let session = match entry {
        Entry::Work => wake(app, caller, session).await?,
        Entry::LookOn => on_view(session, &template, port)?,
    };
    let now = app.clock.now();
    let connection = connection(app, caller, &session, device)?;
    let secret = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let is_web = template::view(&template.spec) == View::Web || port.is_some();
    let ticket = Ticket { hash: ticket_hash(&secret), expires_at: now + TICKET_FOR };
    let mut db = app.pool.get().await?;
    let transaction = db.transaction().await?;
    let connection = insert(&transaction, caller, &connection, is_web.then_some(&ticket)).await?;
    transaction.commit().await?;
    let link = presence.admit(connection, true);
    if entry == Entry::Work {
        note(app, presence, &link, Cause::Opened);
    }
    presence.changed(id);
    let hosts = app.config.http.hosts();
    let url = if is_web {
        let main = template::main_port(&template.spec).unwrap_or_default();
        format!("{}/.streamspace/enter?ticket={secret}", hosts.address(id, port, main))
    } else {
        format!("{}/sessions/{id}", hosts.dashboard())
    };
    let ready = session.phase() == Phase::Running;
    Ok(Opened { id: link.connection.id, url, session, ready, expires_at: now + STALE_AFTER })
}

/// Adds a connection. One to another person's session is audited, whoever enters.
async fn insert(
    db: &impl GenericClient,
    caller: &Caller,
    connection: &Connection,
    ticket: Option<&Ticket>,
) -> Result<Connection, Error> {
    let kept = store::connections::insert(db, connection, ticket).await?;
    if connection.entered_as != Some(EnteredAs::Owner) {
        let entry = audit::Entry::new("session.enter", format!("session/{}", connection.session));
        audit::record(db, caller, entry.after(&serde_json::json!({ "as": connection.entered_as }))).await?;
    }
    Ok(kept)
}

/// A session as one gets it who only looks on: its screen, where it has one, while it runs.
fn on_view(session: Arc<Session>, template: &Template, port: Option<u16>) -> Result<Arc<Session>, Error> {
    if template::view(&template.spec) != View::Vnc || port.is_some() {
        return Err(Error::Conflict(
            "only a session with a screen can be looked on: ask its owner to share more".into(),
        ));
    }
    let wanted = (session.spec.state, session.phase());
    if wanted == (DesiredState::Running, Phase::Failed) || session.spec.state != DesiredState::Running {
        return Err(Error::Conflict("the session does not run, and who looks on does not start it".into()));
    }
    Ok(session)
}

/// The template of a session.
///
/// # Errors
/// [`Error::Conflict`] where it was deleted meanwhile.
pub async fn template_of(app: &App, session: &Session) -> Result<Arc<Template>, Error> {
    let name = &session.spec.template;
    let missing = || Error::Conflict(format!("its template “{name}” does not exist any more"));
    app.templates.get(name).await?.ok_or_else(missing)
}

/// The further port that is wanted, if the program has it.
fn port(template: &Template, wish: &Wish) -> Result<Option<u16>, Error> {
    let known = template::ports(&template.spec);
    match wish.port {
        Some(port) if known.contains(&port) => Ok((known.first() != Some(&port)).then_some(port)),
        Some(port) => Err(Error::field("port", format!("the program has no port {port}: use one of {known:?}"))),
        None => Ok(None),
    }
}

/// A session that will run, as far as wishing helps.
async fn wake(app: &App, caller: &Caller, session: Arc<Session>) -> Result<Arc<Session>, Error> {
    match (session.spec.state, session.phase()) {
        (DesiredState::Terminated, _) | (_, Phase::Terminating | Phase::Terminated) => {
            Err(Error::Conflict("this session has ended: launch a new one".into()))
        }
        (DesiredState::Hibernated, _) => sessions::wake(app, caller, session).await,
        (DesiredState::Running, Phase::Failed) => sessions::try_again(app, caller, &session).await,
        (DesiredState::Running, _) => Ok(session),
    }
}

/// A connection of the caller that begins now.
fn connection(app: &App, caller: &Caller, session: &Session, device: &Device) -> Result<Connection, Error> {
    let now = app.clock.now();
    Ok(Connection {
        id: Uuid::new_v4(),
        session: session.metadata.name.clone().unwrap_or_default(),
        session_uid: session.metadata.uid.clone().unwrap_or_default(),
        user: caller.user.clone(),
        opened_by: match caller.credential {
            Credential::SignIn(id) => OpenedBy::SignIn(id),
            Credential::Token(id) => OpenedBy::Token(id),
            Credential::Access(id) => OpenedBy::Access(id),
            Credential::Anyone => OpenedBy::Anyone,
            Credential::Console => return Err(Error::Forbidden("sign in to open a session".into())),
        },
        client_address: caller.address.map(|address| address.to_string()),
        user_agent: device.user_agent.chars().take(USER_AGENT_CHARS).collect(),
        connected_at: now,
        last_heartbeat: now,
        user_epoch: None,
        entered_as: Some(rights::entered_as(caller, session)),
    })
}

fn ticket_hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// Uses a ticket up: the connection it leads to, if it is one to `session`, unused and in time.
pub async fn enter(app: &App, presence: &Presence, session: &str, ticket: &str) -> Result<Option<Arc<Link>>, Error> {
    let now = app.clock.now();
    let db = app.pool.get().await?;
    let connection = store::connections::redeem(&db, &ticket_hash(ticket), now).await?;
    let Some(connection) = connection.filter(|connection| connection.session == session) else { return Ok(None) };
    let link = presence.admit(connection, true);
    presence.beat(&link, now);
    Ok(Some(link))
}

/// A connection by its id, from memory or else from the database; open or closed.
pub async fn known(app: &App, presence: &Presence, id: Uuid) -> Result<Option<Arc<Link>>, Error> {
    if let Some(link) = presence.link(id) {
        return Ok(Some(link));
    }
    let db = app.pool.get().await?;
    let found = store::connections::get(&db, id).await?;
    Ok(found.map(|(connection, open)| presence.admit(connection, open)))
}

/// The caller's connection to a session.
///
/// # Errors
/// [`Error::Forbidden`] for another person's, told to those who see the session and with it who is connected;
/// [`Error::NotFound`] otherwise.
async fn own(app: &App, presence: &Presence, caller: &Caller, session: &str, id: Uuid) -> Result<Arc<Link>, Error> {
    let unknown = || Error::not_found("connection", id.to_string());
    let link = known(app, presence, id).await?.filter(|link| link.connection.session == session).ok_or_else(unknown)?;
    if link.connection.user == caller.user {
        return Ok(link);
    }
    match sessions::get(app, caller, session).await {
        Ok(_) => Err(Error::Forbidden("this is another person's connection".into())),
        Err(Error::NotFound { .. }) => Err(unknown()),
        Err(error) => Err(error),
    }
}

/// The session of a connection, and how far the one who opened it may still come in; `None`: not at all.
///
/// # Errors
/// Where the database has to be asked and does not answer.
pub async fn session_of(app: &App, connection: &Connection) -> Result<Option<(Arc<Session>, Entry)>, Error> {
    let Some(session) = app.sessions.get(&connection.session).await? else { return Ok(None) };
    let same = session.metadata.uid.as_deref() == Some(connection.session_uid.as_str());
    let identity = app.auth.opener(connection).await?;
    let entry = identity.filter(|_| same).and_then(|identity| rights::entry(&identity.caller(), &session));
    Ok(entry.map(|entry| (session, entry)))
}

/// A sign of life; `active`: somebody is in front of it. Returns when the connection is closed unless there is another.
pub async fn heartbeat(
    app: &App,
    presence: &Presence,
    caller: &Caller,
    session: &str,
    id: Uuid,
    active: bool,
) -> Result<Timestamp, Error> {
    let (_, entry) = sessions::get_enterable(app, caller, session).await?;
    let link = own(app, presence, caller, session, id).await?;
    let now = app.clock.now();
    presence.beat(&link, now);
    // Who looks on keeps nothing running.
    if active && entry == Entry::Work {
        note(app, presence, &link, Cause::Heartbeat);
    }
    Ok(now + STALE_AFTER)
}

/// Closes a connection. One that is closed already is closed.
pub async fn disconnect(app: &App, presence: &Presence, caller: &Caller, session: &str, id: Uuid) -> Result<(), Error> {
    own(app, presence, caller, session, id).await?;
    store::connections::close(&app.pool.get().await?, id, app.clock.now()).await?;
    presence.close(id);
    presence.changed(session);
    Ok(())
}

/// The open connections of a session that the caller may see, oldest first. A guest is told who is there; from where and
/// with what is the owner's to know.
pub async fn list(app: &App, caller: &Caller, session: &str) -> Result<Vec<Connection>, Error> {
    let oversees = rights::oversees(caller, &*sessions::get(app, caller, session).await?);
    let mut open = store::connections::of_session(&app.pool.get().await?, session).await?;
    for connection in open.iter_mut().filter(|connection| !oversees && connection.user != caller.user) {
        connection.client_address = None;
        connection.user_agent.clear();
    }
    Ok(open)
}

/// Postpones the idle stop of a session, and returns the session.
///
/// `wish`: between `1m` and the administrator's longest idle time.
pub async fn snooze(
    app: &App,
    presence: &Presence,
    caller: &Caller,
    id: &str,
    wish: &str,
) -> Result<Arc<Session>, Error> {
    let session = sessions::get_usable(app, caller, id).await?;
    let wish = duration::parse(wish).map_err(|error| Error::field("for", error.to_string()))?;
    let longest = app.settings.now().ceilings().idle.unwrap_or(LONGEST_SNOOZE).max(SHORTEST_SNOOZE);
    if !(SHORTEST_SNOOZE..=longest).contains(&wish) {
        return Err(Error::field("for", format!("must lie between 1m and {}", duration::short(longest))));
    }
    let until = app.clock.now() + SignedDuration::try_from(wish).map_err(Error::internal)?;
    let uid = session.metadata.uid.as_deref().unwrap_or_default();
    store::activity::snooze(&app.pool.get().await?, id, uid, until).await?;
    presence.changed(id);
    Ok(session)
}

/// Notes that something counted in the session of a connection.
fn note(app: &App, presence: &Presence, link: &Link, cause: Cause) {
    let used = presence.used(&link.connection.session, &link.connection.session_uid);
    presence.note(&used, cause, app.clock.now());
}

/// A connection for the viewer: the one that is named, else the caller's latest to this session, else a new one.
pub async fn for_viewer(
    app: &App,
    presence: &Presence,
    caller: &Caller,
    session: &Session,
    device: &Device,
    id: Option<Uuid>,
) -> Result<Arc<Link>, Error> {
    let name = session.metadata.name.as_deref().unwrap_or_default();
    let link = match id {
        Some(id) => own(app, presence, caller, name, id).await?,
        None => {
            let connection = connection(app, caller, session, device)?;
            if let Some(latest) = presence.latest_like(&connection) {
                presence.beat(&latest, app.clock.now());
                return Ok(latest);
            }
            let mut db = app.pool.get().await?;
            let transaction = db.transaction().await?;
            let connection = insert(&transaction, caller, &connection, None).await?;
            transaction.commit().await?;
            presence.admit(connection, true)
        }
    };
    presence.beat(&link, app.clock.now());
    presence.changed(name);
    Ok(link)
}
