//! From what was fetched to what the catalog says: which templates there are, and what is wrong with files.

use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZero,
    panic::resume_unwind,
    thread,
};

use deadpool_postgres::GenericClient;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Error,
    catalog::{
        fetch::{self, Fetched, File},
        manifest::{self, Found, Level, Problem, RULES, Reading},
    },
    store::catalog::{
        repositories,
        syncs::{self, Known},
        templates::{self, Change, Entry},
    },
};

/// Most problems that are kept of a sync.
const PROBLEMS_MAX: usize = 1_000;
/// Least files for which another core is asked: beginning costs as much as reading some.
const PART_MIN: usize = 32;

/// What was read of a repository.
pub struct Read {
    /// Every file, by path.
    files: BTreeMap<String, Known>,
    /// The templates of those that were read now, with their file.
    found: Vec<(String, Found)>,
    /// What is wrong with any of them, and what is left out.
    pub problems: Vec<Problem>,
}

/// Reads what came; what is known is taken as it was.
pub fn read(fetched: Fetched, known: &BTreeMap<String, Known>) -> Read {
    let mut files: BTreeMap<String, Known> = BTreeMap::new();
    let mut found: Vec<(String, Found)> = Vec::new();
    let readings = readings(&fetched.files);
    for (file, reading) in fetched.files.into_iter().zip(readings) {
        let before = known.get(&file.path);
        let Some(content) = file.content else {
            files.extend(before.map(|known| (file.path, known.clone())));
            continue;
        };
        let Some(reading) = reading else {
            // PostgreSQL keeps no NUL.
            let text = Some(String::from_utf8_lossy(&content).replace('\0', "\u{fffd}"));
            files.insert(file.path, Known { blob: file.blob, names: vec![], problems: json!([]), text });
            continue;
        };
        let mut names: Vec<String> = reading.found.iter().map(|found| found.name.clone()).collect();
        if reading.is_broken() {
            // What came from it last stays as it was.
            names.extend(before.into_iter().flat_map(|known| known.names.clone()));
        }
        let notes = reading.found.iter().flat_map(|found| found.notes.clone());
        let problems: Vec<Problem> = reading.problems.iter().cloned().chain(notes).collect();
        let problems = serde_json::to_value(&problems).unwrap_or_default();
        found.extend(reading.found.into_iter().map(|found| (file.path.clone(), found)));
        files.insert(file.path, Known { blob: file.blob, names, problems, text: None });
    }
    only_one_of_a_name(&mut files, &mut found);
    let mut problems: Vec<Problem> = fetched.left.into_iter().map(|(file, reason)| left(file, reason)).collect();
    for known in files.values() {
        problems.extend(serde_json::from_value::<Vec<Problem>>(known.problems.clone()).unwrap_or_default());
    }
    problems.truncate(PROBLEMS_MAX);
    Read { files, found, problems }
}

/// What came of each file, in their order; none: it is known, or no manifest. Every core reads a part.
fn readings(files: &[File]) -> Vec<Option<Reading>> {
    let read = |file: &File| {
        let content = file.content.as_deref().filter(|_| fetch::is_manifest(&file.path))?;
        Some(manifest::read(&file.path, content))
    };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let part = files.len().div_ceil(cores).max(PART_MIN);
    thread::scope(|scope| {
        let parts: Vec<_> =
            files.chunks(part).map(|part| scope.spawn(move || part.iter().map(read).collect::<Vec<_>>())).collect();
        // Where one of them panicked so does this, in whatever runs it.
        parts.into_iter().flat_map(|part| part.join().unwrap_or_else(|panic| resume_unwind(panic))).collect()
    })
}

fn left(file: String, reason: String) -> Problem {
    Problem { file, line: 1, column: 1, level: Level::Skipped, message: reason }
}

/// Of several templates of one name in a repository the first file's is taken. The others are read again each time,
/// since theirs is the next one's turn when the first goes.
fn only_one_of_a_name(files: &mut BTreeMap<String, Known>, found: &mut Vec<(String, Found)>) {
    let mut first: BTreeMap<String, String> = BTreeMap::new();
    for (path, known) in files.iter() {
        for name in &known.names {
            first.entry(name.clone()).or_insert_with(|| path.clone());
        }
    }
    found.retain(|(path, found)| {
        let other = first.get(&found.name).filter(|other| *other != path);
        let Some(other) = other else { return true };
        if let Some(known) = files.get_mut(path) {
            let message = format!("{other} has a template named {} too: give this one another name", found.name);
            let problem = Problem { file: path.clone(), line: 1, column: 1, level: Level::Error, message };
            if let (Value::Array(problems), Ok(problem)) = (&mut known.problems, serde_json::to_value(problem)) {
                problems.push(problem);
            }
            known.names.retain(|name| *name != found.name);
            known.blob = String::new();
        }
        false
    });
}

/// How many templates are new, otherwise or gone.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// New.
    pub added: i32,
    /// Otherwise.
    pub changed: i32,
    /// Gone.
    pub removed: i32,
}

