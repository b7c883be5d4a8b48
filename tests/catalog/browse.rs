//! Looking through the catalog, and installing from it.

use serde_json::json;
use streamspace::auth::Role;

use crate::world::{World, manifest};

#[actix_web::test]
async fn the_catalog_is_searched_narrowed_counted_and_sorted() {
    let world = World::new().await;
    let of = |name: &str, display: &str, category: &str, tag: &str| {
        manifest(name, display).replace("Tools", category).replace("[testing]", &format!("[{tag}, common]"))
    };
    world
        .repo
        .write("1.yaml", of("gimp", "GIMP", "Graphics", "images"))
        .write("2.yaml", of("krita", "Krita", "Graphics", "paint"));
    world.repo.write("3.yaml", of("jupyter-lab", "JupyterLab", "Notebooks", "python")).push();
    world.add(json!({})).await;
    assert_eq!(world.names("").await, ["gimp", "jupyter-lab", "krita"]);
    assert_eq!(world.names("category=Graphics&sort=-name").await, ["krita", "gimp"]);
    assert_eq!(world.names("tag=python").await, ["jupyter-lab"]);
    assert_eq!(world.names("search=pyth").await, ["jupyter-lab"], "the beginning of a word");
    assert_eq!(world.names("search=graphics%20kri").await, ["krita"], "every word, in any field");
    assert_eq!(world.names("search=tool%27%20%7C%20%21").await.len(), 3, "signs of the query language mean nothing");
    assert_eq!(world.names("search=nothing").await, [""; 0]);
    assert_eq!(world.names("pageSize=1&page=2").await, ["jupyter-lab"]);
    let page = world.admin.get("/api/v1/catalog/templates?category=Graphics").await.json();
    assert_eq!(page["total"], 2);
    let facet = |kind: &str| {
        let values = page["facets"][kind].as_array().unwrap().iter();
        values.map(|value| format!("{} {}", value["label"].as_str().unwrap(), value["count"])).collect::<Vec<_>>()
    };
    assert_eq!(facet("category"), ["Graphics 2", "Notebooks 1"], "what else could be chosen");
    assert_eq!(facet("tag"), ["common 2", "images 1", "paint 1"], "among what is chosen");
    assert_eq!(facet("repository"), ["catalog 2"]);
}

#[actix_web::test]
async fn a_template_is_installed_upgraded_compared_and_rolled_back_by_version() {
    let world = World::new().await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).push();
    let id = world.add(json!({})).await;
    let template = world.template("a").await;
    let install = async |more: serde_json::Value| {
        let mut body = json!({ "catalogTemplateId": template });
        for (field, value) in more.as_object().unwrap() {
            body[field] = value.clone();
        }
        world.admin.post("/api/v1/catalog/install", body).await
    };
    let made = install(json!({})).await;
    assert_eq!(made.status, 201, "{made:?}");
    let notes = &made.json()["metadata"]["annotations"];
    assert_eq!(notes["stream.streamspace.io/catalog-path"], "a.yaml");
    assert_eq!(notes["stream.streamspace.io/catalog-repository"], world.git.url());
    assert_eq!(install(json!({})).await.status, 201, "once more is the same");
    let listed = world.admin.get("/api/v1/catalog/templates?installed=true").await.json();
    assert_eq!(
        (&listed["items"][0]["installs"], &listed["items"][0]["installed"][0]["name"]),
        (&1.into(), &"a".into())
    );

    world.repo.write("a.yaml", manifest("a", "Alpha 2")).push();
    world.sync(&id).await;
    let versions = world.admin.get(&format!("/api/v1/catalog/templates/{template}/versions")).await.json();
    let version = |at: usize| versions["items"][at]["id"].as_str().unwrap().to_owned();
    assert_eq!(versions["total"], 2);
    let diff = world.admin.get(&format!("/api/v1/catalog/templates/{template}/diff?from={}", version(1))).await.json();
    assert_eq!(diff["fields"], json!([{ "field": "spec.displayName", "before": "Alpha", "after": "Alpha 2" }]));
    assert!(diff["unified"].as_str().unwrap().contains("\n-  displayName: Alpha\n+  displayName: Alpha 2\n"), "{diff}");

    let shown = async || world.admin.get("/api/v1/templates/a").await.json()["spec"]["displayName"].clone();
    assert_eq!(shown().await, "Alpha", "nothing moves by itself");
    assert_eq!(install(json!({})).await.status, 409, "another version is there");
    let to =
        async |way: &str, body: serde_json::Value| world.admin.post(&format!("/api/v1/templates/a/{way}"), body).await;
    assert_eq!(to("upgrade", json!({})).await.status, 200);
    assert_eq!(shown().await, "Alpha 2");
    assert_eq!(to("rollback", json!({})).await.status, 200);
    assert_eq!(shown().await, "Alpha");
    assert_eq!(to("rollback", json!({})).await.status, 409, "there was nothing before");
    assert_eq!(to("upgrade", json!({ "version": version(0) })).await.status, 200);
    assert_eq!(shown().await, "Alpha 2");
    assert_eq!(to("upgrade", json!({ "version": template })).await.status, 404);

    let other = install(json!({ "name": "another" })).await;
    assert_eq!(other.status, 201);
    assert_eq!(world.admin.delete("/api/v1/templates/another").await.status, 204, "uninstalled");
    assert_eq!(world.admin.get("/api/v1/catalog/templates").await.json()["items"][0]["installs"], 2);
}

