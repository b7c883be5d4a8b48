//! Arrows between modules point one way: this reads every path in `src/` and fails on any other.
//!
//! The table is the one of `ARCHITECTURE.md`. Comments and strings are no code, so the files are read as Rust tokens;
//! `super::` is resolved, so that no path goes around the check.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may stop at the first surprise")]

use std::{collections::BTreeMap, fmt, fs, path::Path};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// Who may name whom. A top-level module without a row is an error: it has to choose.
const ARROWS: &[(&str, &[&str])] = &[
    ("main", &["cli"]),
    ("cli", ANY),
    ("app", &["live", "auth", "objects", "engine", "nodes", "store", "crd"]),
    ("http", &["app", "gateway", "services", "auth", "live", "engine", "domain", "crd"]),
    ("gateway", &["app", "services", "auth", "live", "engine", "domain", "crd"]),
    ("services", &["app", "objects", "engine", "nodes", "jobs", "catalog", "auth", "store", "domain", "crd"]),
    ("controller", &["app", "objects", "engine", "nodes", "store", "domain", "crd"]),
    ("live", &["objects", "engine", "store", "domain", "crd"]),
    ("jobs", &["store", "domain", "crd"]),
    ("catalog", &["objects", "outgoing", "domain", "crd"]),
    // What the server connects to on somebody's word.
    ("outgoing", &["domain"]),
    ("auth", &["outgoing", "store", "domain", "crd"]),
    ("objects", &["store", "domain", "crd"]),
    ("engine", &["store", "domain", "crd"]),
    ("nodes", &["store", "domain", "crd"]),
    ("store", &["domain", "crd"]),
    ("domain", &["crd"]),
    ("crd", &[]),
    // The programs inside sessions: they share the binary and nothing of the server.
    ("terminal", &[]),
    ("desktop", &[]),
    // What everything may name. The error type collects what the ports can fail with.
    ("config", &["domain"]),
    ("telemetry", &[]),
    ("clock", &[]),
    ("error", &["objects", "engine", "nodes", "domain"]),
];

/// In the table: every module.
const ANY: &[&str] = &["*"];

/// Named by everything above them.
const COMMON: &[&str] = &["config", "telemetry", "clock", "error"];

/// Crates that stay in one corner: the crate, where it may be named (a prefix of the file's path), and why.
const CORNERS: &[(&str, &[&str], &str)] = &[
    ("actix_web", WEB, "HTTP ends in http/ and gateway/"),
    ("actix_ws", WEB, "HTTP ends in http/ and gateway/"),
    ("actix_http", WEB, "HTTP ends in http/ and gateway/"),
    ("samael", SAML, "what calls into C stays behind the gate"),
    ("openssl", SAML, "TLS is rustls: this is for SAML's signatures alone"),
    ("roxmltree", SAML, "XML is read in one place"),
    ("refinery", &["store/"], "migrations run in one place"),
    ("serde_saphyr", &["http/openapi.rs", "catalog/", "config/", "cli/"], "YAML is read where it comes in"),
];

/// Where actix may be named.
const WEB: &[&str] = &["http/", "gateway/", "terminal/", "cli/serve.rs"];

/// Where SAML is understood.
const SAML: &[&str] = &["auth/saml/"];

/// Where SQL may stand.
const SQL: &[&str] = &["store/", "objects/postgres"];

/// Names that rules over objects have no business with: they are to stay free of I/O.
const NOT_IN_DOMAIN: &[&str] = &["tokio", "futures", "kube", "tokio_postgres", "deadpool_postgres", "async"];

/// Something that points the wrong way.
#[derive(Debug, PartialEq)]
struct Offence {
    place: String,
    text: String,
}

impl fmt::Display for Offence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "src/{}: {}", self.place, self.text)
    }
}

/// One file of the crate.
struct Source<'a> {
    /// Below `src/`, such as `http/ws.rs`.
    file: &'a str,
    /// Its module path, such as `["http", "ws"]`.
    module: Vec<String>,
    /// Names that `lib.rs` re-exports at the root, and the module they come from.
    root: &'a BTreeMap<String, String>,
    /// Within `mod tests`: arrows hold there too, corners do not.
    in_tests: bool,
    offences: Vec<Offence>,
}

