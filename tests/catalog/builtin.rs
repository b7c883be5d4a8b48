//! The catalog that comes with the server.

use serde_json::{Value, json};

use crate::server::{Server, until};

async fn templates(server: &Server) -> Vec<Value> {
    let list = server.call("GET", "/api/v1/catalog/templates?pageSize=500", None).await;
    list.body["items"].as_array().expect("a list").clone()
}

fn named<'a>(all: &'a [Value], name: &str) -> &'a Value {
    all.iter().find(|template| template["name"] == name).unwrap_or_else(|| panic!("no {name}: {all:?}"))
}

#[actix_web::test]
async fn what_is_shipped_is_in_the_catalog_and_what_nobody_started_is_marked() {
    let mut server = Server::start("built-in").await;
    let all = templates(&server).await;
    let (terminal, other) = (named(&all, "terminal"), named(&all, "code-server"));
    assert_eq!((&terminal["unverified"], &terminal["installed"][0]["name"]), (&false.into(), &"terminal".into()));
    assert_eq!((&other["unverified"], &other["installed"]), (&true.into(), &json!([])));
    assert!(all.iter().filter(|template| template["unverified"] == false).count() >= 12, "{all:?}");
    let wish = json!({ "catalogTemplateId": other["id"] });
    assert_eq!(server.call("POST", "/api/v1/catalog/install", Some(wish)).await.status, 201);

    let path = format!("/api/v1/catalog/repositories/{}", terminal["repository"].as_str().unwrap());
    let repository = server.call("GET", &path, None).await.body;
    assert_eq!((&repository["builtIn"], &repository["status"]), (&true.into(), &"synced".into()), "{repository}");
    for (method, below, body) in
        [("PATCH", "", json!({ "name": "mine" })), ("DELETE", "", json!({})), ("POST", "/webhook-secret", json!({}))]
    {
        let answer = server.call(method, &format!("{path}{below}"), Some(body)).await;
        assert_eq!(answer.status, 409, "{method} {below}: {answer:?}");
    }
    assert_eq!(server.call("POST", "/api/v1/templates/terminal/upgrade", Some(json!({}))).await.status, 409);
    assert_eq!(server.call("POST", &format!("{path}/sync"), Some(json!({}))).await.status, 202, "it does no harm");

    let versions = async |server: &Server| {
        let items = until("every template was looked at", async || {
            let list = server.call("GET", "/api/v1/templates?pageSize=500", None).await.body;
            let items = list["items"].as_array().unwrap().clone();
            items.iter().all(|item| item["status"]["observedGeneration"].is_number()).then_some(items)
        })
        .await;
        let version = |item: &Value| (item["metadata"]["name"].clone(), item["metadata"]["resourceVersion"].clone());
        items.iter().map(version).collect::<Vec<_>>()
    };
    let before = versions(&server).await;
    server.stop();
    server.run().await;
    assert_eq!(versions(&server).await, before, "a start that finds all as it should be writes nothing");
    assert_eq!(named(&templates(&server).await, "code-server")["installed"][0]["name"], "code-server");
}
