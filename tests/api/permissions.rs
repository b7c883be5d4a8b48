//! Who may ask for what: every route with every role, against a table that is written by hand.

use std::collections::BTreeSet;

use serde_json::json;
use streamspace::{auth::Role, http::routes};

use crate::support::{
    app::TestApp,
    client::{Client, send},
    people::PASSWORD,
};

/// Method, URL, and who gets past the guard: `*` everybody, otherwise User, Operator, Auditor, admin (X).
///
/// Whoever adds a route adds a line here, thinks about it, and does not copy what the code says.
const TABLE: &[(&str, &str, &str)] = &[
    ("GET", "/health", "*"),
    ("GET", "/ready", "*"),
    ("GET", "/version", "*"),
    ("GET", "/openapi.json", "*"),
    ("GET", "/openapi", "*"),
    ("GET", "/openapi-ui", "*"),
    ("GET", "/openapi-ui/{file}", "*"),
    ("GET", "/swagger.html", "*"),
    ("GET", "/.well-known/jwks.json", "*"),
    ("GET", "/api/v1/system", "*"),
    // Signing in is for those who are not signed in; what they send decides.
    ("POST", "/api/v1/auth/login", "*"),
    // Where strangers may make themselves no account, nobody may.
    ("POST", "/api/v1/auth/register", "*"),
    ("POST", "/api/v1/auth/link", "*"),
    ("POST", "/api/v1/auth/logout", "*"),
    ("POST", "/api/v1/auth/password", "UOAX"),
    ("GET", "/api/v1/auth/oidc/login", "*"),
    ("GET", "/api/v1/auth/oidc/callback", "*"),
    ("POST", "/api/v1/auth/oidc/back-channel-logout", "*"),
    ("GET", "/api/v1/auth/saml/metadata", "*"),
    ("GET", "/api/v1/auth/saml/login", "*"),
    ("POST", "/api/v1/auth/saml/acs", "*"),
    ("GET", "/api/v1/auth/saml/slo", "*"),
    ("POST", "/api/v1/auth/saml/slo", "*"),
    // What a rule gives is an administrator's to say, and so is looking what somebody else would get.
    ("POST", "/api/v1/admin/sso/test", "X"),
    ("GET", "/api/v1/rbac-mappings", "X"),
    ("POST", "/api/v1/rbac-mappings", "X"),
    ("GET", "/api/v1/rbac-mappings/{id}", "X"),
    ("PATCH", "/api/v1/rbac-mappings/{id}", "X"),
    ("DELETE", "/api/v1/rbac-mappings/{id}", "X"),
    ("GET", "/api/v1/users", "OAX"),
    ("POST", "/api/v1/users", "X"),
    ("GET", "/api/v1/users/me", "UOAX"),
    ("GET", "/api/v1/users/{name}", "OAX"),
    ("PATCH", "/api/v1/users/{name}", "X"),
    ("DELETE", "/api/v1/users/{name}", "X"),
    ("POST", "/api/v1/users/{name}/sign-in-link", "X"),
    ("GET", "/api/v1/service-accounts", "OAX"),
    ("POST", "/api/v1/service-accounts", "X"),
    ("GET", "/api/v1/service-accounts/{name}/tokens", "OAX"),
    ("POST", "/api/v1/service-accounts/{name}/tokens", "X"),
    ("DELETE", "/api/v1/service-accounts/{name}/tokens/{id}", "X"),
    ("GET", "/api/v1/users/{name}/groups", "OAX"),
    ("GET", "/api/v1/groups", "OAX"),
    ("POST", "/api/v1/groups", "X"),
    ("GET", "/api/v1/groups/{name}", "OAX"),
    ("PATCH", "/api/v1/groups/{name}", "X"),
    ("DELETE", "/api/v1/groups/{name}", "X"),
    ("GET", "/api/v1/groups/{name}/members", "OAX"),
    ("PUT", "/api/v1/groups/{name}/members/{user}", "X"),
    ("DELETE", "/api/v1/groups/{name}/members/{user}", "X"),
    // What one may use is one's own business; what others may is not.
    ("GET", "/api/v1/users/me/quota", "UOAX"),
    ("GET", "/api/v1/users/{name}/quota", "OAX"),
    ("PUT", "/api/v1/users/{name}/quota", "X"),
    ("DELETE", "/api/v1/users/{name}/quota", "X"),
    ("GET", "/api/v1/groups/{name}/quota", "OAX"),
    ("PUT", "/api/v1/groups/{name}/quota", "X"),
    ("DELETE", "/api/v1/groups/{name}/quota", "X"),
    // Who is no member, and who is no manager, is refused by the service; tests/api/projects.rs tries it.
    ("GET", "/api/v1/projects", "UOAX"),
    ("POST", "/api/v1/projects", "X"),
    ("GET", "/api/v1/projects/{name}", "UOAX"),
    ("PATCH", "/api/v1/projects/{name}", "UOAX"),
    ("DELETE", "/api/v1/projects/{name}", "X"),
    ("GET", "/api/v1/projects/{name}/members", "UOAX"),
    ("PUT", "/api/v1/projects/{name}/members/{user}", "UOAX"),
    ("DELETE", "/api/v1/projects/{name}/members/{user}", "UOAX"),
    ("GET", "/api/v1/projects/{name}/quota", "UOAX"),
    ("PUT", "/api/v1/projects/{name}/quota", "X"),
    ("DELETE", "/api/v1/projects/{name}/quota", "X"),
    ("GET", "/api/v1/quotas/default", "OAX"),
    ("PUT", "/api/v1/quotas/default", "X"),
    ("GET", "/api/v1/users/me/identities", "UOAX"),
    ("GET", "/api/v1/users/{name}/identities", "OAX"),
    ("POST", "/api/v1/users/{name}/identities", "X"),
    ("DELETE", "/api/v1/users/{name}/identities/{id}", "X"),
    ("GET", "/api/v1/tokens", "UOAX"),
    ("POST", "/api/v1/tokens", "UOAX"),
    ("DELETE", "/api/v1/tokens/{id}", "UOAX"),
    // An auditor sees sessions and touches none.
    ("GET", "/api/v1/sessions", "UOAX"),
    ("POST", "/api/v1/sessions", "UOX"),
    ("GET", "/api/v1/sessions/{id}", "UOAX"),
    ("PATCH", "/api/v1/sessions/{id}", "UOX"),
    ("DELETE", "/api/v1/sessions/{id}", "UOX"),
    ("POST", "/api/v1/sessions/{id}/restart", "UOX"),
    // Whose session it is, and how far it is shared, is for the service; tests/api/shares.rs tries each.
    ("GET", "/api/v1/sessions/{id}/shares", "UOAX"),
    ("POST", "/api/v1/sessions/{id}/shares", "UOX"),
    ("DELETE", "/api/v1/sessions/{id}/shares/{share}", "UOX"),
    ("GET", "/api/v1/sessions/{id}/invitations", "UOAX"),
    ("POST", "/api/v1/sessions/{id}/invitations", "UOX"),
    ("DELETE", "/api/v1/sessions/{id}/invitations/{invitation}", "UOX"),
    ("POST", "/api/v1/invitations/look", "UOX"),
    ("POST", "/api/v1/invitations/accept", "UOX"),
    ("GET", "/api/v1/users/me/shares", "UOAX"),
    ("GET", "/api/v1/sessions/{id}/logs", "UOAX"),
    ("GET", "/api/v1/sessions/{id}/events", "UOAX"),
    ("GET", "/api/v1/sessions/{id}/lifecycle", "UOAX"),
    ("GET", "/api/v1/sessions/{id}/connect", "UOX"),
    ("POST", "/api/v1/sessions/{id}/connect", "UOX"),
    ("POST", "/api/v1/sessions/{id}/heartbeat", "UOX"),
    ("POST", "/api/v1/sessions/{id}/disconnect", "UOX"),
    ("POST", "/api/v1/sessions/{id}/snooze", "UOX"),
    ("GET", "/api/v1/sessions/{id}/connections", "UOAX"),
    ("GET", "/api/v1/sessions/{id}/vnc", "UOX"),
    ("GET", "/api/v1/activity", "UOAX"),
    ("GET", "/api/v1/templates", "UOAX"),
    ("POST", "/api/v1/templates", "X"),
    ("GET", "/api/v1/templates/{id}", "UOAX"),
    ("PUT", "/api/v1/templates/{id}", "X"),
    ("PATCH", "/api/v1/templates/{id}", "X"),
    ("DELETE", "/api/v1/templates/{id}", "X"),
    ("GET", "/api/v1/ws/sessions", "UOAX"),
    ("GET", "/api/v1/ws/logs/{namespace}/{pod}", "UOAX"),
    ("GET", "/api/v1/ws/events", "UOAX"),
    ("GET", "/api/v1/ws/jobs", "UOAX"),
    ("GET", "/api/v1/jobs", "UOAX"),
    ("GET", "/api/v1/jobs/{id}", "UOAX"),
    ("GET", "/api/v1/jobs/{id}/logs", "UOAX"),
    // Those of others are refused by the service.
    ("POST", "/api/v1/jobs/{id}/cancel", "UOAX"),
    ("POST", "/api/v1/jobs/{id}/retry", "OX"),
    ("POST", "/api/v1/templates/{id}/upgrade", "X"),
    ("POST", "/api/v1/templates/{id}/rollback", "X"),
    ("GET", "/api/v1/catalog/repositories", "OAX"),
    ("POST", "/api/v1/catalog/repositories", "X"),
    ("GET", "/api/v1/catalog/repositories/{id}", "OAX"),
    ("PATCH", "/api/v1/catalog/repositories/{id}", "X"),
    ("DELETE", "/api/v1/catalog/repositories/{id}", "X"),
    ("POST", "/api/v1/catalog/repositories/{id}/sync", "OX"),
    ("GET", "/api/v1/catalog/repositories/{id}/syncs", "OAX"),
    ("GET", "/api/v1/catalog/repositories/{id}/deliveries", "OAX"),
    ("POST", "/api/v1/catalog/repositories/{id}/webhook-secret", "X"),
    ("POST", "/api/v1/catalog/sync", "OX"),
    ("GET", "/api/v1/catalog/templates", "UOAX"),
    ("GET", "/api/v1/catalog/templates/{id}", "UOAX"),
    ("GET", "/api/v1/catalog/templates/{id}/versions", "UOAX"),
    ("GET", "/api/v1/catalog/templates/{id}/diff", "UOAX"),
    ("GET", "/api/v1/catalog/grants", "OAX"),
    ("POST", "/api/v1/catalog/grants", "X"),
    ("DELETE", "/api/v1/catalog/grants/{id}", "X"),
    ("POST", "/api/v1/catalog/install", "X"),
    // Whoever signs it, or shows a token; tests/catalog tries which.
    ("POST", "/webhooks/repository/sync", "*"),
    ("POST", "/api/v1/ws/tickets", "UOAX"),
    ("GET", "/api/v1/ws/cluster", "OX"),
    ("GET", "/api/admin/nodes", "OAX"),
    ("GET", "/api/admin/nodes/stats", "OAX"),
    ("GET", "/api/admin/nodes/{name}", "OAX"),
    ("PUT", "/api/admin/nodes/{name}/labels", "OX"),
    ("DELETE", "/api/admin/nodes/{name}/labels/{key}", "OX"),
    ("POST", "/api/admin/nodes/{name}/taints", "OX"),
    ("DELETE", "/api/admin/nodes/{name}/taints/{key}", "OX"),
    ("POST", "/api/admin/nodes/{name}/cordon", "OX"),
    ("POST", "/api/admin/nodes/{name}/uncordon", "OX"),
    ("POST", "/api/admin/nodes/{name}/drain", "OX"),
    // Whose pod it is is for the service; tests/kubernetes/resources.rs tries it.
    ("GET", "/api/v1/cluster/pods/{namespace}/{name}/logs", "UOAX"),
    ("GET", "/api/v1/cluster/{plural}", "OAX"),
    ("POST", "/api/v1/cluster/resources", "X"),
    ("PATCH", "/api/v1/cluster/resources", "X"),
    ("DELETE", "/api/v1/cluster/resources", "X"),
    ("GET", "/api/v1/config", "X"),
    ("PATCH", "/api/v1/config", "X"),
    ("GET", "/api/v1/audit", "UOAX"),
    ("GET", "/api/v1/audit/head", "AX"),
];

