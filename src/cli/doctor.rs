//! `streamspace doctor`: whether this host can run the server and the shipped templates, and what brings what is missing.

use std::{
    fs,
    net::{TcpListener, ToSocketAddrs},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::mpsc,
    time::Duration,
};

use kube::ResourceExt;
use serde_json::json;

use super::{CliError, config_check};
use crate::{
    config::{AppsRouting, Config, Http},
    crd::Requirement,
    domain::host::{Finding, Standing},
    engine::local::{self as engine, Options},
    services::catalog::builtin,
    store::{self, Claim},
};

/// Below this the database stops within days.
const LITTLE_ROOM: u64 = 1 << 30;
/// Below this people will meet it.
const SOME_ROOM: u64 = 10 << 30;
/// Longest wait for an answer about a name.
const RESOLVES_WITHIN: Duration = Duration::from_secs(5);
/// Systems that every change is tested on: `ID` and `VERSION_ID` of `/etc/os-release`.
const TESTED: [(&str, &str); 2] = [("debian", "12"), ("debian", "13")];

/// What is looked at.
#[derive(clap::Args, Debug)]
pub(super) struct Doctor {
    /// Print what was found as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    config: Config,
}

/// Prints what it finds; fails where the server could not run.
pub(super) fn run(doctor: &Doctor) -> Result<(), CliError> {
    let findings = findings(&doctor.config)?;
    let broken = findings.iter().filter(|finding| finding.standing == Standing::Broken).count();
    if doctor.json {
        println!("{:#}", json!({ "ready": broken == 0, "findings": findings }));
    } else {
        for finding in &findings {
            print(finding);
        }
    }
    match broken {
        0 => Ok(()),
        1 => Err("one thing keeps the server from running here".into()),
        some => Err(format!("{some} things keep the server from running here").into()),
    }
}

fn print(finding: &Finding) {
    let mark = match finding.standing {
        Standing::Good => "ok     ",
        Standing::Limited => "limited",
        Standing::Broken => "broken ",
    };
    println!("{mark}  {:<20} {}", finding.subject, finding.message);
    if let Some(remedy) = &finding.remedy {
        println!("{:30} → {remedy}", "");
    }
}

fn findings(config: &Config) -> Result<Vec<Finding>, CliError> {
    let (data, run) = (config.folders.data()?, config.folders.run()?);
    let options = Options { uid_base: config.sessions.session_uid_base, ..Options::new(data.clone(), run.clone()) };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let mut findings = vec![system(), settings(config)];
    findings.extend(engine::examine(&options));
    findings.push(match runtime.block_on(store::examine(config)) {
        Ok(message) => Finding::good("database", message),
        Err(error) => Finding::refused("database", error),
    });
    findings.extend([folder("data folder", "DATA_DIR", &data), folder("sockets", "RUN_DIR", &run), room(&data)]);
    findings.push(ports(&config.http, Claim::holder(&data)));
    findings.push(names(&config.http));
    findings.push(catalogs(&options));
    findings.extend(shipped(&options)?);
    Ok(findings)
}

/// What runs here, and on Ubuntu how it differs from what is tested.
fn system() -> Finding {
    const SUBJECT: &str = "system";
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.unwrap_or_default().trim_matches('"').to_owned()
    };
    let kernel = rustix::system::uname().release().to_string_lossy().into_owned();
    let (id, version) = (value("ID"), value("VERSION_ID"));
    let name = Some(value("PRETTY_NAME")).filter(|name| !name.is_empty()).unwrap_or_else(|| "an unknown system".into());
    let found = format!("{name}, Linux {kernel}.");
    if TESTED.contains(&(id.as_str(), version.as_str())) {
        return Finding::good(SUBJECT, found);
    }
    let differs = if id == "ubuntu" {
        "differs from Debian in two ways: AppArmor may forbid ordinary users namespaces (see `sandbox`), and `chromium` \
         is a snap, which does not start inside a session: the template browser needs a Chromium that is none"
    } else {
        "this system is not among those that are tested (Debian 12 and 13): tell the others what you find"
    };
    Finding::limited(SUBJECT, found, differs)
}

fn settings(config: &Config) -> Finding {
    let wrong = config_check::problems(config);
    if wrong.is_empty() {
        return Finding::good("settings", "Every setting can be used.");
    }
    Finding::broken(
        "settings",
        format!("{}.", wrong.join("; ")),
        "streamspace config check shows where each comes from",
    )
}

/// Whether the server could make or use a folder, and under root whether people's uids get to what lies in it.
fn folder(subject: &str, setting: &str, path: &Path) -> Finding {
    let there = nearest(path);
    let remedy = || format!("choose another {setting}, or mend the permissions of {}", there.display());
    if !there.is_dir() {
        return Finding::broken(subject, format!("{} is no folder.", there.display()), remedy());
    }
    let writable = rustix::fs::access(&there, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK);
    if let Err(error) = writable {
        return Finding::broken(subject, format!("{} cannot be written: {error}.", there.display()), remedy());
    }
    let closed = |above: &&Path| fs::metadata(above).is_ok_and(|found| found.permissions().mode() & 0o001 == 0);
    if nix::unistd::geteuid().is_root()
        && let Some(closed) = there.ancestors().find(closed)
    {
        let message = format!("people's own uids cannot get through {}.", closed.display());
        return Finding::broken(
            subject,
            message,
            format!("chmod o+x {}, or choose another {setting}", closed.display()),
        );
    }
    Finding::good(subject, format!("{} can be used.", path.display()))
}

