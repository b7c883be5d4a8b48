//! A real PostgreSQL for the tests of one process, and a database of its own for each test.
//!
//! `TEST_DATABASE_URL` names a server to use instead: a superuser's URL, or that of a role that may create databases.

#![allow(clippy::disallowed_methods, reason = "the tests have settings of their own")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

use clap::Parser;
use nix::{
    sys::signal::{Signal, kill},
    unistd::{Gid, Pid, Uid, User, geteuid},
};
use streamspace::{
    config,
    store::{self, Connector, Pool},
};
use tokio_postgres::Client;

/// The database that every test's own is copied from.
const TEMPLATE: &str = "streamspace_template";

/// A server that ends, and takes its folder along, when this process ends, in whatever way.
pub struct Postgres {
    folder: PathBuf,
    binaries: PathBuf,
    account: Option<(Uid, Gid)>,
    // Its standard input is the only thing that keeps it: the end of this process closes it.
    _keeper: Child,
}

/// Starts the server, says so, waits for the end of its input, and clears up.
const KEEPER: &str = r#"
trap '' INT TERM HUP
"$1/pg_ctl" start -s -w -D "$2/data" -l "$2/log" -o "$3" || { cat "$2/log"; rm -rf "$2"; exit 1; }
echo ready
read -r _
"$1/pg_ctl" stop -s -w -m immediate -D "$2/data"
rm -rf "$2"
"#;

/// Nothing has to survive a crash of the machine; what was committed survives one of PostgreSQL.
const OPTIONS: &str = "-c listen_addresses='' -c fsync=off -c full_page_writes=off \
     -c max_connections=300 -c shared_buffers=64MB -c jit=off -c timezone=UTC -c autovacuum=off";

impl Postgres {
    /// Starts a server of the caller's own.
    pub fn start() -> Self {
        Self::start_with("", &[])
    }

    /// As [`Postgres::start`], with further settings, and files beside the cluster that they may name.
    pub fn start_with(settings: &str, files: &[(&str, &[u8])]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let account = geteuid().is_root().then(|| {
            let user = User::from_name("postgres").unwrap().expect("the package postgresql is installed");
            (user.uid, user.gid)
        });
        let binaries = binaries();
        let name = format!("streamspace-pg-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let folder = std::env::temp_dir().join(name);
        fs::create_dir(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
        if let Some((uid, gid)) = account {
            chown(&folder, Some(uid.as_raw()), Some(gid.as_raw())).unwrap();
        }
        fill(&folder, &binaries, account);
        for (name, content) in files {
            let path = folder.join(name);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            if let Some((uid, gid)) = account {
                chown(&path, Some(uid.as_raw()), Some(gid.as_raw())).unwrap();
            }
        }
        let options = format!("{OPTIONS} -c unix_socket_directories='{}' {settings}", folder.display());
        let mut keeper = run_as(account, Path::new("/bin/sh"))
            .args(["-c", KEEPER, "keeper"])
            .args([binaries.as_os_str(), folder.as_os_str(), options.as_ref()])
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(keeper.stdout.take().unwrap());
        let mut said = String::new();
        output.read_line(&mut said).unwrap();
        if said != "ready\n" {
            output.read_to_string(&mut said).unwrap();
            panic!("PostgreSQL does not start: {said}");
        }
        Self { folder, binaries, account, _keeper: keeper }
    }

    /// The folder of its socket.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Stops it at once, as a crash would.
    pub fn crash(&self) {
        self.control(&["stop", "-m", "immediate"]);
    }

    /// Kills the one process that keeps all others.
    pub fn kill(&self) {
        let file = fs::read_to_string(self.folder.join("data/postmaster.pid")).unwrap();
        let pid = file.lines().next().unwrap().parse().unwrap();
        kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
    }

    /// Starts it again; it replays its log.
    pub fn recover(&self) {
        let options = format!("{OPTIONS} -c unix_socket_directories='{}'", self.folder.display());
        self.control(&["start", "-l", "log", "-o", &options]);
    }

    fn control(&self, arguments: &[&str]) {
        let mut command = run_as(self.account, &self.binaries.join("pg_ctl"));
        command.args(arguments).args(["-s", "-w", "-D", "data"]).current_dir(&self.folder);
        assert!(command.status().unwrap().success(), "pg_ctl {arguments:?}");
    }

    /// Its Unix socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join(".s.PGSQL.5432")
    }

    /// A migrated database of this server.
    pub async fn database(&self, name: &str) -> TestDatabase {
        let admin = connect(&self.connector("postgres")).await;
        admin.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
        let connector = self.connector(name);
        store::migrate(&connector).await.unwrap();
        let pool = store::pool(&connector, &database(&[])).unwrap();
        TestDatabase { connector, pool, drop_from: None }
    }

    /// Connections to one of its databases as superuser.
    pub fn connector(&self, database: &str) -> Connector {
        let mut config = tokio_postgres::Config::new();
        config.host_path(&self.folder).user("postgres").dbname(database);
        Connector::local(config).unwrap()
    }
}

/// A copy of a fresh cluster; the first run leaves one below `target/` for the later ones.
fn fill(folder: &Path, binaries: &Path, account: Option<(Uid, Gid)>) {
    let (data, version) = (folder.join("data"), binaries.parent().unwrap().file_name().unwrap());
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("pg").join(version);
    if !kept.exists() {
        let made = run_as(account, &binaries.join("initdb"))
            .arg("-D")
            .arg(&data)
            .args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=trust", "--username=postgres"])
            .current_dir(folder)
            .stdout(Stdio::null())
            .status();
        assert!(made.unwrap().success(), "initdb");
        // Named after the cluster: several may be made at once, also by one process.
        let half = kept.with_extension(folder.file_name().unwrap());
        fs::create_dir_all(kept.parent().unwrap()).unwrap();
        copy(&data, &half);
        // Another process may have been first.
        if fs::rename(&half, &kept).is_err() {
            fs::remove_dir_all(&half).unwrap();
        }
        return;
    }
    copy(&kept, &data);
    if let Some((uid, gid)) = account {
        let owner = format!("{uid}:{gid}");
        assert!(Command::new("chown").args(["-R", &owner]).arg(&data).status().unwrap().success());
    }
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().unwrap().success());
}