/// Routes that no page may ask, since another site's page could make a browser do it: they take a token alone.
const PROGRAMS_ALONE: &[(&str, &str)] = &[("GET", "/api/v1/sessions/{id}/connect")];

/// What came of a request, as far as the guard goes.
#[derive(Debug, PartialEq)]
enum Met {
    /// The guard let it pass, whatever happened then.
    LetIn,
    /// 401: nobody is known.
    Unknown,
    /// 403: known, and not allowed.
    Refused,
}

async fn ask(client: &Client, method: &str, path: &str) -> Met {
    let concrete = path.split('/').map(|part| if part.starts_with('{') { "there-is-none" } else { part });
    let url = concrete.collect::<Vec<_>>().join("/");
    // A body that no operation takes: who gets a word about it was let in, and nothing happens.
    let answer = send(client.request(method, &url).json(&json!(["no such body"]))).await;
    match (answer.status, path) {
        // These are answered with 401 by what was sent, not by who sends it.
        (_, "/api/v1/auth/login" | "/api/v1/auth/link" | "/webhooks/repository/sync") => Met::LetIn,
        (401, _) => Met::Unknown,
        (403, _) => Met::Refused,
        _ => Met::LetIn,
    }
}

#[actix_web::test]
async fn every_route_is_in_the_table_and_every_line_of_it_is_a_route() {
    let written: BTreeSet<(&str, &str)> = TABLE.iter().map(|(method, path, _)| (*method, *path)).collect();
    assert_eq!(written.len(), TABLE.len(), "no line twice");
    let there: BTreeSet<(&str, &str)> = routes::TABLE
        .iter()
        .flat_map(|(path, operations)| operations.iter().map(|operation| (operation.method, *path)))
        .collect();
    assert_eq!(written, there);
}

