//! An external database: over TLS as asked for, never through a pooler that mixes connections up, never waited for long.

use std::{
    io,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::{Command, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use clap::Parser;
use streamspace::{
    config::{self, Config},
    store::{self, Claim, Connector, StoreError},
    telemetry::task,
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
};

use crate::postgres::{Postgres, connect, database};

/// Authorities and a certificate for `localhost`, made for this run.
struct Authorities {
    folder: TempDir,
}

impl Authorities {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["ours", "stranger"] {
            openssl(folder.path(), &format!("-subj /CN={name} -keyout {name}.key -out {name}.pem"));
        }
        let server = "-subj /CN=localhost -addext subjectAltName=DNS:localhost \
             -addext basicConstraints=critical,CA:FALSE -CA ours.pem -CAkey ours.key";
        openssl(folder.path(), &format!("{server} -keyout server.key -out server.pem"));
        Self { folder }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap()
    }
}

fn openssl(folder: &Path, arguments: &str) {
    let made = Command::new("openssl")
        .args("req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2".split(' '))
        .args(arguments.split(' '))
        .current_dir(folder)
        .stderr(Stdio::null())
        .status();
    assert!(made.unwrap().success(), "openssl req {arguments}");
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

/// A server on loopback and its port.
fn on_tcp(settings: &str, files: &[(&str, &[u8])]) -> (Postgres, u16) {
    let port = free_port();
    (Postgres::start_with(&format!("-c listen_addresses=127.0.0.1 -c port={port} {settings}"), files), port)
}

/// Whether the connection is encrypted, if there is one.
async fn encrypted(host: &str, port: u16, arguments: &[&str]) -> Result<bool, String> {
    let url = format!("--database-url=postgresql://postgres@{host}:{port}/postgres");
    let arguments: Vec<&str> = std::iter::once(url.as_str()).chain(arguments.iter().copied()).collect();
    let connector = Connector::external(&database(&arguments)).map_err(|error| error.to_string())?;
    let (client, mut messages) = connector.connect().await.map_err(|error| error.to_string())?;
    task::spawn("tls", async move { while futures::StreamExt::next(&mut messages).await.is_some() {} });
    let row = client.query_one("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()", &[]).await.unwrap();
    Ok(row.get(0))
}

#[tokio::test]
async fn tls_is_as_strict_as_the_mode_says() {
    let authorities = Authorities::new();
    let files = [("server.pem", authorities.read("server.pem")), ("server.key", authorities.read("server.key"))];
    let files: Vec<(&str, &[u8])> = files.iter().map(|(name, content)| (*name, content.as_slice())).collect();
    let settings = "-c ssl=on -c ssl_cert_file=../server.pem -c ssl_key_file=../server.key";
    let (_server, port) = on_tcp(settings, &files);
    let ours = format!("--db-ssl-root-cert={}", authorities.path("ours.pem"));
    let stranger = format!("--db-ssl-root-cert={}", authorities.path("stranger.pem"));
    // libpq's table: mode, host, authority, and what comes of it.
    for (mode, host, authority, expected) in [
        ("disable", "localhost", &ours, Some(false)),
        ("prefer", "localhost", &stranger, Some(true)),
        ("require", "localhost", &stranger, Some(true)),
        ("verify-ca", "localhost", &ours, Some(true)),
        ("verify-ca", "127.0.0.1", &ours, Some(true)),
        ("verify-ca", "localhost", &stranger, None),
        ("verify-full", "localhost", &ours, Some(true)),
        ("verify-full", "127.0.0.1", &ours, None),
        ("verify-full", "localhost", &stranger, None),
    ] {
        let found = encrypted(host, port, &[&format!("--db-ssl-mode={mode}"), authority]).await;
        assert_eq!(found.as_ref().ok(), expected.as_ref(), "{mode} to {host} by {authority}: {found:?}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_spoken_to_only_where_that_is_allowed() {
    let (_server, port) = on_tcp("", &[]);
    assert_eq!(encrypted("localhost", port, &["--db-ssl-mode=prefer"]).await, Ok(false));
    assert_eq!(encrypted("localhost", port, &[]).await, Ok(false));
    assert!(encrypted("localhost", port, &["--db-ssl-mode=require"]).await.is_err());
}

#[tokio::test]
async fn a_file_without_certificates_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty.pem");
    std::fs::write(&empty, "").unwrap();
    let arguments = ["--db-host=x", "--db-ssl-mode=verify-full", &format!("--db-ssl-root-cert={}", empty.display())];
    let refused = Connector::external(&database(&arguments)).unwrap_err().to_string();
    assert!(refused.contains("DB_SSL_ROOT_CERT") && refused.contains("empty.pem"), "{refused}");
}

/// Settings of a server whose database is reached through a socket in `folder`.
fn config(folder: &Path) -> Config {
    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        config: Config,
    }
    let argument = |name: &str, path: &Path| format!("--{name}={}", path.display());
    let arguments = [
        "test".to_owned(),
        argument("data-dir", &folder.join("data")),
        argument("run-dir", &folder.join("run")),
        argument("db-host", folder),
        "--db-user=postgres".to_owned(),
        "--db-name=postgres".to_owned(),
    ];
    Arguments::parse_from(arguments).config
}

/// What poolers in transaction mode do: a client keeps a server's connection from the first message of a transaction to
/// its end, and then the connection is anybody's. `apart` gives each client one of its own instead: session mode.
async fn pool_transactions(listener: UnixListener, server: Arc<str>, apart: bool) -> io::Result<()> {
    let idle: Arc<Mutex<Vec<UnixStream>>> = Arc::default();
    loop {
        let (client, _) = listener.accept().await?;
        let (server, idle) = (Arc::clone(&server), if apart { Arc::default() } else { Arc::clone(&idle) });
        task::spawn("pooled-client", pooled(client, server, idle));
    }
}

async fn pooled(mut client: UnixStream, server: Arc<str>, idle: Arc<Mutex<Vec<UnixStream>>>) -> io::Result<()> {
    let startup = startup(&mut client).await?;
    // The pooler lets clients in by itself: authenticated, ready.
    client.write_all(b"R\0\0\0\x08\0\0\0\0Z\0\0\0\x05I").await?;
    loop {
        let Some(mut question) = message(&mut client).await? else { return Ok(()) };
        let waiting = idle.lock().unwrap().pop();
        let mut connection = match waiting {
            Some(connection) => connection,
            None => log_in(&server, &startup).await?,
        };
        loop {
            connection.write_all(&question).await?;
            let status = loop {
                let answer = message(&mut connection).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
                client.write_all(&answer).await?;
                if answer[0] == b'Z' {
                    break answer[5];
                }
            };
            if status == b'I' {
                break;
            }
            question = message(&mut client).await?.ok_or(io::ErrorKind::UnexpectedEof)?;
        }
        idle.lock().unwrap().push(connection);
    }
}

/// The first message, which alone has no letter.
async fn startup(client: &mut UnixStream) -> io::Result<Vec<u8>> {
    let length = client.read_u32().await?;
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.resize(length as usize, 0);
    client.read_exact(&mut bytes[4..]).await?;
    Ok(bytes)
}

async fn log_in(server: &str, startup: &[u8]) -> io::Result<UnixStream> {
    let mut connection = UnixStream::connect(server).await?;
    connection.write_all(startup).await?;
    while message(&mut connection).await?.ok_or(io::ErrorKind::UnexpectedEof)?[0] != b'Z' {}
    Ok(connection)
}

/// One message of the protocol: a letter, a length, and what it holds.
async fn message(stream: &mut UnixStream) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 5];
    if stream.read_exact(&mut head).await.is_err() {
        return Ok(None);
    }
    let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
    let mut bytes = head.to_vec();
    bytes.resize(length + 1, 0);
    stream.read_exact(&mut bytes[5..]).await?;
    Ok(Some(bytes))
}

