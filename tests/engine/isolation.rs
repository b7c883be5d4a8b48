//! What a hostile program in a session tries, each beside the same attempt where it is allowed.

use std::{
    io::Write as _,
    net::{Ipv4Addr, TcpListener},
    os::unix::net::{UnixListener, UnixStream},
    path::Path,
};

use streamspace::engine::Workload;

use crate::support::{Host, exchange, holders, server};

/// A session in which every connection to port 8000 is a shell.
pub fn shell(user: &str) -> Workload {
    server(user, "exec sh 2>&1")
}

pub struct Inside<'a> {
    host: &'a Host,
    workload: Workload,
}

impl<'a> Inside<'a> {
    pub async fn start(host: &'a Host, workload: Workload) -> Self {
        host.listening(&workload).await;
        Self { host, workload }
    }

    /// Runs a script inside and returns what it wrote.
    pub async fn sh(&self, script: &str) -> String {
        exchange(self.host.dial(&self.workload.session, 8000).await, script.as_bytes()).await
    }

    /// Runs a Python expression inside and returns its value, or the name of its exception.
    pub async fn py(&self, expression: &str) -> String {
        let program = format!(
            "import socket, os, ctypes\ntry:\n    print(({expression}))\nexcept Exception as e:\n    print(type(e).__name__)\n"
        );
        self.sh(&format!("/usr/bin/python3 - <<'END'\n{program}END\n")).await.trim().to_owned()
    }

    pub async fn leave(self) {
        self.host.remove(&self.workload.session).await;
    }
}

