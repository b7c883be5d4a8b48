//! The process that fetches a repository and reads its objects: `streamspace git-fetch`.

mod http;
mod meter;
mod ssh;
mod tree;

use std::{
    fs,
    io::{self, BufRead, Write},
    path::Path,
    sync::Arc,
};

use git2::{AutotagOption, Direction, ErrorCode, FetchOptions, Oid, Remote, RemoteHead, Repository};
use nix::sys::resource::{Resource, setrlimit};
use url::Url;

use self::{http::Wire, meter::Meter, ssh::Login};
use super::fetch::{Request, Said};
use crate::{
    domain::{catalog::Reference, outgoing::Exceptions},
    outgoing::Dialler,
};

/// Most bytes of memory, beyond what is fetched. Half of it is address space that the allocator reserves, used or not.
const MEMORY_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Most seconds of processor time.
const CPU_S: u64 = 300;
/// Where the fetched commit is kept in the cache.
const KEPT: &str = "refs/streamspace/head";

/// Why it did not work: a sentence, and whether another attempt may go better.
pub(crate) type Failure = (String, bool);

/// Does what standard input asks for, and says on standard output what comes of it.
///
/// # Errors
/// Where either is broken.
pub fn run() -> io::Result<()> {
    let mut text = String::new();
    io::stdin().lock().read_line(&mut text)?;
    let request: Request = serde_json::from_str(&text)?;
    // What is refused here would be refused by the system too late to be told.
    let limits = [
        (Resource::RLIMIT_AS, MEMORY_BYTES + 4 * request.limits.bytes),
        (Resource::RLIMIT_CPU, CPU_S),
        (Resource::RLIMIT_FSIZE, 2 * request.limits.bytes),
        (Resource::RLIMIT_CORE, 0),
    ];
    for (resource, limit) in limits {
        setrlimit(resource, limit, limit)?;
    }
    let last = match work(&request) {
        Ok(done) => done,
        Err((message, again)) => Said::Failed { message, again },
    };
    say(&last)
}

/// Says a line.
pub(crate) fn say(said: &Said) -> io::Result<()> {
    let mut output = io::stdout().lock();
    write(&mut output, said)?;
    output.flush()
}

/// Writes a line.
fn write(output: &mut impl Write, said: &Said) -> io::Result<()> {
    let mut line = serde_json::to_vec(said)?;
    line.push(b'\n');
    output.write_all(&line)
}

fn work(request: &Request) -> Result<Said, Failure> {
    let meter = Arc::new(Meter::new(request.limits.bytes));
    open_way(request, &meter)?;
    end_with_server().map_err(|error| (format!("cannot start: {error}"), true))?;
    match attempt(request, &meter) {
        // A cache that was cut off in the middle of something is begun anew.
        Err((_, true)) if meter.failure().is_none() && request.cache.exists() => {
            fs::remove_dir_all(&request.cache).map_err(|error| disk(&error))?;
            attempt(request, &meter)
        }
        other => other,
    }
}

/// Ends this process when nobody holds the other end of its standard input any more: the server is gone, however it
/// went.
fn end_with_server() -> io::Result<()> {
    let watch = || {
        // Nothing more is ever said there.
        let _ = io::copy(&mut io::stdin().lock(), &mut io::sink());
        std::process::exit(1)
    };
    std::thread::Builder::new().name("server".into()).spawn(watch).map(drop)
}

/// Has libgit2 use our own way to the repository.
fn open_way(request: &Request, meter: &Arc<Meter>) -> Result<(), Failure> {
    let ours = |error: String| (error, false);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| (format!("cannot start: {error}"), true))?;
    let exceptions = Exceptions::parse(&request.exceptions).map_err(ours)?;
    let dialler = Dialler::new(exceptions);
    let url = Url::parse(&request.url).map_err(|error| ours(error.to_string()))?;
    let registered = if url.scheme() == "ssh" {
        let address = runtime.block_on(dialler.address(&url))?;
        ssh::register(Login::new(request, &url, address, meter)?)
    } else {
        dialler.client(&url).map_err(ours)?;
        http::register(&Wire::new(request, url, dialler, runtime, meter))
    };
    registered.map_err(|error| (error.message().to_owned(), false))
}

