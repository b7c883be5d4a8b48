//! Git's protocol over SSH, by the host's own `ssh`, which is told which address to dial and which key the host has.
//!
//! It reads no settings, asks no agent and no person, knows no other host, and forwards nothing. The key lies in memory
//! that it reads by its name below `/proc`, never on disk.

use std::{
    fmt,
    fs::{File, Permissions},
    io::{self, Read, Write},
    net::SocketAddr,
    os::{
        fd::AsRawFd,
        unix::{ffi::OsStringExt, fs::PermissionsExt},
    },
    process::{Child, ChildStderr, ChildStdin, ChildStdout, Command, Stdio},
    sync::Arc,
};

use git2::transport::{self, Service, SmartSubtransport, SmartSubtransportStream, Transport};
use nix::sys::memfd::{MFdFlags, memfd_create};
use url::Url;

use super::{Failure, meter::Meter};
use crate::{
    catalog::fetch::{Request, SignIn},
    domain::outgoing::{ssh_path, ssh_user},
};

/// Most bytes of what `ssh` says of a failure.
const SAID_BYTES: u64 = 4 * 1024;
/// What the host is called in the list of known ones.
const HOST: &str = "repository";
/// Never asks, trusts only what it is told, and does nothing beside.
const OPTIONS: [&str; 21] = [
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "VerifyHostKeyDNS=no",
    "UpdateHostKeys=no",
    "CheckHostIP=no",
    "CanonicalizeHostname=no",
    "PreferredAuthentications=publickey",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "ProxyCommand=none",
    "ControlPath=none",
    "RequestTTY=no",
    "ConnectTimeout=10",
    "ServerAliveInterval=10",
    "ServerAliveCountMax=3",
    "LogLevel=ERROR",
];

/// How to sign in to the one host.
pub struct Login {
    address: SocketAddr,
    host: String,
    user: String,
    path: String,
    key: File,
    known: File,
    meter: Arc<Meter>,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Login {
    /// To the repository at `url`, whose host is at `address`.
    pub fn new(request: &Request, url: &Url, address: SocketAddr, meter: &Arc<Meter>) -> Result<Self, Failure> {
        let SignIn::Key { private_key, host_keys } = &request.sign_in else {
            return Err(("it is read over SSH, which needs a key and the key of the host".into(), false));
        };
        let known: Vec<String> = host_keys.lines().map(|key| format!("{HOST} {key}\n")).collect();
        let kept = |text: &str| hidden(text).map_err(|error| (format!("no memory for a key: {error}"), true));
        Ok(Self {
            address,
            host: url.host_str().unwrap_or_default().to_owned(),
            user: ssh_user(url).map_err(|why| (why, false))?.to_owned(),
            path: ssh_path(url).map_err(|why| (why, false))?,
            key: kept(private_key)?,
            known: kept(&known.concat())?,
            meter: Arc::clone(meter),
        })
    }

    fn command(&self) -> Command {
        let mut command = Command::new("ssh");
        command.args(["-F", "none", "-T", "-a", "-x"]);
        for option in OPTIONS {
            command.args(["-o", option]);
        }
        command
            .arg("-o")
            .arg(format!("HostKeyAlias={HOST}"))
            .arg("-o")
            .arg(format!("IdentityFile={}", place(&self.key)))
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", place(&self.known)))
            .args(["-p", &self.address.port().to_string(), "-l", &self.user, "--"])
            .arg(self.address.ip().to_string())
            .arg(format!("git-upload-pack {}", quoted(&self.path)));
        command
    }

    fn start(&self) -> io::Result<Stream> {
        let mut command = self.command();
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| {
            self.meter.fail(format!("the program ssh cannot be started ({error}): install openssh-client"), false)
        })?;
        let (input, output, said) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
        Ok(Stream { child, input, output, said, host: self.host.clone(), meter: Arc::clone(&self.meter) })
    }
}

/// A file in memory that only this user's processes can read.
fn hidden(text: &str) -> io::Result<File> {
    let mut file = File::from(memfd_create("key", MFdFlags::MFD_CLOEXEC)?);
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(text.as_bytes())?;
    Ok(file)
}

