//! A PostgreSQL of the server's own: made at the first start, on a Unix socket only, outliving a crash of the server.
//!
//! Layout: `{data}/pg/cluster` is PostgreSQL's data folder, `{data}/pg/log` its logs of a week, `{run}/pg` the socket.
//! As root all three belong to the user `postgres`, since PostgreSQL refuses to run as root. The settings lie in
//! `{run}/pg-settings`, which stays root's: root writes nothing where another user could have put a link.

use std::{
    fs,
    io::ErrorKind,
    os::unix::fs::{PermissionsExt, chown},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use nix::{
    sys::signal::kill,
    unistd::{Gid, Pid, Uid, User, geteuid},
};
use tokio::{process::Command, time};
use tokio_util::sync::CancellationToken;

use super::{
    Connector, StoreError,
    binaries::{self, Binaries},
};
use crate::config;

/// The role and the database that the server uses; it owns the database and is no superuser.
const ROLE: &str = "streamspace";
/// The user that PostgreSQL runs as under a server that is root.
const SYSTEM_USER: &str = "postgres";
/// Longest start: replaying the log after a crash takes its time.
const START_WITHIN: Duration = Duration::from_mins(5);
/// Longest stop; what is not written by then is replayed at the next start.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How often the server looks whether its PostgreSQL still runs.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A Unix path has 107 bytes.
const LONGEST_SOCKET: usize = 107;

/// A private PostgreSQL.
#[derive(Debug)]
pub struct PrivatePostgres {
    base: PathBuf,
    socket: PathBuf,
    settings: PathBuf,
    binaries: Binaries,
    account: Option<Account>,
    connector: Connector,
}

/// Another user to run as.
#[derive(Clone, Copy, Debug)]
struct Account {
    uid: Uid,
    gid: Gid,
}

impl PrivatePostgres {
    /// Finds the programs and makes the folders; nothing runs yet.
    ///
    /// The caller holds the claim of the data folder.
    ///
    /// # Errors
    /// [`StoreError`] with the remedy: no PostgreSQL, the wrong version, a folder that cannot be used.
    pub fn prepare(data: &Path, run: &Path) -> Result<Self, StoreError> {
        let (base, socket) = (data.join("pg"), run.join("pg"));
        let (account, binaries) = find(data, run)?;
        for folder in [&base, &socket] {
            own(folder, account)?;
        }
        reachable(&base, account)?;
        let connector = connector(&socket, ROLE, ROLE)?;
        Ok(Self { base, socket, settings: run.join("pg-settings"), binaries, account, connector })
    }

    /// Whether one could be kept in these folders, and with what: the major version, and the folder of its programs.
    /// Nothing is made and nothing runs.
    ///
    /// # Errors
    /// As [`PrivatePostgres::prepare`], as far as it can be known without folders.
    pub fn examine(data: &Path, run: &Path) -> Result<(u32, PathBuf), StoreError> {
        let (_, binaries) = find(data, run)?;
        Ok((binaries.major, binaries.folder))
    }

    /// Connections to a private PostgreSQL that another process of ours runs.
    ///
    /// # Errors
    /// As [`Connector::local`].
    pub fn join(run: &Path) -> Result<Connector, StoreError> {
        connector(&run.join("pg"), ROLE, ROLE)
    }

    /// How the server connects to it.
    #[must_use]
    pub fn connector(&self) -> &Connector {
        &self.connector
    }

    /// Makes it run: adopts one that survived its server, recovers one that crashed, makes one where there is none.
    ///
    /// # Errors
    /// [`StoreError::Postgres`] with what PostgreSQL said.
    pub async fn start(&self) -> Result<(), StoreError> {
        if self.answers().await {
            tracing::info!(pg.folder = %self.base.display(), "took over the private PostgreSQL that still runs");
            return Ok(());
        }
        if !self.cluster().join("PG_VERSION").exists() {
            self.make().await?;
        }
        self.clear_the_way().await?;
        self.configure()?;
        self.launch().await?;
        self.provide().await
    }

    /// Stops it; open transactions are rolled back.
    ///
    /// # Errors
    /// [`StoreError::Postgres`] where it did not end in time.
    pub async fn stop(&self) -> Result<(), StoreError> {
        if self.postmaster().is_none() {
            return Ok(());
        }
        let limit = STOP_WITHIN.as_secs().to_string();
        self.run(
            "pg_ctl",
            &["stop", "-D", &self.cluster_text(), "-m", "fast", "-w", "-t", &limit],
            STOP_WITHIN + LOOK_EVERY,
        )
        .await
        .map(drop)
    }

    /// Starts it again whenever it has ended, until `stop`.
    pub async fn keep(&self, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = time::sleep(LOOK_EVERY) => {}
            }
            if self.postmaster().is_some() {
                continue;
            }
            tracing::warn!(pg.folder = %self.base.display(), "the private PostgreSQL has ended: starting it again");
            if let Err(error) = self.start().await {
                tracing::error!(error = %error, "the private PostgreSQL does not start");
            }
        }
    }

    fn cluster(&self) -> PathBuf {
        self.base.join("cluster")
    }

    fn cluster_text(&self) -> String {
        self.cluster().display().to_string()
    }

    /// Makes the cluster beside its place and moves it there, so that a kill half-way leaves none.
    async fn make(&self) -> Result<(), StoreError> {
        let half = self.base.join("unfinished");
        remove(&half)?;
        own(&half, self.account)?;
        let target = half.display().to_string();
        // One syncfs in place of an fsync for each of a thousand files: a second instead of four.
        self.run(
            "initdb",
            &["-D", &target, "--no-sync", "--encoding=UTF8", "--locale=C", "--auth=peer", "--username=postgres"],
            START_WITHIN,
        )
        .await?;
        let folder = self.base.clone();
        tokio::task::spawn_blocking(move || {
            let handle = fs::File::open(&folder)?;
            nix::unistd::syncfs(&handle)?;
            fs::rename(folder.join("unfinished"), folder.join("cluster"))?;
            nix::unistd::syncfs(&handle)?;
            Ok::<_, std::io::Error>(())
        })
        .await
        .map_err(|error| StoreError::Postgres(error.to_string()))?
        .map_err(|error| self.folder_error(&error))
    }

    /// Removes what would make PostgreSQL believe that it runs already: it looks at a process number alone, which
    /// after a restart of the host or the container may be anybody's.
    async fn clear_the_way(&self) -> Result<(), StoreError> {
        if self.postmaster().is_some() {
            // It runs and does not answer on its socket, as when the folder of the socket was removed.
            self.stop().await?;
        }
        for stale in [
            self.cluster().join("postmaster.pid"),
            self.socket.join(".s.PGSQL.5432"),
            self.socket.join(".s.PGSQL.5432.lock"),
        ] {
            remove(&stale)?;
        }
        own(&self.socket, self.account)
    }

    /// Writes the settings anew at every start: they are the server's, and a new version may bring others.
    fn configure(&self) -> Result<(), StoreError> {
        let wrong = |error: std::io::Error| StoreError::Folder(self.settings.display().to_string(), error.to_string());
        fs::create_dir_all(&self.settings).map_err(wrong)?;
        fs::set_permissions(&self.settings, fs::Permissions::from_mode(0o755)).map_err(wrong)?;
        let user = User::from_uid(geteuid()).ok().flatten().map_or_else(|| "root".into(), |user| user.name);
        for (file, text) in [
            ("postgresql.conf", self.settings()),
            // The socket's folder keeps strangers out; peer makes sure of who is inside.
            (
                "pg_hba.conf",
                "local all postgres peer map=server\nlocal streamspace streamspace peer map=server\n".into(),
            ),
            ("pg_ident.conf", format!("server \"{user}\" postgres\nserver \"{user}\" streamspace\n")),
        ] {
            let path = self.settings.join(file);
            fs::write(&path, text).map_err(wrong)?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).map_err(wrong)?;
        }
        Ok(())
    }

    fn settings(&self) -> String {
        format!(
            "# Written by streamspace at every start.\n\
             listen_addresses = ''\n\
             unix_socket_directories = {socket}\n\
             unix_socket_permissions = 0700\n\
             hba_file = {access}\n\
             ident_file = {names}\n\
             max_connections = 64\n\
             shared_buffers = 64MB\n\
             max_wal_size = 512MB\n\
             wal_level = minimal\n\
             max_wal_senders = 0\n\
             jit = off\n\
             timezone = 'UTC'\n\
             log_timezone = 'UTC'\n\
             logging_collector = on\n\
             log_directory = {log}\n\
             log_filename = '%a.log'\n\
             log_rotation_age = 1d\n\
             log_rotation_size = 0\n\
             log_truncate_on_rotation = on\n\
             log_checkpoints = off\n\
             log_min_messages = warning\n\
             log_line_prefix = '%m [%p] '\n",
            socket = quoted(&self.socket),
            access = quoted(&self.settings.join("pg_hba.conf")),
            names = quoted(&self.settings.join("pg_ident.conf")),
            log = quoted(&self.base.join("log")),
        )
    }

    async fn launch(&self) -> Result<(), StoreError> {
        let log = self.base.join("start.log");
        remove(&log)?;
        let (cluster, log_text) = (self.cluster_text(), log.display().to_string());
        let limit = START_WITHIN.as_secs().to_string();
        // A line for the shell.
        let settings = self.settings.join("postgresql.conf").display().to_string().replace('\'', r"'\''");
        let options = format!("-c config_file='{settings}'");
        // pg_ctl gives the server a session of its own, so that neither Ctrl-C nor our end reaches it.
        let arguments = ["start", "-D", &cluster, "-l", &log_text, "-o", &options, "-w", "-s", "-t", &limit];
        let started = self.run("pg_ctl", &arguments, START_WITHIN * 2).await;
        started.map(drop).map_err(|error| match fs::read_to_string(&log) {
            Ok(said) if !said.trim().is_empty() => StoreError::Postgres(said.trim().into()),
            _ => error,
        })
    }

    /// Makes the role and the database where they are missing.
    async fn provide(&self) -> Result<(), StoreError> {
        let connector = connector(&self.socket, "postgres", "postgres")?;
        let (client, driver) = connector.client("private-postgres-setup").await.map_err(StoreError::connect)?;
        let failed = |error: tokio_postgres::Error| StoreError::Postgres(super::sentence(&error));
        if client.query_opt("SELECT FROM pg_roles WHERE rolname = $1", &[&ROLE]).await.map_err(failed)?.is_none() {
            client.batch_execute("CREATE ROLE streamspace LOGIN").await.map_err(failed)?;
        }
        if client.query_opt("SELECT FROM pg_database WHERE datname = $1", &[&ROLE]).await.map_err(failed)?.is_none() {
            client.batch_execute("CREATE DATABASE streamspace OWNER streamspace").await.map_err(failed)?;
        }
        drop(client);
        driver.await.ok();
        Ok(())
    }

    /// Whether ours runs and lets us in.
    async fn answers(&self) -> bool {
        self.postmaster().is_some()
            && matches!(time::timeout(Duration::from_secs(5), self.connector.connect()).await, Ok(Ok(_)))
    }

    /// The process that runs this very cluster: its number is in the file, and it works in the folder.
    fn postmaster(&self) -> Option<Pid> {
        let text = fs::read_to_string(self.cluster().join("postmaster.pid")).ok()?;
        let pid = Pid::from_raw(text.lines().next()?.trim().parse().ok()?);
        let works_in = fs::read_link(format!("/proc/{pid}/cwd")).ok()?;
        let same = fs::canonicalize(self.cluster()).ok()? == works_in;
        (same && kill(pid, None).is_ok()).then_some(pid)
    }

    /// Runs one of PostgreSQL's programs to its end and returns what it printed.
    async fn run(&self, program: &str, arguments: &[&str], limit: Duration) -> Result<String, StoreError> {
        let mut command = Command::new(self.binaries.path(program));
        command
            .args(arguments)
            .current_dir(&self.base)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .kill_on_drop(true);
        if let Some(Account { uid, gid }) = self.account {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        let failed = |message: String| StoreError::Postgres(format!("{program}: {message}"));
        let output = time::timeout(limit, command.output())
            .await
            .map_err(|_| failed(format!("it did not end within {} s", limit.as_secs())))?
            .map_err(|error| failed(error.to_string()))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() {
            Ok(text(&output.stdout))
        } else {
            Err(failed(format!("{} {}", text(&output.stderr), text(&output.stdout)).trim().to_owned()))
        }
    }

    fn folder_error(&self, error: &std::io::Error) -> StoreError {
        StoreError::Folder(self.base.display().to_string(), error.to_string())
    }
}

