//! The controller is killed after each of its steps, and the next one ends where it would have ended.

use std::{path::Path, time::Duration};

use futures::{StreamExt, stream};
use serde_json::json;
use streamspace::telemetry::steps::Step;
use tokio::runtime::Handle;

use crate::{
    helm::Rights,
    platform::PAGE,
    roles::Together,
    server::{Server, until, within},
};

/// Within which everything is as it should be again.
const CONVERGED_WITHIN: Duration = Duration::from_secs(30);
/// Platforms at once: each has a database and two servers of its own.
const AT_ONCE: usize = 3;
/// Where cargo puts the program that ends itself.
const MORTAL: &str = "examples/mortal";

/// What is asked of a session one after the other, and the phase that it has then; `None`: it is gone.
const LIFE: [(&str, Option<&str>, Option<&str>); 4] = [
    ("it starts", None, Some("Running")),
    ("it sleeps", Some("hibernated"), Some("Hibernated")),
    ("it wakes", Some("running"), Some("Running")),
    ("it goes", None, None),
];
/// What its story says by then.
const STORY: [&[&str]; 4] = [
    &["Created", "Starting", "Ready"],
    &["Created", "Starting", "Ready", "Hibernated"],
    &["Created", "Starting", "Ready", "Hibernated", "Resumed", "Starting", "Ready"],
    &[],
];

#[tokio::test(flavor = "multi_thread")]
async fn a_controller_that_is_killed_after_any_of_its_steps_leaves_no_twin_and_no_orphan() {
    // Each on a thread of its own: kubectl is waited for.
    let case = |step| tokio::task::spawn_blocking(move || Handle::current().block_on(dies_after(step)));
    stream::iter(Step::ALL).map(case).buffer_unordered(AT_ONCE).for_each(async |end| end.unwrap()).await;
}

async fn dies_after(step: Step) {
    let (together, name) = (Together::make().await, format!("kubernetes-{step:?}").to_lowercase());
    let rights = Rights::of_chart(&together.place, &[]).kubeconfig("server");
    let apps = ("APPS_DOMAIN", "localhost:1");
    let api = together.server(&format!("{name}-api"), &rights, &[("ROLE", "api"), apps]).await;
    let after = format!("{step:?}");
    let mut controller = together.prepare(&name, &rights, &[("ROLE", "controller"), apps, ("MORTAL_AFTER", &after)]);
    let ordinary = controller.program.clone();
    controller.program = ordinary.with_file_name("").join(Path::new(MORTAL));
    controller.run().await;
    together.place.kubectl_with(&["apply", "--filename", "-"], PAGE);
    let id = ask(&together, &api, step).await;
    let mut at = live_until_the_end(&api, &mut controller, &id, step).await;
    controller.reap();
    controller.program = ordinary;
    controller.run().await;
    if step == Step::Changed {
        // Nobody asked for it but the controller itself.
        at = 1;
    }
    within(CONVERGED_WITHIN, &format!("{step:?}, {}", LIFE[at].0), async || converged(&together, &api, &id, at).await)
        .await;
    println!("killed after {step:?}, while {}", LIFE[at].0);
    api.delete_all().await;
    within(CONVERGED_WITHIN, "nothing is left", async || converged(&together, &api, &id, 3).await).await;
    let client = together.database().await;
    for table in ["reservations", "notices", "activity", "session_shares", "session_invitations"] {
        let left: i64 = client.query_one(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap().get(0);
        assert_eq!(left, 0, "{table} after {step:?}");
    }
}

/// Asks for a session that brings the controller to that step.
async fn ask(together: &Together, api: &Server, step: Step) -> String {
    if step == Step::Guarded {
        // The API makes none without a finalizer.
        let spec = json!({ "user": api.call("GET", "/api/v1/users/me", None).await.body["name"], "template": "page" });
        let wanted = json!({
            "apiVersion": "stream.streamspace.io/v1alpha1", "kind": "Session", "metadata": { "name": "by-hand" },
            "spec": spec,
        });
        together.place.kubectl_with(&["create", "--filename", "-"], &wanted.to_string());
        return "by-hand".into();
    }
    // Told of its end as soon as it runs.
    let soon = matches!(step, Step::Warned | Step::Changed);
    api.session(if soon { json!({ "template": "page", "idleTimeout": "1m" }) } else { json!({ "template": "page" }) })
        .await
}

/// Asks for one thing after the other until the controller is no more; which of them was the last.
async fn live_until_the_end(api: &Server, controller: &mut Server, id: &str, step: Step) -> usize {
    let path = format!("/api/v1/sessions/{id}");
    for (at, (what, state, phase)) in LIFE.into_iter().enumerate() {
        if let Some(state) = state {
            assert_eq!(api.call("PATCH", &path, Some(json!({ "state": state }))).await.status, 200, "{what}");
        } else if phase.is_none() {
            assert!(api.call("DELETE", &path, None).await.status < 300, "{what}");
        }
        let ended = until(&format!("{what} or {step:?} is taken"), async || {
            if controller.has_ended() {
                return Some(true);
            }
            // What is waited for comes after it runs.
            let comes_later = matches!(step, Step::Changed | Step::Warned);
            (!comes_later && has(api, id, phase).await).then_some(false)
        })
        .await;
        if ended {
            return at;
        }
    }
    // The last steps come after the object has gone for others.
    until(&format!("{step:?} is taken"), async || controller.has_ended().then_some(())).await;
    LIFE.len() - 1
}

async fn has(api: &Server, id: &str, phase: Option<&str>) -> bool {
    let found = api.call("GET", &format!("/api/v1/sessions/{id}"), None).await;
    match phase {
        Some(phase) => found.body["status"]["phase"] == phase,
        None => found.status == 404,
    }
}

/// Whether all is as it would be had nobody been killed.
async fn converged(together: &Together, api: &Server, id: &str, at: usize) -> Option<()> {
    let phase = LIFE[at].2;
    if !has(api, id, phase).await {
        return None;
    }
    let place = &together.place;
    let pods = place.kubectl_with(&["get", "pods", "--output=name"], "");
    if pods != if phase == Some("Running") { format!("pod/{id}\n") } else { String::new() } {
        return None;
    }
    let claims = place.kubectl_with(&["get", "pvc", "--output=name"], "");
    assert_eq!(claims.lines().count(), 1, "{claims}");
    if phase.is_none() {
        return Some(());
    }
    let session = api.get(id).await;
    // That nobody led for a while is no failure of its own.
    assert_eq!(session["status"]["failures"].as_array().map_or(0, Vec::len), 0, "{session:#}");
    let told = api.call("GET", &format!("/api/v1/sessions/{id}/lifecycle"), None).await.body;
    let story: Vec<&str> = told["events"].as_array()?.iter().filter_map(|event| event["type"].as_str()).collect();
    assert!(STORY[at].starts_with(&story), "{story:?}");
    (story == STORY[at]).then_some(())
}