/// `path`, or the closest folder above it that exists.
fn nearest(path: &Path) -> PathBuf {
    path.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/")).to_owned()
}

fn room(data: &Path) -> Finding {
    const SUBJECT: &str = "disk";
    let there = nearest(data);
    let remedy = || format!("free some room on the disk of {}, or choose another DATA_DIR", there.display());
    match rustix::fs::statvfs(&there) {
        Err(error) => Finding::limited(SUBJECT, format!("The room on the disk cannot be told: {error}."), remedy()),
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let message = format!("{:.1} GiB are free for the database and the homes.", gib(free));
            match free {
                ..LITTLE_ROOM => Finding::broken(SUBJECT, message, remedy()),
                LITTLE_ROOM..SOME_ROOM => Finding::limited(SUBJECT, message, remedy()),
                _ => Finding::good(SUBJECT, message),
            }
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "it is shown with one decimal")]
fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

/// `server`: the process that serves this data folder already.
fn ports(http: &Http, server: Option<String>) -> Finding {
    const SUBJECT: &str = "ports";
    let wanted = [(http.api_port, "API_PORT"), (http.management_port, "MANAGEMENT_PORT")];
    let taken = wanted.iter().find_map(|(port, setting)| {
        TcpListener::bind((http.api_host, *port)).err().map(|error| (*port, *setting, error))
    });
    match (taken, server) {
        (None, _) => Finding::good(SUBJECT, format!("{} and {} are free.", http.api_port, http.management_port)),
        (Some((port, ..)), Some(process)) => {
            Finding::good(SUBJECT, format!("{port} is in use: process {process} serves this data folder already."))
        }
        (Some((port, setting, error)), None) => Finding::broken(
            SUBJECT,
            format!("{port} cannot be listened on: {error}."),
            format!("stop the program that listens there, or choose another {setting}"),
        ),
    }
}

/// Whether a browser would find the sessions' own names.
fn names(http: &Http) -> Finding {
    const SUBJECT: &str = "names of sessions";
    let authority = http.apps_authority();
    let one_name = http.apps_routing == AppsRouting::Host;
    let domain = authority.rsplit_once(':').map_or(authority.as_str(), |(domain, _)| domain).to_owned();
    if domain == "localhost" || domain.ends_with(".localhost") {
        let shown = if one_name { domain } else { format!("*.{domain}") };
        return Finding::good(SUBJECT, format!("Browsers find {shown} by themselves."));
    }
    let (found, answer) = mpsc::channel();
    let (name, shown) =
        if one_name { (domain.clone(), domain) } else { (format!("any-session.{domain}"), format!("*.{domain}")) };
    std::thread::spawn(move || {
        // Nobody may wait for it any more.
        let _ = found.send((name.as_str(), 443_u16).to_socket_addrs().map(|mut all| all.next()));
    });
    match answer.recv_timeout(RESOLVES_WITHIN) {
        Ok(Ok(Some(address))) => Finding::good(SUBJECT, format!("{shown} leads to {}.", address.ip())),
        Ok(Ok(None) | Err(_)) | Err(_) => Finding::broken(
            SUBJECT,
            format!("{shown} is not found: nobody could open a session."),
            format!(
                "add a {}record for {shown} to its DNS zone, or set another APPS_DOMAIN{}",
                if one_name { "" } else { "wildcard " },
                if one_name { "" } else { "; APPS_ROUTING=host does without a wildcard record" },
            ),
        ),
    }
}

/// Whether repositories of templates can be read over SSH, which the host's own client does.
fn catalogs(options: &Options) -> Finding {
    const SUBJECT: &str = "catalogs over SSH";
    let ssh = Requirement { program: "ssh".into(), install: "apt-get install openssh-client".into() };
    match engine::missing(options, &[ssh]).pop() {
        None => Finding::good(SUBJECT, "They can be read."),
        Some(ssh) => Finding::limited(SUBJECT, "Not found: ssh. Catalogs can be read over HTTPS alone.", ssh.install),
    }
}

/// One finding for each shipped template.
fn shipped(options: &Options) -> Result<Vec<Finding>, CliError> {
    let all = builtin::shipped()?;
    let finding = |template: &crate::crd::Template| {
        let subject = format!("template {}", template.name_any());
        let requires = template.spec.local.as_ref().map(|local| local.requires.as_slice()).unwrap_or_default();
        let missing = engine::missing(options, requires);
        if missing.is_empty() {
            return Finding::good(subject, "It runs here.");
        }
        let list = |of: fn(&Requirement) -> &str, between: &str| {
            let mut all: Vec<&str> = missing.iter().map(of).collect();
            all.dedup();
            all.join(between)
        };
        let message = format!("Not found: {}.", list(|missing| &missing.program, ", "));
        Finding::limited(subject, message, list(|missing| &missing.install, " && "))
    };
    Ok(all.iter().map(finding).collect())
}
