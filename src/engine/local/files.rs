//! Small files and sockets.

use std::{
    fs::{self, File, OpenOptions, Permissions},
    io::{self, Read, Write},
    os::unix::{
        fs::{OpenOptionsExt, PermissionsExt},
        net::UnixListener,
    },
    path::Path,
};

use rustix::fs::{Mode, OFlags};
use serde::{Serialize, de::DeserializeOwned};

/// Whether a file has to be there after a crash of the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Durable {
    Yes,
    No,
}

/// A larger file is none of ours.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Writes `value` as JSON: whoever reads finds the old text or the new one, never half of one.
pub(super) fn write<T: Serialize>(path: &Path, value: &T, durable: Durable) -> io::Result<()> {
    let draft = path.with_extension("draft");
    // A draft left by a crash, or put there by somebody else, is not written through.
    let _ = fs::remove_file(&draft);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    file.write_all(&serde_json::to_vec_pretty(value)?)?;
    if durable == Durable::Yes {
        file.sync_all()?;
    }
    fs::rename(&draft, path)?;
    if durable == Durable::Yes {
        sync_folder_of(path)?;
    }
    Ok(())
}

/// Makes sure that the entry `path` itself survives a crash of the host.
pub(super) fn sync_folder_of(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Opens a regular file of a folder that may not be ours, following no link.
pub(super) fn open_plain(path: &Path) -> io::Result<File> {
    let flags = nix::libc::O_NOFOLLOW | nix::libc::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}

/// Reads what [`write()`] wrote. `None`: there is none.
pub(super) fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let file = match open_plain(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(LARGEST).read_to_string(&mut text)?;
    Ok(Some(serde_json::from_str(&text)?))
}

/// Makes a folder unless it is there, with these permissions either way.
pub(super) fn folder(path: &Path, mode: u32) -> io::Result<()> {
    match fs::create_dir(path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
    }
    if fs::symlink_metadata(path)?.permissions().mode() & 0o7777 != mode {
        fs::set_permissions(path, Permissions::from_mode(mode))?;
    }
    Ok(())
}

/// A listening socket that only this uid can connect to; one left by an earlier run makes way.
pub(super) fn listen(path: &Path) -> io::Result<UnixListener> {
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Whether a file can be written in `folder`, by writing one that has no name.
pub(super) fn probe(folder: &Path) -> io::Result<()> {
    match rustix::fs::open(folder, OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR) {
        Ok(file) => File::from(file).write_all(&[0; 4096]),
        // Some network file systems have no files without a name; then the permissions have to do.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::ISDIR | rustix::io::Errno::INVAL) => {
            Ok(rustix::fs::access(folder, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether an error means that there is no room left.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("a.json"), folder.path().join("b.json"));
        write(&file, &["one", "two"], Durable::Yes).unwrap();
        assert_eq!(read::<Vec<String>>(&file).unwrap().unwrap(), ["one", "two"]);
        std::os::unix::fs::symlink(&file, &link).unwrap();
        assert!(read::<Vec<String>>(&link).is_err());
        assert_eq!(read::<Vec<String>>(&folder.path().join("c.json")).unwrap(), None);
    }

    #[test]
    fn a_folder_gets_the_permissions_it_is_to_have_even_if_it_was_there() {
        let outer = tempfile::tempdir().unwrap();
        let path = outer.path().join("x");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o777)).unwrap();
        folder(&path, 0o700).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o700);
    }
}
