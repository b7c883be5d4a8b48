//! Parts of the cluster, or of the platform, go away under what works, and come back.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::Write,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use nix::sys::signal::{Signal, kill};
use rand::{RngExt, SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use streamspace::telemetry::task;
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::{
    cluster::{Cluster, Place},
    helm::Rights,
    platform::{PAGE, Platform},
    roles::Together,
    server::{until, within},
};

/// Within which everything is as it should be again.
const CONVERGED_WITHIN: Duration = Duration::from_secs(30);
/// How long a leader leads without renewing it, and how much longer another may take to notice.
const TAKEN_OVER_WITHIN: Duration = Duration::from_secs(15 + 5);

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_is_reached_while_the_api_server_is_away_and_what_is_asked_is_done_when_it_is_back() {
    let mut platform = Platform::start("kubernetes-away").await;
    let alone = platform.place.alone().await;
    let server = &platform.server;
    let id = server.session(json!({ "template": "page" })).await;
    let user = server.reaches(&id, "Running").await["spec"]["user"].as_str().unwrap().to_owned();
    for gone in ["apiserver", "etcd"] {
        platform.place.cluster.control(&format!("stop {gone}"));
        assert_eq!(platform.page(&id).await, format!("the page of {user}\n"), "without {gone}");
        assert_eq!(server.get(&id).await["status"]["phase"], "Running", "without {gone}");
        platform.place.cluster.control(&format!("start {gone}"));
    }
    let later = until("sessions can be asked for again", async || {
        let made = server.call("POST", "/api/v1/sessions", Some(json!({ "template": "page" }))).await;
        (made.status == 201).then(|| made.body["metadata"]["name"].as_str().unwrap().to_owned())
    })
    .await;
    server.reaches(&later, "Running").await;
    // What changed meanwhile has not been missed either.
    platform.kubectl(&["delete", "session", &id, "--timeout=60s"]);
    until("the session is gone", async || {
        (server.call("GET", &format!("/api/v1/sessions/{id}"), None).await.status == 404).then_some(())
    })
    .await;
    server.delete_all().await;
    drop(alone);
}

/// The uid of each pod by its session.
fn pods(place: &Place) -> BTreeMap<String, String> {
    let list = place.kubectl_with(&["get", "pods", "--output=json"], "");
    let list: Value = serde_json::from_str(&list).unwrap();
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let pods = list["items"].as_array().unwrap().iter();
    pods.map(|pod| (word(&pod["metadata"]["name"]), word(&pod["metadata"]["uid"]))).collect()
}

/// The sessions that have a pod.
fn sessions(place: &Place) -> BTreeSet<String> {
    pods(place).into_keys().collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_a_compaction_took_out_of_the_history_are_known_all_the_same() {
    let mut platform = Platform::start("kubernetes-compacted").await;
    if !platform.place.cluster.is_own() {
        return;
    }
    let alone = platform.place.alone().await;
    let (server, place) = (&mut platform.server, &platform.place);
    let wish = || json!({ "template": "page" });
    let (kept, gone) = (server.session(wish()).await, server.session(wish()).await);
    server.all_reach(2, "Running").await;
    // Frozen, it reads no watch.
    kill(server.pid(), Signal::SIGSTOP).unwrap();
    place.kubectl_with(&["delete", "session", &gone, "--wait=false"], "");
    place.kubectl_with(&["delete", "pod", &kept], "");
    let late = json!({
        "apiVersion": "stream.streamspace.io/v1alpha1", "kind": "Session", "metadata": { "name": "late" },
        "spec": wish_of(place, &kept),
    });
    let made = place.kubectl_with(&["create", "--output=json", "--filename", "-"], &late.to_string());
    let made: Value = serde_json::from_str(&made).unwrap();
    place.cluster.forget(made["metadata"]["resourceVersion"].as_str().unwrap()).await;
    kill(server.pid(), Signal::SIGCONT).unwrap();
    within(CONVERGED_WITHIN, "all is as it should be", async || {
        let running = server.try_call("GET", "/api/v1/sessions?phase=Running", None, None).await?.body;
        let all = server.try_call("GET", "/api/v1/sessions", None, None).await?.body;
        (running["total"] == 2 && all["total"] == 2).then_some(())
    })
    .await;
    assert_eq!(sessions(place), BTreeSet::from([kept, "late".into()]));
    server.delete_all().await;
    drop(alone);
}

/// Whose that session is, and of which template, as another one would say it.
fn wish_of(place: &Place, session: &str) -> Value {
    let found = place.kubectl_with(&["get", "session", session, "--output=json"], "");
    let found: Value = serde_json::from_str(&found).unwrap();
    json!({ "user": found["spec"]["user"], "template": found["spec"]["template"] })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_did_not_hear_while_its_kubelet_was_away_it_does_when_it_is_back() {
    let mut platform = Platform::start("kubernetes-kubelet").await;
    let cluster = platform.place.cluster;
    if !cluster.is_own() {
        return;
    }
    let alone = platform.place.alone().await;
    let server = &platform.server;
    let wish = || json!({ "template": "page", "persistentHome": false });
    let first = server.session(wish()).await;
    let user = server.reaches(&first, "Running").await["spec"]["user"].as_str().unwrap().to_owned();
    for kubelet in ["kubelet1", "kubelet2"] {
        cluster.control(&format!("stop {kubelet}"));
    }
    assert_eq!(platform.page(&first).await, format!("the page of {user}\n"), "what runs goes on");
    let second = server.session(wish()).await;
    until("it waits for a node to begin", async || {
        (server.get(&second).await["status"]["phase"] == "Starting").then_some(())
    })
    .await;
    let gone = server.call("DELETE", &format!("/api/v1/sessions/{first}"), None).await;
    assert!(gone.status < 300, "{gone:?}");
    for kubelet in ["kubelet1", "kubelet2"] {
        cluster.control(&format!("start {kubelet}"));
    }
    within(CONVERGED_WITHIN, "both wishes come true", async || {
        let runs = server.get(&second).await["status"]["phase"] == "Running";
        (runs && server.call("GET", &format!("/api/v1/sessions/{first}"), None).await.status == 404).then_some(())
    })
    .await;
    assert_eq!(pods(&platform.place).len(), 1);
    server.delete_all().await;
    drop(alone);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_that_is_frozen_is_followed_by_another_and_does_no_harm_when_it_thaws() {
    let together = Together::make().await;
    let place = &together.place;
    let rights = Rights::of_chart(place, &[]).kubeconfig("server");
    let leader = together.server("kubernetes-leader", &rights, &[]).await;
    place.kubectl_with(&["apply", "--filename", "-"], PAGE);
    let first = leader.session(json!({ "template": "page" })).await;
    let epoch = |session: &Value| session["status"]["leaderEpoch"].as_i64().unwrap();
    let before = epoch(&leader.reaches(&first, "Running").await);
    let other = together.server("kubernetes-follower", &rights, &[]).await;
    kill(leader.pid(), Signal::SIGSTOP).unwrap();
    within(TAKEN_OVER_WITHIN, "the other leads", async || other.log().contains("leading").then_some(())).await;
    let second = other.session(json!({ "template": "page" })).await;
    assert!(epoch(&other.reaches(&second, "Running").await) > before);
    place.kubectl_with(&["delete", "pod", &first], "");
    until("the first runs again", async || {
        let now = other.get(&first).await;
        (epoch(&now) > before && now["status"]["phase"] == "Running").then_some(())
    })
    .await;
    let there = pods(place);
    assert_eq!(there.len(), 2);
    kill(leader.pid(), Signal::SIGCONT).unwrap();
    until("it knows that it leads no more", async || leader.log().contains("no longer leading").then_some(())).await;
    // Asked through the one that was away: it has caught up, and changed nothing.
    for session in [&first, &second] {
        let now = leader.reaches(session, "Running").await;
        assert!(epoch(&now) > before, "{now:#}");
    }
    assert_eq!(pods(place), there);
    leader.delete_all().await;
    assert_eq!(pods(place), BTreeMap::new());
}

/// Stands between a server and the API server, and cuts one in ten connections whenever an answer begins.
struct Cutter {
    address: SocketAddr,
    cut: Arc<AtomicU32>,
}

/// Whatever comes so soon after something else belongs to the same answer.
const SAME_ANSWER: Duration = Duration::from_millis(10);

impl Cutter {
    /// One before the API server of the tests' cluster.
    async fn before(cluster: &Cluster) -> Self {
        let seed = rand::random();
        println!("seed {seed}");
        let behind: SocketAddr = format!("{}:6443", cluster.address()).parse().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, cut) = (listener.local_addr().unwrap(), Arc::<AtomicU32>::default());
        let (counted, mut dice) = (Arc::clone(&cut), StdRng::seed_from_u64(seed));
        task::spawn("cutter", async move {
            while let Ok((near, _)) = listener.accept().await {
                let own = StdRng::seed_from_u64(dice.random());
                task::spawn("cut connection", pass(near, behind, own, Arc::clone(&counted)));
            }
        });
        Self { address, cut }
    }

    /// A file that leads through it.
    fn kubeconfig(&self, honest: &NamedTempFile) -> NamedTempFile {
        let mut config: Value = serde_json::from_slice(&std::fs::read(honest.path()).unwrap()).unwrap();
        config["clusters"][0]["cluster"]["server"] = json!(format!("https://{}", self.address));
        let mut cutting = NamedTempFile::new().unwrap();
        cutting.write_all(config.to_string().as_bytes()).unwrap();
        cutting
    }

    /// How many it has cut.
    fn cut(&self) -> u32 {
        self.cut.load(Relaxed)
    }
}

/// Passes on what comes, until a tenth of the answers ends it.
async fn pass(near: TcpStream, behind: SocketAddr, mut dice: StdRng, cut: Arc<AtomicU32>) {
    let Ok(far) = TcpStream::connect(behind).await else { return };
    let (mut near_reads, mut near_writes) = near.into_split();
    let (mut far_reads, mut far_writes) = far.into_split();
    let up = tokio::io::copy(&mut near_reads, &mut far_writes);
    let down = async {
        let (mut piece, mut last) = (vec![0; 64 << 10], None::<Instant>);
        while let Ok(length @ 1..) = far_reads.read(&mut piece).await {
            let begins = last.replace(Instant::now()).is_none_or(|last| last.elapsed() > SAME_ANSWER);
            if begins && dice.random_bool(0.1) {
                cut.fetch_add(1, Relaxed);
                return;
            }
            if near_writes.write_all(&piece[..length]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! { _ = up => {}, () = down => {} }
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_to_the_api_server_that_are_cut_again_and_again_double_and_lose_nothing() {
    let place = Place::make().await;
    if !place.cluster.is_own() {
        return;
    }
    let cutter = Cutter::before(place.cluster).await;
    let cutting = cutter.kubeconfig(&Rights::of_chart(&place, &[]).kubeconfig("server"));
    let platform = Platform::start_as("kubernetes-cut", place, cutting, &[]).await;
    let server = &platform.server;
    let mut wanted = BTreeSet::new();
    while wanted.len() < 5 {
        // A key of its own for each, with which it is asked for until it is there.
        let (key, wish) = (format!("cut-{}", wanted.len()), json!({ "template": "page" }));
        wanted.insert(
            until("a session is made", async || {
                let made = server.try_call("POST", "/api/v1/sessions", Some(&wish), Some(&key)).await?;
                (made.status == 201).then(|| made.body["metadata"]["name"].as_str().unwrap().to_owned())
            })
            .await,
        );
    }
    server.all_reach(wanted.len(), "Running").await;
    assert_eq!(sessions(&platform.place), wanted);
    assert!(cutter.cut() > 3, "nothing was cut");
    server.delete_all().await;
    within(CONVERGED_WITHIN, "no pod is left", async || pods(&platform.place).is_empty().then_some(())).await;
}
