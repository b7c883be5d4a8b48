//! Programs behind the gateway, written connection by connection, and the engine that leads to them.

use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    net::SocketAddr,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use async_trait::async_trait;
use futures::{
    StreamExt,
    stream::{self, BoxStream},
};
use streamspace::{
    crd::Requirement,
    engine::{
        Connection, ContainerOf, Engine, EngineError, HomeUsage, LogLine, LogQuery, SessionId, Usage, Workload,
        WorkloadEvent, WorkloadState,
    },
    telemetry::task,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// Runs nothing, and leads to programs of the test's own.
#[derive(Debug, Default)]
pub struct TestEngine {
    programs: Mutex<HashMap<(String, u16), SocketAddr>>,
    usage: Mutex<HashMap<String, Usage>>,
    dials: AtomicUsize,
}

impl TestEngine {
    /// Leads to `program` from now on.
    pub fn lead(&self, session: &str, port: u16, program: &Program) {
        self.programs.lock().unwrap().insert((session.to_owned(), port), program.address);
    }

    /// Leads nowhere any more.
    pub fn lose(&self, session: &str, port: u16) {
        self.programs.lock().unwrap().remove(&(session.to_owned(), port));
    }

    /// Says what a program uses.
    pub fn uses(&self, session: &str, usage: Usage) {
        self.usage.lock().unwrap().insert(session.to_owned(), usage);
    }

    /// Connections that were asked for.
    pub fn dials(&self) -> usize {
        self.dials.load(SeqCst)
    }
}

#[async_trait]
impl Engine for TestEngine {
    async fn ensure(&self, _: &Workload) -> Result<(), EngineError> {
        Ok(())
    }

    async fn stop(&self, _: &SessionId) -> Result<(), EngineError> {
        Ok(())
    }

    async fn remove(&self, _: &SessionId) -> Result<(), EngineError> {
        Ok(())
    }

    async fn state(&self, _: &SessionId) -> Result<Option<WorkloadState>, EngineError> {
        Ok(None)
    }

    fn watch(&self) -> BoxStream<'static, WorkloadEvent> {
        stream::iter([WorkloadEvent::Init, WorkloadEvent::InitDone]).chain(stream::pending()).boxed()
    }

    async fn dial(&self, session: &SessionId, port: u16) -> Result<Box<dyn Connection>, EngineError> {
        self.dials.fetch_add(1, SeqCst);
        let known = self.programs.lock().unwrap().get(&(session.0.clone(), port)).copied();
        let address = known.ok_or_else(|| EngineError::NotRunning(session.clone()))?;
        let unreachable = |source| EngineError::Unreachable { session: session.clone(), port, source };
        Ok(Box::new(TcpStream::connect(address).await.map_err(unreachable)?))
    }

    async fn logs(
        &self,
        _: &SessionId,
        _: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, EngineError>>, EngineError> {
        Ok(stream::empty().boxed())
    }

    fn reads_pods_in(&self, namespace: &str) -> bool {
        namespace == "beside"
    }

    async fn output(
        &self,
        _: &ContainerOf,
        _: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, EngineError>>, EngineError> {
        Ok(stream::empty().boxed())
    }

    async fn usage(&self, session: &SessionId) -> Result<Option<Usage>, EngineError> {
        Ok(self.usage.lock().unwrap().get(&session.0).copied())
    }

    async fn home_usage(&self, _: &str) -> Result<Option<HomeUsage>, EngineError> {
        Ok(None)
    }

    async fn remove_home(&self, _: &str) -> Result<(), EngineError> {
        Ok(())
    }

    async fn missing(&self, _: &[Requirement]) -> Result<Vec<Requirement>, EngineError> {
        Ok(vec![])
    }
}

/// A program that listens on a port of its own.
#[derive(Debug)]
pub struct Program {
    pub address: SocketAddr,
    task: tokio::task::JoinHandle<Option<()>>,
}

impl Program {
    /// Serves each connection with `serve`.
    pub async fn start<F, S>(serve: S) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        S: Fn(Client) -> F + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = task::spawn("test-program", async move {
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).unwrap();
                task::spawn("test-program-connection", serve(Client { stream, read: Vec::new() }));
            }
        });
        Self { address, task }
    }

    /// Answers every request with 200 and what it got: the head as text, then the length of the body.
    pub async fn echo() -> Self {
        Self::start(|mut client| async move {
            while let Some(head) = client.head().await {
                let body = client.body(&head).await;
                client.answer(&[], format!("{}\n{}", head.text, body.len()).as_bytes()).await;
            }
        })
        .await
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// One connection, seen from either side.
pub struct Client {
    pub stream: TcpStream,
    /// Read ahead.
    read: Vec<u8>,
}

/// A head as it stood on the wire.
#[derive(Clone, Debug)]
pub struct Head {
    pub text: String,
    pub headers: BTreeMap<String, Vec<String>>,
}

impl Head {
    /// The values of a header.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.get(name).map(|values| values.iter().map(String::as_str).collect()).unwrap_or_default()
    }

    /// The one value of a header; empty where there is none.
    pub fn one(&self, name: &str) -> &str {
        match self.all(name)[..] {
            [] => "",
            [one] => one,
            ref several => panic!("{name}: {several:?}"),
        }
    }

    /// The status of an answer.
    pub fn status(&self) -> u16 {
        self.text.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

impl Client {
    /// Connects to a server.
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, read: Vec::new() }
    }

    /// Reads a head; `None` at the end of the connection.
    pub async fn head(&mut self) -> Option<Head> {
        let end = loop {
            if let Some(at) = self.read.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.more().await {
                return None;
            }
        };
        let text = String::from_utf8(self.read.drain(..end).collect()).unwrap();
        let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for line in text.lines().skip(1).filter(|line| !line.is_empty()) {
            let (name, value) = line.split_once(':').unwrap();
            headers.entry(name.to_ascii_lowercase()).or_default().push(value.trim().to_owned());
        }
        Some(Head { text, headers })
    }

    /// Reads the body that a head announces.
    pub async fn body(&mut self, head: &Head) -> Vec<u8> {
        if head.one("transfer-encoding") == "chunked" {
            let mut body = Vec::new();
            while let Some(chunk) = self.chunk().await {
                body.extend(chunk);
            }
            return body;
        }
        let length = head.one("content-length");
        self.exactly(if length.is_empty() { 0 } else { length.parse().unwrap() }).await
    }

    /// Reads the next chunk; `None`: it was the last.
    pub async fn chunk(&mut self) -> Option<Vec<u8>> {
        let line = self.line().await;
        let length = usize::from_str_radix(line.trim(), 16).unwrap();
        let chunk = self.exactly(length).await;
        assert_eq!(self.line().await, "\r\n");
        (length > 0).then_some(chunk)
    }

    /// Reads exactly so many bytes.
    pub async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.read.len() < length {
            assert!(self.more().await, "the connection ended early");
        }
        self.read.drain(..length).collect()
    }

    /// Reads to the end of the connection.
    pub async fn rest(&mut self) -> Vec<u8> {
        while self.more().await {}
        std::mem::take(&mut self.read)
    }

    async fn line(&mut self) -> String {
        loop {
            if let Some(at) = self.read.windows(2).position(|two| two == b"\r\n") {
                return String::from_utf8(self.read.drain(..at + 2).collect()).unwrap();
            }
            assert!(self.more().await, "the connection ended early");
        }
    }

    async fn more(&mut self) -> bool {
        self.read.reserve(64 * 1024);
        self.stream.read_buf(&mut self.read).await.is_ok_and(|read| read > 0)
    }

    /// Writes bytes; one who has hung up gets none.
    pub async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Writes an answer of known length.
    pub async fn answer(&mut self, headers: &[(&str, &str)], body: &[u8]) {
        let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<Vec<_>>().concat();
        self.write(format!("HTTP/1.1 200 OK\r\n{headers}content-length: {}\r\n\r\n", body.len())).await;
        self.write(body).await;
    }
}
