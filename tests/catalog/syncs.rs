//! The catalog follows its repositories.

use std::{sync::atomic::Ordering, time::Duration};

use serde_json::json;

use crate::{
    git::{Manners, noise},
    world::{World, manifest},
};

#[actix_web::test]
async fn what_is_pushed_is_in_the_catalog_after_the_next_sync() {
    let world = World::new().await;
    world.repo.write("tools/a.yaml", manifest("a", "Alpha")).write("README.md", "hello");
    let first = world.repo.push();
    let id = world.add(json!({})).await;
    let there = world.repository(&id).await;
    assert_eq!(
        (&there["status"], &there["syncedCommit"], &there["templateCount"]),
        (&"synced".into(), &first.as_str().into(), &1.into()),
        "{there}"
    );
    world.repo.write("tools/b.yaml", manifest("b", "Beta")).write("tools/a.yaml", manifest("a", "Alpha 2"));
    let second = world.repo.push();
    world.sync(&id).await;
    assert_eq!(world.names("").await, ["a", "b"]);
    let latest = world.latest(&id).await;
    assert_eq!(
        (&latest["added"], &latest["changed"], &latest["removed"], &latest["commit"]),
        (&1.into(), &1.into(), &0.into(), &second.as_str().into())
    );
    world.repo.remove("tools/a.yaml").push();
    world.sync(&id).await;
    assert_eq!(world.names("").await, ["b"]);
}

#[actix_web::test]
async fn an_unchanged_repository_costs_one_question() {
    let world = World::new().await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).push();
    let id = world.add(json!({})).await;
    let before = world.git.manners.requests.load(Ordering::SeqCst);
    let there = world.sync(&id).await;
    assert_eq!(world.git.manners.requests.load(Ordering::SeqCst), before + 1);
    assert_eq!(there["status"], "synced");
}

#[actix_web::test]
async fn a_broken_file_is_told_with_its_place_and_keeps_its_last_good_version() {
    let world = World::new().await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).write("b.yaml", manifest("b", "Beta")).push();
    let id = world.add(json!({})).await;
    world.repo.write("a.yaml", manifest("a", "Alpha").replace("port: 80", "port: 80000")).remove("b.yaml").push();
    world.sync(&id).await;
    assert_eq!(world.names("").await, ["a"]);
    let problem = world.latest(&id).await["problems"][0].clone();
    assert_eq!(
        (&problem["file"], &problem["line"], &problem["level"]),
        (&"a.yaml".into(), &10.into(), &"error".into()),
        "{problem}"
    );
    world.repo.write("a.yaml", manifest("a", "Mended")).push();
    world.sync(&id).await;
    assert_eq!(world.latest(&id).await["problems"], json!([]));
}

#[actix_web::test]
async fn a_rewritten_history_and_a_renamed_folder_lose_no_template() {
    let world = World::new().await;
    world.repo.write("old folder, with a comma/a.yaml", manifest("a", "Alpha")).push();
    let id = world.add(json!({})).await;
    let template = world.template("a").await;
    world.repo.git(&["mv", "old folder, with a comma", "new"]);
    world.repo.git(&["commit", "--quiet", "--amend", "--message=rewritten"]);
    world.repo.push();
    world.sync(&id).await;
    assert_eq!(world.template("a").await, template, "it is the same template");
    let there = world.admin.get(&format!("/api/v1/catalog/templates/{template}")).await.json();
    assert_eq!((&there["path"], &there["latest"]["number"]), (&"new/a.yaml".into(), &1.into()));
}

#[actix_web::test]
async fn branches_tags_commits_and_folders_are_read_as_they_are_named() {
    let world = World::new().await;
    world.repo.write("one/a.yaml", manifest("a", "Alpha")).write("two/b.yaml", manifest("b", "Beta"));
    let first = world.repo.push();
    world.repo.git(&["tag", "--annotate", "v1", "--message=one"]);
    world.repo.git(&["push", "--quiet", "../served/catalog.git", "v1"]);
    world.repo.write("one/c.yaml", manifest("c", "Gamma")).push();
    let id = world.add(json!({ "path": "one" })).await;
    assert_eq!(world.names("").await, ["a", "c"]);
    let change = async |patch| {
        let path = format!("/api/v1/catalog/repositories/{id}");
        assert_eq!(world.admin.patch(&path, patch).await.status, 200);
        world.until_synced(&id).await
    };
    let tagged = change(json!({ "tag": "v1", "path": "" })).await;
    assert_eq!((&tagged["syncedCommit"], &tagged["tag"]), (&first.as_str().into(), &"v1".into()));
    assert_eq!(world.names("").await, ["a", "b"]);
    let pinned = change(json!({ "commit": first, "path": "two" })).await;
    assert_eq!((&pinned["tag"], &pinned["status"]), (&json!(null), &"synced".into()), "{pinned}");
    assert_eq!(world.names("").await, ["b"]);
    let missing = change(json!({ "branch": "gone" })).await;
    assert_eq!((&missing["status"], &missing["lastError"]), (&"failed".into(), &"there is no branch “gone”".into()));
    assert_eq!(world.names("").await, ["b"], "what was there stays");
}

