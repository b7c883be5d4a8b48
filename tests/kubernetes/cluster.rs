//! A real Kubernetes for the tests of one process, and a namespace of its own for each test.
//!
//! `KUBECONFIG` names a cluster to use instead: one whose nodes have the images `localhost/app:test` and
//! `localhost/wild:test` of `tests/kubernetes/build`. What breaks a cluster on purpose needs one of its own.

#![allow(clippy::disallowed_methods, reason = "the tests have settings of their own")]

use std::{
    io::{BufRead, BufReader, Write},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Output, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use k8s_openapi::{
    api::core::v1::{Namespace, ServiceAccount},
    apimachinery::pkg::apis::meta::v1::ObjectMeta,
};
use kube::{
    Api, Client,
    api::{DeleteParams, PostParams},
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::json;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Longest time for anything that a cluster does at all.
const PATIENCE: Duration = Duration::from_mins(1);

/// A cluster that every test of this process shares.
pub struct Cluster {
    kubeconfig: PathBuf,
    kubectl: PathBuf,
    own: Option<Own>,
    /// Held for writing by a test that disturbs the others.
    access: RwLock<()>,
}

/// A cluster that ends with this process, in whatever way that ends: by the end of its standard input.
struct Own {
    address: String,
    talk: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _keeper: Child,
}

impl Cluster {
    /// The cluster with the platform's definitions; made by the first who asks.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(|| {
            let cluster = match std::env::var_os("KUBECONFIG") {
                Some(path) => {
                    Self { kubeconfig: path.into(), kubectl: "kubectl".into(), own: None, access: RwLock::default() }
                }
                None => Self::start(2),
            };
            let definitions = Command::new(env!("CARGO_BIN_EXE_streamspace")).arg("crds").output().unwrap();
            cluster.kubectl_with(&["apply", "--server-side", "--filename", "-"], &definitions.stdout);
            let all = ["sessions", "templates"].map(|plural| format!("crd/{plural}.stream.streamspace.io"));
            cluster.kubectl(&["wait", "--for=condition=Established", &all[0], &all[1], "--timeout=60s"]);
            cluster
        })
    }

    /// Starts one with that many nodes.
    fn start(nodes: u32) -> Self {
        assert!(nix::unistd::geteuid().is_root(), "a cluster needs root; name one that there is by KUBECONFIG");
        let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kubernetes");
        let built = Command::new(here.join("build")).stderr(Stdio::inherit()).output().unwrap();
        assert!(built.status.success(), "tests/kubernetes/build");
        let tools = PathBuf::from(String::from_utf8(built.stdout).unwrap().trim());
        let folder = std::env::temp_dir().join(format!("streamspace-kubernetes-{}", std::process::id()));
        let mut keeper = Command::new(here.join("cluster"))
            .arg(&folder)
            .arg(nodes.to_string())
            .args(["pause.tar", "app.tar", "wild.tar"].map(|image| tools.join(image)))
            .env("KUBERNETES_TOOLS", &tools)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C in a terminal reaches this process alone, and the end of this one the keeper.
            .process_group(0)
            .spawn()
            .unwrap();
        let (input, mut output) = (keeper.stdin.take().unwrap(), BufReader::new(keeper.stdout.take().unwrap()));
        let mut said = String::new();
        output.read_line(&mut said).unwrap();
        let address = said.strip_prefix("ready ").unwrap_or_else(|| panic!("the cluster does not start")).trim().into();
        let own = Own { address, talk: Mutex::new((input, output)), _keeper: keeper };
        Self {
            kubeconfig: folder.join("kubeconfig"),
            kubectl: tools.join("kubectl"),
            own: Some(own),
            access: RwLock::default(),
        }
    }

    /// Whether it is the tests' own, with which anything may be done.
    pub fn is_own(&self) -> bool {
        self.own.is_some()
    }

    /// Brings the definitions of the kinds that are others': the Gateway API's routes, and what Prometheus' operator reads.
    /// Whether they are there now: a cluster of somebody else's is left as it is.
    pub fn knows_others(&self) -> bool {
        if self.is_own() {
            let names = [
                "httproutes.gateway.networking.k8s.io",
                "prometheusrules.monitoring.coreos.com",
                "servicemonitors.monitoring.coreos.com",
            ];
            for name in names {
                let (plural, _) = name.split_once('.').unwrap();
                let definition = self.tool(&format!("{plural}.yaml"));
                self.kubectl(&["apply", "--server-side", "--filename", &definition.display().to_string()]);
                self.kubectl(&["wait", "--for=condition=Established", &format!("crd/{name}"), "--timeout=60s"]);
            }
        }
        self.is_own()
    }

    /// A program or file that was built with the tests' own cluster.
    pub fn tool(&self, name: &str) -> PathBuf {
        self.kubectl.with_file_name(name)
    }

    /// The folder of a cluster of the tests' own.
    pub fn folder(&self) -> &Path {
        self.kubeconfig.parent().unwrap()
    }

    /// An address of a cluster of the tests' own at which ports of Services are.
    pub fn address(&self) -> &str {
        &self.own.as_ref().expect("a cluster of the tests' own").address
    }

    /// The file that leads to it, as an administrator.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs kubectl and returns what it prints.
    pub fn kubectl(&self, arguments: &[&str]) -> String {
        self.kubectl_with(arguments, b"")
    }

    /// The same with something on its standard input.
    pub fn kubectl_with(&self, arguments: &[&str], input: &[u8]) -> String {
        let output = self.run_kubectl(arguments, input);
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "kubectl {arguments:?}: {said}{}", String::from_utf8_lossy(&output.stderr));
        said
    }

    fn run_kubectl(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut command = Command::new(&self.kubectl);
        command.args(arguments).env("KUBECONFIG", &self.kubeconfig).env("HOME", "/nonexistent");
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        child.wait_with_output().unwrap()
    }

    /// A client of the caller's own runtime, as an administrator.
    pub async fn client(&self) -> Client {
        let kubeconfig = Kubeconfig::read_from(&self.kubeconfig).unwrap();
        let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        Client::try_from(config).unwrap()
    }

    /// Where etcd answers; none of a cluster that is not the tests' own.
    fn etcd(&self) -> Option<String> {
        self.own.as_ref().map(|own| format!("http://{}:2379", own.address))
    }

    /// Forgets every change made so far, as the passing of time would: etcd's history and the API server's memory of it.
    /// Nobody else may use the cluster meanwhile.
    pub async fn forget(&self, up_to: &str) {
        let etcd = self.etcd().expect("a cluster of the tests' own");
        let compacted = reqwest::Client::new()
            .post(format!("{etcd}/v3/kv/compaction"))
            .json(&json!({ "revision": up_to, "physical": true }))
            .send()
            .await
            .unwrap();
        assert!(compacted.status().is_success(), "{}", compacted.text().await.unwrap());
        self.control("stop apiserver");
        self.control("start apiserver");
    }

    /// Has a program of the cluster stopped or started; returns when it is.
    pub fn control(&self, order: &str) {
        let own = self.own.as_ref().expect("a cluster of the tests' own");
        let mut talk = own.talk.lock().unwrap();
        let (input, output) = &mut *talk;
        writeln!(input, "{order}").unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        assert_eq!(answer, "done\n", "{order}");
    }
}

