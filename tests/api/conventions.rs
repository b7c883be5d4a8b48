//! What holds for every endpoint.

use serde_json::{Value, json};
use streamspace::auth::Role;

use crate::support::{
    app::TestApp,
    client::{Client, send},
};

#[actix_web::test]
async fn an_unknown_url_is_answered_with_a_problem_that_names_it() {
    let app = TestApp::start().await;
    let answer = app.anyone().get("/api/v1/nothing-here").await;
    assert_eq!((answer.status, answer.header("content-type")), (404, "application/problem+json"));
    let problem = answer.json();
    assert_eq!((&problem["code"], &problem["status"]), (&"no-route".into(), &404.into()));
    assert_eq!(problem["detail"], "there is nothing at /api/v1/nothing-here");
}

#[actix_web::test]
async fn a_method_that_a_url_does_not_know_is_answered_with_those_it_does() {
    let app = TestApp::start().await;
    let refused = send(app.anyone().request("DELETE", "/health")).await;
    assert_eq!((refused.status, refused.header("allow")), (405, "GET, HEAD"));
    assert_eq!(refused.json()["code"], "method-not-allowed");
    assert_eq!(app.anyone().get("/health").await.status, 200);
}

#[actix_web::test]
async fn every_answer_carries_the_callers_request_id_or_one_made_here() {
    let app = TestApp::start().await;
    let given = send(app.anyone().request("GET", "/api/v1/nothing").header("x-request-id", "my-id-1")).await;
    assert_eq!((given.header("x-request-id"), &given.json()["requestId"]), ("my-id-1", &"my-id-1".into()));
    let made = send(app.anyone().request("GET", "/health").header("x-request-id", "no good")).await;
    assert_eq!(made.header("x-request-id").len(), 36);
}

#[actix_web::test]
async fn a_request_for_another_name_is_misdirected() {
    let app = TestApp::start().await;
    let other = send(app.anyone().request("GET", "/health").header("host", "evil.test")).await;
    assert_eq!((other.status, &other.json()["code"]), (421, &"not-ours".into()));
    let ours = send(app.anyone().request("GET", "/health").header("host", "127.0.0.1")).await;
    assert_eq!(ours.status, 200);
}

