//! What the documents say about the code is compared with the code.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop at the first surprise")]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use regex_lite::Regex;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(project().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Every first group of `pattern` in `text`.
fn all(pattern: &str, text: &str) -> BTreeSet<String> {
    Regex::new(pattern).unwrap().captures_iter(text).map(|found| found[1].to_owned()).collect()
}

/// The project's Markdown files.
fn documents() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![project().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.extend(fs::read_dir(project()).unwrap().map(|entry| entry.unwrap().path()));
    found.retain(|path| path.extension().is_some_and(|extension| extension == "md"));
    found
}

/// The links of `text` to files, without their fragments, that lead nowhere from `folder`.
fn broken_links(text: &str, folder: &Path) -> Vec<String> {
    let links = all(r"\]\(([^)#\s]+)[^)]*\)", text);
    links.into_iter().filter(|link| !link.contains("://") && !folder.join(link).exists()).collect()
}

#[test]
fn every_problem_that_the_server_answers_is_described_and_no_other() {
    let answered = all(r#"class\(\s*"([a-z-]+)""#, &read("src/http/problem.rs"));
    let described = all(r"(?m)^## `([a-z-]+)`", &read("docs/problems.md"));
    assert!(answered.len() > 10, "the codes were not found");
    assert_eq!(answered, described);
}

#[test]
fn links_between_documents_lead_somewhere() {
    let documents = documents();
    assert!(documents.len() > 5, "the documents were not found");
    for path in documents {
        let broken = broken_links(&fs::read_to_string(&path).unwrap(), path.parent().unwrap());
        assert!(broken.is_empty(), "{}: {broken:?}", path.display());
    }
}

#[test]
fn a_link_that_leads_nowhere_is_noticed() {
    let text = "See [a](Cargo.toml), [b](no/such.md#part), [c](https://example.org/x).";
    assert_eq!(broken_links(text, project()), ["no/such.md"]);
}

#[test]
fn dashboards_and_alerts_ask_for_metrics_that_are_exported() {
    let mut exported = BTreeSet::new();
    let mut folders = vec![project().join("src")];
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                let source = fs::read_to_string(path).unwrap();
                exported.extend(all(r#"metrics::(?:counter|gauge)!\(\s*"(streamspace_[a-z_]+)\""#, &source));
                let histograms = all(r#"metrics::histogram!\(\s*"(streamspace_[a-z_]+)\""#, &source);
                exported.extend(
                    histograms.iter().flat_map(|name| ["bucket", "sum", "count"].map(|of| format!("{name}_{of}"))),
                );
            }
        }
    }
    for file in ["rules.yaml", "dashboard.json"] {
        let asked = all(r"(streamspace_[a-z_]+)", &read(&format!("charts/streamspace/files/{file}")));
        assert!(asked.len() > 4, "{file}: {asked:?}");
        let unknown: Vec<&String> = asked.difference(&exported).collect();
        assert!(unknown.is_empty(), "{file} asks for {unknown:?}; there are {exported:?}");
    }
}

#[test]
fn every_decision_is_in_the_list_of_decisions() {
    let list = read("docs/adr/README.md");
    let files = fs::read_dir(project().join("docs/adr")).unwrap().map(|entry| entry.unwrap().file_name());
    for name in files.map(|name| name.into_string().unwrap()).filter(|name| name != "README.md") {
        assert!(list.contains(&format!("({name})")), "{name} is missing in docs/adr/README.md");
    }
}

#[test]
fn every_direct_dependency_has_its_line_among_the_decisions() {
    let manifest = read("Cargo.toml");
    let from = manifest.find("\n[dependencies]").unwrap();
    let until = manifest.find("\n[lints.rust]").unwrap();
    let named = all(r"(?m)^([a-z0-9_-]+) = ", &manifest[from..until]);
    let explained = read("docs/adr/0018-dependencies.md");
    let words: BTreeSet<&str> =
        explained.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).collect();
    let missing: Vec<_> = named.iter().filter(|name| !words.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "docs/adr/0018-dependencies.md says nothing about {missing:?}");
}