/// Brings the catalog in step with what was read of `repository` at `commit`.
pub async fn apply(db: &impl GenericClient, repository: Uuid, commit: &str, read: &Read) -> Result<Counts, Error> {
    let counts = write(db, repository, commit, &read.files, &read.found).await?;
    syncs::replace_files(db, repository, &read.files).await?;
    repositories::synced(db, repository, commit, RULES).await?;
    Ok(counts)
}

/// Writes the templates that are new, changed, moved or gone.
async fn write(
    db: &impl GenericClient,
    repository: Uuid,
    commit: &str,
    files: &BTreeMap<String, Known>,
    found: &[(String, Found)],
) -> Result<Counts, Error> {
    let before: BTreeMap<String, Entry> =
        templates::of_repository(db, repository).await?.into_iter().map(|entry| (entry.name.clone(), entry)).collect();
    let names: Vec<&str> = found.iter().map(|(_, found)| found.name.as_str()).collect();
    let manifests = templates::manifests(db, repository, &names).await?;
    let (mut counts, mut changes) = (Counts::default(), Vec::new());
    for (path, found) in found {
        let old = before.get(&found.name);
        let was_there = old.is_some_and(|old| old.removed_at.is_none());
        if let Some(old) = old.filter(|_| manifests.get(&found.name) == Some(&found.text)) {
            if !was_there || old.path != *path {
                templates::found_again(db, old.id, path).await?;
            }
            counts.added += i32::from(!was_there);
            continue;
        }
        changes.push(change(path, found)?);
        if was_there {
            counts.changed += 1;
        } else {
            counts.added += 1;
        }
    }
    templates::write(db, repository, commit, &changes).await?;
    let there: BTreeSet<&String> = files.values().flat_map(|known| &known.names).collect();
    let gone: Vec<Uuid> = before
        .values()
        .filter(|entry| entry.removed_at.is_none() && !there.contains(&entry.name))
        .map(|entry| entry.id)
        .collect();
    templates::gone(db, &gone).await?;
    counts.removed = i32::try_from(gone.len()).unwrap_or(i32::MAX);
    Ok(counts)
}

fn change<'a>(path: &'a str, found: &'a Found) -> Result<Change<'a>, Error> {
    Ok(Change {
        name: &found.name,
        path,
        version: Uuid::now_v7(),
        manifest: &found.text,
        spec: &found.spec,
        notes: serde_json::to_value(&found.notes).map_err(Error::internal)?,
        display_name: &found.spec.display_name,
        description: &found.spec.description,
        category: &found.spec.category,
        tags: &found.spec.tags,
        icon: found.spec.icon.as_deref(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(name: &str) -> Vec<u8> {
        let text = format!(
            "apiVersion: stream.streamspace.io/v1alpha1\nkind: Template\nmetadata: {{ name: {name} }}\nspec: {{ displayName: T, baseImage: i, webapp: {{ port: 80 }} }}\n"
        );
        text.into_bytes()
    }

    fn fetched(files: Vec<(&str, &str, Option<Vec<u8>>)>) -> Fetched {
        let files =
            files.into_iter().map(|(path, blob, content)| File { path: path.into(), blob: blob.into(), content });
        Fetched { commit: "c".into(), files: files.collect(), ..Fetched::default() }
    }

    #[test]
    fn a_broken_file_keeps_the_templates_that_came_from_it_last() {
        let known = Known { blob: "1".into(), names: vec!["a".into()], problems: json!([]), text: None };
        let read =
            read(fetched(vec![("a.yaml", "2", Some(b"a: [".to_vec()))]), &BTreeMap::from([("a.yaml".into(), known)]));
        assert_eq!(read.files["a.yaml"].names, ["a"]);
        assert_eq!((read.found.len(), read.problems.len()), (0, 1));
    }

    #[test]
    fn what_is_known_is_not_read_again_and_its_problems_stay() {
        let problem = left("a.yaml".into(), "x".into());
        let known = Known { blob: "1".into(), names: vec!["a".into()], problems: json!([problem]), text: None };
        let read = read(fetched(vec![("a.yaml", "1", None)]), &BTreeMap::from([("a.yaml".into(), known)]));
        assert_eq!((read.files["a.yaml"].names.len(), read.found.len(), read.problems), (1, 0, vec![problem]));
    }

    #[test]
    fn of_two_templates_of_one_name_the_first_is_taken_and_the_other_is_told() {
        let read = read(
            fetched(vec![("b.yaml", "2", Some(manifest("x"))), ("a.yaml", "1", Some(manifest("x")))]),
            &BTreeMap::new(),
        );
        assert_eq!(read.found.iter().map(|(path, _)| path.as_str()).collect::<Vec<_>>(), ["a.yaml"]);
        assert!(
            read.problems[0].file == "b.yaml" && read.problems[0].message.contains("a.yaml"),
            "{:?}",
            read.problems
        );
        assert_eq!(read.files["b.yaml"].blob, "", "it is read again next time");
    }
}