#[actix_web::test]
async fn an_answer_tells_browsers_what_they_may_not_do() {
    let app = TestApp::start().await;
    for path in ["/health", "/", "/api/v1/nothing"] {
        let answer = send(app.anyone().request("GET", path).header("accept", "text/html")).await;
        assert!(answer.header("content-security-policy").contains("frame-ancestors 'none'"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
}

#[actix_web::test]
async fn the_page_learns_what_it_needs_before_anybody_signs_in() {
    let app = TestApp::start().await;
    let stranger = app.anyone().get("/api/v1/system").await.json();
    assert_eq!((&stranger["signedIn"], &stranger["authMode"]), (&false.into(), &"hybrid".into()));
    let alice = app.person("alice", &[Role::User]).await.get("/api/v1/system").await.json();
    assert_eq!(alice["signedIn"], true);
}

#[actix_web::test]
async fn a_page_of_another_site_cannot_act_with_a_persons_cookie_and_ours_can() {
    let app = TestApp::start().await;
    let alice = app.person("alice", &[Role::User]).await;
    let logout = async |origin| alice.page_of(origin).post("/api/v1/auth/logout", Value::Null).await;
    for foreign in ["https://evil.test", "null", "http://abc.localhost:8000"] {
        let answer = logout(foreign).await;
        assert_eq!((answer.status, &answer.json()["code"]), (403, &"cross-origin".into()), "{foreign}");
    }
    assert_eq!(alice.get("/api/v1/users/me").await.status, 200);
    assert_eq!(alice.post("/api/v1/auth/logout", Value::Null).await.status, 204);
    assert_eq!(alice.get("/api/v1/users/me").await.status, 401);
}

#[actix_web::test]
async fn a_body_that_is_wrong_is_refused_with_the_place_where_it_is() {
    let app = TestApp::start().await;
    let admin = app.program("root", Role::Admin).await;
    let post = |body: &'static str| {
        let request = admin.request("POST", "/api/v1/users").header("content-type", "application/json");
        send(request.body(body))
    };
    let unknown = post(r#"{"name":"bob","roles":["user"],"colour":"red"}"#).await;
    assert_eq!((unknown.status, &unknown.json()["errors"][0]["field"]), (400, &"colour".into()));
    let broken = post("{\n  \"name\": bob\n}").await;
    assert_eq!((broken.status, &broken.json()["code"]), (400, &"bad-request".into()));
    assert!(broken.json()["detail"].as_str().expect("a sentence").contains("line 2"));
    let form = send(admin.request("POST", "/api/v1/users").header("content-type", "text/plain").body("{}")).await;
    assert_eq!(form.status, 415);
    assert_eq!(post(r#"{"name":"bob","roles":["user"]}"#).await.status, 201);
}

#[actix_web::test]
async fn a_huge_body_is_refused_and_a_stranger_is_told_to_sign_in_before_it_is_read() {
    let app = TestApp::start().await;
    let huge = format!(r#"{{"name":"{}"}}"#, "x".repeat(1 << 20));
    let post = |client: &Client| {
        let request = client.request("POST", "/api/v1/users").header("content-type", "application/json");
        send(request.body(huge.clone()))
    };
    let refused = post(&app.program("root", Role::Admin).await).await;
    assert_eq!((refused.status, &refused.json()["code"]), (413, &"too-large".into()));
    assert_eq!(post(&app.anyone()).await.status, 401);
}

#[actix_web::test]
async fn who_asks_too_often_is_told_when_to_come_back() {
    let app = TestApp::with(&["--rate-limit-user=1"]).await;
    let alice = app.program("alice", Role::User).await;
    let answers = futures::future::join_all((0..15).map(|_| alice.get("/api/v1/users/me"))).await;
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert!((3..=6).contains(&refused.len()), "{}", refused.len());
    for answer in &refused {
        assert_eq!(answer.header("ratelimit-remaining"), "0");
        assert!(answer.header("retry-after").parse::<u64>().expect("seconds") >= 1);
    }
    assert_eq!(answers[0].header("ratelimit-limit"), "10");
    assert_eq!(app.anyone().get("/health").await.status, 200);
}

#[actix_web::test]
async fn signing_in_is_limited_more_strictly_than_anything_else() {
    let app = TestApp::with(&["--rate-limit-sign-in=2"]).await;
    let attempt = async || app.anyone().post("/api/v1/auth/link", json!({ "token": "wrong" })).await;
    let statuses = [attempt().await.status, attempt().await.status, attempt().await.status];
    assert_eq!(statuses, [401, 401, 429]);
    assert_eq!(app.anyone().get("/api/v1/system").await.status, 200);
}

#[actix_web::test]
async fn a_key_is_refused_where_the_answer_cannot_be_kept() {
    let app = TestApp::start().await;
    let alice = app.program("alice", Role::User).await;
    let keyed = |path| send(alice.request("POST", path).header("idempotency-key", "k").json(&json!({ "name": "t" })));
    for path in ["/api/v1/auth/login", "/api/v1/tokens"] {
        let refused = keyed(path).await;
        assert_eq!((refused.status, &refused.json()["code"]), (400, &"idempotency-key-refused".into()), "{path}");
    }
}

#[actix_web::test]
async fn the_pages_of_listed_origins_may_read_answers_and_no_others() {
    let app = TestApp::with(&["--cors-origins=https://portal.test"]).await;
    let ask = |origin: &'static str, method: &'static str| {
        let asks = app.anyone().page_of(origin).request(method, "/api/v1/system");
        send(asks.header("access-control-request-method", "PATCH"))
    };
    let listed = ask("https://portal.test", "GET").await;
    assert_eq!(listed.header("access-control-allow-origin"), "https://portal.test");
    let beforehand = ask("https://portal.test", "OPTIONS").await;
    assert_eq!(beforehand.status, 204);
    assert!(beforehand.header("access-control-allow-methods").contains("PATCH"));
    let other = ask("https://evil.test", "GET").await;
    assert_eq!((other.status, other.header("access-control-allow-origin")), (200, ""));
    assert_eq!(ask("https://evil.test", "OPTIONS").await.status, 405);
}

#[actix_web::test]
async fn a_long_list_is_compressed_for_those_who_take_it() {
    let app = TestApp::start().await;
    let admin = app.administrator().await;
    for number in 0..20 {
        let (name, description) = (format!("template-{number}"), "A sentence that says what one gets. ".repeat(10));
        let new = json!({
            "name": name, "displayName": name, "description": description, "baseImage": "probe:1",
            "webapp": { "port": 8080 },
        });
        let made = admin.post("/api/v1/templates", new).await;
        assert_eq!(made.status, 201, "{made:?}");
    }
    let list = async |accept| send(admin.request("GET", "/api/v1/templates").header("accept-encoding", accept)).await;
    let (plain, packed) = (list("identity").await, list("gzip, br").await);
    assert_eq!((plain.header("content-encoding"), packed.header("content-encoding")), ("", "gzip"));
    assert!(packed.header("vary").contains("Accept-Encoding"), "{packed:?}");
    assert!(packed.body.len() * 5 < plain.body.len(), "{} of {}", packed.body.len(), plain.body.len());
    let mut unpacked = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&*packed.body), &mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain.body);
}

#[actix_web::test]
async fn the_version_says_what_runs_and_where() {
    let app = TestApp::start().await;
    let version = app.anyone().get("/version").await.json();
    assert_eq!((&version["version"], &version["engine"]), (&json!(env!("CARGO_PKG_VERSION")), &json!("local")));
    assert_eq!(app.anyone().get("/api/v1/system").await.json()["engine"], version["engine"]);
}