/// A namespace of one test, in which nothing runs with rights.
pub struct Place {
    pub cluster: &'static Cluster,
    pub client: Client,
    pub namespace: String,
    using: Option<RwLockReadGuard<'static, ()>>,
}

impl Place {
    pub async fn make() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        // On a thread of its own: the first who asks waits for a cluster.
        let cluster = tokio::task::spawn_blocking(Cluster::shared).await.unwrap();
        let using = Some(cluster.access.read().await);
        let client = cluster.client().await;
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let namespace = format!("streamspace-test-{}-{number}", std::process::id());
        let labels = [("pod-security.kubernetes.io/enforce".to_owned(), "restricted".to_owned())];
        let metadata =
            ObjectMeta { name: Some(namespace.clone()), labels: Some(labels.into()), ..ObjectMeta::default() };
        let made = Namespace { metadata, ..Namespace::default() };
        Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &made).await.unwrap();
        // Without it no pod is admitted.
        let accounts: Api<ServiceAccount> = Api::namespaced(client.clone(), &namespace);
        let there = async {
            while accounts.get_opt("default").await.unwrap().is_none() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, there).await.expect("a service account");
        Self { cluster, client, namespace, using }
    }

    /// Runs kubectl in this namespace, with something on its standard input, and returns what it prints.
    pub fn kubectl_with(&self, arguments: &[&str], input: &str) -> String {
        self.cluster.kubectl_with(&self.here(arguments), input.as_bytes())
    }

    /// Runs kubectl in this namespace, which has to fail, and returns what it says to that.
    pub fn kubectl_refused(&self, arguments: &[&str], input: &str) -> String {
        let output = self.cluster.run_kubectl(&self.here(arguments), input.as_bytes());
        assert!(!output.status.success(), "kubectl {arguments:?} succeeds");
        String::from_utf8(output.stderr).unwrap()
    }

    fn here<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        ["--namespace", &self.namespace].into_iter().chain(arguments.iter().copied()).collect()
    }

    /// Waits until no other test uses the cluster, and keeps them away until the guard goes; then [`Self::share`].
    pub async fn alone(&mut self) -> RwLockWriteGuard<'static, ()> {
        self.using = None;
        self.cluster.access.write().await
    }

    /// Uses the cluster beside others again.
    pub async fn share(&mut self) {
        self.using = Some(self.cluster.access.read().await);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // A cluster of our own is gone in a moment anyway.
        if self.cluster.own.is_some() {
            return;
        }
        let (cluster, namespace) = (self.cluster, self.namespace.clone());
        let removing = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let namespaces: Api<Namespace> = Api::all(cluster.client().await);
                namespaces.delete(&namespace, &DeleteParams::background()).await.unwrap();
            });
        });
        removing.join().unwrap();
    }
}
