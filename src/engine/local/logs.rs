//! Reading what programs wrote, and following it.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read},
    mem::MaybeUninit,
    os::{fd::OwnedFd, unix::fs::MetadataExt},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures::{StreamExt, stream::BoxStream};
use jiff::Timestamp;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::{io::unix::AsyncFd, sync::watch};

use super::{Inner, files, holder};
use crate::engine::{EngineError, LogLine, LogQuery, SessionId};

/// Most lines handed on at once.
const BATCH: usize = 4096;
/// Most bytes read at once from a file of which at most [`holder::FILE_BYTES`] exist.
const CHUNK: usize = 256 * 1024;

/// Wakes those who follow an output: one inotify instance for all, since the host has few.
#[derive(Debug)]
pub(super) struct Outputs {
    inotify: AsyncFd<OwnedFd>,
    followed: Mutex<Followed>,
}

#[derive(Debug, Default)]
struct Followed {
    sessions: HashMap<SessionId, Entry>,
    watches: HashMap<i32, SessionId>,
}

#[derive(Debug)]
struct Entry {
    changes: watch::Sender<u64>,
    watch: Option<i32>,
}

impl Outputs {
    pub(super) fn new() -> io::Result<Self> {
        let inotify = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        Ok(Self { inotify: register(inotify)?, followed: Mutex::default() })
    }

    /// Wakes followers until `stop`.
    pub(super) async fn wake(inner: Arc<Inner>, stop: tokio_util::sync::CancellationToken) {
        loop {
            let ready = tokio::select! {
                ready = inner.outputs.inotify.readable() => ready,
                () = stop.cancelled() => return,
            };
            let Ok(mut ready) = ready else { return };
            let watches = inner.outputs.read_events();
            if watches.is_empty() {
                ready.clear_ready();
            }
            inner.outputs.lock().changed(&watches);
        }
    }

