//! `streamspace catalog validate`: checks a catalog before it is pushed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Subcommand;

use super::CliError;
use crate::catalog::{
    fetch::is_manifest,
    manifest::{self, Level, Problem},
};

/// Most levels of folders.
const DEPTH: usize = 32;

/// What can be done with a catalog on disk.
#[derive(Debug, Subcommand)]
pub(super) enum Catalog {
    /// Check every manifest of a folder, and say what is wrong with file, line and column.
    Validate {
        /// The folder, as it would be pushed.
        folder: PathBuf,
        /// Fail on warnings too, such as older spellings.
        #[arg(long)]
        strict: bool,
    },
}

/// Does what the command line asks for.
pub(super) fn run(catalog: Catalog) -> Result<(), CliError> {
    let Catalog::Validate { folder, strict } = catalog;
    let mut files = Vec::new();
    collect(&folder, Path::new(""), 0, &mut files)?;
    files.sort();
    let (mut names, mut wrong) = (std::collections::BTreeMap::<String, String>::new(), 0_usize);
    for file in files {
        let path = file.to_string_lossy().into_owned();
        let mut reading = manifest::read(&path, &fs::read(folder.join(&file))?);
        for found in &reading.found {
            if let Some(other) = names.insert(found.name.clone(), path.clone()) {
                let message = format!("{other} has a template named {} too: give this one another name", found.name);
                reading.problems.push(Problem { file: path.clone(), line: 1, column: 1, level: Level::Error, message });
            }
        }
        let notes = reading.found.iter().flat_map(|found| &found.notes);
        for problem in reading.problems.iter().chain(notes) {
            let word = match problem.level {
                Level::Error => "error",
                Level::Warning => "warning",
                Level::Skipped => "skipped",
            };
            println!("{}:{}:{}: {word}: {}", problem.file, problem.line, problem.column, problem.message);
            wrong += usize::from(problem.level == Level::Error || (strict && problem.level == Level::Warning));
        }
    }
    println!("{} templates", names.len());
    if wrong == 0 { Ok(()) } else { Err(format!("{wrong} problems have to be mended").into()) }
}

/// The manifests below `folder`, from there. Links are not followed, as in a sync.
fn collect(folder: &Path, below: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), CliError> {
    if depth > DEPTH {
        return Err(format!("{}: folders are nested more than {DEPTH} deep", below.display()).into());
    }
    let here = folder.join(below);
    let entries = fs::read_dir(&here).map_err(|error| format!("{}: {error}", here.display()))?;
    for entry in entries {
        let entry = entry?;
        let (kind, name) = (entry.file_type()?, entry.file_name());
        let path = below.join(&name);
        if kind.is_dir() && name != ".git" {
            collect(folder, &path, depth + 1, files)?;
        } else if kind.is_file() && is_manifest(&name.to_string_lossy()) {
            files.push(path);
        }
    }
    Ok(())
}