fn run_as(account: Option<(Uid, Gid)>, program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((uid, gid)) = account {
        command.uid(uid.as_raw()).gid(gid.as_raw());
    }
    command
}

/// The newest version's programs.
fn binaries() -> PathBuf {
    let folders =
        fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    let path = std::env::var_os("PATH").unwrap_or_default();
    folders
        .chain(std::env::split_paths(&path))
        .filter(|folder| folder.join("initdb").exists())
        .max()
        .expect("the package postgresql is installed")
}

/// The server that the tests of this process share.
struct Shared {
    server: Option<Postgres>,
    connector: Connector,
}

fn shared() -> &'static Shared {
    static SHARED: OnceLock<Shared> = OnceLock::new();
    SHARED.get_or_init(|| {
        // On a thread of its own: the caller is inside a runtime that ends with its test.
        std::thread::spawn(|| {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(prepare())
        })
        .join()
        .expect("a database to test with")
    })
}

/// Finds or starts the server and makes the template.
async fn prepare() -> Shared {
    let (server, connector) = match std::env::var("TEST_DATABASE_URL") {
        Ok(url) => (None, Connector::external(&database(&["--database-url", &url])).unwrap()),
        Err(_) => {
            let server = Postgres::start();
            let connector = server.connector("postgres");
            (Some(server), connector)
        }
    };
    let admin = connect(&connector).await;
    // A server that is kept has one from an earlier run, perhaps of other migrations.
    admin.batch_execute(&format!("DROP DATABASE IF EXISTS {TEMPLATE}")).await.unwrap();
    admin.batch_execute(&format!("CREATE DATABASE {TEMPLATE}")).await.unwrap();
    store::migrate(&connector.database(TEMPLATE)).await.unwrap();
    Shared { server, connector }
}

/// A connection whose messages nobody wants.
pub async fn connect(connector: &Connector) -> Client {
    connector.client("test-connection").await.unwrap().0
}

/// The database section with `arguments` and defaults for the rest.
pub fn database(arguments: &[&str]) -> config::Database {
    #[derive(Parser)]
    struct Arguments {
        #[command(flatten)]
        database: config::Database,
    }
    Arguments::parse_from(std::iter::once("test").chain(arguments.iter().copied())).database
}

/// A migrated database for one test, gone after it.
pub struct TestDatabase {
    pub connector: Connector,
    pub pool: Pool,
    /// Where to drop which, if it does not go with its server.
    drop_from: Option<(Connector, String)>,
}

impl TestDatabase {
    /// The same database for another replica, with connections of its own. It goes with the first.
    pub fn shared(&self) -> Self {
        let pool = store::pool(&self.connector, &database(&[])).unwrap();
        Self { connector: self.connector.clone(), pool, drop_from: None }
    }

    /// A copy of the template.
    pub async fn create() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let shared = shared();
        let name = format!("streamspace_test_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let admin = connect(&shared.connector).await;
        admin.batch_execute(&format!("CREATE DATABASE {name} TEMPLATE {TEMPLATE}")).await.unwrap();
        let connector = shared.connector.database(&name);
        let pool = store::pool(&connector, &database(&[])).unwrap();
        let drop_from = shared.server.is_none().then(|| (shared.connector.clone(), name));
        Self { connector, pool, drop_from }
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        self.pool.close();
        let Some((connector, name)) = self.drop_from.take() else { return };
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                connect(&connector).await.batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
            });
        });
        dropping.join().unwrap();
    }
}