    /// The watches that saw something; empty once there is no more.
    fn read_events(&self) -> Vec<i32> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(self.inotify.get_ref(), &mut buffer);
        let mut watches = Vec::new();
        while let Ok(event) = reader.next() {
            watches.push(event.wd());
            if reader.is_buffer_empty() {
                break;
            }
        }
        watches
    }

    /// What changes with each change of the session's output; closed when the session is removed.
    fn subscribe(&self, session: &SessionId, record: &Path) -> watch::Receiver<u64> {
        let mut followed = self.lock();
        let entry = followed.sessions.entry(session.clone());
        let receiver =
            entry.or_insert_with(|| Entry { changes: watch::Sender::new(0), watch: None }).changes.subscribe();
        self.add_watch(&mut followed, session, record);
        receiver
    }

    /// To be called when the folder of an output was made: someone may have been waiting for it.
    pub(super) fn made(&self, session: &SessionId, record: &Path) {
        let mut followed = self.lock();
        self.add_watch(&mut followed, session, record);
        if let Some(entry) = followed.sessions.get(session) {
            entry.changes.send_modify(|count| *count += 1);
        }
    }

    /// Ends those who follow it.
    pub(super) fn forget(&self, session: &SessionId) {
        let mut followed = self.lock();
        if let Some(Entry { watch: Some(watch), .. }) = followed.sessions.remove(session) {
            followed.watches.remove(&watch);
            // With the folder the kernel removed the watch itself.
            let _ = inotify::remove_watch(self.inotify.get_ref(), watch);
        }
    }

    /// Lets go of an output that nobody follows any more.
    fn unsubscribed(&self, session: &SessionId) {
        let unused = self.lock().sessions.get(session).is_some_and(|entry| entry.changes.receiver_count() == 0);
        if unused {
            self.forget(session);
        }
    }

    fn add_watch(&self, followed: &mut Followed, session: &SessionId, record: &Path) {
        let flags = WatchFlags::MODIFY | WatchFlags::CREATE | WatchFlags::MOVED_TO | WatchFlags::ONLYDIR;
        let Some(entry) = followed.sessions.get_mut(session) else { return };
        // The same folder gets the same descriptor again.
        if let Ok(watch) = inotify::add_watch(self.inotify.get_ref(), record, flags) {
            entry.watch = Some(watch);
            followed.watches.insert(watch, session.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Followed {
    fn changed(&self, watches: &[i32]) {
        for watch in watches {
            if let Some(entry) = self.watches.get(watch).and_then(|session| self.sessions.get(session)) {
                entry.changes.send_modify(|count| *count += 1);
            }
        }
    }
}

#[allow(unsafe_code, reason = "tokio asks for a promise about the descriptor")]
fn register(inotify: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` always gives the same descriptor, which is open as long as it lives.
    Ok(unsafe { AsyncFd::register(inotify) }?)
}

/// See [`crate::engine::Engine::logs`].
pub(super) async fn read(
    inner: &Arc<Inner>,
    session: &SessionId,
    query: LogQuery,
) -> Result<BoxStream<'static, Result<LogLine, EngineError>>, EngineError> {
    let record = inner.layout.record(session);
    // Before the first look, so that nothing falls between the two.
    let changes = query.follow.then(|| inner.outputs.subscribe(session, &record));
    let reader = Reader { folder: record, file: None, inode: 0, rest: Vec::new() };
    let (mut reader, first) = blocking(reader, move |reader| reader.begin(query.tail, query.since)).await?;
    let Some(mut changes) = changes else {
        return Ok(futures::stream::iter(first.into_iter().map(Ok)).boxed());
    };
    let following = Following { inner: Arc::clone(inner), session: session.clone() };
    let lines = async_stream::stream! {
        let following = following;
        for line in first {
            yield Ok(line);
        }
        loop {
            changes.borrow_and_update();
            loop {
                let lines;
                match blocking(reader, Reader::next).await {
                    Ok(read) => (reader, lines) = read,
                    Err(error) => {
                        yield Err(error);
                        return;
                    }
                }
                if lines.is_empty() {
                    break;
                }
                for line in lines {
                    yield Ok(line);
                }
            }
            if changes.changed().await.is_err() {
                drop(following);
                return;
            }
        }
    };
    Ok(lines.boxed())
}

/// Someone who follows; gone with its stream.
struct Following {
    inner: Arc<Inner>,
    session: SessionId,
}

impl Drop for Following {
    fn drop(&mut self) {
        // The receiver may be dropped after this; then the last one to go, or the removal, clears up.
        self.inner.outputs.unsubscribed(&self.session);
    }
}

async fn blocking(
    mut reader: Reader,
    work: impl FnOnce(&mut Reader) -> io::Result<Vec<LogLine>> + Send + 'static,
) -> Result<(Reader, Vec<LogLine>), EngineError> {
    let done = tokio::task::spawn_blocking(move || work(&mut reader).map(|lines| (reader, lines))).await;
    done.map_err(|error| EngineError::Failed(error.to_string()))?
        .map_err(|error| EngineError::Failed(format!("the output cannot be read: {error}")))
}

/// A place in the two files of an output.
#[derive(Debug)]
struct Reader {
    folder: PathBuf,
    file: Option<File>,
    inode: u64,
    /// The beginning of a line whose end was not written yet.
    rest: Vec<u8>,
}

impl Reader {
    /// Reads what is there: of what was written from `since` on at most the last `tail` lines.
    fn begin(&mut self, tail: Option<usize>, since: Option<Timestamp>) -> io::Result<Vec<LogLine>> {
        let mut text = Vec::new();
        // The files may change places in between; then it is looked again.
        for _ in 0..3 {
            text.clear();
            self.file = open(&self.folder.join(holder::CURRENT))?;
            self.inode = inode(self.file.as_ref())?;
            if let Some(file) = open(&self.folder.join(holder::BEFORE))? {
                file.take(2 * holder::FILE_BYTES).read_to_end(&mut text)?;
            }
            if inode(open(&self.folder.join(holder::CURRENT))?.as_ref())? == self.inode {
                break;
            }
        }
        if let Some(file) = &self.file {
            file.take(2 * holder::FILE_BYTES).read_to_end(&mut text)?;
        }
        let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.rest = text.split_off(end);
        let mut lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).collect();
        if let Some(tail) = tail {
            lines.drain(..lines.len().saturating_sub(tail));
        }
        let young = |line: &LogLine| since.is_none_or(|since| line.time >= since);
        Ok(lines.into_iter().filter_map(parse).filter(young).collect())
    }

    /// Reads what was written since, at most a batch. Empty: nothing.
    fn next(&mut self) -> io::Result<Vec<LogLine>> {
        let mut lines = Vec::new();
        while lines.len() < BATCH {
            let mut chunk = vec![0; CHUNK];
            let length = self.file.as_mut().map_or(Ok(0), |file| file.read(&mut chunk))?;
            if length > 0 {
                self.take(&chunk[..length], &mut lines);
            } else if !self.turn(&mut lines)? {
                break;
            }
        }
        Ok(lines)
    }

    fn take(&mut self, chunk: &[u8], lines: &mut Vec<LogLine>) {
        for piece in chunk.split_inclusive(|byte| *byte == b'\n') {
            self.rest.extend_from_slice(piece);
            if piece.last() == Some(&b'\n') {
                self.rest.pop();
                lines.extend(parse(&self.rest));
                self.rest.clear();
            }
        }
    }

    /// At the end of a file: goes on with the one that took its place. Whether there is one.
    fn turn(&mut self, lines: &mut Vec<LogLine>) -> io::Result<bool> {
        let Some(next) = open(&self.folder.join(holder::CURRENT))? else { return Ok(false) };
        let inode = next.metadata()?.ino();
        if inode == self.inode {
            return Ok(false);
        }
        let before = open(&self.folder.join(holder::BEFORE))?;
        let lost = self.file.is_some() && self::inode(before.as_ref())? != self.inode;
        (self.file, self.inode) = (Some(next), inode);
        self.rest.clear();
        if lost && let Some(first) = self.next()?.into_iter().next() {
            let text = "Lines are missing here: they were written faster than they were read.".into();
            lines.push(LogLine { time: first.time, stream: "system".into(), text });
            lines.push(first);
        }
        Ok(true)
    }
}

fn open(path: &Path) -> io::Result<Option<File>> {
    match files::open_plain(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// 0: no file.
fn inode(file: Option<&File>) -> io::Result<u64> {
    file.map_or(Ok(0), |file| Ok(file.metadata()?.ino()))
}

/// A line as [`holder`] writes it. `None`: it is no such line.
fn parse(line: &[u8]) -> Option<LogLine> {
    let mut parts = line.splitn(3, |byte| *byte == b' ');
    let time = std::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
    let stream = std::str::from_utf8(parts.next()?).ok()?.to_owned();
    let text = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    Some(LogLine { time, stream, text })
}

#[cfg(test)]
mod tests {
    use std::{fs, fs::OpenOptions, io::Write};

    use super::*;

    fn reader(folder: &Path) -> Reader {
        Reader { folder: folder.to_owned(), file: None, inode: 0, rest: Vec::new() }
    }

    fn append(folder: &Path, name: &str, text: &str) {
        let mut file = OpenOptions::new().append(true).create(true).open(folder.join(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn texts(lines: &[LogLine]) -> Vec<&str> {
        lines.iter().map(|line| line.text.as_str()).collect()
    }

    const TIME: &str = "2027-01-15T08:00:00.5Z";

    #[test]
    fn the_last_lines_are_taken_from_both_files() {
        let folder = tempfile::tempdir().unwrap();
        append(folder.path(), holder::BEFORE, &format!("{TIME} stdout one\n{TIME} stderr two\n"));
        append(folder.path(), holder::CURRENT, &format!("{TIME} stdout three and more\n{TIME} stdout hal"));
        assert_eq!(texts(&reader(folder.path()).begin(None, None).unwrap()), ["one", "two", "three and more"]);
        let mut reader = reader(folder.path());
        let two = reader.begin(Some(2), None).unwrap();
        assert_eq!(texts(&two), ["two", "three and more"]);
        assert_eq!(two[0].stream, "stderr");
        append(folder.path(), holder::CURRENT, "f\n");
        assert_eq!(texts(&reader.next().unwrap()), ["half"]);
    }

    #[test]
    fn following_goes_on_in_the_file_that_takes_the_place() {
        let folder = tempfile::tempdir().unwrap();
        append(folder.path(), holder::CURRENT, &format!("{TIME} stdout one\n"));
        let mut reader = reader(folder.path());
        assert_eq!(texts(&reader.begin(Some(0), None).unwrap()), [""; 0]);
        append(folder.path(), holder::CURRENT, &format!("{TIME} stdout two\n"));
        fs::rename(folder.path().join(holder::CURRENT), folder.path().join(holder::BEFORE)).unwrap();
        append(folder.path(), holder::CURRENT, &format!("{TIME} stdout three\n"));
        assert_eq!(texts(&reader.next().unwrap()), ["two", "three"]);
        assert_eq!(texts(&reader.next().unwrap()), [""; 0]);
    }

    #[test]
    fn lines_that_were_lost_are_said_to_be() {
        let folder = tempfile::tempdir().unwrap();
        append(folder.path(), holder::CURRENT, &format!("{TIME} stdout one\n"));
        let mut reader = reader(folder.path());
        reader.begin(None, None).unwrap();
        for text in ["two", "three"] {
            fs::rename(folder.path().join(holder::CURRENT), folder.path().join(holder::BEFORE)).unwrap();
            append(folder.path(), holder::CURRENT, &format!("{TIME} stdout {text}\n"));
        }
        let lines = reader.next().unwrap();
        assert!(lines[0].text.starts_with("Lines are missing"), "{lines:?}");
        assert_eq!(texts(&lines[1..]), ["three"]);
    }

    #[test]
    fn what_is_older_than_asked_for_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        append(folder.path(), holder::CURRENT, &format!("2027-01-15T07:59:59Z stdout old\n{TIME} stdout new\n"));
        let since = |time: &str| Some(time.parse::<Timestamp>().unwrap());
        assert_eq!(texts(&reader(folder.path()).begin(None, since(TIME)).unwrap()), ["new"]);
        assert_eq!(texts(&reader(folder.path()).begin(None, since("2027-01-15T07:00:00Z")).unwrap()), ["old", "new"]);
    }

    #[test]
    fn an_output_that_does_not_exist_is_empty() {
        assert!(reader(Path::new("/nonexistent")).begin(None, None).unwrap().is_empty());
    }
}
