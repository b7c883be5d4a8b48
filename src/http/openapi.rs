//! The description of the API, made from the code: `/openapi.json`, and Swagger UI to try it.

use std::sync::{Arc, LazyLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderMap},
    web,
};
use bytes::Bytes;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use schemars::{
    JsonSchema, SchemaGenerator,
    generate::{Contract, SchemaSettings},
};
use serde_json::{Map, Value, json};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{Ref, RefOr, Schema},
};

use super::{
    operation::{Kind, Operation, Public},
    problem::{MEDIA_TYPE, Refusal},
    routes,
};
use crate::{
    auth::Permission,
    crd::{self, Lifecycle, Session, SessionSpec, SessionStatus, Template, TemplateSpec, TemplateStatus},
};

/// Where definitions stand in the document.
const SCHEMAS: &str = "#/components/schemas/";

/// The whole document.
#[must_use]
pub fn document() -> Value {
    let mut document = serde_json::to_value(routes::document()).unwrap_or_default();
    document["info"] = json!({
        "title": "StreamSpace",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Interactive sessions in the browser. Conventions of every endpoint: `docs/api.md`.",
        "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
    });
    document["components"]["securitySchemes"] = json!({
        "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "A personal API token" },
        "browser": { "type": "apiKey", "in": "cookie", "name": "streamspace_session", "description": "A sign-in" },
    });
    document["components"]["parameters"] = parameters();
    add_custom_resources(&mut document["components"]["schemas"]);
    for (operation, permission) in routes::permissions() {
        let described = &mut document["paths"][operation.path][operation.method.to_lowercase()];
        if let Some(described) = described.as_object_mut() {
            complete(described, operation, permission);
        }
    }
    document
}

/// Headers that many operations take.
fn parameters() -> Value {
    json!({
        "Idempotency-Key": {
            "name": "Idempotency-Key", "in": "header", "required": false,
            "description": "Makes a repeated request harmless for 24 h: the first answer is told again.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        },
        "X-Request-Id": {
            "name": "X-Request-Id", "in": "header", "required": false,
            "description": "Names the request in the answer, the log and the audit; one is made where it is absent.",
            "schema": { "type": "string" },
        },
    })
}

/// The schemas of the custom resources as they are answered: what is always written is required, nothing is null.
fn add_custom_resources(schemas: &mut Value) {
    let answered = |settings: &mut SchemaSettings| {
        settings.definitions_path = "/components/schemas".into();
        settings.contract = Contract::Serialize;
    };
    let mut generator = SchemaGenerator::new(SchemaSettings::draft2020_12().with(answered));
    // kube's schemas stand in place and would have no names; named ones can be named by readers too.
    for (name, schema) in [
        ("SessionSpec", generator.subschema_for::<SessionSpec>()),
        ("SessionStatus", generator.subschema_for::<SessionStatus>()),
        ("TemplateSpec", generator.subschema_for::<TemplateSpec>()),
        ("TemplateStatus", generator.subschema_for::<TemplateStatus>()),
    ] {
        schemas[name] = schema.into();
        without_null(&mut schemas[name]);
    }
    generator.subschema_for::<ObjectMeta>();
    for (name, mut schema) in generator.take_definitions(true) {
        without_null(&mut schema);
        schemas[name] = schema;
    }
    // A dry run answers what would be, which has no version.
    schemas[&*ObjectMeta::schema_name()]["required"] = json!(["name", "creationTimestamp"]);
    schemas[&*Condition::schema_name()]["properties"]["status"]["enum"] = json!(["True", "False", "Unknown"]);
    schemas["Session"] = custom_resource("Session", "One person's running (or sleeping) copy of a template.");
    schemas["Template"] = custom_resource("Template", "Something that can be launched.");
}

/// An object of the platform's own group; answers always say its name and when it was made.
fn custom_resource(kind: &str, description: &str) -> Value {
    let reference = |name: &str| json!({ "$ref": format!("{SCHEMAS}{name}") });
    json!({
        "type": "object",
        "description": description,
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "properties": {
            "apiVersion": { "type": "string", "const": format!("{}/{}", crd::GROUP, crd::VERSION) },
            "kind": { "type": "string", "const": kind },
            "metadata": reference(&ObjectMeta::schema_name()),
            "spec": reference(&format!("{kind}Spec")),
            "status": reference(&format!("{kind}Status")),
        },
    })
}

/// Takes `null` out of what a property may be where the property is left out instead.
fn without_null(schema: &mut Value) {
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties {
            if !required.contains(&Value::from(name.as_str())) {
                drop_null(property);
            }
            without_null(property);
        }
    }
    if let Some(items) = schema.get_mut("items") {
        without_null(items);
    }
}

/// Takes `null` out of the types and alternatives of `schema`; the one alternative that is left takes its place.
fn drop_null(schema: &mut Value) {
    if let Some(types) = schema.get_mut("type").and_then(Value::as_array_mut) {
        types.retain(|one| one != "null");
        if let [only] = types.as_slice() {
            schema["type"] = only.clone();
        }
    }
    let Some(fields) = schema.as_object_mut() else { return };
    if let Some(Value::Array(mut ways)) = fields.remove("anyOf") {
        ways.retain(|way| way["type"] != "null");
        match ways.as_slice() {
            [Value::Object(only)] => fields.extend(only.clone()),
            _ => drop(fields.insert("anyOf".into(), ways.into())),
        }
    }
}

