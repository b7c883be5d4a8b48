//! The document that describes the API, against the routes that there are.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use streamspace::http::routes;

use crate::support::{app::TestApp, client::send};

/// Methods by path, as the document has them.
fn described(document: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let paths = document["paths"].as_object().expect("paths");
    let methods = |item: &Value| item.as_object().expect("methods").keys().map(|name| name.to_uppercase()).collect();
    paths.iter().map(|(path, item)| (path.clone(), methods(item))).collect()
}

#[actix_web::test]
async fn the_document_names_every_route_and_nothing_else() {
    let app = TestApp::start().await;
    let document = app.anyone().get("/openapi.json").await.json();
    let table: BTreeMap<String, BTreeSet<String>> = routes::TABLE
        .iter()
        .map(|(path, operations)| {
            ((*path).to_owned(), operations.iter().map(|operation| operation.method.to_owned()).collect())
        })
        .collect();
    assert_eq!(described(&document), table);
}

#[actix_web::test]
async fn every_route_of_the_document_is_there_with_the_methods_it_names() {
    let app = TestApp::start().await;
    let document = app.anyone().get("/openapi.json").await.json();
    for (path, mut methods) in described(&document) {
        let concrete = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>();
        let answer = send(app.anyone().request("TRACE", &concrete.join("/"))).await;
        let allowed: BTreeSet<String> = answer.header("allow").split(", ").map(ToOwned::to_owned).collect();
        if methods.contains("GET") {
            methods.insert("HEAD".into());
        }
        assert_eq!((answer.status, allowed), (405, methods), "{path}");
    }
}

#[actix_web::test]
async fn every_operation_has_a_name_of_its_own_and_says_what_it_answers() {
    let app = TestApp::start().await;
    let document = app.anyone().get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut seen = BTreeSet::new();
    for (path, item) in document["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let id = operation["operationId"].as_str().expect("an operationId");
            assert!(seen.insert(id.to_owned()), "{id} twice");
            let answers = operation["responses"].as_object().expect("responses");
            assert!(answers.keys().any(|status| status.starts_with(['1', '2', '3'])), "{method} {path}");
            assert!(answers.contains_key("4XX") && answers.contains_key("5XX"), "{method} {path}");
        }
    }
}

#[actix_web::test]
async fn every_reference_in_the_document_leads_somewhere() {
    fn references(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                found.extend(fields.get("$ref").and_then(Value::as_str).map(ToOwned::to_owned));
                fields.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = streamspace::http::openapi::document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.contains("#/components/schemas/Problem"));
    for reference in found {
        let pointer = reference.strip_prefix('#').expect("a reference within the document");
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[actix_web::test]
async fn custom_resources_are_answered_as_the_document_describes_them() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let spec = json!({ "name": "probe", "displayName": "Probe", "baseImage": "probe:1", "webapp": { "port": 8080 } });
    let template = admin.post("/api/v1/templates", spec).await;
    assert_eq!(template.status, 201, "{template:?}");
    let session = admin.post("/api/v1/sessions", json!({ "template": "probe" })).await;
    assert_eq!(session.status, 201, "{session:?}");
    let name = session.json()["metadata"]["name"].as_str().expect("a name").to_owned();
    let document = streamspace::http::openapi::document();
    let answers = [
        ("Template", "/api/v1/templates/probe".to_owned()),
        ("Page_Template", "/api/v1/templates".to_owned()),
        ("Session", format!("/api/v1/sessions/{name}")),
        ("Page_Session", "/api/v1/sessions".to_owned()),
        ("Page_SessionActivity", "/api/v1/activity".to_owned()),
        ("Lifecycle", format!("/api/v1/sessions/{name}/lifecycle")),
        ("EventList", format!("/api/v1/sessions/{name}/events")),
    ];
    for (schema, path) in answers {
        let reference = format!("#/components/schemas/{schema}");
        let whole = json!({ "$ref": reference, "components": document["components"] });
        let validator = jsonschema::validator_for(&whole).expect("a schema");
        let answer = admin.get(&path).await.json();
        let faults: Vec<String> = validator.iter_errors(&answer).map(|fault| format!("{fault}")).collect();
        assert!(faults.is_empty(), "{path}: {faults:?}");
        assert!(!validator.is_valid(&json!("something else")), "{schema} says nothing");
    }
}

#[actix_web::test]
async fn the_document_is_yaml_for_those_who_ask_for_it() {
    let app = TestApp::start().await;
    let yaml = send(app.anyone().request("GET", "/openapi").header("accept", "application/yaml")).await;
    assert_eq!(yaml.header("content-type"), "application/yaml");
    let read: Value = serde_saphyr::from_slice(&yaml.body).expect("YAML");
    let json = app.anyone().get("/openapi").await;
    assert_eq!(json.header("content-type"), "application/json");
    assert_eq!(read, json.json());
}

#[actix_web::test]
async fn swagger_ui_is_served_whole_and_needs_no_inline_script() {
    let app = TestApp::start().await;
    for path in ["/openapi-ui", "/swagger.html"] {
        let page = app.anyone().get(path).await;
        assert!(page.header("content-security-policy").contains("script-src 'self';"));
        let text = String::from_utf8(page.body.to_vec()).expect("text");
        let links: Vec<&str> = text.split('"').filter(|word| word.starts_with("/openapi-ui/")).collect();
        assert_eq!(links.len(), 5, "{text}");
        assert!(!text.contains("<script>"), "{text}");
        for link in links {
            assert_eq!(app.anyone().get(link).await.status, 200, "{link}");
        }
    }
    let settings = app.anyone().get("/openapi-ui/swagger-initializer.js").await;
    assert!(String::from_utf8_lossy(&settings.body).contains("/openapi.json"));
    assert_eq!(app.anyone().get("/openapi-ui/no-such-file").await.status, 404);
}
