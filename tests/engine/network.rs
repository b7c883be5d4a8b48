//! What sessions reach of the network, with another host beside this one.

use std::{
    io::Read,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use streamspace::engine::Workload;

use crate::{
    isolation::{Inside, shell},
    support::{Host, PATIENCE},
};

/// Held by who changes this host's addresses, and by who needs them to stay: a session is refused those that there are
/// when it starts.
static ADDRESSES: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
/// What the other host answers on port 8000.
const GREETING: &str = "the other host";

/// A host in a network of its own, with a line to this one and three addresses, each in another network.
struct OtherHost {
    process: Child,
    line: String,
    /// Tells the networks of tests that run at once apart.
    number: u8,
}

impl OtherHost {
    fn start() -> Self {
        let serve = format!(
            "import socketserver
class Greet(socketserver.BaseRequestHandler):
    def handle(self): self.request.sendall(b'{GREETING}')
socketserver.ThreadingTCPServer(('0.0.0.0', 8000), Greet).serve_forever()"
        );
        let process =
            Command::new("unshare").args(["--net", "/usr/bin/python3", "-c", &serve]).stdin(Stdio::null()).spawn();
        let number = u8::try_from(std::process::id() % 250).unwrap() + 1;
        let host = Self { process: process.unwrap(), line: format!("sstest{number}"), number };
        let pid = host.process.id().to_string();
        host.await_namespace();
        ip(&["link", "add", &host.line, "type", "veth", "peer", "name", "line", "netns", &pid]);
        for (network, bits) in [(host.open_network(), 24), (host.closed_network(), 24)] {
            ip(&["addr", "add", &format!("{}/{bits}", at(network, 1)), "dev", &host.line]);
            host.ip(&["addr", "add", &format!("{}/{bits}", at(network, 2)), "dev", "line"]);
        }
        host.ip(&["addr", "add", &format!("{}/32", host.link_local()), "dev", "line"]);
        ip(&["link", "set", &host.line, "up"]);
        host.ip(&["link", "set", "line", "up"]);
        ip(&["route", "add", &format!("{}/32", host.link_local()), "dev", &host.line]);
        for address in [at(host.open_network(), 2), at(host.closed_network(), 2), host.link_local()] {
            Self::await_answer(address);
        }
        host
    }

    /// Its network, of those that are kept for tests of the wire (RFC 2544).
    fn open_network(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 18, self.number, 0)
    }

    /// The network that sessions are kept out of.
    fn closed_network(&self) -> Ipv4Addr {
        Ipv4Addr::new(198, 19, self.number, 0)
    }

    /// Stands for the metadata service of a cloud, which has an address of that kind.
    fn link_local(&self) -> Ipv4Addr {
        Ipv4Addr::new(169, 254, 253, self.number)
    }

    /// Runs `ip` on it.
    fn ip(&self, arguments: &[&str]) {
        run(Command::new("nsenter").args(["-t", &self.process.id().to_string(), "-n", "ip"]).args(arguments));
    }

    fn await_namespace(&self) {
        let own = std::fs::read_link("/proc/self/ns/net").unwrap();
        let theirs = format!("/proc/{}/ns/net", self.process.id());
        await_that("the other host has a network of its own", || std::fs::read_link(&theirs).unwrap() != own);
    }

    fn await_answer(address: Ipv4Addr) {
        await_that("the other host answers", || answer(address.into(), 8000).as_deref() == Some(GREETING));
    }
}

impl Drop for OtherHost {
    /// The line goes with the network at its other end.
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn at(network: Ipv4Addr, host: u8) -> Ipv4Addr {
    let [a, b, c, _] = network.octets();
    Ipv4Addr::new(a, b, c, host)
}

fn ip(arguments: &[&str]) {
    run(Command::new("ip").args(arguments));
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}");
}

fn await_that(what: &str, condition: impl Fn() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < until, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

/// What a connection from this host is answered.
fn answer(address: IpAddr, port: u16) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&SocketAddr::new(address, port), Duration::from_secs(2)).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    Some(text)
}

/// Every address of this host.
fn own_addresses() -> Vec<IpAddr> {
    let found = nix::ifaddrs::getifaddrs().unwrap().filter_map(|interface| interface.address);
    let v4 = |address: &nix::sys::socket::SockaddrStorage| address.as_sockaddr_in().map(|found| found.ip().into());
    let v6 = |address: &nix::sys::socket::SockaddrStorage| address.as_sockaddr_in6().map(|found| found.ip().into());
    // Those of one line alone mean nothing without saying which.
    let of_a_line = |address: &IpAddr| matches!(address, IpAddr::V6(address) if address.is_unicast_link_local());
    found.filter_map(|address| v4(&address).or_else(|| v6(&address))).filter(|address| !of_a_line(address)).collect()
}

