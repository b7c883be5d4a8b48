//! Folders that belong to people.
//!
//! Nothing inside one can be trusted: links may lead anywhere, folders may be nested without end, and while a session
//! runs everything may move. So nothing here follows a link or leaves the file system of the home.

use std::{
    collections::{BTreeMap, HashSet},
    ffi::CString,
    fs, io,
    os::fd::OwnedFd,
    path::Path,
    sync::{Mutex, PoisonError},
};

use rustix::{
    fs::{AtFlags, Dir, FileType, Mode, OFlags},
    io::Errno,
};

use super::files;
use crate::engine::HomeUsage;

const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// Unit of `st_blocks`, in bytes.
const BLOCK: u64 = 512;

/// Makes a home unless it is there; `uid` owns it.
pub(super) fn make(path: &Path, uid: Option<u32>) -> io::Result<()> {
    files::folder(path, 0o700)?;
    if !fs::symlink_metadata(path)?.is_dir() {
        return Err(io::ErrorKind::NotADirectory.into());
    }
    match uid {
        Some(uid) => std::os::unix::fs::lchown(path, Some(uid), Some(uid)),
        None => Ok(()),
    }
}

/// What was measured of each home.
#[derive(Debug, Default)]
pub(super) struct Measured(Mutex<BTreeMap<String, u64>>);

impl Measured {
    pub(super) fn set(&self, home: &str, bytes: u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(home.to_owned(), bytes);
    }

    pub(super) fn get(&self, home: &str) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(home).copied()
    }

    pub(super) fn forget(&self, home: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(home);
    }
}

/// What follows from the size of a home.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fullness {
    Fine,
    /// From 90 % on.
    Warn,
    /// From 110 % on: what runs in it is stopped.
    Stop,
}

impl Fullness {
    /// `allowance`: bytes that the home held already when the session started. One that was over its bound then may be
    /// opened to tidy up, as long as it does not grow.
    pub(super) fn of(usage: HomeUsage, allowance: u64) -> Self {
        let HomeUsage { used_bytes, limit_bytes } = usage;
        let percent = |share: u64| limit_bytes / 100 * share;
        match limit_bytes {
            0 => Self::Fine,
            _ if used_bytes >= percent(110) && used_bytes > allowance => Self::Stop,
            _ if used_bytes >= percent(90) => Self::Warn,
            _ => Self::Fine,
        }
    }
}

/// Bytes on disk of everything in the folder at `path`; a file with several names counts once.
pub(super) fn size(path: &Path) -> io::Result<u64> {
    let top = rustix::fs::open(path, FOLDER, Mode::empty())?;
    let device = rustix::fs::fstat(&top)?.st_dev;
    let mut walk = Walk { device, bytes: 0, counted: HashSet::new() };
    let mut levels = vec![Level { inode: rustix::fs::fstat(&top)?.st_ino, folders: walk.count(&top)? }];
    let mut here = top;
    // One descriptor whatever the depth: down by name, up by "..", and only if that still leads to where we came from.
    while let Some(level) = levels.last_mut() {
        if let Some(name) = level.folders.pop() {
            match rustix::fs::openat(&here, &name, FOLDER, Mode::empty()) {
                Ok(folder) => {
                    levels.push(Level { inode: rustix::fs::fstat(&folder)?.st_ino, folders: walk.count(&folder)? });
                    here = folder;
                }
                // Removed, replaced or closed meanwhile.
                Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::ACCESS) => {}
                Err(error) => return Err(error.into()),
            }
            continue;
        }
        levels.pop();
        let Some(above) = levels.last() else { break };
        here = rustix::fs::openat(&here, "..", FOLDER, Mode::empty())?;
        if rustix::fs::fstat(&here)?.st_ino != above.inode {
            return Err(io::Error::other("a folder was moved while it was measured"));
        }
    }
    Ok(walk.bytes)
}