fn disk(error: &io::Error) -> Failure {
    (format!("the cache on disk cannot be written: {error}"), true)
}

fn attempt(request: &Request, meter: &Meter) -> Result<Said, Failure> {
    // What went wrong on the wire says more than what libgit2 makes of it.
    let told = |error: git2::Error| meter.failure().unwrap_or_else(|| (format!("git: {}", error.message()), true));
    let repository = open(&request.cache).map_err(told)?;
    let mut remote = repository.remote_anonymous(&request.url).map_err(told)?;
    remote.connect(Direction::Fetch).map_err(told)?;
    let wanted = wanted(&remote, &request.reference)?;
    let here = |oid: Oid| repository.find_commit(oid).is_ok();
    if let Some(commit) =
        wanted.commit.filter(|commit| request.head.as_deref() == Some(&commit.to_string()) && here(*commit))
    {
        return Ok(Said::Done { commit: commit.to_string(), unchanged: true });
    }
    progress(0, 1, "fetching");
    fetch(&mut remote, &wanted).map_err(told)?;
    let _ = remote.disconnect();
    let commit = repository
        .find_reference(KEPT)
        .and_then(|kept| kept.peel_to_commit())
        .map_err(|error| (format!("what was fetched is no commit: {}", error.message()), false))?;
    if request.head.as_deref() == Some(&commit.id().to_string()) {
        return Ok(Said::Done { commit: commit.id().to_string(), unchanged: true });
    }
    tree::tell(&repository, &commit, request)?;
    Ok(Said::Done { commit: commit.id().to_string(), unchanged: false })
}

/// Says how far it is; one who does not listen misses nothing that counts.
pub(crate) fn progress(done: u64, total: u64, message: &str) {
    let _ = say(&Said::Progress { done, total, message: message.to_owned() });
}

fn open(cache: &Path) -> Result<Repository, git2::Error> {
    match Repository::open_bare(cache) {
        Err(error) if error.code() == ErrorCode::NotFound => Repository::init_bare(cache),
        other => other,
    }
}

/// What to ask the remote for.
struct Wanted {
    /// The left side of a refspec.
    source: String,
    /// The commit, where the remote told it.
    commit: Option<Oid>,
}

fn wanted(remote: &Remote<'_>, reference: &Reference) -> Result<Wanted, Failure> {
    let heads = remote.list().map_err(|error| (format!("git: {}", error.message()), true))?;
    let of = |name: &str| heads.iter().find(|head| head.name() == name).map(RemoteHead::oid);
    let found = match reference {
        Reference::Default => of("HEAD")
            .map(|oid| ("HEAD".to_owned(), Some(oid)))
            .ok_or("the repository is empty, or has no main branch".to_owned()),
        Reference::Branch(branch) => {
            let name = format!("refs/heads/{branch}");
            of(&name).map(|oid| (name, Some(oid))).ok_or(format!("there is no branch “{branch}”"))
        }
        Reference::Tag(tag) => {
            let name = format!("refs/tags/{tag}");
            // A tag with a message is an object of its own; what it means stands behind it.
            let commit = of(&format!("{name}^{{}}")).or_else(|| of(&name));
            commit.map(|oid| (name, Some(oid))).ok_or(format!("there is no tag “{tag}”"))
        }
        Reference::Commit(commit) => {
            Oid::from_str(commit).map(|oid| (commit.clone(), Some(oid))).map_err(|_| format!("“{commit}” is no commit"))
        }
    };
    let (source, commit) = found.map_err(|message| (message, false))?;
    Ok(Wanted { source, commit })
}

fn fetch(remote: &mut Remote<'_>, wanted: &Wanted) -> Result<(), git2::Error> {
    let mut options = FetchOptions::new();
    options.depth(1).download_tags(AutotagOption::None);
    remote.fetch(&[format!("+{}:{KEPT}", wanted.source)], Some(&mut options), None)
}
