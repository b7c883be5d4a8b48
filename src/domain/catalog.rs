//! Rules over catalog repositories.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::fields::FieldError;

/// Most characters of a repository's name.
const NAME_CHARS: usize = 100;
/// Most bytes of a branch, a tag or a folder.
const PLACE_BYTES: usize = 250;
/// The shortest interval between two syncs that were not asked for.
pub const INTERVAL_MIN: Duration = Duration::from_mins(1);
/// The longest.
pub const INTERVAL_MAX: Duration = Duration::from_hours(30 * 24);

/// Which commit of a repository is read.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(tag = "kind", content = "name", rename_all = "lowercase")]
pub enum Reference {
    /// That of the branch that the repository itself calls its main one.
    #[default]
    Default,
    /// The head of a branch.
    Branch(String),
    /// A tag.
    Tag(String),
    /// That commit: 40 hex digits.
    Commit(String),
}

impl Reference {
    /// From a request, where at most one of the three stands.
    ///
    /// # Errors
    /// The field that is wrong.
    pub fn of(branch: Option<String>, tag: Option<String>, commit: Option<String>) -> Result<Self, FieldError> {
        match (branch, tag, commit) {
            (None, None, None) => Ok(Self::Default),
            (Some(branch), None, None) => reference_name("branch", branch).map(Self::Branch),
            (None, Some(tag), None) => reference_name("tag", tag).map(Self::Tag),
            (None, None, Some(commit)) if is_commit(&commit) => Ok(Self::Commit(commit)),
            (None, None, Some(_)) => Err(FieldError::new("commit", "write all 40 hex digits, in lower case")),
            _ => Err(FieldError::new("branch", "give one of branch, tag and commit")),
        }
    }

    /// Its kind and its name, as they are kept.
    #[must_use]
    pub fn parts(&self) -> (&'static str, Option<&str>) {
        match self {
            Self::Default => ("default", None),
            Self::Branch(name) => ("branch", Some(name)),
            Self::Tag(name) => ("tag", Some(name)),
            Self::Commit(name) => ("commit", Some(name)),
        }
    }

    /// What was kept as [`Reference::parts`].
    #[must_use]
    pub fn from_parts(kind: &str, name: Option<String>) -> Self {
        match (kind, name) {
            ("branch", Some(name)) => Self::Branch(name),
            ("tag", Some(name)) => Self::Tag(name),
            ("commit", Some(name)) => Self::Commit(name),
            _ => Self::Default,
        }
    }

    /// Whether a push to the branch or tag of that full name (`refs/heads/main`) concerns it. `main` is the branch that
    /// the repository calls its main one, where that is known.
    #[must_use]
    pub fn is_moved_by(&self, full_name: &str, main: Option<&str>) -> bool {
        match self {
            Self::Default => main.is_none_or(|main| full_name.strip_prefix("refs/heads/") == Some(main)),
            Self::Branch(name) => full_name.strip_prefix("refs/heads/") == Some(name),
            Self::Tag(name) => full_name.strip_prefix("refs/tags/") == Some(name),
            Self::Commit(_) => false,
        }
    }
}

/// A name as `git check-ref-format` has it, without what no host needs.
fn reference_name(field: &str, name: String) -> Result<String, FieldError> {
    let bad = |part: &str| {
        part.is_empty() || part.starts_with('.') || part.strip_suffix(".lock").is_some() || part.ends_with('.')
    };
    let wrong = name.len() > PLACE_BYTES
        || name.starts_with('-')
        || name.contains("..")
        || name.contains("@{")
        || name.chars().any(|char| char.is_control() || " ~^:?*[\\".contains(char))
        || name.split('/').any(bad);
    if wrong { Err(FieldError::new(field, "is no name of a branch or tag: write it as git does")) } else { Ok(name) }
}

/// Whether `text` names a commit in full.
#[must_use]
pub fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

/// Checks a repository's name.
///
/// # Errors
/// The field `name`.
pub fn check_name(name: &str) -> Result<(), FieldError> {
    let fits = !name.trim().is_empty() && name.chars().count() <= NAME_CHARS && !name.chars().any(char::is_control);
    let rule = || format!("use 1 to {NAME_CHARS} characters, none of them a control character");
    fits.then_some(()).ok_or_else(|| FieldError::new("name", rule()))
}

