//! The programs of PostgreSQL on this host.

use std::path::{Path, PathBuf};

use super::StoreError;

/// The oldest major version that the migrations run on.
pub(super) const OLDEST: u32 = 13;
/// Where Debian and Ubuntu keep one folder a major version.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The programs of one major version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Binaries {
    /// The folder with `postgres`, `initdb` and `pg_ctl`.
    pub(super) folder: PathBuf,
    /// The major version.
    pub(super) major: u32,
}

impl Binaries {
    pub(super) fn path(&self, program: &str) -> PathBuf {
        self.folder.join(program)
    }
}

/// The programs to use: those that made the data folder, or the newest where there is none yet.
///
/// `made_by`: the major version of the data folder.
///
/// # Errors
/// [`StoreError::NoPostgres`] and [`StoreError::PostgresVersion`], each with the remedy.
pub(super) fn choose(installed: Vec<Binaries>, made_by: Option<u32>, data: &Path) -> Result<Binaries, StoreError> {
    let usable = installed.into_iter().filter(|found| found.major >= OLDEST);
    match made_by {
        None => usable.max_by_key(|found| found.major).ok_or(StoreError::NoPostgres),
        Some(major) => {
            let mut others = Vec::new();
            for found in usable {
                if found.major == major {
                    return Ok(found);
                }
                others.push(found.major);
            }
            let data = data.display().to_string();
            Err(StoreError::PostgresVersion { data, made_by: major, installed: others })
        }
    }
}

/// What is installed, in Debian's folders and on the search path.
pub(super) fn installed(search_path: &[PathBuf]) -> Vec<Binaries> {
    let debian = std::fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
    debian.chain(search_path.iter().cloned()).filter_map(|folder| examine(&folder)).collect()
}

/// Asks `postgres --version`, which says such as `postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)`.
fn examine(folder: &Path) -> Option<Binaries> {
    if !["postgres", "initdb", "pg_ctl"].iter().all(|program| folder.join(program).is_file()) {
        return None;
    }
    let output = std::process::Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let major = major(std::str::from_utf8(&output.stdout).ok()?)?;
    Some(Binaries { folder: folder.to_owned(), major })
}

fn major(text: &str) -> Option<u32> {
    let version = text.split_once("(PostgreSQL) ")?.1;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(majors: &[u32]) -> Vec<Binaries> {
        majors.iter().map(|major| Binaries { folder: format!("/pg/{major}").into(), major: *major }).collect()
    }

    #[test]
    fn a_new_database_is_made_by_the_newest_version_there_is() {
        assert_eq!(choose(found(&[13, 17, 15]), None, Path::new("/x")).unwrap().major, 17);
    }

    #[test]
    fn a_database_is_opened_by_the_version_that_made_it() {
        assert_eq!(choose(found(&[13, 17, 15]), Some(15), Path::new("/x")).unwrap().major, 15);
    }

    #[test]
    fn a_database_whose_version_is_not_installed_is_refused_with_both_versions_and_a_remedy() {
        let refusal = choose(found(&[17]), Some(15), Path::new("/srv/data")).unwrap_err().to_string();
        for part in ["15", "17", "/srv/data", "postgresql-15"] {
            assert!(refusal.contains(part), "{part} is not in: {refusal}");
        }
    }

    #[test]
    fn versions_before_the_oldest_are_as_good_as_none() {
        assert!(matches!(choose(found(&[12]), None, Path::new("/x")), Err(StoreError::NoPostgres)));
    }

    #[test]
    fn the_major_version_is_read_from_what_postgres_says() {
        assert_eq!(major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"), Some(15));
        assert_eq!(major("postgres (PostgreSQL) 18beta1\n"), Some(18));
        assert_eq!(major("something else"), None);
    }
}