fn connector(socket: &Path, user: &str, database: &str) -> Result<Connector, StoreError> {
    let mut postgres = tokio_postgres::Config::new();
    postgres
        .host_path(socket)
        .user(user)
        .dbname(database)
        .application_name("streamspace")
        .connect_timeout(Duration::from_secs(5));
    Connector::local(postgres)
}

/// Whom to run as: PostgreSQL refuses root.
/// Whom it would run as, and with which programs.
fn find(data: &Path, run: &Path) -> Result<(Option<Account>, Binaries), StoreError> {
    let socket = run.join("pg");
    if socket.join(".s.PGSQL.5432.lock").as_os_str().len() > LONGEST_SOCKET {
        let message = "its path is too long for a Unix socket: set RUN_DIR to a shorter one";
        return Err(StoreError::Folder(socket.display().to_string(), message.into()));
    }
    let (account, cluster) = (account()?, data.join("pg/cluster"));
    let binaries = binaries::choose(binaries::installed(&config::search_path()), made_by(&cluster)?, &cluster)?;
    Ok((account, binaries))
}

fn account() -> Result<Option<Account>, StoreError> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    match User::from_name(SYSTEM_USER) {
        Ok(Some(user)) => Ok(Some(Account { uid: user.uid, gid: user.gid })),
        Ok(None) => Err(StoreError::NoPostgres),
        Err(error) => Err(StoreError::Postgres(format!("the user {SYSTEM_USER} cannot be looked up: {error}"))),
    }
}

