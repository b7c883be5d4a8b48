//! How a connection to PostgreSQL is made: where to, as whom, protected how, with which time-outs.

use std::{
    fmt,
    future::Future,
    path::Path,
    pin::Pin,
    task::{Poll, ready},
    time::Duration,
};

use deadpool_postgres::Connect;
use futures::stream::{self, BoxStream, StreamExt};
use secrecy::ExposeSecret;
use tokio::task::JoinHandle;
use tokio_postgres::{AsyncMessage, Client, config::Host};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::{StoreError, tls};
use crate::{config, config::SslMode, telemetry::task};

/// Bounds every statement; a request as a whole has 10 s.
const STATEMENT_TIMEOUT: Duration = Duration::from_secs(8);
/// Longest wait for a row or table lock.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);
/// A transaction that its owner forgot, or whose owner hangs, gives its locks back after this long.
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(5);
/// Unanswered bytes on the wire for longer than this mean that the server is gone.
const TCP_USER_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time for making one connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes connections to one database.
#[derive(Clone)]
pub struct Connector {
    postgres: tokio_postgres::Config,
    tls: MakeRustlsConnect,
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // tokio_postgres::Config hides the password.
        f.debug_struct("Connector").field("postgres", &self.postgres).finish_non_exhaustive()
    }
}

/// What a connection says by itself: notifications and notices. It ends with the connection, and has to be polled for
/// the connection to do anything.
pub type Messages = BoxStream<'static, Result<AsyncMessage, tokio_postgres::Error>>;

impl Connector {
    /// Connections to a server on this machine's Unix socket.
    ///
    /// # Errors
    /// Never in practice: the cryptography that is compiled in has the protocol versions that it needs.
    pub fn local(mut postgres: tokio_postgres::Config) -> Result<Self, StoreError> {
        postgres.ssl_mode(tokio_postgres::config::SslMode::Disable);
        Ok(Self { postgres, tls: tls::connector(SslMode::Disable, None)? })
    }

    /// Connections to the external database that is configured.
    ///
    /// # Errors
    /// [`StoreError::Configuration`] where the URL cannot be read or the file with the authorities is wrong.
    pub fn external(database: &config::Database) -> Result<Self, StoreError> {
        let (mut postgres, in_url) = match &database.database_url {
            Some(url) => from_url(url.expose_secret())?,
            None => (from_parts(database), Ssl::default()),
        };
        // As with libpq a Unix socket has no TLS, whatever the mode: nobody can listen in on it.
        let unix = |host: &Host| matches!(host, Host::Unix(_));
        let local = !postgres.get_hosts().is_empty() && postgres.get_hosts().iter().all(unix);
        let mode = if local { Some(SslMode::Disable) } else { database.db_ssl_mode.or(in_url.mode) };
        let mode = mode.unwrap_or(SslMode::Prefer);
        let authorities = database.db_ssl_root_cert.as_deref().or(in_url.root_cert.as_deref().map(Path::new));
        postgres
            .ssl_mode(match mode {
                SslMode::Disable => tokio_postgres::config::SslMode::Disable,
                SslMode::Prefer => tokio_postgres::config::SslMode::Prefer,
                SslMode::Require | SslMode::VerifyCa | SslMode::VerifyFull => tokio_postgres::config::SslMode::Require,
            })
            .application_name("streamspace")
            .connect_timeout(CONNECT_TIMEOUT)
            .tcp_user_timeout(TCP_USER_TIMEOUT)
            .keepalives_idle(Duration::from_secs(15));
        Ok(Self { postgres, tls: tls::connector(mode, authorities)? })
    }

    /// The same server and role, another database.
    #[must_use]
    pub fn database(&self, name: &str) -> Self {
        let mut other = self.clone();
        other.postgres.dbname(name);
        other
    }

    /// A new connection, with the time-outs that every connection has.
    ///
    /// Nothing happens on it unless `Messages` is polled; they end with the first error.
    ///
    /// # Errors
    /// Where there is no server, or it refuses.
    pub async fn connect(&self) -> Result<(Client, Messages), tokio_postgres::Error> {
        let (client, mut connection) = self.postgres.connect(self.tls.clone()).await?;
        let mut over = false;
        // After its end a connection tells the same error again, as often as it is asked.
        let messages = stream::poll_fn(move |context| {
            if over {
                return Poll::Ready(None);
            }
            let message = ready!(connection.poll_message(context));
            over = !matches!(message, Some(Ok(_)));
            Poll::Ready(message)
        });
        let messages = messages.boxed();
        Ok((client, messages))
    }

    /// A new connection whose messages nobody wants: a task of the name `task` polls it until it ends.
    ///
    /// # Errors
    /// As [`Connector::connect`].
    pub async fn client(&self, task: &'static str) -> Result<(Client, JoinHandle<Option<()>>), tokio_postgres::Error> {
        let (client, mut messages) = self.connect().await?;
        let driver = task::spawn(task, async move { while messages.next().await.is_some() {} });
        Ok((client, driver))
    }
}