/// Where another process of this user finds a file that this one holds open.
fn place(file: &File) -> String {
    format!("/proc/{}/fd/{}", std::process::id(), file.as_raw_fd())
}

/// As one word of the remote host's shell.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''"))
}

/// Has libgit2 use `login` for every SSH URL. For a process with one thread that has made no remote yet.
#[allow(unsafe_code, reason = "libgit2 keeps its transports in a global table")]
pub fn register(login: Login) -> Result<(), git2::Error> {
    let login = Arc::new(login);
    // SAFETY: nobody else makes a transport meanwhile, as the callers have it.
    unsafe {
        transport::register("ssh", move |remote| Transport::smart(remote, false, Subtransport(Arc::clone(&login))))
    }
}

struct Subtransport(Arc<Login>);

impl SmartSubtransport for Subtransport {
    fn action(&self, _: &str, action: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        match action {
            Service::UploadPackLs | Service::UploadPack => {
                let stream = self.0.start().map_err(|error| git2::Error::from_str(&error.to_string()))?;
                Ok(Box::new(stream))
            }
            Service::ReceivePackLs | Service::ReceivePack => Err(git2::Error::from_str("nothing is ever pushed")),
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// A conversation with git on the other host. Dropped, `ssh` ends.
struct Stream {
    child: Child,
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
    said: Option<ChildStderr>,
    host: String,
    meter: Arc<Meter>,
}

impl Stream {
    /// The end of the conversation: either all is said, or `ssh` says why not.
    fn end(&mut self) -> io::Result<usize> {
        self.input = None;
        let mut said = Vec::new();
        if let Some(errors) = self.said.take() {
            errors.take(SAID_BYTES).read_to_end(&mut said)?;
        }
        if self.child.wait()?.success() {
            return Ok(0);
        }
        let said = std::ffi::OsString::from_vec(said).to_string_lossy().into_owned();
        let (message, again) = explained(&self.host, &said);
        Err(self.meter.fail(message, again))
    }
}

/// What `ssh` or git on the other host said, as a sentence for the person, and whether another attempt may go better.
fn explained(host: &str, said: &str) -> (String, bool) {
    let last: String =
        said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default().chars().take(200).collect();
    if said.contains("Host key verification failed") {
        return (format!("{host} has another host key than the one that is pinned: nothing was told to it"), false);
    }
    if said.contains("Permission denied") {
        return (format!("{host} refuses the key"), false);
    }
    if said.contains("error in libcrypto") || said.contains("invalid format") {
        return ("the private key cannot be read by ssh: give it as OpenSSH writes it".into(), false);
    }
    if said.contains("does not appear to be a git repository") || said.contains("not found") {
        return (format!("{host} has no such repository, or hides it from this key"), false);
    }
    (format!("{host} cannot be read over SSH: {last}"), true)
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.output.as_mut().map_or(Ok(0), |output| output.read(into))?;
        if length == 0 {
            return self.end();
        }
        self.meter.count(length)?;
        Ok(length)
    }
}

impl Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        self.input.as_mut().map_or(Err(io::ErrorKind::BrokenPipe.into()), |input| input.write(from))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.input.as_mut().map_or(Ok(()), Write::flush)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // It may have ended by itself, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_whatever_it_holds() {
        assert_eq!(quoted("/a b.git"), "'/a b.git'");
        assert_eq!(quoted("/a'; rm -rf ~; '"), r"'/a'\''; rm -rf ~; '\'''");
    }

    #[test]
    fn what_ssh_says_is_told_in_words_that_help() {
        let told = |said: &str| explained("h", said);
        assert!(
            told("No ED25519 host key is known for repository\nHost key verification failed.\r\n").0.contains("pinned")
        );
        assert_eq!(told("git@h: Permission denied (publickey).\n"), ("h refuses the key".into(), false));
        let (message, again) = told("ssh: connect to host 192.0.2.1 port 22: Connection refused\n");
        assert!(message.ends_with("Connection refused") && again, "{message}");
    }

    #[test]
    fn a_key_in_memory_is_read_by_its_name_and_by_its_owner_alone() {
        let file = hidden("secret").unwrap();
        assert_eq!(std::fs::read_to_string(place(&file)).unwrap(), "secret");
        assert_eq!(std::fs::metadata(place(&file)).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
