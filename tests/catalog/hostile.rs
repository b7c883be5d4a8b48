//! Repositories that mean harm are refused with a reason; the same without their hostile part are synced.

use std::sync::atomic::Ordering;

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use crate::{
    git::{Manners, Repo, Server, noise},
    world::{World, manifest},
};

/// What the latest sync said of a file.
async fn said_of(world: &World, id: &str, file: &str) -> String {
    let latest = world.latest(id).await;
    let problems = latest["problems"].as_array().unwrap().clone();
    let problem = problems.iter().find(|problem| problem["file"] == file);
    problem.unwrap_or_else(|| panic!("nothing about {file}: {latest}"))["message"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn links_and_submodules_are_left_out_with_the_reason() {
    let world = World::new().await;
    world.repo.write("a.yaml", manifest("a", "Alpha"));
    std::os::unix::fs::symlink("/etc/passwd", world.repo.work().join("out.yaml")).unwrap();
    world.repo.git(&["add", "--all"]);
    let commit = "1".repeat(40);
    world.repo.git(&["update-index", "--add", "--cacheinfo", &format!("160000,{commit},sub")]);
    world.repo.git(&["commit", "--quiet", "--message=hostile"]);
    world.repo.git(&["push", "--quiet", "../served/catalog.git", "HEAD:refs/heads/main"]);
    let id = world.add(json!({})).await;
    assert_eq!(world.names("").await, ["a"]);
    assert!(said_of(&world, &id, "out.yaml").await.contains("link"));
    assert!(said_of(&world, &id, "sub").await.contains("submodule"));
    world.repo.remove("out.yaml").write("out.yaml", manifest("out", "Out")).push();
    world.sync(&id).await;
    assert_eq!(world.names("").await, ["a", "out"]);
}

#[actix_web::test]
async fn a_tree_with_a_name_that_leads_elsewhere_is_refused_as_a_whole() {
    let world = World::new().await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).push();
    let blob = world.repo.git(&["rev-parse", "HEAD:a.yaml"]);
    for name in ["..", ".git"] {
        let raw: Vec<u8> = [
            b"100644 a.yaml\0".to_vec(),
            hex(&blob),
            format!("40000 {name}\0").into_bytes(),
            hex(&tree_of(&world.repo)),
        ]
        .concat();
        world.repo.write("../raw", &raw);
        let tree = world.repo.git(&["hash-object", "-t", "tree", "-w", "--literally", "../raw"]);
        let commit = world.repo.git(&["commit-tree", &tree, "-m", "hostile"]);
        world.repo.git(&["push", "--quiet", "--force", "../served/catalog.git", &format!("{commit}:refs/heads/main")]);
        let id = world.add(json!({ "name": format!("hostile {name}") })).await;
        let there = world.repository(&id).await;
        assert!(
            there["status"] == "failed" && there["lastError"].as_str().is_some_and(|error| !error.is_empty()),
            "{there}"
        );
        assert_eq!(there["templateCount"], 0);
        world.repo.push();
        assert_eq!(world.sync(&id).await["status"], "synced", "the same without it");
    }
}

fn tree_of(repo: &Repo) -> String {
    repo.git(&["rev-parse", "HEAD^{tree}"])
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[actix_web::test]
async fn files_that_would_keep_the_server_busy_are_refused_one_by_one() {
    let world = World::new().await;
    let line = |level: usize| {
        let below = vec![if level == 0 { "x".to_owned() } else { format!("*a{}", level - 1) }; 9];
        format!("a{level}: &a{level} [{}]", below.join(", "))
    };
    let bomb = (0..12).map(line).collect::<Vec<_>>().join("\n");
    let huge = manifest("huge", "Huge") + &"# filler\n".repeat(100_000);
    world.repo.write("a.yaml", manifest("a", "Alpha"));
    world.repo.write("raw.yaml", manifest("raw", "R\0")).write("escaped.yaml", manifest("escaped", r#""E\0""#));
    world
        .repo
        .write("a.md", "A\0")
        .write("deep.yaml", "[".repeat(50_000))
        .write("bomb.yaml", bomb)
        .write("huge.yaml", huge);
    world.repo.push();
    let id = world.add(json!({})).await;
    assert_eq!(world.names("").await, ["a"]);
    assert!(said_of(&world, &id, "huge.yaml").await.contains("bytes"));
    for file in ["deep.yaml", "bomb.yaml"] {
        assert!(said_of(&world, &id, file).await.contains("YAML"), "{file}");
    }
    for file in ["raw.yaml", "escaped.yaml"] {
        assert!(said_of(&world, &id, file).await.contains("NUL"), "{file}");
    }
    world.repo.remove("deep.yaml").remove("bomb.yaml").remove("raw.yaml").remove("escaped.yaml");
    world.repo.write("huge.yaml", manifest("huge", "Huge")).push();
    world.sync(&id).await;
    assert_eq!(world.names("").await, ["a", "huge"]);
    let readme = world.admin.get(&format!("/api/v1/catalog/templates/{}", world.template("a").await)).await.json();
    assert_eq!(readme["readme"], "<p>A\u{fffd}</p>\n");
}

#[actix_web::test]
async fn one_large_file_under_many_names_is_refused_as_a_whole() {
    let world = World::with(Manners::default(), &["--sync-max-bytes=1048576"]).await;
    let large = manifest("large", "Large") + &"# filler\n".repeat(10_000);
    for number in 0..16 {
        world.repo.write(&format!("{number}.yaml"), &large);
    }
    world.repo.push();
    let id = world.add(json!({})).await;
    let there = world.repository(&id).await;
    assert!(there["lastError"].as_str().unwrap().contains("1 MiB together"), "{there}");
    for number in 1..16 {
        world.repo.remove(&format!("{number}.yaml"));
    }
    world.repo.push();
    assert_eq!(world.sync(&id).await["templateCount"], 1, "the same without it");
}

#[actix_web::test]
async fn a_repository_beyond_the_limit_is_given_up() {
    let world = World::with(Manners::default(), &["--sync-max-bytes=65536"]).await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).write("noise.bin", noise()).push();
    let id = world.add(json!({})).await;
    let there = world.repository(&id).await;
    assert!(there["lastError"].as_str().unwrap().contains("the limit"), "{there}");
    world.repo.remove("noise.bin").push();
    world.repo.git(&["-C", "../served/catalog.git", "gc", "--quiet", "--prune=now"]);
    assert_eq!(world.sync(&id).await["status"], "synced");
}

#[actix_web::test]
async fn urls_that_lead_inside_are_refused_when_they_are_given() {
    let world = World::new().await;
    world.repo.push();
    let inside = [
        "file:///etc",
        "/etc",
        "ext::sh -c id",
        "ssh://git@127.0.0.1/x",
        "git://example.com/x",
        "http://example.com/x",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://169.254.169.254/latest",
        "https://[::1]/x",
        "https://user:secret@example.com/x",
        &format!("http://{}.evil.example/x", world.git.address().ip()),
    ];
    for url in inside {
        let answer = world.try_add(url, json!({})).await;
        assert_eq!((answer.status, &answer.json()["errors"][0]["field"]), (400, &"url".into()), "{url}");
    }
    let control = world.try_add(&world.git.url(), json!({})).await;
    assert_eq!(control.status, 201, "what the administrator allows");
}

#[actix_web::test]
async fn a_redirect_inside_is_refused_and_takes_no_credentials_along() {
    let inner = Repo::new();
    inner.write("a.yaml", manifest("inner", "Inner")).push();
    let inside = Server::start(inner.served(), Manners::default()).await;
    let world = World::new().await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).push();
    let to = |url: &str| {
        *world.git.manners.redirect.lock().unwrap() = Some(format!("{url}/info/refs?service=git-upload-pack"));
    };
    to(&inside.url());
    let auth = json!({ "type": "token", "token": "s3cret" });
    let id = world.add(json!({ "auth": auth })).await;
    let there = world.repository(&id).await;
    assert_eq!(there["status"], "failed", "{there}");
    assert_eq!(inside.manners.requests.load(Ordering::SeqCst), 0, "nobody asked inside");
    assert!(world.git.manners.credentials.load(Ordering::SeqCst) > 0, "control: it was told its own");
    *world.git.manners.redirect.lock().unwrap() = None;
    assert_eq!(world.sync(&id).await["status"], "synced");
}

#[actix_web::test]
async fn a_redirect_to_an_allowed_place_is_followed_without_the_credentials_of_the_first() {
    let other = Repo::new();
    other.write("a.yaml", manifest("moved", "Moved")).push();
    let there = Server::start(other.served(), Manners::default()).await;
    let world = World::with(Manners::default(), &[&format!("--catalog-allow={}", there.root())]).await;
    world.repo.push();
    *world.git.manners.redirect.lock().unwrap() = Some(format!("{}/info/refs?service=git-upload-pack", there.url()));
    let id = world.add(json!({ "auth": { "type": "token", "token": "s3cret" } })).await;
    assert_eq!(world.repository(&id).await["status"], "synced");
    assert_eq!(world.names("").await, ["moved"]);
    assert!(world.git.manners.credentials.load(Ordering::SeqCst) > 0, "the first was told");
    assert_eq!(there.manners.credentials.load(Ordering::SeqCst), 0);
}

#[actix_web::test]
async fn a_redirect_to_another_scheme_is_refused() {
    let world = World::new().await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).push();
    let file = format!("file://{}", world.repo.served().join("catalog.git").display());
    *world.git.manners.redirect.lock().unwrap() = Some(file);
    let id = world.add(json!({})).await;
    let there = world.repository(&id).await;
    assert!(there["lastError"].as_str().unwrap().contains("not fetched from"), "{there}");
    *world.git.manners.redirect.lock().unwrap() = None;
    assert_eq!(world.sync(&id).await["status"], "synced");
}

#[actix_web::test]
async fn a_public_name_that_turns_out_to_mean_this_machine_is_not_dialled() {
    // The process that fetches sees a list of hosts of the test's own.
    let rebound = "exec /usr/bin/bwrap --dev-bind / / --ro-bind \"$HERE/hosts\" /etc/hosts \"$PROGRAM\" \"$@\"";
    let inner = Repo::new();
    inner.write("a.yaml", manifest("inner", "Inner")).push();
    let inside = Server::start(inner.served(), Manners::default()).await;
    let port = inside.address().port();
    let allowed = format!("--catalog-allow=http://rebind.example:{port}/");
    let world = World::fetching_by(rebound, Manners::default(), &[&allowed]).await;
    std::fs::write(world.here().join("hosts"), "127.0.0.1 rebind.example\n").unwrap();
    for scheme in ["https", "ssh"] {
        let auth = if scheme == "ssh" { ssh_auth() } else { json!({ "type": "none" }) };
        let url = format!("{scheme}://rebind.example:{port}/catalog.git");
        let made = world.try_add(&url, json!({ "name": scheme, "auth": auth })).await;
        assert_eq!(made.status, 201, "nobody can tell from the name: {made:?}");
        let there = world.until_synced(made.json()["id"].as_str().unwrap()).await;
        assert!(there["lastError"].as_str().unwrap().contains("inner network"), "{there}");
    }
    assert_eq!(inside.manners.requests.load(Ordering::SeqCst), 0, "nobody asked inside");
    let made = world.try_add(&format!("http://rebind.example:{port}/catalog.git"), json!({ "name": "allowed" })).await;
    let there = world.until_synced(made.json()["id"].as_str().unwrap()).await;
    assert_eq!(there["status"], "synced", "control: where the administrator allows it, the name leads there: {there}");
}

/// A key and a host's key that are well-formed and open nothing.
fn ssh_auth() -> serde_json::Value {
    let content = STANDARD.encode([b"openssh-key-v1\0".as_slice(), &4_u32.to_be_bytes(), b"none"].concat());
    json!({
        "type": "ssh",
        "privateKey": format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{content}\n-----END OPENSSH PRIVATE KEY-----"),
        "hostKey": format!("ssh-ed25519 {}", STANDARD.encode([&11_u32.to_be_bytes(), b"ssh-ed25519".as_slice()].concat())),
    })
}