struct Level {
    inode: u64,
    /// Folders that were not entered yet.
    folders: Vec<CString>,
}

struct Walk {
    device: u64,
    bytes: u64,
    /// Files with several names that were counted.
    counted: HashSet<u64>,
}

impl Walk {
    /// Counts the files of a folder and returns its folders.
    fn count(&mut self, folder: &OwnedFd) -> io::Result<Vec<CString>> {
        let mut folders = Vec::new();
        for entry in entries(folder)? {
            let Ok(found) = rustix::fs::statat(folder, &entry, AtFlags::SYMLINK_NOFOLLOW) else { continue };
            if found.st_dev != self.device
                || (found.st_nlink > 1 && !is_folder(found.st_mode) && !self.counted.insert(found.st_ino))
            {
                continue;
            }
            self.bytes += u64::try_from(found.st_blocks).unwrap_or_default() * BLOCK;
            if is_folder(found.st_mode) {
                folders.push(entry);
            }
        }
        Ok(folders)
    }
}

fn is_folder(mode: u32) -> bool {
    FileType::from_raw_mode(mode) == FileType::Directory
}

fn entries(folder: &OwnedFd) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(folder)? {
        let name = entry?.file_name().to_owned();
        if name.as_bytes() != b"." && name.as_bytes() != b".." {
            names.push(name);
        }
    }
    Ok(names)
}

/// Removes the folder `path` with everything in it. `Ok` if there is none.
///
/// Two descriptors whatever the depth: a folder that is not empty is moved up to the top before its turn comes.
///
/// # Errors
/// Also if a file system is mounted inside: that was somebody's deed on this host and is not ours to empty.
pub(super) fn erase(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.is_dir() => return Err(io::Error::other(format!("{} is no folder", path.display()))),
        Ok(_) => {}
    }
    let top = rustix::fs::open(path, FOLDER, Mode::empty())?;
    let mut moved = 0_u64;
    loop {
        let names = entries(&top)?;
        if names.is_empty() {
            return fs::remove_dir(path);
        }
        for name in names {
            erase_entry(&top, &name, &mut moved)?;
        }
    }
}

/// Removes `name` from `top`; of a folder that is not empty, the files go and its own folders move up to `top`.
///
/// What is mounted cannot be removed or moved (`EBUSY`), so nothing here ever descends into it.
fn erase_entry(top: &OwnedFd, name: &CString, moved: &mut u64) -> io::Result<()> {
    match remove(top, name) {
        Err(Errno::NOTEMPTY | Errno::EXIST | Errno::ACCESS) => {}
        other => return Ok(other?),
    }
    let folder = open_any(top, name)?;
    for entry in entries(&folder)? {
        if remove(&folder, &entry).is_ok() {
            continue;
        }
        *moved += 1;
        let aside = CString::new(format!(".erased-{}-{moved}", std::process::id()))?;
        match rustix::fs::renameat(&folder, &entry, top, &aside) {
            Err(Errno::ACCESS) => {
                open_any(&folder, &entry)?;
                rustix::fs::renameat(&folder, &entry, top, &aside)?;
            }
            other => other?,
        }
    }
    Ok(rustix::fs::unlinkat(top, name, AtFlags::REMOVEDIR)?)
}

/// Removes a file, a link or an empty folder.
fn remove(folder: &OwnedFd, name: &CString) -> rustix::io::Result<()> {
    match rustix::fs::unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(Errno::ISDIR | Errno::PERM) => rustix::fs::unlinkat(folder, name, AtFlags::REMOVEDIR),
        Err(error) => Err(error),
    }
}