#[actix_web::test]
async fn an_installation_that_was_interrupted_is_counted_when_it_is_asked_for_again() {
    let world = World::new().await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).push();
    let id = world.add(json!({})).await;
    let body = json!({ "catalogTemplateId": world.template("a").await });
    let installs =
        async || world.admin.get("/api/v1/catalog/templates").await.json()["items"][0]["installs"].as_i64().unwrap();
    assert_eq!(world.admin.post("/api/v1/catalog/install", body.clone()).await.status, 201);
    // As a server left it that was killed between the object and its record.
    let db = world.app.app.pool.get().await.unwrap();
    db.batch_execute("DELETE FROM catalog_installs; UPDATE catalog_templates SET installs = 0").await.unwrap();
    for _ in 0..2 {
        assert_eq!(world.admin.post("/api/v1/catalog/install", body.clone()).await.status, 201);
        assert_eq!(installs().await, 1);
    }
    world.repo.write("a.yaml", manifest("a", "Alpha 2")).push();
    world.sync(&id).await;
    assert_eq!(world.admin.post("/api/v1/templates/a/upgrade", json!({})).await.status, 200);
    db.batch_execute("DELETE FROM catalog_installs WHERE action = 'upgrade'").await.unwrap();
    let back = world.admin.post("/api/v1/templates/a/rollback", json!({})).await;
    assert_eq!((back.status, &back.json()["spec"]["displayName"]), (200, &"Alpha".into()), "{back:?}");
    assert_eq!(installs().await, 1);
}

#[actix_web::test]
async fn a_name_that_something_else_has_is_not_taken_over() {
    let world = World::new().await;
    world.repo.write("a.yaml", manifest("a", "Alpha")).push();
    world.add(json!({})).await;
    let own = json!({ "name": "a", "displayName": "Mine", "baseImage": "i", "webapp": { "port": 80 } });
    assert_eq!(world.admin.post("/api/v1/templates", own).await.status, 201);
    let body = json!({ "catalogTemplateId": world.template("a").await });
    let taken = world.admin.post("/api/v1/catalog/install", body.clone()).await;
    assert_eq!((taken.status, taken.code()), (409, "already-exists".into()));
    assert_eq!(world.admin.get("/api/v1/templates/a").await.json()["spec"]["displayName"], "Mine");
    assert_eq!(world.admin.post("/api/v1/templates/a/upgrade", json!({})).await.status, 409, "it is not the catalog's");
    let alice = world.app.person("alice", &[Role::User]).await;
    assert_eq!(alice.get("/api/v1/catalog/templates").await.status, 200, "everybody may look");
    assert_eq!(alice.post("/api/v1/catalog/install", body).await.status, 403);
}

#[actix_web::test]
async fn a_readme_beside_a_template_is_shown_without_what_could_do_harm() {
    let world = World::new().await;
    world.repo.write("one/a.yaml", manifest("a", "Alpha"));
    world.repo.write("one/README.md", "# Alpha\n\n<script>alert(1)</script> for *everybody*\n");
    world.repo.write("many/b.yaml", manifest("b", "Beta")).write("many/c.yaml", manifest("c", "Gamma"));
    world.repo.write("many/README.md", "of both").write("many/c.md", "of c").write("docs/other.md", "of nobody").push();
    let id = world.add(json!({})).await;
    let readme = async |name: &str| {
        let path = format!("/api/v1/catalog/templates/{}", world.template(name).await);
        world.admin.get(&path).await.json()["readme"].clone()
    };
    let shown = readme("a").await;
    assert!(shown.as_str().unwrap().contains("<h1>Alpha</h1>") && !shown.to_string().contains("script"), "{shown}");
    assert_eq!((readme("b").await, readme("c").await), (json!(null), json!("<p>of c</p>\n")));
    world.repo.remove("one/README.md").write("many/c.md", "of c, again").push();
    world.sync(&id).await;
    assert_eq!((readme("a").await, readme("c").await), (json!(null), json!("<p>of c, again</p>\n")));
    assert_eq!(world.latest(&id).await["problems"], json!([]));
}
