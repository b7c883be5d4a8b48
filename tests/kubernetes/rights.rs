//! What the chart grants a server: it uses all of that, and can do without none of it.

use std::{
    collections::BTreeSet,
    fs,
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures::{
    FutureExt,
    future::{Either, select},
};
use serde_json::{Value, json};

use crate::{
    cluster::{Cluster, Place},
    drain,
    helm::{RELEASE, Rights, render, word, words},
    platform::Platform,
    server::{LIMIT, Server},
};

/// Longest time for a server to notice that it may not do something; most of them do at their start.
const MISSED_WITHIN: Duration = Duration::from_mins(4);

/// A pause between two readings of the audit.
const PAUSE: Duration = Duration::from_millis(500);

/// A right: the namespace that it holds in (all: `*`), group, resource and verb.
type Right = (String, String, String, String);

/// The Roles that the chart gives a server that has all roles.
fn roles(place: &Place) -> Vec<Value> {
    let sessions = format!("sessions.namespace={}", place.namespace);
    let mut objects = render(&format!("{}-system", place.namespace), &[&sessions]);
    objects.retain(|object| ["Role", "ClusterRole"].contains(&&*word(&object["kind"])));
    objects
}

/// What each rule of these Roles grants, one after the other.
fn rules(roles: &[Value]) -> Vec<BTreeSet<Right>> {
    roles.iter().flat_map(|role| role["rules"].as_array().unwrap().iter().map(|rule| rights(role, rule))).collect()
}

fn rights(role: &Value, rule: &Value) -> BTreeSet<Right> {
    let namespace = if role["kind"] == "Role" { word(&role["metadata"]["namespace"]) } else { "*".to_owned() };
    let mut rights = BTreeSet::new();
    for group in words(&rule["apiGroups"]) {
        for resource in words(&rule["resources"]) {
            let right = |verb| (namespace.clone(), group.clone(), resource.clone(), verb);
            rights.extend(words(&rule["verbs"]).map(right));
        }
    }
    rights
}

/// The same Roles, as a list for kubectl, without the rule of that number.
fn without(mut roles: Vec<Value>, number: usize) -> Value {
    let mut at = 0;
    for role in &mut roles {
        role["rules"].as_array_mut().unwrap().retain(|_| {
            at += 1;
            at != number + 1
        });
    }
    json!({ "apiVersion": "v1", "kind": "List", "items": roles })
}

/// Whether what was asked for needs `right`, which may hold everywhere.
fn needs((namespace, group, resource, verb): &Right, right: &Right) -> bool {
    (&right.0 == namespace || right.0 == "*") && (&right.1, &right.2, &right.3) == (group, resource, verb)
}

/// What a server asked of the API server.
#[derive(Debug, Default)]
struct Asked {
    allowed: BTreeSet<Right>,
    refused: BTreeSet<Right>,
}

impl Asked {
    /// By the server whose sessions are in that namespace, as the API server's own audit tells it.
    fn by(cluster: &Cluster, namespace: &str) -> Self {
        let account = format!("system:serviceaccount:{namespace}-system:{RELEASE}-server");
        let log = fs::read_to_string(cluster.folder().join("log/audit")).unwrap();
        // The last line may be half written.
        let (complete, _) = log.rsplit_once('\n').unwrap_or_default();
        let mut asked = Self::default();
        for line in complete.lines().filter(|line| line.contains(&account)) {
            asked.take(&serde_json::from_str(line).unwrap());
        }
        asked
    }

    fn take(&mut self, event: &Value) {
        let (about, verb, code) = (&event["objectRef"], word(&event["verb"]), &event["responseStatus"]["code"]);
        if about.is_null() {
            return;
        }
        let namespace = about["namespace"].as_str().unwrap_or("*").to_owned();
        let resource =
            [word(&about["resource"]), word(&about["subresource"])].join("/").trim_end_matches('/').to_owned();
        let right = |verb: &str| (namespace.clone(), word(&about["apiGroup"]), resource.clone(), verb.to_owned());
        // What is applied and not there yet is made: that needs the right to create, and is audited as a patch.
        let may_patch = verb == "patch" && event["annotations"]["authorization.k8s.io/decision"] == "allow";
        if code == 403 {
            self.refused.insert(right(if may_patch { "create" } else { &verb }));
            return;
        }
        if may_patch && code == 201 {
            self.allowed.insert(right("create"));
        }
        self.allowed.insert(right(&verb));
    }

    /// Waits until what has been asked is `enough`, and returns whether it came to that. The audit is long, so it is not
    /// looked at all the time.
    async fn until(cluster: &Cluster, namespace: &str, limit: Duration, mut enough: impl FnMut(Self) -> bool) -> bool {
        let end = Instant::now() + limit;
        while !enough(Self::by(cluster, namespace)) {
            if Instant::now() > end {
                return false;
            }
            tokio::time::sleep(PAUSE).await;
        }
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_has_the_rights_that_it_uses_and_no_others() {
    let mut platform = Platform::start("kubernetes-rights").await;
    let cluster = platform.place.cluster;
    if !cluster.is_own() {
        return;
    }
    live_a_day(&mut platform).await;
    let rules = rules(&roles(&platform.place));
    let mut unused: BTreeSet<Right> = rules.into_iter().flatten().collect();
    assert!(unused.len() > 20, "{unused:?}");
    let all_used = Asked::until(cluster, &platform.place.namespace, LIMIT, |asked| {
        assert_eq!(asked.refused, BTreeSet::new());
        unused.retain(|right| !asked.allowed.iter().any(|asked| needs(asked, right)));
        unused.is_empty()
    });
    assert!(all_used.await, "granted and never used: {unused:#?}");
    platform.server.delete_all().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_one_rule_a_server_is_refused_what_it_needs() {
    let mut number = 0;
    loop {
        let place = Place::make().await;
        if !place.cluster.is_own() {
            return;
        }
        let roles = roles(&place);
        let Some(rule) = rules(&roles).into_iter().nth(number) else { break };
        is_missed(place, &without(roles, number), &rule).await;
        number += 1;
    }
    assert!(number > 8, "{number} rules");
}

/// A server that has these Roles is refused something for want of `rule`.
async fn is_missed(place: Place, roles: &Value, rule: &BTreeSet<Right>) {
    let (cluster, namespace) = (place.cluster, place.namespace.clone());
    let given = Rights::of_chart(&place, &[]);
    cluster.kubectl_with(&["replace", "--filename", "-"], roles.to_string().as_bytes());
    let kubeconfig = given.kubeconfig("server");
    let missed = Asked::until(cluster, &namespace, MISSED_WITHIN, |asked| {
        asked.refused.iter().any(|asked| rule.iter().any(|right| needs(asked, right)))
    });
    // However the day ends, what counts is what was refused in it.
    let day = AssertUnwindSafe(async {
        let mut platform = Platform::start_as("kubernetes-without", place, kubeconfig, &[]).await;
        live_a_day(&mut platform).await;
    });
    let told = match select(Box::pin(missed), Box::pin(day.catch_unwind())).await {
        Either::Left((told, _)) => told,
        Either::Right((_, missed)) => missed.await,
    };
    assert!(told, "nobody misses {rule:?}");
    cluster.kubectl(&["uncordon", drain::FROM, drain::TO]);
    cluster.kubectl(&["delete", "namespace", &namespace, "--wait=false"]);
}

/// Does what people, administrators and time do to a server, once each.
async fn live_a_day(platform: &mut Platform) {
    let id = work(platform).await;
    let alone = platform.place.alone().await;
    let server = &platform.server;
    let node = server.get(&id).await["status"]["workload"]["node"].as_str().unwrap().to_owned();
    let call = async |method: &str, path: &str, body: Option<Value>| called(server, method, path, body).await;
    let label = json!({ "key": format!("test/{}", platform.place.namespace), "value": "seen" });
    call("PUT", &format!("/api/admin/nodes/{node}/labels"), Some(label)).await;
    // Whatever other tests have left there goes too.
    let everything = json!({
        "strategy": "migrate", "warnMinutes": 0, "timeoutSeconds": 120, "gracePeriodSeconds": 1,
        "force": true, "deleteEmptyDirData": true,
    });
    let begun = call("POST", &format!("/api/admin/nodes/{node}/drain"), Some(everything)).await;
    let ended = drain::ends(server, begun["id"].as_str().unwrap()).await;
    assert_eq!(ended["status"], "SUCCEEDED", "{ended:#}");
    call("POST", &format!("/api/admin/nodes/{node}/uncordon"), None).await;
    drop(alone);
    call("DELETE", &format!("/api/v1/sessions/{id}"), None).await;
}

/// What a person does: templates, and a session that is worked in, sleeps and wakes.
async fn work(platform: &Platform) -> String {
    let server = &platform.server;
    let call = async |method: &str, path: &str, body: Option<Value>| called(server, method, path, body).await;
    let mut template =
        json!({ "name": "mine", "displayName": "Mine", "baseImage": "localhost/app:test", "webapp": { "port": 8000 } });
    call("POST", "/api/v1/templates", Some(template.clone())).await;
    template["displayName"] = json!("Ours");
    call("PUT", "/api/v1/templates/mine", Some(template)).await;
    call("PATCH", "/api/v1/templates/mine", Some(json!({ "description": "Everybody's" }))).await;
    call("DELETE", "/api/v1/templates/mine", None).await;
    // What memory lacks is asked of the API server.
    assert_eq!(server.call("GET", "/api/v1/sessions/nobody-page-00000001", None).await.status, 404);
    let id = server.session(json!({ "template": "page" })).await;
    server.reaches(&id, "Running").await;
    platform.page(&id).await;
    call("GET", &format!("/api/v1/sessions/{id}/logs"), None).await;
    call("GET", &format!("/api/v1/sessions/{id}/events"), None).await;
    for plural in ["nodes", "pods", "deployments", "services", "namespaces", "persistentvolumeclaims"] {
        call("GET", &format!("/api/v1/cluster/{plural}"), None).await;
    }
    for _ in 0..2 {
        call("PATCH", &format!("/api/v1/sessions/{id}"), Some(json!({ "state": "hibernated" }))).await;
        server.reaches(&id, "Hibernated").await;
        call("PATCH", &format!("/api/v1/sessions/{id}"), Some(json!({ "state": "running" }))).await;
        server.reaches(&id, "Running").await;
    }
    id
}

async fn called(server: &Server, method: &str, path: &str, body: Option<Value>) -> Value {
    let answer = server.call(method, path, body).await;
    assert!(answer.status < 300, "{method} {path}: {answer:?}");
    answer.body
}
