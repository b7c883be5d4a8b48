use std::path::{Path, PathBuf};

use nix::unistd::geteuid;
use sha2::{Digest, Sha256};

use super::{ConfigError, environment};

/// Where things lie on the host.
#[derive(clap::Args, Clone, Debug)]
pub struct Folders {
    /// The private database, homes, logs. Absent: `/var/lib/streamspace` as root, else `streamspace` in the user's data folder.
    #[arg(long, env = "DATA_DIR")]
    pub data_dir: Option<PathBuf>,
    /// Sockets. Absent: `/run/streamspace` as root, else `streamspace` in `XDG_RUNTIME_DIR`.
    #[arg(long, env = "RUN_DIR")]
    pub run_dir: Option<PathBuf>,
}

impl Folders {
    /// The data folder as an absolute path; it need not exist.
    ///
    /// # Errors
    /// Where nothing names it: an ordinary user without `HOME`.
    pub fn data(&self) -> Result<PathBuf, ConfigError> {
        let folder = match &self.data_dir {
            Some(folder) => folder.clone(),
            None if geteuid().is_root() => PathBuf::from("/var/lib/streamspace"),
            None => environment("XDG_DATA_HOME")
                .map(PathBuf::from)
                .or_else(|| environment("HOME").map(|home| Path::new(&home).join(".local/share")))
                .ok_or_else(|| {
                    ConfigError::new("DATA_DIR", "neither XDG_DATA_HOME nor HOME is set: say where the data is to lie")
                })?
                .join("streamspace"),
        };
        std::path::absolute(&folder)
            .map_err(|error| ConfigError::new("DATA_DIR", format!("{}: {error}", folder.display())))
    }

    /// The folder for the sockets of the server that owns [`Folders::data`]; it need not exist.
    ///
    /// Its last part is 16 hex digits made from the data folder's path: short, since a Unix path has 107 bytes, and
    /// another one for each data folder.
    ///
    /// # Errors
    /// As [`Folders::data`].
    pub fn run(&self) -> Result<PathBuf, ConfigError> {
        let data = self.data()?;
        let base = match &self.run_dir {
            Some(folder) => std::path::absolute(folder)
                .map_err(|error| ConfigError::new("RUN_DIR", format!("{}: {error}", folder.display())))?,
            None if geteuid().is_root() => PathBuf::from("/run/streamspace"),
            None => match environment("XDG_RUNTIME_DIR") {
                Some(folder) => Path::new(&folder).join("streamspace"),
                None => data.join("run"),
            },
        };
        let digest = Sha256::digest(data.as_os_str().as_encoded_bytes());
        Ok(base.join(hex::encode(&digest[..8])))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folders(data: &str, run: &str) -> Folders {
        Folders { data_dir: Some(data.into()), run_dir: Some(run.into()) }
    }

    #[test]
    fn two_data_folders_never_share_a_folder_for_sockets() {
        let first = folders("/srv/one", "/run/x").run().unwrap();
        assert_ne!(first, folders("/srv/two", "/run/x").run().unwrap());
        assert_eq!(first, folders("/srv/one", "/run/x").run().unwrap());
    }

    #[test]
    fn the_folder_for_sockets_adds_seventeen_bytes_to_what_was_configured() {
        assert_eq!(folders("/srv/one", "/run/x").run().unwrap().as_os_str().len(), "/run/x".len() + 17);
    }
}
