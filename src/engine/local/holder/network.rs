//! The way out of a session's network, for templates with the capability `Network`: slirp4netns, behind routes that
//! refuse what a session has no business with. Both are in place before the program starts.

use std::{
    fs::File,
    io::{self, Read},
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsRawFd, OwnedFd},
    process::{Child, Command, Stdio},
    time::Duration,
};

use ipnet::IpNet;
use nix::{
    ifaddrs::getifaddrs,
    sched::{CloneFlags, setns},
};
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::FdFlags,
    pipe::PipeFlags,
};

use super::routes;
use crate::engine::local::wire::Spec;

/// How long slirp4netns may take.
const READY_DEADLINE: Duration = Duration::from_secs(5);
/// Networks that slirp4netns can pretend, as the first three bytes: the first that the host has no address in.
const CANDIDATES: [[u8; 3]; 4] = [[10, 0, 2], [10, 211, 55], [172, 31, 255], [192, 168, 247]];
/// Networks that are refused whatever the host is: link-local (with the metadata service of most clouds), and the
/// metadata addresses of Alibaba, Azure and Oracle.
const REFUSED: [(Ipv4Addr, u8); 5] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(100, 100, 100, 200), 32),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(192, 0, 0, 192), 32),
];

/// The way out. It ends with the holder, whose end of a pipe it watches.
#[derive(Debug)]
pub(super) struct Network {
    slirp: Child,
    _exit: OwnedFd,
}

impl Network {
    /// Connects the network of the sandbox whose first process is `inner_pid`.
    ///
    /// # Errors
    /// A sentence that says why the session has no network.
    pub(super) fn connect(spec: &Spec, inner_pid: i32) -> Result<Self, String> {
        let slirp =
            spec.slirp.as_ref().ok_or("slirp4netns is not installed on the host: apt-get install slirp4netns")?;
        rustix::fs::access("/dev/net/tun", rustix::fs::Access::READ_OK | rustix::fs::Access::WRITE_OK)
            .map_err(|error| format!("the host has no usable /dev/net/tun ({error})"))?;
        let failed = |error: io::Error| format!("the session's network could not be set up: {error}");
        let spaces = Namespaces::of(inner_pid).map_err(failed)?;
        let mut rules = Command::new(&spec.program)
            .arg("sandbox-net")
            .args(&spec.refused_networks)
            .env_clear()
            .stdin(Stdio::from(spaces.net.try_clone().map_err(failed)?))
            .stdout(Stdio::from(spaces.user.try_clone().map_err(failed)?))
            .spawn()
            .map_err(failed)?;
        let network = start(slirp, &spaces).map_err(failed)?;
        let status = rules.wait().map_err(failed)?;
        // Dropping it ends slirp4netns: better no network than one without rules.
        if status.success() { Ok(network) } else { Err("the rules of the session's network could not be set".into()) }
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.slirp.kill();
        let _ = self.slirp.wait();
    }
}

struct Namespaces {
    net: OwnedFd,
    /// The user namespace that owns `net`, in which its routes may be changed; the program runs in one below.
    user: OwnedFd,
}

impl Namespaces {
    fn of(pid: i32) -> io::Result<Self> {
        let net = OwnedFd::from(File::open(format!("/proc/{pid}/ns/net"))?);
        let user = owner(&net)?;
        Ok(Self { net, user })
    }
}

nix::ioctl_none_bad!(ns_get_userns, nix::request_code_none!(0xb7, 0x1));

#[allow(unsafe_code, reason = "there is no safe wrapper of this ioctl")]
fn owner(namespace: &OwnedFd) -> io::Result<OwnedFd> {
    use std::os::fd::FromRawFd;
    // SAFETY: NS_GET_USERNS takes no argument and returns a descriptor that nobody else owns.
    unsafe { Ok(OwnedFd::from_raw_fd(ns_get_userns(namespace.as_raw_fd())?)) }
}