#[tokio::test]
async fn a_pooler_in_transaction_mode_is_refused_with_its_reason() {
    let server = Postgres::start();
    let socket: Arc<str> = server.socket().display().to_string().into();
    for (apart, expected) in [(false, true), (true, false)] {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join(".s.PGSQL.5432")).unwrap();
        let pooler = task::spawn("pooler", pool_transactions(listener, Arc::clone(&socket), apart));
        let config = config(folder.path());
        let claim = Claim::take(&config.folders).unwrap();
        let connected = store::connect(&config, &claim).await;
        assert_eq!(matches!(connected, Err(StoreError::Pooler)), expected, "{connected:?}");
        assert_eq!(connected.is_ok(), !expected);
        pooler.abort();
    }
}

#[tokio::test]
async fn a_request_does_not_wait_long_for_a_database_that_is_away_or_busy() {
    // It takes connections and never says a word.
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = format!("--db-port={}", mute.local_addr().unwrap().port());
    let section = database(&["--db-host=127.0.0.1", &port]);
    let away = store::pool(&Connector::external(&section).unwrap(), &section).unwrap();
    let began = Instant::now();
    assert!(away.get().await.is_err());
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());

    let server = Postgres::start();
    let section: config::Database = database(&["--database-pool-size=1"]);
    let busy = store::pool(&server.connector("postgres"), &section).unwrap();
    let only = busy.get().await.unwrap();
    let began = Instant::now();
    assert!(busy.get().await.is_err());
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
    drop(only);
    assert!(busy.get().await.is_ok());
}

#[tokio::test]
async fn every_connection_of_the_pool_has_its_time_limits() {
    let server = Postgres::start();
    let pool = store::pool(&server.connector("postgres"), &database(&[])).unwrap();
    let client = pool.get().await.unwrap();
    for (setting, expected) in [
        ("statement_timeout", "8s"),
        ("lock_timeout", "3s"),
        ("idle_in_transaction_session_timeout", "5s"),
        ("jit", "off"),
    ] {
        let row = client.query_one(&format!("SHOW {setting}"), &[]).await.unwrap();
        assert_eq!(row.get::<_, &str>(0), expected, "{setting}");
    }
    // A connection outside the pool, for migrations, has none.
    let plain = connect(&server.connector("postgres")).await;
    assert_eq!(plain.query_one("SHOW statement_timeout", &[]).await.unwrap().get::<_, &str>(0), "0");
}
