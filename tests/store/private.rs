//! The private PostgreSQL: made, found again, taken over, recovered, kept.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::PathBuf,
    process::{Child, Command},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::{Pid, User, geteuid, getsid},
};
use streamspace::{
    config::Folders,
    store::{Claim, PrivatePostgres, StoreError},
    telemetry::task,
};
use tempfile::TempDir;
use tokio_postgres::Client;
use tokio_util::sync::CancellationToken;

use crate::postgres::connect;

/// A data folder with its claim; what runs in it is stopped with the value.
struct Home {
    claim: Claim,
    // Removed with the value.
    _root: TempDir,
}

impl Home {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let claim = Claim::take(&folders(&root)).unwrap();
        Self { claim, _root: root }
    }

    /// A server that comes up: it knows nothing of an earlier one.
    fn server(&self) -> PrivatePostgres {
        PrivatePostgres::prepare(self.claim.data(), self.claim.run()).unwrap()
    }

    async fn running(&self) -> PrivatePostgres {
        let server = self.server();
        server.start().await.unwrap();
        server
    }

    fn cluster(&self) -> PathBuf {
        self.claim.data().join("pg/cluster")
    }

    /// Process number of what runs here, as its own file says.
    fn postmaster(&self) -> Pid {
        let text = fs::read_to_string(self.cluster().join("postmaster.pid")).unwrap();
        Pid::from_raw(text.lines().next().unwrap().parse().unwrap())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.cluster().join("postmaster.pid").exists() {
            let _ = kill(self.postmaster(), Signal::SIGQUIT);
        }
    }
}

fn folders(root: &TempDir) -> Folders {
    Folders { data_dir: Some(root.path().join("data")), run_dir: Some(root.path().join("run")) }
}

async fn client(server: &PrivatePostgres) -> Client {
    connect(server.connector()).await
}

async fn ask(server: &PrivatePostgres, question: &str) -> String {
    client(server).await.query_one(question, &[]).await.unwrap().get(0)
}

const STARTED: &str = "SELECT pg_postmaster_start_time()::text";

/// Waits for something that the system does by itself.
async fn until(so: impl Fn() -> bool) {
    let asking = async {
        while !so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.expect("it became so in time");
}

fn gone(process: Pid) -> bool {
    // Somebody may have yet to take note of its end.
    fs::read_to_string(format!("/proc/{process}/stat")).map_or(true, |stat| stat.contains(") Z "))
}

#[tokio::test]
async fn what_was_written_is_there_after_a_stop_and_a_start() {
    let home = Home::new();
    let server = home.running().await;
    client(&server).await.batch_execute("CREATE TABLE kept (x int)").await.unwrap();
    let process = home.postmaster();
    server.stop().await.unwrap();
    assert!(gone(process));
    let again = home.running().await;
    client(&again).await.batch_execute("INSERT INTO kept VALUES (1)").await.unwrap();
    again.stop().await.unwrap();
    again.stop().await.expect("what does not run is stopped already");
}

#[tokio::test]
async fn a_server_that_was_killed_finds_its_database_running() {
    let home = Home::new();
    let first = home.running().await;
    let (started, process) = (ask(&first, STARTED).await, home.postmaster());
    drop(first);
    let second = home.running().await;
    assert_eq!((ask(&second, STARTED).await, home.postmaster()), (started, process));
}

#[tokio::test]
async fn a_database_that_was_killed_is_recovered_with_all_that_was_committed() {
    let home = Home::new();
    let server = home.running().await;
    client(&server).await.batch_execute("CREATE TABLE kept AS SELECT 7 AS x").await.unwrap();
    let process = home.postmaster();
    kill(process, Signal::SIGKILL).unwrap();
    until(|| gone(process)).await;
    let again = home.running().await;
    assert_eq!(ask(&again, "SELECT x::text FROM kept").await, "7");
    assert_ne!(home.postmaster(), process);
}

#[tokio::test]
async fn a_database_that_is_killed_comes_back_by_itself() {
    let home = Home::new();
    let server = std::sync::Arc::new(home.running().await);
    let (stop, kept) = (CancellationToken::new(), server.clone());
    let keeping = task::spawn("keeper", {
        let stop = stop.clone();
        async move { kept.keep(stop).await }
    });
    let process = home.postmaster();
    kill(process, Signal::SIGKILL).unwrap();
    until(|| gone(process)).await;
    let back = async {
        while server.connector().connect().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), back).await.expect("it is back");
    assert_ne!(home.postmaster(), process);
    stop.cancel();
    keeping.await.unwrap();
}