#[actix_web::test]
async fn two_hundred_templates_in_nested_folders_with_odd_names_are_all_found() {
    let world = World::new().await;
    for number in 0..200 {
        let folder = format!("Level {}, and more/ünï {}/(x)", number % 7, number % 13);
        world.repo.write(&format!("{folder}/it's {number}.yml"), manifest(&format!("t-{number}"), "T"));
    }
    world.repo.write("chart/values.yaml", "a: 1\n").push();
    let id = world.add(json!({})).await;
    let there = world.repository(&id).await;
    assert_eq!((&there["templateCount"], &there["status"]), (&200.into(), &"synced".into()), "{there}");
    let skipped = &world.latest(&id).await["problems"];
    assert_eq!((skipped.as_array().unwrap().len(), &skipped[0]["level"]), (1, &"skipped".into()));
}

#[actix_web::test]
async fn a_repository_with_a_password_is_read_with_it_and_nobody_is_shown_it() {
    let manners = Manners { password: Some(("bot".into(), "s3cret-word".into())), ..Manners::default() };
    let world = World::with(manners, &[]).await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).push();
    let id = world.add(json!({})).await;
    let refused = world.repository(&id).await;
    assert!(
        refused["status"] == "failed" && refused["lastError"].as_str().unwrap().contains("wants credentials"),
        "{refused}"
    );
    let path = format!("/api/v1/catalog/repositories/{id}");
    let patch = async |password: &str| {
        let auth = json!({ "auth": { "type": "basic", "username": "bot", "password": password } });
        assert_eq!(world.admin.patch(&path, auth).await.status, 200);
        world.until_synced(&id).await
    };
    let wrong = patch("wrong-word").await;
    assert!(wrong["lastError"].as_str().unwrap().contains("refuses the credentials"), "{wrong}");
    let right = patch("s3cret-word").await;
    assert_eq!((&right["status"], &right["auth"]["username"]), (&"synced".into(), &"bot".into()));
    let mut said = right.to_string();
    for path in ["/api/v1/jobs".to_owned(), "/api/v1/audit".into(), format!("{path}/syncs")] {
        said += &world.admin.get(&path).await.json().to_string();
    }
    assert!(!said.contains("s3cret-word") && !said.contains("wrong-word"), "{said}");
    let moved = world.admin.patch(&path, json!({ "url": "https://evil.example/catalog" })).await;
    assert_eq!((moved.status, &moved.json()["errors"][0]["field"]), (400, &"auth".into()), "a secret is for its host");
}

#[actix_web::test]
async fn a_server_that_hangs_is_given_up_within_the_limit() {
    let world = World::with(Manners::default(), &["--sync-timeout=1s"]).await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).push();
    world.git.manners.hangs.store(true, Ordering::SeqCst);
    let began = std::time::Instant::now();
    let id = world.add(json!({})).await;
    assert!(began.elapsed() < Duration::from_secs(20));
    let hung = world.repository(&id).await;
    assert!(hung["lastError"].as_str().unwrap().contains("did not answer within 1 s"), "{hung}");
    world.git.manners.hangs.store(false, Ordering::SeqCst);
    assert_eq!(world.sync(&id).await["status"], "synced");
}

#[actix_web::test]
async fn a_server_that_hangs_in_the_middle_leaves_the_catalog_as_it_was() {
    let world = World::with(Manners::default(), &["--sync-timeout=1s"]).await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).push();
    let id = world.add(json!({})).await;
    world.repo.write("b.yaml", manifest("b", "Beta")).remove("a.yaml").push();
    world.git.manners.hangs_later.store(true, Ordering::SeqCst);
    let hung = world.sync(&id).await;
    assert!(hung["lastError"].as_str().unwrap().contains("did not answer within 1 s"), "{hung}");
    assert_eq!(world.names("").await, ["a"]);
    world.git.manners.hangs_later.store(false, Ordering::SeqCst);
    assert_eq!(world.sync(&id).await["status"], "synced");
    assert_eq!(world.names("").await, ["b"]);
}