fn start(program: &std::path::Path, spaces: &Namespaces) -> io::Result<Network> {
    let (ready, ready_inner) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    let (exit_inner, exit) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)?;
    for fd in [&ready_inner, &exit_inner, &spaces.net, &spaces.user] {
        rustix::io::fcntl_setfd(fd, FdFlags::empty())?;
    }
    let path = |fd: &OwnedFd| format!("/proc/self/fd/{}", fd.as_raw_fd());
    let slirp = Command::new(program)
        .args(["--configure", "--mtu=65520", "--disable-host-loopback", "--netns-type=path"])
        .arg(format!("--cidr={}", cidr()))
        .arg(format!("--ready-fd={}", ready_inner.as_raw_fd()))
        .arg(format!("--exit-fd={}", exit_inner.as_raw_fd()))
        .arg(format!("--userns-path={}", path(&spaces.user)))
        .args([&path(&spaces.net), "tap0"])
        .env_clear()
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    for fd in [&spaces.net, &spaces.user] {
        rustix::io::fcntl_setfd(fd, FdFlags::CLOEXEC)?;
    }
    let network = Network { slirp, _exit: exit };
    drop((ready_inner, exit_inner));
    await_ready(ready)?;
    Ok(network)
}

/// slirp4netns writes a byte once the interface is up, and closes the pipe without one if it fails.
fn await_ready(ready: OwnedFd) -> io::Result<()> {
    let limit = Timespec::try_from(READY_DEADLINE).map_err(|_| io::ErrorKind::InvalidInput)?;
    if poll(&mut [PollFd::new(&ready, PollFlags::IN)], Some(&limit))? == 0 {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "slirp4netns did not answer in time"));
    }
    let mut byte = [0];
    match File::from(ready).read(&mut byte)? {
        1 => Ok(()),
        _ => Err(io::Error::other("slirp4netns ended at once")),
    }
}

/// The three bytes of the pretended network: one that hides no address of the host.
fn prefix() -> [u8; 3] {
    let taken: Vec<[u8; 3]> = host_addresses().into_iter().map(|a| a.octets()).map(|[a, b, c, _]| [a, b, c]).collect();
    CANDIDATES.into_iter().find(|candidate| !taken.contains(candidate)).unwrap_or(CANDIDATES[0])
}

fn cidr() -> String {
    let [a, b, c] = prefix();
    format!("{a}.{b}.{c}.0/24")
}

/// What the session's `/etc/resolv.conf` says: slirp4netns answers on the third address, by the host's own resolver.
pub(super) fn resolv_conf(network: bool) -> String {
    if !network {
        return "# This session has no network.\n".into();
    }
    let [a, b, c] = prefix();
    format!("nameserver {a}.{b}.{c}.3\noptions edns0\n")
}

fn host_addresses() -> Vec<Ipv4Addr> {
    let found = getifaddrs().into_iter().flatten();
    let addresses =
        found.filter_map(|interface| interface.address?.as_sockaddr_in().map(nix::sys::socket::SockaddrIn::ip));
    addresses.filter(|address| !address.is_loopback()).collect()
}

/// `streamspace sandbox-net`: refuses what a session may not reach, in the network given as standard input, which the
/// user namespace given as standard output owns. It runs as the session's own uid.
///
/// `networks`: what is refused beside that. Names are looked up by the host, so a refused network may hold its resolver.
pub fn refuse_routes(networks: &[IpNet]) -> io::Result<()> {
    let mut refused = REFUSED.to_vec();
    refused.extend(host_addresses().into_iter().map(|address| (address, 32)));
    // One that holds the pretended network needs no care: the route to that is narrower, and so the one that is taken.
    refused.extend(networks.iter().filter_map(|network| match network {
        IpNet::V4(network) => Some((network.network(), network.prefix_len())),
        IpNet::V6(_) => None,
    }));
    setns(io::stdout(), CloneFlags::CLONE_NEWUSER)?;
    setns(io::stdin(), CloneFlags::CLONE_NEWNET)?;
    let mut routes = routes::Routes::open()?;
    for (address, bits) in refused {
        routes.refuse(IpAddr::V4(address), bits)?;
    }
    // slirp4netns carries IPv4 alone; should it ever carry more, the rules for it have to be written first.
    routes.refuse(IpAddr::V6(std::net::Ipv6Addr::UNSPECIFIED), 0)
}