/// The folder of a repository as it is kept: without slashes at its ends; empty: the whole repository.
///
/// # Errors
/// The field `path` for one that leads out of the repository.
pub fn folder(path: &str) -> Result<String, FieldError> {
    let path = path.trim_matches('/');
    let leads_out = |part: &str| part.is_empty() || part == "." || part == ".." || part.eq_ignore_ascii_case(".git");
    let wrong = path.len() > PLACE_BYTES
        || path.chars().any(|char| char.is_control() || char == '\\')
        || (!path.is_empty() && path.split('/').any(leads_out));
    if wrong {
        return Err(FieldError::new("path", "write a folder of the repository, such as templates/desktops"));
    }
    Ok(path.to_owned())
}

/// Checks an interval; none at all is written as `0s`.
///
/// # Errors
/// The field `interval`.
pub fn check_interval(interval: Duration) -> Result<(), FieldError> {
    if interval.is_zero() || (INTERVAL_MIN..=INTERVAL_MAX).contains(&interval) {
        return Ok(());
    }
    Err(FieldError::new("interval", "write a time between 1m and 720h, or 0s for no syncs by the clock"))
}

/// What tells a repository's URL from others in webhooks, which write it in several ways: host and path in lower case,
/// without scheme, user and `.git`. `None` for what is no URL of a repository.
#[must_use]
pub fn same_repository(url: &str) -> Option<String> {
    let url = url.trim().to_lowercase();
    let rest = match url.split_once("://") {
        Some((_, rest)) => rest.to_owned(),
        // git@host:path
        None => url.replacen(':', "/", 1),
    };
    let (host, path) = rest.split_once('/')?;
    let host = host.rsplit('@').next().unwrap_or(host);
    let host = host.strip_suffix(":443").or_else(|| host.strip_suffix(":80")).unwrap_or(host);
    let path = path.trim_matches('/');
    let path = path.strip_suffix(".git").unwrap_or(path);
    (!host.is_empty() && !path.is_empty()).then(|| format!("{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_branch_tag_and_commit_says_what_is_read() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(Reference::of(None, None, None), Ok(Reference::Default));
        assert_eq!(Reference::of(text("a/b"), None, None), Ok(Reference::Branch("a/b".into())));
        assert!(Reference::of(text("a"), text("b"), None).is_err());
        assert!(Reference::of(None, None, text(&"a".repeat(40))).is_ok());
        for commit in ["abc", &"A".repeat(40), &"g".repeat(40)] {
            assert_eq!(Reference::of(None, None, text(commit)).unwrap_err().field, "commit");
        }
        for branch in ["", "-x", "a..b", "a b", "a:b", "/a", "a/", ".a", "a.lock", "a@{1}", "+a^"] {
            assert_eq!(Reference::of(text(branch), None, None).unwrap_err().field, "branch", "{branch}");
        }
    }

    #[test]
    fn what_is_kept_of_a_reference_is_all_of_it() {
        for reference in [Reference::Default, Reference::Branch("a".into()), Reference::Tag("b".into())] {
            let (kind, name) = reference.parts();
            assert_eq!(Reference::from_parts(kind, name.map(str::to_owned)), reference);
        }
    }

    #[test]
    fn a_push_concerns_those_who_read_what_it_moves() {
        let branch = Reference::Branch("main".into());
        assert!(branch.is_moved_by("refs/heads/main", None));
        assert!(!branch.is_moved_by("refs/heads/other", None) && !branch.is_moved_by("refs/tags/main", None));
        assert!(Reference::Default.is_moved_by("refs/heads/trunk", Some("trunk")));
        assert!(!Reference::Default.is_moved_by("refs/heads/other", Some("trunk")));
        assert!(Reference::Default.is_moved_by("refs/heads/any", None), "better one sync too many");
        assert!(!Reference::Commit("a".repeat(40)).is_moved_by("refs/heads/main", Some("main")));
    }

    #[test]
    fn a_folder_stays_within_its_repository() {
        assert_eq!(folder("/templates/a b, c/").unwrap(), "templates/a b, c");
        assert_eq!(folder("").unwrap(), "");
        for path in ["..", "a/../..", "a//b", "./a", "a/.git/b", "a\\b", "a\nb"] {
            assert_eq!(folder(path).unwrap_err().field, "path", "{path}");
        }
    }

    #[test]
    fn the_ways_to_write_a_repositorys_url_mean_the_same() {
        let all = [
            "https://git.example.com/Team/Catalog.git",
            "http://user@git.example.com:80/team/catalog/",
            "ssh://git@git.example.com/team/catalog.git",
            "git@git.example.com:team/catalog.git",
        ];
        for url in all {
            assert_eq!(same_repository(url).as_deref(), Some("git.example.com/team/catalog"), "{url}");
        }
        assert_eq!(same_repository("https://git.example.com/"), None);
    }
}