impl<'a> Source<'a> {
    fn check(file: &'a str, code: &str, root: &'a BTreeMap<String, String>) -> Vec<Offence> {
        let mut source = Self { file, module: module_of(file), root, in_tests: false, offences: Vec::new() };
        let tokens: TokenStream = code.parse().unwrap_or_else(|error| panic!("src/{file} is not Rust: {error}"));
        let inside = source.module.clone();
        source.walk(tokens, &inside);
        source.offences
    }

    /// The module whose row of the table this file is bound by.
    fn top(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }

    fn offence(&mut self, token: &TokenTree, text: String) {
        let place = format!("{}:{}", self.file, token.span().start().line);
        self.offences.push(Offence { place, text });
    }

    /// Looks at `tokens`, which stand in the module `inside`.
    fn walk(&mut self, tokens: TokenStream, inside: &[String]) {
        let tokens: Vec<TokenTree> = without_doc_comments(tokens);
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Ident(ident) if ident == "mod" => {
                    if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                        (tokens.get(at + 1), tokens.get(at + 2))
                    {
                        let deeper: Vec<String> = inside.iter().cloned().chain([name.to_string()]).collect();
                        let outside = self.in_tests;
                        self.in_tests |= name == "tests";
                        self.walk(body.stream(), &deeper);
                        self.in_tests = outside;
                        at += 3;
                        continue;
                    }
                }
                TokenTree::Ident(ident) => {
                    let name = ident.to_string();
                    let begins = !(at >= 2 && is_colons(&tokens, at - 2));
                    if begins && matches!(name.as_str(), "crate" | "super" | "self") && is_colons(&tokens, at + 1) {
                        at = self.path(&tokens, at, inside);
                        continue;
                    }
                    if begins {
                        self.corner(&tokens[at], &name);
                    }
                }
                TokenTree::Literal(literal) => self.literal(&tokens[at], &literal.to_string()),
                TokenTree::Group(group) => self.walk(group.stream(), inside),
                TokenTree::Punct(_) => {}
            }
            at += 1;
        }
    }

    /// Follows a path that begins with `crate`, `super` or `self` at `at`; returns where it ends.
    fn path(&mut self, tokens: &[TokenTree], mut at: usize, inside: &[String]) -> usize {
        let mut base: Vec<String> = Vec::new();
        let mut first = true;
        while let Some(TokenTree::Ident(ident)) = tokens.get(at) {
            match ident.to_string().as_str() {
                "crate" => {}
                "self" => base = inside.to_vec(),
                "super" => {
                    if first {
                        base = inside.to_vec();
                    }
                    base.pop();
                }
                _ => break,
            }
            first = false;
            if !is_colons(tokens, at + 1) {
                return at + 1;
            }
            at += 3;
        }
        if !base.is_empty() {
            // Inside the file's own top-level module, or what follows names a sibling within it.
            return at;
        }
        match tokens.get(at) {
            Some(TokenTree::Ident(name)) => {
                self.arrow(&tokens[at], &name.to_string());
                at + 1
            }
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => {
                self.tree(group.stream());
                at + 1
            }
            Some(star) => {
                self.offence(star, "names everything at the root at once: name the module".to_owned());
                at + 1
            }
            None => at,
        }
    }

    /// The first names within `use crate::{…}`.
    fn tree(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut begins = true;
        for token in &tokens {
            match token {
                TokenTree::Ident(name) if begins => {
                    self.arrow(token, &name.to_string());
                    begins = false;
                }
                TokenTree::Punct(punct) if punct.as_char() == ',' => begins = true,
                TokenTree::Group(group) if begins => self.tree(group.stream()),
                _ => begins = false,
            }
        }
    }

    /// Judges the arrow from this file to the module `name` at the root.
    fn arrow(&mut self, token: &TokenTree, name: &str) {
        let from = self.top().to_owned();
        let to = self.root.get(name).map_or(name, String::as_str).to_owned();
        if from == "lib" || from == to || (COMMON.contains(&to.as_str()) && !COMMON.contains(&from.as_str())) {
            return;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(module, _)| *module == from) else {
            let text = format!("the module {from} has no row in the table of tests/architecture.rs");
            return self.offence(token, text);
        };
        let among_common = COMMON.contains(&from.as_str()) && COMMON.contains(&to.as_str());
        if *allowed != ANY && !allowed.contains(&to.as_str()) && !among_common {
            self.offence(token, format!("{from} may not name {to}"));
        }
    }

    /// Judges a name that begins a path: a crate that is to stay in its corner, I/O among the rules.
    fn corner(&mut self, token: &TokenTree, name: &str) {
        if self.in_tests {
            return;
        }
        for (krate, places, reason) in CORNERS {
            if name == *krate && !places.iter().any(|place| self.file.starts_with(place)) {
                self.offence(token, format!("{krate} may not be named here: {reason}"));
            }
        }
        if self.top() == "domain" && NOT_IN_DOMAIN.contains(&name) {
            self.offence(token, format!("{name} may not be named here: domain/ is rules alone, without I/O"));
        }
    }

    fn literal(&mut self, token: &TokenTree, text: &str) {
        if !self.in_tests && looks_like_sql(text) && !SQL.iter().any(|place| self.file.starts_with(place)) {
            self.offence(token, "SQL may not stand here: it belongs to store/ or objects/postgres".to_owned());
        }
    }
}