/// A process of the user that PostgreSQL runs as.
struct Bystander(Child);

impl Bystander {
    fn new() -> Self {
        let mut command = Command::new("sleep");
        command.arg("600");
        if geteuid().is_root() {
            let user = User::from_name("postgres").unwrap().unwrap();
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        Self(command.spawn().unwrap())
    }
}

impl Drop for Bystander {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn a_stale_process_file_does_not_keep_the_database_from_starting() {
    let home = Home::new();
    let server = home.running().await;
    let file = home.cluster().join("postmaster.pid");
    let (text, owner) = (fs::read_to_string(&file).unwrap(), fs::metadata(&file).unwrap());
    server.stop().await.unwrap();
    // After a restart of the host the number is somebody else's.
    let bystander = Bystander::new();
    let stale = text.replacen(text.lines().next().unwrap(), &bystander.0.id().to_string(), 1);
    fs::write(&file, stale).unwrap();
    chown(&file, Some(owner.uid()), Some(owner.gid())).unwrap();
    server.start().await.unwrap();
    assert_ne!(home.postmaster().as_raw().unsigned_abs(), bystander.0.id());
    assert_eq!(ask(&server, "SELECT 'up'").await, "up");
}

#[tokio::test]
async fn a_database_whose_socket_was_removed_is_reached_again() {
    let home = Home::new();
    let first = home.running().await;
    drop(first);
    fs::remove_dir_all(home.claim.run()).unwrap();
    fs::create_dir(home.claim.run()).unwrap();
    fs::set_permissions(home.claim.run(), fs::Permissions::from_mode(0o711)).unwrap();
    let second = home.running().await;
    assert_eq!(ask(&second, "SELECT 'up'").await, "up");
}

#[tokio::test]
async fn a_cluster_that_was_half_made_is_made_anew() {
    let home = Home::new();
    let half = home.claim.data().join("pg/unfinished");
    fs::create_dir_all(half.join("base")).unwrap();
    fs::write(half.join("PG_VERSION"), "15").unwrap();
    assert_eq!(ask(&home.running().await, "SELECT 'up'").await, "up");
    assert!(!half.exists());
}

#[tokio::test]
async fn a_database_of_a_version_that_is_not_installed_is_refused_with_a_remedy() {
    let home = Home::new();
    fs::create_dir_all(home.cluster()).unwrap();
    fs::write(home.cluster().join("PG_VERSION"), "9\n").unwrap();
    let refused = PrivatePostgres::prepare(home.claim.data(), home.claim.run()).unwrap_err();
    assert!(matches!(refused, StoreError::PostgresVersion { made_by: 9, .. }));
    assert!(refused.to_string().contains("apt-get install postgresql-9"), "{refused}");
}

#[tokio::test]
async fn nobody_else_gets_in() {
    let home = Home::new();
    let server = home.running().await;
    assert_eq!(ask(&server, "SHOW listen_addresses").await, "");
    assert_eq!(ask(&server, "SELECT rolsuper::text FROM pg_roles WHERE rolname = current_user").await, "false");
    for folder in [home.cluster(), home.claim.run().join("pg")] {
        assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o077, 0, "{}", folder.display());
    }
}

#[tokio::test]
async fn what_the_terminal_sends_to_the_server_does_not_reach_the_database() {
    let home = Home::new();
    home.running().await;
    assert_ne!(getsid(Some(home.postmaster())).unwrap(), getsid(None).unwrap());
}

#[test]
fn a_path_that_is_too_long_for_a_socket_is_refused_before_anything_is_made() {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let run_dir = Some(root.path().join("x".repeat(100)));
    let claim = Claim::take(&Folders { run_dir, ..folders(&root) }).unwrap();
    let refused = PrivatePostgres::prepare(claim.data(), claim.run()).unwrap_err().to_string();
    assert!(refused.contains("RUN_DIR"), "{refused}");
    assert!(!claim.data().join("pg").exists());
}

#[test]
fn a_data_folder_that_the_database_may_not_enter_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let claim = Claim::take(&folders(&root)).unwrap();
    // A temporary folder is its owner's alone; an ordinary user's database runs as that very user.
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let prepared = PrivatePostgres::prepare(claim.data(), claim.run());
    assert_eq!(prepared.is_err(), geteuid().is_root());
    if let Err(refused) = prepared {
        assert!(refused.to_string().contains(&root.path().display().to_string()), "{refused}");
    }
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    assert!(PrivatePostgres::prepare(claim.data(), claim.run()).is_ok());
}