/// Major version of the programs that made the cluster; `None` where there is none yet.
fn made_by(cluster: &Path) -> Result<Option<u32>, StoreError> {
    let file = cluster.join("PG_VERSION");
    let wrong = |message: String| StoreError::Folder(file.display().to_string(), message);
    match fs::read_to_string(&file) {
        Ok(text) => match text.trim().parse() {
            Ok(major) => Ok(Some(major)),
            Err(_) => Err(wrong(format!("“{}” is no version of PostgreSQL", text.trim()))),
        },
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(wrong(error.to_string())),
    }
}

/// Makes a folder that only the account may enter.
fn own(folder: &Path, account: Option<Account>) -> Result<(), StoreError> {
    let wrong = |error: std::io::Error| StoreError::Folder(folder.display().to_string(), error.to_string());
    fs::create_dir_all(folder).map_err(wrong)?;
    fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).map_err(wrong)?;
    give(folder, account).map_err(wrong)
}

fn give(path: &Path, account: Option<Account>) -> std::io::Result<()> {
    match account {
        Some(Account { uid, gid }) => chown(path, Some(uid.as_raw()), Some(gid.as_raw())),
        None => Ok(()),
    }
}

/// Refuses a folder whose parents the account may not enter, before PostgreSQL says so in other words.
fn reachable(folder: &Path, account: Option<Account>) -> Result<(), StoreError> {
    use std::os::unix::fs::MetadataExt;
    let Some(Account { uid, gid }) = account else { return Ok(()) };
    for parent in folder.ancestors().skip(1) {
        let found = fs::metadata(parent)
            .map_err(|error| StoreError::Folder(parent.display().to_string(), error.to_string()))?;
        let bit = if found.uid() == uid.as_raw() {
            0o100
        } else if found.gid() == gid.as_raw() {
            0o010
        } else {
            0o001
        };
        if found.mode() & bit == 0 {
            let message = format!(
                "the user {SYSTEM_USER}, who runs the database, may not enter it: choose another DATA_DIR or chmod o+x"
            );
            return Err(StoreError::Folder(parent.display().to_string(), message));
        }
    }
    Ok(())
}

fn remove(path: &Path) -> Result<(), StoreError> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(StoreError::Folder(path.display().to_string(), error.to_string()))
        }
        _ => Ok(()),
    }
}

/// A path as a value in `postgresql.conf`.
fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', "''"))
}
