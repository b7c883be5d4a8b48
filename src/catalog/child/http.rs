//! Git's smart protocol over HTTP, through the server's own dialler: libgit2 itself never opens a connection.

use std::{
    fmt,
    io::{self, Read, Write},
    sync::{Arc, Mutex, PoisonError},
};

use bytes::{Buf, Bytes};
use git2::transport::{self, Service, SmartSubtransport, SmartSubtransportStream, Transport};
use reqwest::{Response, StatusCode, header};
use tokio::runtime::Runtime;
use url::Url;

use super::meter::Meter;
use crate::{
    catalog::fetch::{Request, SignIn},
    outgoing::Dialler,
};

/// Most redirects that are followed, and only at the beginning.
const REDIRECTS: usize = 3;
/// Most bytes of the part of a body that is said to the person.
const ANSWER_BYTES: usize = 200;

/// The way to one repository.
#[derive(Clone)]
pub struct Wire(Arc<Inner>);

struct Inner {
    runtime: Runtime,
    dialler: Dialler,
    meter: Arc<Meter>,
    credentials: Option<(String, String)>,
    /// Where the repository really is, after redirects.
    base: Mutex<Url>,
    /// The origin that the credentials are for.
    origin: url::Origin,
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").finish_non_exhaustive()
    }
}

impl Wire {
    pub fn new(request: &Request, url: Url, dialler: Dialler, runtime: Runtime, meter: &Arc<Meter>) -> Self {
        let credentials = match &request.sign_in {
            SignIn::Password { user, secret } => Some((user.clone(), secret.clone())),
            SignIn::Nothing | SignIn::Key { .. } => None,
        };
        Self(Arc::new(Inner {
            runtime,
            dialler,
            meter: Arc::clone(meter),
            credentials,
            origin: url.origin(),
            base: Mutex::new(url),
        }))
    }

    fn fail(&self, message: String, again: bool) -> io::Error {
        self.0.meter.fail(message, again)
    }

