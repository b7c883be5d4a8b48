//! A screen with a program on it, seen through VNC: the app of the templates `desktop` and `browser`.

use std::path::PathBuf;

use super::CliError;
use crate::desktop;

/// What is shown, and where.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    /// TCP port of the screen.
    #[arg(long, default_value_t = 5900)]
    port: u16,
    /// Let other hosts connect, as in a pod. Everyone who reaches the port sees the screen: it asks for no password.
    #[arg(long)]
    public: bool,
    /// Size at the start; viewers change it.
    #[arg(long, default_value = "1280x800")]
    geometry: String,
    /// Name that viewers see.
    #[arg(long, env = "STREAMSPACE_SESSION", default_value = "Desktop")]
    name: String,
    /// The window manager, or a session that brings its own.
    #[arg(long, default_value = "openbox")]
    manager: String,
    /// Let windows fill the screen, for a desktop with one program.
    #[arg(long)]
    maximized: bool,
    /// Start the program again when it ends.
    #[arg(long)]
    keep: bool,
    /// Show a panel and a file manager's desktop, where they are installed.
    #[arg(long)]
    panel: bool,
    /// File below the home that the program leaves when it is killed, and stumbles over at the next start; repeatable.
    #[arg(long)]
    stale: Vec<PathBuf>,
    /// Folder below the home that the program expects to be there; repeatable.
    #[arg(long)]
    folder: Vec<PathBuf>,
    /// The home.
    #[arg(long, env = "HOME", default_value = "/")]
    home: PathBuf,
    /// The program and its arguments.
    #[arg(last = true)]
    program: Vec<String>,
}

pub(super) fn run(options: Options) -> Result<(), CliError> {
    let Options { port, public, geometry, name, manager, maximized, keep, panel, stale, folder, home, program } =
        options;
    Ok(desktop::run(
        &desktop::Options { port, public, geometry, name, manager, maximized, keep, panel, stale, folder, program },
        &home,
    )?)
}
