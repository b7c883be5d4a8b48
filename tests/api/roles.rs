//! A process of one role answers what belongs to that role, and nothing else.

use crate::support::{app::TestApp, people::until};

/// What a process answers to once it is ready: the API, the page, the screen of a session, a session's own origin.
async fn answers(app: &TestApp) -> [u16; 4] {
    let client = app.anyone();
    until("ready", async || client.get("/ready").await.status == 200).await;
    let page = client.request("GET", "/sessions").header("accept", "text/html").send().await.expect("an answer");
    let origin = format!("nobody-web-00000001.localhost:{}", app.address().port());
    let session = client.bare("GET", "/").header("host", origin).send().await.expect("an answer");
    [
        client.get("/api/v1/system").await.status,
        page.status().as_u16(),
        client.get("/api/v1/sessions/nobody-web-00000001/vnc").await.status,
        session.status().as_u16(),
    ]
}

#[actix_web::test]
async fn each_role_answers_its_own_and_one_process_can_have_all() {
    // A screen wants somebody who is signed in, a session's origin somebody with a way in: 401 and 403 mean that there
    // is such a place; 421 that the name is none of this process's.
    for (roles, expected) in [
        ("--role=api,gateway,controller", [200, 200, 401, 403]),
        ("--role=api", [200, 200, 401, 421]),
        ("--role=gateway", [404, 404, 401, 403]),
    ] {
        let app = TestApp::with(&[roles]).await;
        assert_eq!(answers(&app).await, expected, "{roles}");
        let version = app.anyone().get("/version").await.json();
        let named: Vec<&str> = version["roles"].as_array().unwrap().iter().map(|role| role.as_str().unwrap()).collect();
        assert_eq!(format!("--role={}", named.join(",")), roles);
    }
}
