//! The bar at the bottom of the screen and the desktop behind the windows, where their programs are installed.

use std::{
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
    process::Command,
};

const BAR: &str = include_str!("tint2rc");
const BACKGROUND: &str = include_str!("pcmanfm.conf");
/// The file manager's own entry, as its package brings it.
const FILES: &str = "/usr/share/applications/pcmanfm.desktop";

/// The commands of the bar and of the desktop, with their settings written into `folder`.
///
/// `program`: what a person started; the bar starts it again.
///
/// # Errors
/// Files that cannot be written.
pub(super) fn commands(folder: &Path, program: &[String]) -> io::Result<[Command; 2]> {
    let mut entries = Vec::new();
    if !program.is_empty() {
        entries.push(folder.join("program.desktop"));
        fs::write(&entries[0], launcher(program))?;
    }
    entries.extend(Some(PathBuf::from(FILES)).filter(|files| files.exists()));
    let items: Vec<String> = entries.iter().map(|entry| format!("launcher_item_app = {}\n", entry.display())).collect();
    let bar = folder.join("tint2rc");
    fs::write(&bar, format!("{BAR}{}", items.concat()))?;
    let files = folder.join("xdg/pcmanfm/default");
    fs::create_dir_all(&files)?;
    fs::write(files.join("pcmanfm.conf"), BACKGROUND)?;

    let mut panel = Command::new("tint2");
    panel.arg("-c").arg(bar);
    let mut desktop = Command::new("pcmanfm");
    // It takes the last folder that says something, before the person's own.
    desktop.arg("--desktop").env("XDG_CONFIG_DIRS", format!("/etc/xdg:{}", folder.join("xdg").display()));
    Ok([panel, desktop])
}

/// A desktop entry that starts `program`.
///
/// Quoting follows the Desktop Entry Specification, "The Exec key": an argument in quotes, in which four characters are
/// escaped; the value as a whole is a string, in which the backslash is escaped once more; `%` begins a field code.
fn launcher(program: &[String]) -> String {
    let mut exec = String::new();
    for argument in program {
        let mut quoted = String::new();
        for character in argument.chars() {
            match character {
                '"' | '`' | '$' | '\\' => quoted.extend(['\\', character]),
                '%' => quoted.push_str("%%"),
                '\n' => quoted.push(' '),
                other => quoted.push(other),
            }
        }
        // Writing into a string does not fail.
        let _ = write!(exec, "\"{}\" ", quoted.replace('\\', "\\\\"));
    }
    let (name, icon) = match program.first().map_or("", String::as_str) {
        "xterm" => ("Terminal", "utilities-terminal"),
        other => (other, "application-x-executable"),
    };
    format!("[Desktop Entry]\nType=Application\nName={name}\nIcon={icon}\nExec={}\n", exec.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_launcher_says_each_argument_as_one_word() {
        let program = ["xterm", "-T", "a \"b\" $c 100%", "\\"].map(ToOwned::to_owned);
        let entry = launcher(&program);
        let exec = entry.lines().find_map(|line| line.strip_prefix("Exec=")).unwrap();
        assert_eq!(exec, r#""xterm" "-T" "a \\"b\\" \\$c 100%%" "\\\\""#);
        assert!(entry.contains("\nName=Terminal\n"));
    }

    #[test]
    fn the_bar_starts_the_program_again() {
        let folder = tempfile::tempdir().unwrap();
        let commands = commands(folder.path(), &["xterm".to_owned()]).unwrap();
        assert_eq!(commands.each_ref().map(Command::get_program), ["tint2", "pcmanfm"]);
        let bar = fs::read_to_string(folder.path().join("tint2rc")).unwrap();
        let entry = folder.path().join("program.desktop");
        assert!(bar.contains(&format!("launcher_item_app = {}\n", entry.display())), "{bar}");
        assert!(fs::read_to_string(entry).unwrap().contains("Exec=\"xterm\""));
    }
}
