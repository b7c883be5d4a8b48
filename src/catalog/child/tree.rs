//! The files of a commit: only manifests, only plain files, within limits.

use std::io::{self, BufWriter, Write};

use base64::{Engine, engine::general_purpose::STANDARD};
use git2::{Commit, ObjectType, Oid, Repository, Tree};

use super::{Failure, progress, say, write};
use crate::catalog::fetch::{Limits, Request, Said, has_ending, is_manifest, readmes};

/// File modes of git's trees.
const LINK: i32 = 0o120_000;
/// Bytes of manifests that are said at once: the server wakes for each.
const AT_ONCE: usize = 64 * 1024;

/// Says every manifest of `commit` in the folder that is asked for, and what is left out.
pub fn tell(repository: &Repository, commit: &Commit<'_>, request: &Request) -> Result<(), Failure> {
    let unreadable = |error: git2::Error| (format!("the repository is damaged: {}", error.message()), false);
    let mut tree = commit.tree().map_err(unreadable)?;
    for part in request.folder.split('/').filter(|part| !part.is_empty()) {
        let below = tree.get_name(part).filter(|entry| entry.kind() == Some(ObjectType::Tree)).map(|entry| entry.id());
        let below = below.ok_or_else(|| (format!("there is no folder “{}” in it", request.folder), false))?;
        tree = repository.find_tree(below).map_err(unreadable)?;
    }
    let mut walk = Walk { repository, limits: request.limits, entries: 0, manifests: Vec::new(), texts: Vec::new() };
    walk.folder(&tree, &request.folder, 0)?;
    let (files, mut left) = (walk.files(), request.limits.manifest_bytes);
    let total = files.len() as u64;
    let unheard = |error: io::Error| (error.to_string(), true);
    let mut output = BufWriter::with_capacity(AT_ONCE, io::stdout().lock());
    for (index, (path, blob)) in files.into_iter().enumerate() {
        if index % 50 == 0 {
            progress(index as u64, total, "reading manifests");
        }
        let said = file(repository, request, path, blob)?;
        if let Said::File { content: Some(content), .. } = &said {
            // A small repository may hold the same large file under many names.
            left = left.checked_sub(content.len() / 4 * 3).ok_or_else(|| {
                let most = request.limits.manifest_bytes / 1024 / 1024;
                (format!("its manifests have more than {most} MiB together, which is the limit"), false)
            })?;
        }
        write(&mut output, &said).map_err(unheard)?;
    }
    output.flush().map_err(unheard)
}

/// What is said of a manifest.
fn file(repository: &Repository, request: &Request, path: String, blob: Oid) -> Result<Said, Failure> {
    if request.known.contains(&format!("{blob} {path}")) {
        return Ok(Said::File { path, blob: blob.to_string(), content: None });
    }
    // The header says how large it is before it is unpacked.
    let size = repository.odb().and_then(|odb| odb.read_header(blob)).map(|(size, _)| size);
    if let Some(size) = size.ok().filter(|size| *size > request.limits.file_bytes) {
        let reason = format!("it has {size} bytes, of which {} at most are read", request.limits.file_bytes);
        return Ok(Said::Left { path, reason });
    }
    match repository.find_blob(blob) {
        Ok(content) => {
            Ok(Said::File { path, blob: blob.to_string(), content: Some(STANDARD.encode(content.content())) })
        }
        Err(error) => Err((format!("the repository is damaged at {path}: {}", error.message()), false)),
    }
}

struct Walk<'a> {
    repository: &'a Repository,
    limits: Limits,
    entries: usize,
    manifests: Vec<(String, Oid)>,
    /// Markdown, of which some belongs to manifests.
    texts: Vec<(String, Oid)>,
}

impl Walk<'_> {
    /// The files whose content counts.
    fn files(self) -> Vec<(String, Oid)> {
        let paths: Vec<&str> = self.manifests.iter().map(|(path, _)| path.as_str()).collect();
        let readmes = readmes(&paths, self.texts.iter().map(|(path, _)| path.as_str()));
        let readmes = self.texts.iter().filter(|(path, _)| readmes.contains(path.as_str())).cloned();
        self.manifests.iter().cloned().chain(readmes).collect()
    }

    fn folder(&mut self, tree: &Tree<'_>, path: &str, depth: usize) -> Result<(), Failure> {
        if depth > self.limits.depth {
            return Err((format!("its folders are nested more than {} deep", self.limits.depth), false));
        }
        for entry in tree {
            self.entries += 1;
            if self.entries > self.limits.entries {
                return Err((format!("it has more than {} files and folders", self.limits.entries), false));
            }
            let Ok(name) = std::str::from_utf8(entry.name_bytes()) else {
                left(&format!("{path}/?"), "its name is not UTF-8")?;
                continue;
            };
            if matches!(name, "" | "." | "..") || name.eq_ignore_ascii_case(".git") || name.contains(['/', '\0']) {
                return Err((
                    format!("a file in “/{path}” has a name that leads elsewhere: nothing of this repository is read"),
                    false,
                ));
            }
            let below = if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            match entry.kind() {
                Some(ObjectType::Tree) => {
                    let tree =
                        self.repository.find_tree(entry.id()).map_err(|error| (error.message().to_owned(), false))?;
                    self.folder(&tree, &below, depth + 1)?;
                }
                Some(ObjectType::Commit) => left(&below, "it is a submodule: those are not fetched")?,
                Some(ObjectType::Blob) if entry.filemode() == LINK && is_manifest(name) => {
                    left(&below, "it is a link: those are not followed")?;
                }
                Some(ObjectType::Blob) if entry.filemode() == LINK => {}
                Some(ObjectType::Blob) if is_manifest(name) => self.manifests.push((below, entry.id())),
                Some(ObjectType::Blob) if has_ending(name, "md") => self.texts.push((below, entry.id())),
                _ => {}
            }
        }
        Ok(())
    }
}

fn left(path: &str, reason: &str) -> Result<(), Failure> {
    say(&Said::Left { path: path.to_owned(), reason: reason.to_owned() }).map_err(|error| (error.to_string(), true))
}