/// Says of an operation what holds for all of its sort: who may, what it answers when it cannot.
fn complete(described: &mut Map<String, Value>, operation: &Operation, permission: Option<Permission>) {
    if let Some(permission) = permission {
        described.insert("security".into(), json!([{ "token": [] }, { "browser": [] }]));
        described.insert("x-permission".into(), permission.word().into());
    }
    let changes = operation.method != "GET";
    let mut shared = vec!["X-Request-Id"];
    if changes && operation.kind == Kind::Plain && permission.is_some() {
        shared.push("Idempotency-Key");
    }
    let references = shared.iter().map(|name| json!({ "$ref": format!("#/components/parameters/{name}") }));
    if let Some(parameters) = described.entry("parameters").or_insert_with(|| json!([])).as_array_mut() {
        parameters.extend(references);
    }
    let problem = |description: &str| {
        json!({
            "description": description,
            "content": { MEDIA_TYPE: { "schema": { "$ref": format!("{SCHEMAS}Problem") } } },
        })
    };
    let responses = &mut described["responses"];
    responses["4XX"] = problem("The request is refused; `code` says why");
    responses["5XX"] = problem("It failed on our side, or something we need is away; worth repeating for 503");
}

/// These stand in signatures of handlers; what they are is said by [`add_custom_resources`].
macro_rules! said_elsewhere {
    ($($kind:ident)+) => {$(
        impl PartialSchema for $kind {
            fn schema() -> RefOr<Schema> {
                Ref::from_schema_name(stringify!($kind)).into()
            }
        }

        impl ToSchema for $kind {}
    )+};
}
said_elsewhere! { Session Template Lifecycle }

/// The document as it goes out.
static JSON: LazyLock<Bytes> = LazyLock::new(|| serde_json::to_vec_pretty(&document()).unwrap_or_default().into());
static YAML: LazyLock<Bytes> = LazyLock::new(|| serde_saphyr::to_string(&document()).unwrap_or_default().into());

/// The OpenAPI document as JSON.
#[utoipa::path(get, path = "/openapi.json", tag = "about",
    responses((status = 200, description = "The document", content_type = "application/json", body = Value)))]
pub async fn openapi_json(_: Public) -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(JSON.clone())
}

/// The OpenAPI document, as YAML for callers that ask for it.
#[utoipa::path(get, path = "/openapi", tag = "about", responses((status = 200, description = "The document",
    content((Value = "application/json"), (String = "application/yaml")))))]
pub async fn openapi(_: Public, request: HttpRequest) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer.insert_header((header::VARY, "Accept"));
    if wants_yaml(request.headers()) {
        answer.content_type("application/yaml").body(YAML.clone())
    } else {
        answer.content_type("application/json").body(JSON.clone())
    }
}

/// Whether `Accept` names YAML before JSON.
fn wants_yaml(headers: &HeaderMap) -> bool {
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept
        .split(',')
        .find_map(|range| match range.split(';').next().map(str::trim) {
            Some("application/yaml" | "application/x-yaml" | "text/yaml" | "application/vnd.oai.openapi") => Some(true),
            Some("application/json" | "application/vnd.oai.openapi+json") => Some(false),
            _ => None,
        })
        .unwrap_or(false)
}

/// The page around Swagger UI; its own has relative links that need a slash at the end of the URL.
const SWAGGER_PAGE: &str = r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>StreamSpace API</title>
<link rel="stylesheet" href="/openapi-ui/swagger-ui.css">
<link rel="icon" type="image/png" href="/openapi-ui/favicon-32x32.png">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/openapi-ui/swagger-ui-bundle.js"></script>
<script src="/openapi-ui/swagger-ui-standalone-preset.js"></script>
<script src="/openapi-ui/swagger-initializer.js"></script>
</body>
</html>
"#;

/// Swagger UI: the API to read and to try.
#[utoipa::path(get, path = "/openapi-ui", tag = "about",
    responses((status = 200, description = "The page", content_type = "text/html", body = String)))]
pub async fn swagger_ui(_: Public) -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(SWAGGER_PAGE)
}

/// Swagger UI by its old name.
#[utoipa::path(get, path = "/swagger.html", tag = "about",
    responses((status = 200, description = "The page", content_type = "text/html", body = String)))]
pub async fn swagger_html(_: Public) -> HttpResponse {
    HttpResponse::Ok().content_type("text/html; charset=utf-8").body(SWAGGER_PAGE)
}

/// A file of Swagger UI.
#[utoipa::path(get, path = "/openapi-ui/{file}", tag = "about",
    params(("file" = String, Path, description = "Name of the file", example = "swagger-ui.css")),
    responses((status = 200, description = "The file", content_type = "*/*")))]
pub async fn swagger_file(_: Public, file: web::Path<String>) -> Result<HttpResponse, Refusal> {
    static CONFIG: LazyLock<Arc<utoipa_swagger_ui::Config<'static>>> = LazyLock::new(|| {
        // The badge of the online validator would tell a third party about this server.
        Arc::new(utoipa_swagger_ui::Config::from("/openapi.json").validator_url("none"))
    });
    match utoipa_swagger_ui::serve(&file, Arc::clone(&CONFIG)) {
        Ok(Some(found)) => Ok(HttpResponse::Ok().content_type(found.content_type).body(found.bytes.into_owned())),
        _ => Err(Refusal::NoRoute(format!("/openapi-ui/{file}"))),
    }
}