#[actix_web::test]
async fn a_branch_that_is_deleted_is_told_and_takes_nothing_along() {
    let world = World::new().await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).push();
    world.repo.git(&["push", "--quiet", "../served/catalog.git", "HEAD:refs/heads/side"]);
    let id = world.add(json!({ "branch": "side" })).await;
    assert_eq!(world.names("").await, ["a"]);
    world.repo.git(&["push", "--quiet", "../served/catalog.git", ":refs/heads/side"]);
    let gone = world.sync(&id).await;
    assert_eq!((&gone["status"], &gone["lastError"]), (&"failed".into(), &"there is no branch “side”".into()));
    assert_eq!(world.names("").await, ["a"], "what was there stays");
    world.repo.write("b.yaml", manifest("b", "Beta")).push();
    world.repo.git(&["push", "--quiet", "../served/catalog.git", "HEAD:refs/heads/side"]);
    assert_eq!(world.sync(&id).await["status"], "synced");
    assert_eq!(world.names("").await, ["a", "b"]);
}

#[actix_web::test]
async fn a_history_without_any_commit_of_the_one_before_is_read_as_well() {
    let world = World::new().await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).write("b.yaml", manifest("b", "Beta")).push();
    let id = world.add(json!({})).await;
    let template = world.template("a").await;
    world.repo.git(&["checkout", "--quiet", "--orphan", "anew"]);
    world.repo.remove("b.yaml").write("a.yaml", manifest("a", "Anew"));
    let commit = world.repo.push();
    let there = world.sync(&id).await;
    assert_eq!((&there["status"], &there["syncedCommit"]), (&"synced".into(), &commit.as_str().into()), "{there}");
    assert_eq!(world.names("").await, ["a"]);
    let versions = world.admin.get(&format!("/api/v1/catalog/templates/{template}/versions")).await.json();
    assert_eq!(versions["total"], 2, "it is the same template");
}

#[actix_web::test]
async fn a_full_disk_is_told_and_leaves_the_catalog_as_it_was() {
    // The process that fetches finds the place of the caches full, for as long as there is a file “full”.
    let full = "[ -e \"$HERE/full\" ] || exec \"$PROGRAM\" \"$@\"\n\
                exec /usr/bin/bwrap --dev-bind / / --size 65536 --tmpfs \"$HERE/git\" \"$PROGRAM\" \"$@\"";
    let world = World::fetching_by(full, Manners::default(), &[]).await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).push();
    let id = world.add(json!({})).await;
    world.repo.write("noise.bin", noise()).write("b.yaml", manifest("b", "Beta")).push();
    std::fs::write(world.here().join("full"), "").unwrap();
    let there = world.sync(&id).await;
    assert_eq!(there["status"], "failed", "{there}");
    assert!(there["lastError"].as_str().unwrap().contains("No space left"), "{there}");
    assert_eq!(world.names("").await, ["a"]);
    std::fs::remove_file(world.here().join("full")).unwrap();
    assert_eq!(world.sync(&id).await["status"], "synced");
    assert_eq!(world.names("").await, ["a", "b"]);
}

#[actix_web::test]
async fn templates_that_were_read_by_older_rules_are_read_again_although_nothing_is_new() {
    let world = World::new().await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).push();
    let id = world.add(json!({})).await;
    let db = world.app.app.pool.get().await.unwrap();
    // As an older release left it: other rules, and other problems found by them.
    db.batch_execute("UPDATE catalog_repositories SET rules = 0").await.unwrap();
    db.batch_execute("UPDATE catalog_files SET names = '{}'; UPDATE catalog_templates SET removed_at = now()")
        .await
        .unwrap();
    world.sync(&id).await;
    assert_eq!(world.names("").await, ["a"]);
    db.batch_execute("UPDATE catalog_templates SET removed_at = now()").await.unwrap();
    world.sync(&id).await;
    assert_eq!(world.names("").await, [""; 0], "control: by the same rules nothing is read");
}

#[actix_web::test]
async fn a_repository_that_is_removed_takes_its_templates_along() {
    let world = World::new().await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).push();
    let id = world.add(json!({})).await;
    assert_eq!(world.names("").await, ["a"]);
    assert_eq!(world.admin.delete(&format!("/api/v1/catalog/repositories/{id}")).await.status, 204);
    assert_eq!(world.names("").await, [""; 0]);
    let taken = world.try_add(&world.git.url(), json!({})).await;
    assert_eq!(taken.status, 201, "its name is free again");
}