#[actix_web::test]
async fn every_route_lets_in_whom_the_table_names_and_nobody_else() {
    let app = TestApp::start().await;
    app.administrator().await;
    let roles = [('U', Role::User), ('O', Role::Operator), ('A', Role::Auditor), ('X', Role::Admin)];
    for (letter, role) in roles {
        let name = format!("one-{}", role.word());
        app.person(&name, &[role]).await;
        let program = app.program(&format!("program-{}", role.word()), role).await;
        for (method, path, who) in TABLE {
            // A cookie of its own for each, since one of them ends it.
            let page = app.anyone().browser(&app.sign_in(&name, PASSWORD).await.cookie().expect("a cookie"));
            let mut client = &page;
            if PROGRAMS_ALONE.contains(&(*method, *path)) {
                assert_eq!(ask(&page, method, path).await, Met::Refused, "{method} {path} with a cookie");
                client = &program;
            }
            let expected = if *who == "*" || who.contains(letter) { Met::LetIn } else { Met::Refused };
            assert_eq!(ask(client, method, path).await, expected, "{method} {path} as {}", role.word());
        }
    }
}

#[actix_web::test]
async fn whoever_asks_for_a_change_that_they_may_not_make_is_written_down() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    let mut expected = BTreeSet::new();
    for (letter, role) in [('U', Role::User), ('O', Role::Operator), ('A', Role::Auditor)] {
        let name = format!("one-{}", role.word());
        let client = app.person(&name, &[role]).await;
        for (method, path, _) in TABLE.iter().filter(|(_, _, who)| *who != "*" && !who.contains(letter)) {
            assert_eq!(ask(&client, method, path).await, Met::Refused, "{method} {path} as {}", role.word());
            // What may not be read is no change.
            if *method != "GET" {
                expected.insert((name.clone(), format!("{method} {path}")));
            }
        }
    }
    let told = admin.get("/api/v1/audit?action=request.forbid&pageSize=500").await.json();
    let word = |entry: &serde_json::Value, field: &str| entry[field].as_str().expect("a word").to_owned();
    let entries = told["items"].as_array().expect("items");
    for entry in entries {
        assert_eq!(entry["result"], "refused", "{entry}");
        assert!(entry["after"]["path"].is_string() && entry["after"]["reason"].is_string(), "{entry}");
    }
    let told: BTreeSet<_> = entries.iter().map(|entry| (word(entry, "actor"), word(entry, "target"))).collect();
    assert_eq!(told, expected);
    assert!(!expected.is_empty());
}