impl Connect for Connector {
    fn connect(
        &self,
        _: &tokio_postgres::Config,
    ) -> Pin<Box<dyn Future<Output = Result<(Client, JoinHandle<()>), tokio_postgres::Error>> + Send + '_>> {
        Box::pin(async move {
            let (client, messages) = Self::connect(self).await?;
            let connection = drive(messages);
            client.batch_execute(&session_settings()).await?;
            Ok((client, connection))
        })
    }
}

/// Polls a connection whose messages nobody wants, until it ends.
#[allow(clippy::disallowed_methods, reason = "the pool owns the task and aborts it with the connection")]
fn drive(mut messages: Messages) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(message) = messages.next().await {
            if let Err(error) = message {
                tracing::debug!(error = %error, "a database connection ended");
                return;
            }
        }
    })
}

/// Set by statements, not as start-up options, which poolers refuse. No statement here runs as long as PostgreSQL takes to
/// compile one.
fn session_settings() -> String {
    format!(
        "SET statement_timeout = {}; SET lock_timeout = {}; SET idle_in_transaction_session_timeout = {}; SET timezone = 'UTC'; SET jit = off",
        STATEMENT_TIMEOUT.as_millis(),
        LOCK_TIMEOUT.as_millis(),
        IDLE_IN_TRANSACTION.as_millis(),
    )
}

/// What a URL says about TLS.
#[derive(Debug, Default, PartialEq, Eq)]
struct Ssl {
    mode: Option<SslMode>,
    root_cert: Option<String>,
}

/// Reads a URL; `sslmode` and `sslrootcert` are taken out first, since the client knows neither `verify-full` nor files.
fn from_url(text: &str) -> Result<(tokio_postgres::Config, Ssl), StoreError> {
    let wrong = |message: String| StoreError::Configuration(format!("DATABASE_URL: {message}"));
    let mut url = url::Url::parse(text)
        .map_err(|error| wrong(format!("{error}: write postgresql://user:password@host:5432/database")))?;
    if !matches!(url.scheme(), "postgres" | "postgresql") {
        return Err(wrong(format!("“{}” is no scheme of PostgreSQL: write postgresql://…", url.scheme())));
    }
    let mut ssl = Ssl::default();
    let mut kept = Vec::new();
    for (key, value) in url.query_pairs() {
        match key.as_ref() {
            "sslmode" => ssl.mode = Some(SslMode::parse(&value).map_err(wrong)?),
            "sslrootcert" => ssl.root_cert = Some(value.into_owned()),
            _ => kept.push((key.into_owned(), value.into_owned())),
        }
    }
    url.set_query(None);
    if !kept.is_empty() {
        url.query_pairs_mut().extend_pairs(kept);
    }
    // The error may quote parts of the URL, so it is replaced by a sentence that holds no password.
    let postgres = url
        .as_str()
        .parse()
        .map_err(|_| wrong("it names an option that is not known, or no host that can be read".into()))?;
    Ok((postgres, ssl))
}

fn from_parts(database: &config::Database) -> tokio_postgres::Config {
    let mut postgres = tokio_postgres::Config::new();
    postgres
        .host(database.db_host.as_deref().unwrap_or("localhost"))
        .port(database.db_port.unwrap_or(5432))
        .user(database.db_user.as_deref().unwrap_or("streamspace"))
        .dbname(database.db_name.as_deref().unwrap_or("streamspace"));
    if let Some(password) = &database.db_password {
        postgres.password(password.expose_secret());
    }
    postgres
}

/// Subscribes a connection to channels of `NOTIFY`.
pub async fn listen(client: &Client, channels: &[&str]) -> Result<(), tokio_postgres::Error> {
    client.batch_execute(&format!("LISTEN {}", channels.join("; LISTEN "))).await
}

/// Asks a connection whether it is there. The caller bounds the wait.
pub async fn ping(client: &Client) -> Result<(), tokio_postgres::Error> {
    client.batch_execute("SELECT 1").await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_keeps_its_options_and_gives_up_those_about_tls() {
        let (postgres, ssl) = from_url(
            "postgresql://eve:p%40ss@db.example:6543/x?sslmode=verify-full&sslrootcert=/ca.pem&application_name=y",
        )
        .unwrap();
        assert_eq!((postgres.get_user(), postgres.get_password()), (Some("eve"), Some(&b"p@ss"[..])));
        assert_eq!((postgres.get_ports(), postgres.get_application_name()), (&[6543][..], Some("y")));
        assert_eq!(ssl, Ssl { mode: Some(SslMode::VerifyFull), root_cert: Some("/ca.pem".into()) });
    }

    #[test]
    fn a_url_that_cannot_be_read_is_refused_without_its_password() {
        for url in ["mysql://eve:hunter2@db/x", "postgresql://eve:hunter2@db/x?nonsense=1", "eve:hunter2@db"] {
            let error = from_url(url).unwrap_err().to_string();
            assert!(error.contains("DATABASE_URL") && !error.contains("hunter2"), "{error}");
        }
        assert!(from_url("postgresql://eve:hunter2@db/x").is_ok());
    }
}
