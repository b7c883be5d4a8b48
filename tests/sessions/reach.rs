//! What of the platform itself a program in a session reaches: nothing.

use std::process::Command;

use serde_json::json;

use crate::server::{Server, until};

/// Tries each of its arguments (`address:port`, or the path of a socket or file) and says what came of it; then serves.
const PROBE: &str = r"
import socket, sys
def attempt(target):
    if target.startswith('/'):
        if target.endswith('/lock'):
            return open(target).read(1)
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(3)
        return s.connect(target)
    host, port = target.rsplit(':', 1)
    return socket.create_connection((host, int(port)), 3)
own = socket.create_server(('127.0.0.1', int(sys.argv[1])))
for target in sys.argv[2:]:
    try:
        attempt(target)
        print('reached', target, flush=True)
    except OSError as error:
        print('refused', target, type(error).__name__, flush=True)
print('done', flush=True)
if sys.argv[1] == '8000':
    while True:
        guest, _ = own.accept()
        guest.recv(4096)
        guest.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
        guest.close()
";

#[tokio::test(flavor = "multi_thread")]
async fn the_api_the_management_port_the_database_and_the_servers_files_are_out_of_reach_from_inside() {
    let server = Server::start("reach").await;
    let [api, management] = server.ports();
    let sockets = std::fs::read_dir(server.sockets()).unwrap().next().unwrap().unwrap().path();
    let targets = vec![
        format!("127.0.0.1:{api}"),
        format!("127.0.0.1:{management}"),
        sockets.join("pg/.s.PGSQL.5432").display().to_string(),
        server.data().join("lock").display().to_string(),
    ];
    // From this host each is reached, by the very same program.
    let outside = Command::new("/usr/bin/python3").args(["-c", PROBE, "0"]).args(&targets).output().unwrap();
    let outside = String::from_utf8(outside.stdout).unwrap();
    assert_eq!(outside.matches("reached ").count(), targets.len(), "{outside}");

    // Inside also by the addresses that a sandbox's way out may have, and, as a control, the program's own port.
    let own = "127.0.0.1:8000".to_owned();
    let ways = ["10.0.2.2", "10.0.2.3", "localhost"].map(|host| [api, management].map(|port| format!("{host}:{port}")));
    let inside: Vec<String> = targets.into_iter().chain(ways.into_iter().flatten()).collect();
    let command: Vec<&str> =
        ["/usr/bin/python3", "-c", PROBE, "8000", &own].into_iter().chain(inside.iter().map(String::as_str)).collect();
    let template = json!({
        "name": "probe", "displayName": "Probe", "baseImage": "none", "webapp": { "port": 8000 },
        "capabilities": ["Network"], "defaultResources": { "cpu": "1", "memory": "128Mi" },
        "local": { "command": command },
    });
    let made = server.call("POST", "/api/v1/templates", Some(template)).await;
    assert_eq!(made.status, 201, "{made:?}");
    let name = server.session(json!({ "template": "probe" })).await;
    server.reaches(&name, "Running").await;
    let seen = until("the program has tried everything", async || {
        let text = server.call("GET", &format!("/api/v1/sessions/{name}/logs"), None).await.body;
        text.as_str().filter(|text| text.contains("done")).map(str::to_owned)
    })
    .await;
    assert!(seen.contains(&format!("reached {own}")), "{seen}");
    assert_eq!(seen.matches("reached ").count(), 1, "{seen}");
    assert_eq!(seen.matches("refused ").count(), inside.len(), "{seen}");
    server.delete_all().await;
}