#[actix_web::test]
async fn strangers_get_what_is_for_everybody_and_nothing_else() {
    let app = TestApp::start().await;
    for (method, path, who) in TABLE {
        let expected = if *who == "*" { Met::LetIn } else { Met::Unknown };
        assert_eq!(ask(&app.anyone(), method, path).await, expected, "{method} {path}");
    }
}

#[actix_web::test]
async fn who_may_not_is_told_before_the_body_is_read() {
    let app = TestApp::start().await;
    let user = app.person("alice", &[Role::User]).await;
    let admin = app.person("root", &[Role::Admin]).await;
    // A body that would be refused by its length and by its type, if anybody looked.
    let with = |client: &Client| {
        let request = client.request("POST", "/api/v1/users");
        request.header("content-type", "text/plain").body("x".repeat(2 << 20))
    };
    for (client, status) in [(&app.anyone(), 401), (&user, 403), (&admin, 415)] {
        assert_eq!(send(with(client)).await.status, status);
    }
}

#[actix_web::test]
async fn several_roles_give_what_each_of_them_gives() {
    let app = TestApp::start().await;
    let both = app.person("both", &[Role::User, Role::Auditor]).await;
    let me = both.get("/api/v1/users/me").await.json();
    let words: Vec<&str> =
        me["permissions"].as_array().expect("words").iter().filter_map(|word| word.as_str()).collect();
    assert!(words.contains(&"sessions:own") && words.contains(&"audit:read"), "{words:?}");
    assert!(!words.contains(&"users:write"), "{words:?}");
    assert_eq!(both.get("/api/v1/audit/head").await.status, 200);
}
