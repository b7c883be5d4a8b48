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
