//! What the program writes: two files in turn, so that it is bounded however much that is.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use jiff::Timestamp;

/// Bytes after which the other file takes its turn.
pub(in crate::engine::local) const FILE_BYTES: u64 = 5 * 1024 * 1024;
/// The file that is written.
pub(in crate::engine::local) const CURRENT: &str = "output.log";
/// The one before.
pub(in crate::engine::local) const BEFORE: &str = "output.1.log";
/// A longer line is split.
const LINE_BYTES: usize = 16 * 1024;
/// Lines that are remembered for the reason of a sudden end.
const LAST_LINES: usize = 8;

/// Where a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Stdout,
    Stderr,
    System,
}

impl Stream {
    fn word(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::System => "system",
        }
    }
}

/// The writer of both files. Lines look like `2026-01-31T12:00:00.123456789Z stdout text`.
#[derive(Debug)]
pub(super) struct Output {
    folder: PathBuf,
    file: File,
    written: u64,
    /// Bytes of a line that has no end yet, of stdout and stderr.
    open: [Vec<u8>; 2],
    last: VecDeque<String>,
}

impl Output {
    /// Goes on where the run before ended.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let file = create(&folder.join(CURRENT))?;
        let written = file.metadata()?.len();
        Ok(Self { folder: folder.to_owned(), file, written, open: Default::default(), last: VecDeque::new() })
    }

    /// Takes what was read from the program at `now`.
    pub(super) fn take(&mut self, stream: Stream, bytes: &[u8], now: Timestamp) {
        let index = usize::from(stream == Stream::Stderr);
        let mut open = std::mem::take(&mut self.open[index]);
        let mut text = Vec::with_capacity(bytes.len() + 64);
        for piece in bytes.split_inclusive(|b| *b == b'\n') {
            open.extend_from_slice(piece);
            if open.last() == Some(&b'\n') {
                open.pop();
                self.line(&mut text, stream, &open, now);
                open.clear();
            }
            while open.len() >= LINE_BYTES {
                let rest = open.split_off(LINE_BYTES);
                self.line(&mut text, stream, &open, now);
                open = rest;
            }
        }
        self.open[index] = open;
        self.write(&text);
    }

    /// Writes a sentence of the platform's own.
    pub(super) fn note(&mut self, sentence: &str, now: Timestamp) {
        let mut text = Vec::new();
        self.line(&mut text, Stream::System, sentence.replace('\n', " ").as_bytes(), now);
        self.write(&text);
    }

    /// Writes what has no line end and never will.
    pub(super) fn close_lines(&mut self, now: Timestamp) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if !self.open[usize::from(stream == Stream::Stderr)].is_empty() {
                self.take(stream, b"\n", now);
            }
        }
    }

    /// The last lines of this run, for the person who asks why it ended.
    pub(super) fn last_lines(&self) -> String {
        self.last.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    fn line(&mut self, into: &mut Vec<u8>, stream: Stream, line: &[u8], now: Timestamp) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        into.extend_from_slice(format!("{now} {} ", stream.word()).as_bytes());
        into.extend_from_slice(line);
        into.push(b'\n');
        if stream != Stream::System && !line.is_empty() {
            if self.last.len() == LAST_LINES {
                self.last.pop_front();
            }
            let short: String = String::from_utf8_lossy(line).chars().take(500).collect();
            self.last.push_back(short);
        }
    }

    /// A full disk loses output, nothing else: the program must not stand still for its log.
    fn write(&mut self, text: &[u8]) {
        if self.written + text.len() as u64 > FILE_BYTES && self.written > 0 {
            self.turn();
        }
        if self.file.write_all(text).is_ok() {
            self.written += text.len() as u64;
        }
    }

    fn turn(&mut self) {
        let current = self.folder.join(CURRENT);
        if fs::rename(&current, self.folder.join(BEFORE)).is_ok()
            && let Ok(file) = create(&current)
        {
            self.file = file;
            self.written = 0;
        }
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(nix::libc::O_NOFOLLOW).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::constant(1_800_000_000, 0);

    fn texts(folder: &Path, name: &str) -> Vec<String> {
        let whole = fs::read_to_string(folder.join(name)).unwrap_or_default();
        whole.lines().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
    }

    #[test]
    fn lines_are_whole_whatever_the_pieces_are_in_which_they_come() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = Output::open(folder.path()).unwrap();
        output.take(Stream::Stdout, b"one\ntw", NOON);
        output.take(Stream::Stderr, b"error\r\n", NOON);
        output.take(Stream::Stdout, b"o\nthree", NOON);
        output.close_lines(NOON);
        assert_eq!(texts(folder.path(), CURRENT), ["stdout one", "stderr error", "stdout two", "stdout three"]);
        assert_eq!(output.last_lines(), "one\nerror\ntwo\nthree");
    }

    #[test]
    fn a_line_without_end_is_split() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = Output::open(folder.path()).unwrap();
        output.take(Stream::Stdout, &vec![b'x'; LINE_BYTES * 2 + 1], NOON);
        output.close_lines(NOON);
        let lengths: Vec<_> = texts(folder.path(), CURRENT).iter().map(|line| line.len() - "stdout ".len()).collect();
        assert_eq!(lengths, [LINE_BYTES, LINE_BYTES, 1]);
    }

    #[test]
    fn a_flood_of_output_keeps_to_two_files_and_the_latest_lines() {
        let folder = tempfile::tempdir().unwrap();
        let mut output = Output::open(folder.path()).unwrap();
        let chunk = [b"y".repeat(999), b"\n".to_vec()].concat().repeat(60);
        for _ in 0..400 {
            output.take(Stream::Stdout, &chunk, NOON);
        }
        output.take(Stream::Stdout, b"the end\n", NOON);
        for name in [CURRENT, BEFORE] {
            let size = fs::metadata(folder.path().join(name)).unwrap().len();
            assert!(size <= FILE_BYTES, "{name} has {size} bytes");
        }
        assert_eq!(texts(folder.path(), CURRENT).last().unwrap(), "stdout the end");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