/// Whether the tokens at `at` are `::`.
fn is_colons(tokens: &[TokenTree], at: usize) -> bool {
    let colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(p)) if p.as_char() == ':');
    colon(tokens.get(at)) && colon(tokens.get(at + 1))
}

/// Drops `#[doc = "…"]`, which is what the comments have become.
fn without_doc_comments(tokens: TokenStream) -> Vec<TokenTree> {
    let is_doc = |group: &proc_macro2::Group| {
        group.delimiter() == Delimiter::Bracket
            && matches!(group.stream().into_iter().next(), Some(TokenTree::Ident(name)) if name == "doc")
    };
    tokens.into_iter().filter(|token| !matches!(token, TokenTree::Group(group) if is_doc(group))).collect()
}

/// Whether a literal begins like a statement.
fn looks_like_sql(literal: &str) -> bool {
    const STATEMENTS: &[&str] = &[
        "SELECT ",
        "INSERT INTO ",
        "UPDATE ",
        "DELETE FROM ",
        "WITH ",
        "CREATE TABLE ",
        "ALTER TABLE ",
        "NOTIFY ",
        "LISTEN ",
        "TRUNCATE ",
        "LOCK TABLE ",
        "DROP ",
    ];
    let text = literal.trim_start_matches(['b', 'r', '#']).trim_start_matches('"');
    // Written across lines, a literal begins with an escaped or a real line break.
    let text = text.trim_start_matches(['\\', '\n', ' ']);
    STATEMENTS.iter().any(|statement| text.starts_with(statement))
}

/// `http/ws.rs` is `["http", "ws"]`; `http/mod.rs` is `["http"]`; `lib.rs` is the root.
fn module_of(file: &str) -> Vec<String> {
    let path = file.trim_end_matches(".rs");
    let path = path.strip_suffix("/mod").unwrap_or(path);
    if path == "lib" { Vec::new() } else { path.split('/').map(str::to_owned).collect() }
}

/// What `lib.rs` re-exports: `pub use app::App` gives `App → app`.
fn re_exports(lib: &str) -> BTreeMap<String, String> {
    let uses = lib.lines().filter_map(|line| line.strip_prefix("pub use ")?.strip_suffix(';')?.split_once("::"));
    uses.map(|(module, name)| (name.to_owned(), module.to_owned())).collect()
}

