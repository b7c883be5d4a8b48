//! The data folder and the one process that may use it.

use std::{
    fs::{File, OpenOptions, Permissions, TryLockError},
    io::{ErrorKind, Read, Seek, Write},
    os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use nix::unistd::geteuid;
use sha2::{Digest, Sha256};

use super::StoreError;
use crate::config::Folders;

/// File in the data folder that its user keeps locked; the process number is inside.
const LOCK: &str = "lock";

/// The right to use a data folder. It ends with the value or with the process, however that ends.
#[derive(Debug)]
pub struct Claim {
    data: PathBuf,
    run: PathBuf,
    // Held for its lock.
    _lock: File,
}

impl Claim {
    /// Makes the data folder and the folder for sockets where they are missing, and claims them.
    ///
    /// # Errors
    /// [`StoreError::FolderInUse`] while another process holds the claim; [`StoreError::Folder`] where a folder cannot
    /// be made or written to.
    pub fn take(folders: &Folders) -> Result<Self, StoreError> {
        let data = folders.data()?;
        make(&data)?;
        let lock = lock(&data)?;
        let run = folders.run()?;
        make(&run)?;
        Ok(Self { data, run, _lock: lock })
    }

    /// The number of the process that holds the claim of `data` now, if one does. Nothing is made.
    #[must_use]
    pub fn holder(data: &Path) -> Option<String> {
        let mut file = File::open(data.join(LOCK)).ok()?;
        let mut holder = String::new();
        file.read_to_string(&mut holder).ok()?;
        matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)).then(|| holder.trim().to_owned())
    }

    /// The data folder, as an absolute path.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The folder for sockets, as an absolute path.
    #[must_use]
    pub fn run(&self) -> &Path {
        &self.run
    }

    /// A word for this folder on this machine: who holds the claim knows that an earlier holder has ended.
    #[must_use]
    pub fn identity(&self) -> String {
        let mut digest = Sha256::new();
        for part in [machine().as_bytes(), self.data.as_os_str().as_encoded_bytes()] {
            digest.update(part);
            digest.update([0]);
        }
        hex::encode(&digest.finalize()[..16])
    }
}

/// What tells this machine from others that may have a folder of the same path.
fn machine() -> String {
    std::fs::read_to_string("/etc/machine-id")
        .ok()
        .filter(|id| !id.trim().is_empty())
        .or_else(|| nix::unistd::gethostname().ok().map(|name| name.to_string_lossy().into_owned()))
        .unwrap_or_default()
}

/// Makes a folder and its parents. Root's can be entered by others, since the database and the sessions, which run as
/// other users, have folders of their own inside; nobody else can list it.
fn make(folder: &Path) -> Result<(), StoreError> {
    let mode = if geteuid().is_root() { 0o711 } else { 0o700 };
    let wrong = |error: std::io::Error| StoreError::Folder(folder.display().to_string(), error.to_string());
    if let Some(parent) = folder.parent() {
        std::fs::create_dir_all(parent).map_err(wrong)?;
    }
    match std::fs::DirBuilder::new().mode(mode).create(folder) {
        Ok(()) => return Ok(()),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
        Err(error) => return Err(wrong(error)),
    }
    let found = std::fs::metadata(folder).map_err(wrong)?;
    if found.uid() != geteuid().as_raw() {
        return Err(wrong(std::io::Error::other("it belongs to another user")));
    }
    std::fs::set_permissions(folder, Permissions::from_mode(mode)).map_err(wrong)
}

fn lock(data: &Path) -> Result<File, StoreError> {
    let path = data.join(LOCK);
    let wrong = |error: std::io::Error| StoreError::Folder(path.display().to_string(), error.to_string());
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(wrong)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            // The holder writes its number after it has the lock; until then the file may hold an older one or nothing.
            file.read_to_string(&mut holder).map_err(wrong)?;
            return Err(StoreError::FolderInUse { folder: data.display().to_string(), process: holder.trim().into() });
        }
        Err(TryLockError::Error(error)) => return Err(wrong(error)),
    }
    file.set_len(0).map_err(wrong)?;
    file.rewind().map_err(wrong)?;
    writeln!(file, "{}", std::process::id()).map_err(wrong)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(root: &Path) -> Folders {
        Folders { data_dir: Some(root.join("data")), run_dir: Some(root.join("run")) }
    }

    #[test]
    fn a_data_folder_has_one_user_at_a_time_and_the_refusal_names_it() {
        let root = tempfile::tempdir().unwrap();
        let first = Claim::take(&folders(root.path())).unwrap();
        let refused = Claim::take(&folders(root.path())).unwrap_err().to_string();
        assert!(refused.contains(&std::process::id().to_string()), "{refused}");
        assert_eq!(Claim::holder(first.data()), Some(std::process::id().to_string()));
        drop(first);
        assert_eq!(Claim::holder(&root.path().join("data")), None);
        assert!(Claim::take(&folders(root.path())).is_ok());
    }

    #[test]
    fn a_data_folder_is_known_by_its_path() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let first = Claim::take(&folders(one.path())).unwrap().identity();
        assert_eq!(first, Claim::take(&folders(one.path())).unwrap().identity());
        assert_ne!(first, Claim::take(&folders(two.path())).unwrap().identity());
    }
}
