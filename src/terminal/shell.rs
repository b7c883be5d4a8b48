//! The shell and its pseudo-terminal.

use std::{
    collections::BTreeMap,
    fmt, io,
    io::{Read, Write},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc};

use super::scrollback::Scrollback;

/// Bytes taken at once from the shell.
const CHUNK: usize = 16 * 1024;
/// Pieces of output that a window may lag behind; after that it is told everything anew.
const LAG: usize = 256;
/// Pieces of input that may wait for a shell that does not read.
const WAITING_INPUT: usize = 64;

/// Columns and rows.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(super) struct Size {
    pub(super) columns: u16,
    pub(super) rows: u16,
}

impl Size {
    /// A size that programs can live with, whatever was asked for.
    fn sane(self) -> Self {
        Self { columns: self.columns.clamp(2, 1000), rows: self.rows.clamp(1, 500) }
    }
}

impl From<Size> for PtySize {
    fn from(size: Size) -> Self {
        Self { rows: size.rows, cols: size.columns, pixel_width: 0, pixel_height: 0 }
    }
}

/// A window: one WebSocket.
pub(super) type Window = u64;

/// What every window is told.
#[derive(Clone, Debug)]
pub(super) enum Event {
    Output(Bytes),
    /// The grid has another size, or another window leads.
    Layout,
    /// The shell ended with this status.
    Ended(u32),
    /// There is a new shell.
    Started,
}

/// The one shell of a session.
pub(super) struct Shell {
    /// The program and its arguments; one at least.
    program: Vec<String>,
    state: Mutex<State>,
    events: broadcast::Sender<Event>,
}

struct State {
    terminal: Option<Terminal>,
    /// Status of the last shell, if it ended.
    ended: Option<u32>,
    scrollback: Scrollback,
    size: Size,
    windows: BTreeMap<Window, Size>,
    /// The window that was used last: the grid has its size, and it alone answers what programs ask of a terminal.
    leader: Option<Window>,
    next: Window,
}

struct Terminal {
    master: Box<dyn MasterPty + Send>,
    input: mpsc::Sender<Bytes>,
}

/// Everything a window needs to show the present state.
#[derive(Debug)]
pub(super) struct View {
    pub(super) events: broadcast::Receiver<Event>,
    pub(super) scrollback: Vec<u8>,
    pub(super) ended: Option<u32>,
}

impl fmt::Debug for Shell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shell").field("program", &self.program).finish_non_exhaustive()
    }
}

impl Shell {
    pub(super) fn new(program: Vec<String>) -> Self {
        let size = Size { columns: 80, rows: 24 };
        let state = State {
            terminal: None,
            ended: None,
            scrollback: Scrollback::default(),
            size,
            windows: BTreeMap::new(),
            leader: None,
            next: 1,
        };
        Self { program, state: Mutex::new(state), events: broadcast::Sender::new(LAG) }
    }

    /// A new window, which leads from now on. The first one starts the shell.
    pub(super) fn open(self: &Arc<Self>, size: Size) -> Result<Window, io::Error> {
        let window = {
            let mut state = self.lock();
            let window = state.next;
            state.next += 1;
            state.windows.insert(window, size.sane());
            window
        };
        self.lead(window);
        let idle = { self.lock().terminal.is_none() && self.lock().ended.is_none() };
        if idle {
            self.start()?;
        }
        Ok(window)
    }

    /// The window is gone; another may lead.
    pub(super) fn close(&self, window: Window) {
        let next = {
            let mut state = self.lock();
            state.windows.remove(&window);
            (state.leader == Some(window)).then(|| state.windows.keys().next_back().copied()).flatten()
        };
        if let Some(next) = next {
            self.lead(next);
        }
    }

    /// What a window has to draw, and what comes after that: nothing is missing between the two and nothing twice.
    pub(super) fn view(&self) -> View {
        let state = self.lock();
        View { events: self.events.subscribe(), scrollback: state.scrollback.bytes(), ended: state.ended }
    }

