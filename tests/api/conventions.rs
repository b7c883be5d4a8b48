//! What holds for every endpoint.

use crate::support::{app::TestApp, client::send};

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