/// A Python expression that connects and returns what it is answered.
fn attempt(address: IpAddr, port: u16) -> String {
    format!("(lambda s: s.recv(99).decode())(socket.create_connection(('{address}', {port}), 3))")
}

const REFUSALS: [&str; 3] = ["OSError", "ConnectionRefusedError", "TimeoutError"];

#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_a_network_reaches_other_hosts_and_nothing_that_is_refused() {
    if !nix::unistd::geteuid().is_root() {
        eprintln!("only root may draw a line to another host: not tried");
        return;
    }
    let _addresses = ADDRESSES.lock().await;
    let other = OtherHost::start();
    let closed = format!("{}/24", other.closed_network()).parse().unwrap();
    let host = Host::start_with(|options| options.refused_networks = vec![closed]).await;
    let networked = Workload { network: true, ..shell("alice") };
    let state = host.listening(&networked).await;
    assert_eq!(state.network_missing, None);
    let (alice, mallory) = (
        Inside::start(&host, networked).await,
        Inside::start(&host, Workload { network: false, ..shell("mallory") }).await,
    );
    let open = at(other.open_network(), 2).into();
    assert_eq!(alice.py(&attempt(open, 8000)).await, GREETING);
    assert!(REFUSALS.contains(&&*mallory.py(&attempt(open, 8000)).await), "a session without the capability");

    // Reached from this host all the same: each is refused and not merely absent.
    for address in [at(other.closed_network(), 2), other.link_local()] {
        assert_eq!(answer(address.into(), 8000).as_deref(), Some(GREETING), "{address}");
        let refused = alice.py(&attempt(address.into(), 8000)).await;
        assert!(REFUSALS.contains(&&*refused), "{address}: {refused}");
    }
    alice.leave().await;
    mallory.leave().await;
}

/// Starts so many times what one start in ten failed at while the network was connected before the sandbox was made.
#[tokio::test(flavor = "multi_thread")]
async fn no_start_of_a_session_with_a_network_fails_at_its_sandbox() {
    const STARTS: usize = 60;
    let host = Host::start().await;
    for _ in 0..STARTS {
        let networked = Workload { network: true, ..shell("alice") };
        host.listening(&networked).await;
        host.remove(&networked.session).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_with_a_network_does_not_reach_the_host_by_any_of_its_addresses() {
    let _addresses = ADDRESSES.lock().await;
    let host = Host::start().await;
    let networked = Workload { network: true, ..shell("alice") };
    let state = host.listening(&networked).await;
    if let Some(why) = state.network_missing {
        assert!(!nix::unistd::geteuid().is_root(), "root has a network everywhere: {why}");
        return host.remove(&networked.session).await;
    }
    let alice = Inside::start(&host, networked).await;
    // On all addresses, as the API and the management port do on a server for others.
    let listener = TcpListener::bind("[::]:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for guest in listener.incoming() {
            use std::io::Write;
            // A guest who has left misses it.
            let _ = guest.unwrap().write_all(b"the host");
        }
    });
    for address in own_addresses() {
        assert_eq!(answer(address, port).as_deref(), Some("the host"), "{address}");
        let refused = alice.py(&attempt(address, port)).await;
        assert!(REFUSALS.contains(&&*refused), "{address}: {refused}");
    }
    // The addresses that the way out itself has inside: gateway, resolver.
    let inside = alice.sh("cat /etc/resolv.conf").await;
    let resolver: Ipv4Addr = inside.split_whitespace().nth(1).unwrap().parse().unwrap();
    for address in [at(resolver, 2), resolver] {
        let refused = alice.py(&attempt(address.into(), port)).await;
        assert!(REFUSALS.contains(&&*refused), "{address}: {refused}");
    }
    // And nothing inside may take the rules away again.
    let unruly = alice.sh("ip route flush table main 2>&1; ip addr add 192.0.2.77/32 dev lo 2>&1; echo tried").await;
    assert!(unruly.contains("tried") && !alice.sh("cat /proc/net/route").await.is_empty(), "{unruly}");
    let still = alice.py(&attempt(Ipv4Addr::LOCALHOST.into(), port)).await;
    assert!(REFUSALS.contains(&&*still), "{still}");
    alice.leave().await;
}