    /// The size of the grid, and whether `window` leads.
    pub(super) fn layout(&self, window: Window) -> (Size, bool) {
        let state = self.lock();
        (state.size, state.leader == Some(window))
    }

    /// The person made the window larger or smaller.
    pub(super) fn resize(&self, window: Window, size: Size) {
        self.lock().windows.insert(window, size.sane());
        self.lead(window);
    }

    /// What the person typed. Waits while the shell does not read.
    pub(super) async fn type_in(&self, window: Window, bytes: Bytes) {
        if self.lock().leader != Some(window) {
            self.lead(window);
        }
        let input = self.lock().terminal.as_ref().map(|terminal| terminal.input.clone());
        if let Some(input) = input {
            // It fails if the shell ended this moment, as the person is about to see.
            let _ = input.send(bytes).await;
        }
    }

    /// Starts another shell after one that ended.
    pub(super) fn again(self: &Arc<Self>) -> io::Result<()> {
        let over = { self.lock().ended.take().is_some() };
        if over { self.start() } else { Ok(()) }
    }

    /// Lets `window` lead, and gives the grid its size.
    fn lead(&self, window: Window) {
        let mut state = self.lock();
        let size = state.windows.get(&window).copied().unwrap_or(state.size);
        if state.leader == Some(window) && state.size == size {
            return;
        }
        state.leader = Some(window);
        state.size = size;
        if let Some(terminal) = &state.terminal {
            // A shell that ended this moment has no size.
            let _ = terminal.master.resize(size.into());
        }
        // Nobody listening is nobody to tell.
        let _ = self.events.send(Event::Layout);
    }

    fn start(self: &Arc<Self>) -> io::Result<()> {
        let mut state = self.lock();
        if state.terminal.is_some() {
            return Ok(());
        }
        let pty = native_pty_system().openpty(state.size.into()).map_err(io::Error::other)?;
        let mut command = CommandBuilder::from_argv(self.program.iter().map(Into::into).collect());
        command.env("TERM", "xterm-256color");
        command.env("COLORTERM", "truecolor");
        command.cwd(std::env::current_dir()?);
        let child = pty.slave.spawn_command(command).map_err(io::Error::other)?;
        let reader = pty.master.try_clone_reader().map_err(io::Error::other)?;
        let writer = pty.master.take_writer().map_err(io::Error::other)?;
        let (input, typed) = mpsc::channel(WAITING_INPUT);
        let shell = Arc::clone(self);
        thread("shell output", move || shell.read(reader, child))?;
        thread("shell input", move || write(writer, typed))?;
        state.terminal = Some(Terminal { master: pty.master, input });
        let _ = self.events.send(Event::Started);
        Ok(())
    }

    /// Hands on what the shell writes until it ended: then the kernel hangs up its terminal.
    fn read(&self, mut reader: Box<dyn Read + Send>, mut child: Box<dyn Child + Send + Sync>) {
        let mut chunk = vec![0; CHUNK];
        loop {
            match reader.read(&mut chunk) {
                Ok(0) => break,
                Ok(length) => {
                    let mut state = self.lock();
                    state.scrollback.push(&chunk[..length]);
                    let _ = self.events.send(Event::Output(Bytes::copy_from_slice(&chunk[..length])));
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        let status = child.wait().map_or(0, |status| status.exit_code());
        let mut state = self.lock();
        state.terminal = None;
        state.ended = Some(status);
        let _ = self.events.send(Event::Ended(status));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Types into the shell until it ended.
fn write(mut writer: Box<dyn Write + Send>, mut typed: mpsc::Receiver<Bytes>) {
    while let Some(bytes) = typed.blocking_recv() {
        if writer.write_all(&bytes).is_err() {
            return;
        }
    }
}

/// A thread, since reading from and writing to a terminal blocks.
fn thread(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}