/// Every Rust file below `folder`, as its path below `src/` and its text.
fn files(folder: &Path, below: &Path, into: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files(&path, below, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let name = path.strip_prefix(below).unwrap().to_str().unwrap().to_owned();
            into.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn arrows_between_modules_point_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut sources = Vec::new();
    files(&src, &src, &mut sources);
    let root = re_exports(&fs::read_to_string(src.join("lib.rs")).unwrap());
    // Beside what they are about, but not part of the library: suites of promises, and tests in files of their own.
    let library = sources.iter().filter(|(file, _)| !file.ends_with("/contract.rs") && !file.ends_with("/tests.rs"));
    let offences: Vec<String> =
        library.flat_map(|(file, code)| Source::check(file, code, &root)).map(|one| one.to_string()).collect();
    assert!(sources.len() > 20, "the files were not found");
    assert!(offences.is_empty(), "{} wrong arrows (ARCHITECTURE.md):\n{}", offences.len(), offences.join("\n"));
}

/// What the checker says about `code` in `file`, each offence as `line: text`.
fn judge(file: &str, code: &str) -> Vec<String> {
    let root = BTreeMap::from([("App".to_owned(), "app".to_owned()), ("Error".to_owned(), "error".to_owned())]);
    let offences = Source::check(file, code, &root);
    offences.into_iter().map(|one| format!("{}: {}", one.place.rsplit(':').next().unwrap(), one.text)).collect()
}

const NOTHING: Vec<String> = Vec::new();

#[test]
fn an_arrow_of_the_table_is_let_through_and_its_reverse_is_not() {
    assert_eq!(judge("http/sessions.rs", "use crate::services::sessions;"), NOTHING);
    assert_eq!(judge("services/sessions.rs", "use crate::http::Page;"), ["1: services may not name http"]);
}

#[test]
fn every_way_to_write_a_path_is_seen() {
    let wrong = ["1: store may not name services"];
    assert_eq!(judge("store/users.rs", "use crate::services::sessions;"), wrong);
    assert_eq!(judge("store/users.rs", "use crate::{domain::names, services::{a, b}, Error};"), wrong);
    assert_eq!(judge("store/users.rs", "fn f() { g(crate::services::list()) }"), wrong);
    assert_eq!(judge("store/users.rs", "fn f() { format!(\"{}\", crate::services::NAME) }"), wrong);
    assert_eq!(judge("store/users.rs", "use super::super::services;"), wrong);
    assert_eq!(judge("store/mod.rs", "use super::services;"), wrong);
    assert_eq!(judge("store/mod.rs", "mod tests { use super::super::services; }"), wrong);
    assert_eq!(judge("store/mod.rs", "use crate::*;"), ["1: names everything at the root at once: name the module"]);
}

#[test]
fn a_path_within_the_own_module_is_no_arrow() {
    assert_eq!(judge("store/users.rs", "use super::Pool; use self::row::Row; use crate::store::x;"), NOTHING);
    assert_eq!(judge("store/users.rs", "mod tests { use super::super::services; use super::*; }"), NOTHING);
}

#[test]
fn a_name_from_the_root_counts_as_its_module() {
    assert_eq!(judge("http/ws.rs", "use crate::{App, Error};"), NOTHING);
    assert_eq!(judge("engine/mod.rs", "use crate::App;"), ["1: engine may not name app"]);
}

#[test]
fn what_is_common_may_be_named_by_all_and_names_nobody_above_it() {
    assert_eq!(judge("domain/idle.rs", "use crate::{clock::Clock, config::Sessions};"), NOTHING);
    assert_eq!(judge("clock.rs", "use crate::store::Pool;"), ["1: clock may not name store"]);
}

#[test]
fn comments_and_strings_are_not_code() {
    assert_eq!(
        judge("store/users.rs", "/// Like [`crate::services`].\n// crate::http::x\nconst A: &str = \"crate::http\";"),
        NOTHING
    );
}

#[test]
fn a_module_without_a_row_has_to_choose() {
    let answer = judge("brandnew/mod.rs", "use crate::store::Pool;");
    assert_eq!(answer, ["1: the module brandnew has no row in the table of tests/architecture.rs"]);
}

#[test]
fn crates_stay_in_their_corners() {
    assert_eq!(judge("http/ws.rs", "use actix_web::web;"), NOTHING);
    assert_eq!(
        judge("services/sessions.rs", "use x::y;\nfn f(_: actix_web::HttpRequest) {}"),
        ["2: actix_web may not be named here: HTTP ends in http/ and gateway/"]
    );
    assert_eq!(judge("services/sessions.rs", "mod tests { use actix_web::web; }"), NOTHING);
    assert_eq!(
        judge("domain/idle.rs", "pub async fn f() {}"),
        ["1: async may not be named here: domain/ is rules alone, without I/O"]
    );
}

#[test]
fn sql_stands_where_the_tables_are() {
    let query = "fn f() { db.query(\"SELECT 1 FROM users\"); g(\"\\\n    INSERT INTO users VALUES (1)\") }";
    let wrong = "1: SQL may not stand here: it belongs to store/ or objects/postgres";
    assert_eq!(judge("store/users.rs", query), NOTHING);
    assert_eq!(judge("objects/postgres/watch.rs", query), NOTHING);
    assert_eq!(judge("services/users.rs", query), [wrong, wrong]);
    assert_eq!(judge("services/users.rs", "const A: &str = \"Select a template first\";"), NOTHING);
}
