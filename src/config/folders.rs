use std::path::PathBuf;

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
