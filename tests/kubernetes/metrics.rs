//! What nodes use is told as long as something measures it: by an API of the metrics group, aggregated as that of a metrics
//! server is, with figures of the test's own.

use std::{
    fs,
    process::{Child, Command, Stdio},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    platform::Platform,
    server::{Server, until},
};

const API: &str = "/apis/metrics.k8s.io/v1beta1";
const PORT: u16 = 18_443;

/// Answers what its first argument says of each path, over TLS.
const SERVER: &str = r#"
import http.server, json, ssl, sys
answers = json.loads(sys.argv[1])
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        found = answers.get(self.path.split("?")[0])
        body = json.dumps(found).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def log_message(self, *words):
        pass
server = http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[2])), Answer)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain(sys.argv[3], sys.argv[4])
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"#;

/// Something that measures; it ends with the value, as do the files that it reads once it has begun to listen.
struct Measuring {
    child: Child,
    _files: TempDir,
}

impl Measuring {
    fn start(node: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let [key, certificate] = ["key", "certificate"].map(|name| folder.path().join(name));
        let made = Command::new("openssl")
            .args([
                "req",
                "-x509",
                "-newkey",
                "ec",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-nodes",
                "-subj",
                "/CN=metrics",
            ])
            .args(["-keyout".as_ref(), key.as_os_str(), "-out".as_ref(), certificate.as_os_str()])
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(made.success());
        let resource = |name: &str, kind: &str, namespaced: bool| json!({ "name": name, "singularName": "", "namespaced": namespaced, "kind": kind, "verbs": ["get", "list"] });
        let answers = json!({
            API: {
                "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "metrics.k8s.io/v1beta1",
                "resources": [resource("nodes", "NodeMetrics", false), resource("pods", "PodMetrics", true)],
            },
            format!("{API}/nodes"): {
                "kind": "NodeMetricsList", "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {},
                "items": [{
                    "metadata": { "name": node }, "timestamp": "2030-01-01T12:00:00Z", "window": "20s",
                    "usage": { "cpu": "156340210n", "memory": "512Mi" },
                }],
            },
        });
        let mut command = Command::new("python3");
        command.args(["-c", SERVER, &answers.to_string(), &PORT.to_string()]).arg(&certificate).arg(&key);
        let child = command.stdin(Stdio::null()).spawn().unwrap();
        Self { child, _files: folder }
    }
}

impl Drop for Measuring {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// What leads the API server to the port on this host.
fn aggregated(namespace: &str, host: &str) -> String {
    let ports = json!([{ "name": "https", "port": PORT, "protocol": "TCP" }]);
    let items = json!([
        { "apiVersion": "v1", "kind": "Service", "metadata": { "name": "metrics" }, "spec": { "ports": ports } },
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
            "metadata": { "name": "metrics", "labels": { "kubernetes.io/service-name": "metrics" } },
            "addressType": "IPv4", "ports": ports, "endpoints": [{ "addresses": [host], "conditions": { "ready": true } }],
        },
        {
            "apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
            "metadata": { "name": "v1beta1.metrics.k8s.io" },
            "spec": {
                "group": "metrics.k8s.io", "version": "v1beta1", "insecureSkipTLSVerify": true,
                "groupPriorityMinimum": 100, "versionPriority": 100,
                "service": { "namespace": namespace, "name": "metrics", "port": PORT },
            },
        },
    ]);
    json!({ "apiVersion": "v1", "kind": "List", "items": items }).to_string()
}

async fn used(server: &Server, node: &str) -> Option<Value> {
    let shown = server.call("GET", &format!("/api/admin/nodes/{node}"), None).await.body;
    shown.get("name").map(|_| shown.get("used").cloned().unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_node_uses_is_told_while_it_is_measured_and_absent_before_and_after() {
    let mut platform = Platform::start("kubernetes-metrics").await;
    if !platform.place.cluster.is_own() {
        return;
    }
    let _alone = platform.place.alone().await;
    let (server, place) = (&platform.server, &platform.place);
    let list = server.call("GET", "/api/admin/nodes", None).await.body;
    let node = list["items"][0]["name"].as_str().unwrap().to_owned();
    assert_eq!(used(server, &node).await, Some(Value::Null));

    let measuring = Measuring::start(&node);
    // The other end of the link to the cluster is this host.
    let (network, last) = place.cluster.address().rsplit_once('.').unwrap();
    let host = format!("{network}.{}", last.parse::<u8>().unwrap() + 1);
    place.kubectl_with(&["apply", "--filename", "-"], &aggregated(&place.namespace, &host));
    platform.kubectl(&["wait", "--for=condition=Available", "apiservice/v1beta1.metrics.k8s.io", "--timeout=60s"]);
    let told =
        until("the node's figures are told", async || used(server, &node).await.filter(|used| !used.is_null())).await;
    assert_eq!((&told["cpu"], &told["memory"]), (&json!("157m"), &json!("512Mi")), "{told}");
    let asked = fs::read_to_string(place.cluster.folder().join("log/audit")).unwrap();
    assert!(asked.contains("metrics.k8s.io"), "by way of the API server");

    drop(measuring);
    until("they are told no more", async || used(server, &node).await.filter(Value::is_null)).await;
    platform.kubectl(&["delete", "apiservice", "v1beta1.metrics.k8s.io"]);
}