/// Two people on one host, as different as two people are.
async fn two(host: &Host) -> (Inside<'_>, Inside<'_>) {
    (Inside::start(host, shell("alice")).await, Inside::start(host, shell("mallory")).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn another_persons_home_is_out_of_reach() {
    let host = Host::start().await;
    let (alice, mallory) = two(&host).await;
    alice.sh("echo the-secret > ~/secret").await;
    let outside = host.data.join("homes/home-alice/secret");
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "the-secret\n");
    let look = format!("cat ~/secret {}; find / -xdev -name secret 2>/dev/null; echo done", outside.display());
    assert!(alice.sh(&look).await.contains("the-secret"));
    let seen = mallory.sh(&look).await;
    assert!(!seen.contains("the-secret") && seen.ends_with("done\n"), "{seen}");
    // Nor by another way round: a link that the engine or the other session would follow.
    mallory.sh(&format!("ln -s {} ~/link", outside.display())).await;
    assert!(!mallory.sh("cat ~/link; echo done").await.contains("the-secret"));
    alice.leave().await;
    mallory.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sessions_ports_and_sockets_are_out_of_reach() {
    let host = Host::start().await;
    let (alice, mallory) = two(&host).await;
    let listen = "
mkdir -p /tmp/.X11-unix
/usr/bin/python3 -c '
import socket, threading, time
def serve(s):
    while True: s.accept()[0].sendall(b\"alice is here\")
tcp = socket.create_server((\"0.0.0.0\", 8001))
display = socket.socket(socket.AF_UNIX); display.bind(\"/tmp/.X11-unix/X7\"); display.listen()
abstract = socket.socket(socket.AF_UNIX); abstract.bind(\"\\0alice\"); abstract.listen()
for s in (tcp, display, abstract): threading.Thread(target=serve, args=(s,)).start()
print(\"ready\", flush=True)
' > /tmp/ready &
until grep -q ready /tmp/ready; do sleep 0.05; done";
    // In the background of that one connection, whose standard streams it must not hold.
    alice.sh(&format!("({listen}) </dev/null >/dev/null 2>&1")).await;
    for attempt in [
        "(lambda s: (s.connect(('127.0.0.1', 8001)), s.recv(99))[1])(socket.socket())",
        "(lambda s: (s.connect('/tmp/.X11-unix/X7'), s.recv(99))[1])(socket.socket(socket.AF_UNIX))",
        "(lambda s: (s.connect('\\0alice'), s.recv(99))[1])(socket.socket(socket.AF_UNIX))",
    ] {
        assert_eq!(alice.py(attempt).await, "b'alice is here'", "{attempt}");
        let refused = mallory.py(attempt).await;
        assert!(["ConnectionRefusedError", "FileNotFoundError"].contains(&&*refused), "{attempt}: {refused}");
    }
    alice.leave().await;
    mallory.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_sessions_processes_are_neither_seen_nor_signalled() {
    let host = Host::start().await;
    let (alice, mallory) = two(&host).await;
    alice.sh("sleep 98765 </dev/null >/dev/null 2>&1 &").await;
    let look = "for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline; echo; done";
    assert!(alice.sh(look).await.contains("sleep 98765"));
    let seen = mallory.sh(look).await;
    assert!(!seen.contains("98765") && seen.contains("socketserver"), "{seen}");
    // Every process it can name is its own; the host's numbers mean nothing inside.
    mallory.sh("for p in $(seq 2 400); do [ $p = $$ ] || [ $p = $PPID ] || kill -9 $p; done 2>/dev/null").await;
    assert!(alice.sh(look).await.contains("sleep 98765"));
    alice.leave().await;
    mallory.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_ports_sockets_and_files_are_out_of_reach() {
    let host = Host::start().await;
    let mallory = Inside::start(&host, shell("mallory")).await;
    // As the API, the management port and the database listen.
    let api = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = api.local_addr().unwrap().port();
    let database = host.data.join("database.sock");
    let _database = UnixListener::bind(&database).unwrap();
    std::fs::File::create(host.data.join("key")).unwrap().write_all(b"server-secret").unwrap();

    std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    UnixStream::connect(&database).unwrap();
    assert_eq!(std::fs::read_to_string(host.data.join("key")).unwrap(), "server-secret");

    for address in ["127.0.0.1", "10.0.2.2", "0.0.0.0"] {
        let refused = mallory.py(&format!("socket.create_connection(('{address}', {port}), 3)")).await;
        assert!(["ConnectionRefusedError", "OSError"].contains(&&*refused), "{address}: {refused}");
    }
    let connect = format!("socket.socket(socket.AF_UNIX).connect('{}')", database.display());
    assert_eq!(mallory.py(&connect).await, "FileNotFoundError");
    let seen = mallory
        .sh(&format!("cat {}/key; ls {0} {0}/sandboxes {0}/../run; cat /proc/1/environ", host.data.display()))
        .await;
    assert!(!seen.contains("server-secret") && seen.contains("No such file"), "{seen}");
    mallory.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_is_read_only_and_holds_no_secrets() {
    let host = Host::start().await;
    let mallory = Inside::start(&host, shell("mallory")).await;
    // What may be read and written.
    assert_eq!(
        mallory.sh("head -c 4 /usr/bin/env | tail -c 3; touch ~/x /tmp/x && echo written").await,
        "ELFwritten\n"
    );
    for file in ["/etc/shadow", "/root", "/var/log", "/var/lib", "/boot", "/sys/kernel"] {
        assert!(Path::new(file).exists(), "{file} is no good example on this host");
        let seen = mallory.sh(&format!("head -c 10 {file} 2>&1 || ls {file}")).await;
        assert!(seen.contains("No such file") || seen.contains("denied"), "{file}: {seen}");
    }
    for place in ["/usr/bin/x", "/etc/x", "/x", "/run/streamspace/bin/streamspace", "/home/x", "/proc/sys/kernel/x"] {
        let seen = mallory.sh(&format!("echo x > {place}")).await;
        assert!(seen.contains("cannot create"), "{place}: {seen}");
    }
    assert!(!mallory.sh("cat /etc/passwd").await.contains("root"));
    mallory.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_inside_has_rights_over_the_sandbox() {
    let host = Host::start().await;
    let mallory = Inside::start(&host, shell("mallory")).await;
    let rights = mallory.sh("grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs)' /proc/self/status; id -u").await;
    assert_eq!(rights.matches("0000000000000000").count(), 4, "{rights}");
    assert!(rights.contains("NoNewPrivs:\t1") && rights.ends_with("1000\n"), "{rights}");
    // Programs that become root elsewhere do not here.
    assert!(
        !mallory.sh("find / -xdev -perm -4000 -exec {} -c id \\; 2>&1 | grep uid=0; echo done").await.contains("uid=0")
    );
    // The init process holds the socket that connections come from: nobody inside may look into it. Their own they may.
    assert!(mallory.sh("ls -l /proc/$$/fd").await.contains("->"));
    let closed = mallory.sh("ls -l /proc/1/fd /proc/1/root 2>&1; cat /proc/1/mem 2>&1 | head -c 10").await;
    assert!(closed.contains("ermission denied") && !closed.contains("socket:"), "{closed}");
    let trace = |pid: &str| format!("ctypes.CDLL(None, use_errno=True).ptrace(0x4206, {pid}, None, None)");
    assert_eq!(mallory.py(&trace("os.getppid()")).await, "0");
    assert_eq!(mallory.py(&trace("1")).await, "-1");
    assert_eq!(mallory.sh("kill -9 1; echo alive").await.trim(), "alive");
    // A namespace of one's own gives rights over that namespace alone, not over the network or the mounts of the session.
    let inner = mallory.sh("unshare -Ur mount --bind /tmp /usr; unshare -Ur sh -c 'mount -o remount,rw /usr && touch /usr/x'; ls /usr/x").await;
    assert!(inner.contains("No such file"), "{inner}");
    mallory.leave().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_process_of_a_session_is_root_on_the_host_and_each_person_is_another() {
    let host = Host::start().await;
    let (alice, mallory) = two(&host).await;
    let own = nix::unistd::geteuid().as_raw();
    let mut uids: Vec<u32> = holders(&host.data).into_iter().map(uid_of_tree).collect();
    uids.sort_unstable();
    uids.dedup();
    if own == 0 {
        assert_eq!(uids, [host.options.uid_base, host.options.uid_base + 1]);
    } else {
        assert_eq!(uids, [own]);
    }
    alice.leave().await;
    mallory.leave().await;
}

/// The one uid of a process and of everything below it.
fn uid_of_tree(root: i32) -> u32 {
    let status = std::fs::read_to_string(format!("/proc/{root}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("Uid:")).unwrap();
    let uids: Vec<u32> = line.split_whitespace().skip(1).map(|uid| uid.parse().unwrap()).collect();
    assert!(uids.iter().all(|uid| *uid == uids[0]), "{line}");
    let children = std::fs::read_to_string(format!("/proc/{root}/task/{root}/children")).unwrap();
    for child in children.split_whitespace() {
        assert_eq!(uid_of_tree(child.parse().unwrap()), uids[0]);
    }
    uids[0]
}

#[tokio::test(flavor = "multi_thread")]
async fn no_socket_leads_to_the_host_of_a_virtual_machine() {
    let host = Host::start().await;
    let alice = Inside::start(&host, shell("alice")).await;
    let call = |number: nix::libc::c_long, arguments: &str| {
        format!("(lambda c: (c.syscall({number}, {arguments}), ctypes.get_errno()))(ctypes.CDLL(None, use_errno=True))")
    };
    for (family, kind, answer) in [
        ("AF_VSOCK", "SOCK_STREAM", "OSError"),
        ("AF_INET", "SOCK_STREAM", "AF_INET"),
        ("AF_UNIX", "SOCK_STREAM", "AF_UNIX"),
        ("AF_NETLINK", "SOCK_RAW", "AF_NETLINK"),
    ] {
        let socket = format!("socket.socket(socket.{family}, socket.{kind}).family.name");
        assert_eq!(alice.py(&socket).await, answer, "{family}");
    }
    // io_uring would open one without that call.
    let (missing, bad_address) = (nix::errno::Errno::ENOSYS as i32, nix::errno::Errno::EFAULT as i32);
    let io_uring = call(nix::libc::SYS_io_uring_setup, "8, 0");
    assert_eq!(alice.py(&io_uring).await, format!("(-1, {missing})"));
    let known = call(nix::libc::SYS_pipe2, "0, 0");
    assert_eq!(alice.py(&known).await, format!("(-1, {bad_address})"), "an ordinary call gets to the kernel");
    alice.leave().await;
}