    fn base(&self) -> Url {
        self.0.base.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The repository's URL with `rest` behind it.
    fn below(base: &Url, rest: &str) -> Result<Url, url::ParseError> {
        Url::parse(&format!("{}/{rest}", base.as_str().trim_end_matches('/')))
    }

    fn send(&self, url: Url, body: Option<Vec<u8>>) -> io::Result<Response> {
        let client = self.0.dialler.client(&url).map_err(|error| self.fail(error, false))?;
        let mut request = match body {
            None => client.get(url.clone()).header(header::ACCEPT, "application/x-git-upload-pack-advertisement"),
            Some(body) => client
                .post(url.clone())
                .header(header::CONTENT_TYPE, "application/x-git-upload-pack-request")
                .header(header::ACCEPT, "application/x-git-upload-pack-result")
                .body(body),
        };
        // Never told to anybody but the one they are for.
        if let Some((user, password)) = self.0.credentials.as_ref().filter(|_| url.origin() == self.0.origin) {
            request = request.basic_auth(user, Some(password));
        }
        let host = url.host_str().unwrap_or_default();
        // Made within the runtime too: it sets timers.
        self.0.runtime.block_on(async { request.send().await }).map_err(|error| {
            let why = innermost(&error);
            self.fail(format!("{host} cannot be reached: {why}"), !why.contains("inner network"))
        })
    }

    /// Asks for the list of branches, following redirects.
    fn list(&self) -> io::Result<Response> {
        const REST: &str = "info/refs?service=git-upload-pack";
        let wrong = |error: url::ParseError| self.fail(error.to_string(), false);
        let mut url = Self::below(&self.base(), REST).map_err(wrong)?;
        for _ in 0..=REDIRECTS {
            let response = self.send(url.clone(), None)?;
            if !response.status().is_redirection() {
                let moved = url.as_str().strip_suffix(&format!("/{REST}")).and_then(|base| Url::parse(base).ok());
                if let Some(moved) = moved {
                    *self.0.base.lock().unwrap_or_else(PoisonError::into_inner) = moved;
                }
                return self.accept(response, "application/x-git-upload-pack-advertisement");
            }
            let to = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
            url = url.join(to.unwrap_or_default()).map_err(wrong)?;
        }
        Err(self.fail(format!("it redirects more than {REDIRECTS} times"), false))
    }

    fn accept(&self, response: Response, kind: &str) -> io::Result<Response> {
        let status = response.status();
        let host = response.url().host_str().unwrap_or_default().to_owned();
        if status == StatusCode::OK {
            let is =
                response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
            if is.split(';').next() == Some(kind) {
                return Ok(response);
            }
            let is: String = is.chars().take(ANSWER_BYTES).collect();
            return Err(self.fail(
                format!("{host} does not answer as a git server does (it sent {is}): is the URL that of a repository?"),
                false,
            ));
        }
        if status.is_redirection() {
            return Err(self.fail(format!("{host} redirects in the middle of a fetch"), false));
        }
        let (message, again) = match status.as_u16() {
            401 | 403 if self.0.credentials.is_some() => (format!("{host} refuses the credentials ({status})"), false),
            401 | 403 => (format!("{host} wants credentials ({status}): give the repository some"), false),
            404 => (format!("{host} has no such repository, or hides it from these credentials ({status})"), false),
            429 | 500..=599 => (format!("{host} answers {status}: try again later"), true),
            _ => (format!("{host} answers {status}"), false),
        };
        Err(self.fail(message, again))
    }
}

/// What an error comes down to: the outer ones repeat the URL.
fn innermost(error: &reqwest::Error) -> String {
    let mut source: &dyn std::error::Error = error;
    while let Some(inner) = source.source() {
        source = inner;
    }
    source.to_string()
}

/// Has libgit2 use `wire` for every URL of the web. For a process with one thread that has made no remote yet.
#[allow(unsafe_code, reason = "libgit2 keeps its transports in a global table")]
pub fn register(wire: &Wire) -> Result<(), git2::Error> {
    for scheme in ["http", "https"] {
        let wire = wire.clone();
        // SAFETY: nobody else makes a transport meanwhile, as the callers have it.
        unsafe {
            transport::register(scheme, move |remote| Transport::smart(remote, true, Subtransport(wire.clone())))?;
        }
    }
    Ok(())
}

struct Subtransport(Wire);

impl SmartSubtransport for Subtransport {
    fn action(&self, _: &str, action: Service) -> Result<Box<dyn SmartSubtransportStream>, git2::Error> {
        match action {
            Service::UploadPackLs | Service::UploadPack => {
                let lists = action == Service::UploadPackLs;
                Ok(Box::new(Stream {
                    wire: self.0.clone(),
                    lists,
                    asked: Vec::new(),
                    answer: None,
                    rest: Bytes::new(),
                }))
            }
            Service::ReceivePackLs | Service::ReceivePack => Err(git2::Error::from_str("nothing is ever pushed")),
        }
    }

    fn close(&self) -> Result<(), git2::Error> {
        Ok(())
    }
}

/// A question and its answer.
struct Stream {
    wire: Wire,
    lists: bool,
    asked: Vec<u8>,
    answer: Option<Response>,
    rest: Bytes,
}

impl Stream {
    fn ask(&mut self) -> io::Result<Response> {
        if self.lists {
            return self.wire.list();
        }
        let url = Wire::below(&self.wire.base(), "git-upload-pack")
            .map_err(|error| self.wire.fail(error.to_string(), false))?;
        let response = self.wire.send(url, Some(std::mem::take(&mut self.asked)))?;
        self.wire.accept(response, "application/x-git-upload-pack-result")
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            let mut answer = match self.answer.take() {
                Some(answer) => answer,
                None => self.ask()?,
            };
            let chunk = self.wire.0.runtime.block_on(async { answer.chunk().await });
            self.answer = Some(answer);
            match chunk {
                Ok(Some(chunk)) => {
                    self.wire.0.meter.count(chunk.len())?;
                    self.rest = chunk;
                }
                Ok(None) => return Ok(0),
                Err(error) => {
                    return Err(self.wire.fail(format!("the answer breaks off: {}", innermost(&error)), true));
                }
            }
        }
        let length = self.rest.len().min(into.len());
        self.rest.copy_to_slice(&mut into[..length]);
        Ok(length)
    }
}

impl Write for Stream {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        // What is said after an answer is the next question.
        self.answer = None;
        self.rest = Bytes::new();
        self.asked.extend_from_slice(from);
        Ok(from.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
