//! `/api/v1/jobs`.

use serde_json::json;
use streamspace::{
    auth::Role,
    jobs::{self, New},
    store,
};

use crate::support::app::TestApp;

async fn add(app: &TestApp, kind: &str, target: &str, by: Option<&str>) -> String {
    let new = New { created_by: by.map(str::to_owned), ..jobs::new(kind, target) };
    jobs::enqueue(&app.app.pool.get().await.unwrap(), &new).await.unwrap().0.id
}

#[actix_web::test]
async fn people_see_the_jobs_that_they_asked_for_and_operators_all() {
    let app = TestApp::start().await;
    let (alice, olga) = (app.person("alice", &[Role::User]).await, app.person("olga", &[Role::Operator]).await);
    let (hers, platforms) = (add(&app, "pull", "a", Some("alice")).await, add(&app, "sync", "b", None).await);
    let ids = |answer: &serde_json::Value| -> Vec<String> {
        answer["items"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(&alice.get("/api/v1/jobs").await.json()), std::slice::from_ref(&hers));
    assert_eq!(ids(&olga.get("/api/v1/jobs").await.json()), [platforms.clone(), hers.clone()]);
    assert_eq!(ids(&alice.get("/api/v1/jobs?createdBy=olga").await.json()), [""; 0]);
    assert_eq!(alice.get(&format!("/api/v1/jobs/{hers}")).await.status, 200);
    for path in [String::new(), "/logs".into()] {
        assert_eq!(alice.get(&format!("/api/v1/jobs/{platforms}{path}")).await.status, 404);
        assert_eq!(olga.get(&format!("/api/v1/jobs/{platforms}{path}")).await.status, 200);
    }
}

#[actix_web::test]
async fn a_list_of_jobs_is_filtered_sorted_and_paged() {
    let app = TestApp::start().await;
    let olga = app.person("olga", &[Role::Operator]).await;
    for target in ["c", "a", "b"] {
        add(&app, "sync", target, None).await;
    }
    add(&app, "pull", "d", None).await;
    let targets = async |query: &str| -> Vec<String> {
        let list = olga.get(&format!("/api/v1/jobs?{query}")).await.json();
        assert_eq!(list["kind"], "JobList");
        list["items"].as_array().unwrap().iter().map(|job| job["target"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(targets("").await, ["d", "b", "a", "c"]);
    assert_eq!(targets("type=sync&sort=target").await, ["a", "b", "c"]);
    assert_eq!(targets("sort=type,-target&pageSize=2&page=2").await, ["b", "a"]);
    assert_eq!(targets("status=DEAD,failed").await, [""; 0]);
    assert_eq!(targets("status=pending&search=PULL").await, ["d"]);
    let wrong = olga.get("/api/v1/jobs?status=lost").await;
    assert_eq!((wrong.status, &wrong.json()["errors"][0]["field"]), (400, &"status".into()));
}

#[actix_web::test]
async fn a_person_cancels_their_own_job_and_nobody_elses() {
    let app = TestApp::start().await;
    let (alice, olga) = (app.person("alice", &[Role::User]).await, app.person("olga", &[Role::Operator]).await);
    let auditor = app.person("ada", &[Role::Auditor]).await;
    let (hers, platforms) = (add(&app, "pull", "a", Some("alice")).await, add(&app, "sync", "b", None).await);
    let cancel = async |client: &crate::support::client::Client, id: &str| {
        client.post(&format!("/api/v1/jobs/{id}/cancel"), json!({})).await
    };
    assert_eq!(cancel(&alice, &platforms).await.status, 404);
    assert_eq!(cancel(&auditor, &platforms).await.status, 403);
    let cancelled = cancel(&alice, &hers).await;
    assert_eq!((cancelled.status, cancelled.header("location")), (202, format!("/api/v1/jobs/{hers}").as_str()));
    assert_eq!(cancelled.json()["status"], "CANCELLED");
    assert_eq!(cancel(&olga, &platforms).await.json()["status"], "CANCELLED");
    let again = cancel(&alice, &hers).await;
    assert_eq!((again.status, again.code()), (409, "conflict".into()));
}

#[actix_web::test]
async fn a_dead_letter_is_found_and_driven_again_by_an_operator() {
    let app = TestApp::start().await;
    let (alice, olga) = (app.person("alice", &[Role::User]).await, app.person("olga", &[Role::Operator]).await);
    let id = add(&app, "pull", "a", Some("alice")).await;
    let retry = async |client: &crate::support::client::Client| {
        client.post(&format!("/api/v1/jobs/{id}/retry"), json!({})).await
    };
    assert_eq!(retry(&olga).await.status, 409, "it waits");
    let db = app.app.pool.get().await.unwrap();
    db.execute("UPDATE jobs SET status = 'DEAD', attempt = 3, error = 'broken', finished_at = now()", &[])
        .await
        .unwrap();
    let dead = olga.get("/api/v1/jobs?status=DEAD").await.json();
    assert_eq!((&dead["total"], &dead["items"][0]["error"]), (&1.into(), &"broken".into()));
    assert_eq!(retry(&alice).await.status, 403);
    let driven = retry(&olga).await;
    assert_eq!(
        (driven.status, &driven.json()["status"], &driven.json()["attempt"]),
        (202, &"PENDING".into(), &0.into())
    );
    let audit = app.person("root", &[Role::Admin]).await.get("/api/v1/audit?action=job.retry").await.json();
    assert_eq!(audit["items"][0]["target"], format!("job/{id}"));
}

#[actix_web::test]
async fn a_log_is_read_line_by_line_from_where_one_was() {
    let app = TestApp::start().await;
    let olga = app.person("olga", &[Role::Operator]).await;
    let id = add(&app, "sync", "a", None).await;
    let db = app.app.pool.get().await.unwrap();
    let worker = store::jobs::locks::Worker { id: uuid::Uuid::new_v4(), folder: None };
    let lease = std::time::Duration::from_mins(1);
    let taken = store::jobs::locks::take(&db, &worker, &["sync"], 1, lease).await.unwrap().remove(0);
    let lines = ["one", "two", "three"].map(|message| store::jobs::logs::Line {
        time: taken.job.created_at,
        level: streamspace::domain::jobs::LogLevel::Warning,
        message: message.into(),
    });
    assert!(store::jobs::logs::append(&db, &taken.job, taken.number, &lines[..1]).await.unwrap());
    assert!(store::jobs::logs::append(&db, &taken.job, taken.number, &lines[1..]).await.unwrap());
    let log = olga.get(&format!("/api/v1/jobs/{id}/logs?after=1")).await.json();
    assert_eq!(
        (&log["total"], &log["items"][0]["number"], &log["items"][1]["message"]),
        (&3.into(), &2.into(), &"three".into())
    );
    assert_eq!(log["items"][0]["level"], "warning");
}