/// Opens a folder of ours even if its permissions forbid that, as a person may have left it.
fn open_any(folder: &OwnedFd, name: &CString) -> io::Result<OwnedFd> {
    match rustix::fs::openat(folder, name, FOLDER, Mode::empty()) {
        Err(Errno::ACCESS) => {}
        other => return Ok(other?),
    }
    let place = rustix::fs::openat(folder, name, OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC, Mode::empty())?;
    let by_number = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&place));
    fs::set_permissions(by_number, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(rustix::fs::openat(folder, name, FOLDER, Mode::empty())?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn usage(used_bytes: u64) -> HomeUsage {
        HomeUsage { used_bytes, limit_bytes: 1000 }
    }

    #[test]
    fn a_home_warns_at_ninety_and_stops_at_a_hundred_and_ten_percent() {
        let fullness = [899, 900, 1099, 1100].map(|used| Fullness::of(usage(used), 0));
        assert_eq!(fullness, [Fullness::Fine, Fullness::Warn, Fullness::Warn, Fullness::Stop]);
        assert_eq!(Fullness::of(HomeUsage { used_bytes: u64::MAX, limit_bytes: 0 }, 0), Fullness::Fine);
    }

    #[test]
    fn a_home_that_was_too_full_before_may_be_opened_to_tidy_up_but_not_grow() {
        assert_eq!(Fullness::of(usage(5000), 5000), Fullness::Warn);
        assert_eq!(Fullness::of(usage(5001), 5000), Fullness::Stop);
    }

    #[test]
    fn a_size_counts_each_file_once_and_nothing_behind_a_link() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("big"), vec![1; 1 << 20]).unwrap();
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("a/b")).unwrap();
        fs::write(home.path().join("a/b/file"), vec![1; 100_000]).unwrap();
        let before = size(home.path()).unwrap();
        assert!((100_000..140_000).contains(&before), "{before}");
        fs::hard_link(home.path().join("a/b/file"), home.path().join("again")).unwrap();
        symlink(outside.path(), home.path().join("link")).unwrap();
        assert!(size(home.path()).unwrap() < before + 10_000);
    }

    #[test]
    fn erasing_takes_deep_folders_and_links_but_nothing_behind_them() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "kept").unwrap();
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("home");
        fs::create_dir(&path).unwrap();
        symlink(outside.path(), path.join("link")).unwrap();
        // Deeper than a path may be long and than descriptors would last.
        let mut here = rustix::fs::open(&path, FOLDER, Mode::empty()).unwrap();
        for _ in 0..2500 {
            rustix::fs::mkdirat(&here, "d", Mode::RWXU).unwrap();
            here = rustix::fs::openat(&here, "d", FOLDER, Mode::empty()).unwrap();
        }
        rustix::fs::symlinkat(outside.path(), &here, "deep-link").unwrap();
        // Folders and links alone take no room on every file system.
        let file = rustix::fs::openat(&here, "file", OFlags::CREATE | OFlags::WRONLY, Mode::RUSR | Mode::WUSR).unwrap();
        rustix::io::write(&file, b"x").unwrap();
        assert!(size(&path).unwrap() > 0);
        erase(&path).unwrap();
        assert!(!path.exists());
        assert_eq!(fs::read_to_string(outside.path().join("kept")).unwrap(), "kept");
        erase(&path).unwrap();
    }

    #[test]
    fn erasing_opens_what_its_owner_closed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("home");
        fs::create_dir_all(path.join("closed/inner")).unwrap();
        fs::write(path.join("closed/inner/file"), "x").unwrap();
        for name in ["closed/inner", "closed"] {
            fs::set_permissions(path.join(name), fs::Permissions::from_mode(0o000)).unwrap();
        }
        erase(&path).unwrap();
        assert!(!path.exists());
    }

    #[test]
    fn a_link_in_place_of_a_home_is_not_erased_through() {
        let outside = tempfile::tempdir().unwrap();
        fs::write(outside.path().join("kept"), "kept").unwrap();
        let folder = tempfile::tempdir().unwrap();
        symlink(outside.path(), folder.path().join("home")).unwrap();
        assert!(erase(&folder.path().join("home")).is_err());
        assert!(outside.path().join("kept").exists());
    }
}
