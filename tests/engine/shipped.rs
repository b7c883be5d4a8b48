//! The shipped templates, run as the controller runs them, as far as their programs are on this host.

use std::path::{Path, PathBuf};

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use streamspace::{
    config::Folders,
    crd::Template,
    domain::{
        parameters::{self, Told},
        template,
    },
    engine::{Connection, Home, Limits, Workload},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_tungstenite::tungstenite::Message;

use crate::{
    support::{Host, PATIENCE, workload},
    terminal,
};

/// The workload of a shipped template.
fn shipped(path: &str, user: &str) -> Workload {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates-catalog").join(path);
    let template: Template = serde_saphyr::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    let spec = template.spec;
    assert_eq!(template::check(&spec), []);
    let local = spec.local.clone().unwrap();
    let values = parameters::resolve(spec.parameters.as_ref(), &Default::default()).unwrap();
    let told = Told { session: "session", user, base_path: "/" };
    let command = local.command.iter().chain(&local.args).map(|text| parameters::expand(text, &values, &told));
    Workload {
        command: command.collect(),
        env: local.env.clone().into_iter().collect(),
        ports: template::ports(&spec),
        template: template.metadata.name.unwrap(),
        home_path: template::home_path(&spec).into(),
        limits: Limits { cpu_millicores: 2000, memory_bytes: 3 << 30, gpus: 0 },
        home: Home::Persistent(format!("home-{user}")),
        requires: local.requires,
        network: template::can(&spec, "Network"),
        ..workload(user, &[])
    }
}

async fn rfb(host: &Host, workload: &Workload) -> Box<dyn Connection> {
    let mut connection = host.dial(&workload.session, 5900).await;
    let mut greeting = [0; 12];
    tokio::time::timeout(PATIENCE, connection.read_exact(&mut greeting)).await.unwrap().unwrap();
    assert_eq!(std::str::from_utf8(&greeting).unwrap(), "RFB 003.008\n");
    connection
}

/// Reads the whole screen as 32-bit pixels, by the least of RFB that does it.
async fn screen(mut connection: Box<dyn Connection>) -> Vec<u32> {
    let read = async {
        connection.write_all(b"RFB 003.008\n").await.unwrap();
        let count = connection.read_u8().await.unwrap();
        let mut kinds = vec![0; usize::from(count)];
        connection.read_exact(&mut kinds).await.unwrap();
        assert!(kinds.contains(&1), "no sign-in without a password: {kinds:?}");
        connection.write_all(&[1]).await.unwrap();
        assert_eq!(connection.read_u32().await.unwrap(), 0);
        connection.write_all(&[1]).await.unwrap();
        let (width, height) = (connection.read_u16().await.unwrap(), connection.read_u16().await.unwrap());
        let mut rest = [0; 16];
        connection.read_exact(&mut rest).await.unwrap();
        let mut name = vec![0; connection.read_u32().await.unwrap() as usize];
        connection.read_exact(&mut name).await.unwrap();
        // SetEncodings: raw; FramebufferUpdateRequest: everything.
        connection.write_all(&[2, 0, 0, 1, 0, 0, 0, 0]).await.unwrap();
        let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
        connection.write_all(&[&[3, 0, 0, 0, 0, 0][..], &size].concat()).await.unwrap();
        let mut pixels = Vec::new();
        while pixels.len() < usize::from(width) * usize::from(height) {
            assert_eq!(connection.read_u8().await.unwrap(), 0, "another message than an update");
            connection.read_u8().await.unwrap();
            for _ in 0..connection.read_u16().await.unwrap() {
                let mut header = [0; 12];
                connection.read_exact(&mut header).await.unwrap();
                let side = |at: usize| usize::from(u16::from_be_bytes([header[at], header[at + 1]]));
                let mut raw = vec![0; side(4) * side(6) * 4];
                connection.read_exact(&mut raw).await.unwrap();
                pixels.extend(raw.chunks(4).map(|pixel| u32::from_le_bytes(pixel.try_into().unwrap()) & 0xff_ffff));
            }
        }
        pixels
    };
    tokio::time::timeout(PATIENCE, read).await.unwrap()
}

/// Waits until the screen has at least so many colours: something is drawn on it.
async fn drawn(host: &Host, workload: &Workload, colours: usize) {
    let until = async {
        loop {
            let connection = rfb(host, workload).await;
            let mut seen = screen(connection).await;
            seen.sort_unstable();
            seen.dedup();
            if seen.len() >= colours {
                return;
            }
        }
    };
    assert!(
        tokio::time::timeout(PATIENCE, until).await.is_ok(),
        "the screen stays empty: {:#?}",
        host.output(&workload.session).await
    );
}

/// Where `scripts/setup test` puts what Debian does not package.
async fn host_with_tools() -> Host {
    let tools = Folders { data_dir: None, run_dir: None }.data().unwrap().join("tools");
    Host::start_with(|options| options.tools_dir = tools).await
}

/// The templates that the tests of this file start by name; the others go through the tables below.
const BY_NAME: [&str; 4] =
    ["browsers/browser.yaml", "desktops/desktop.yaml", "notebooks/jupyterlab.yaml", "terminals/terminal.yaml"];
/// Programs on a screen.
const ON_A_SCREEN: [&str; 6] = [
    "browsers/firefox.yaml",
    "data/gnumeric.yaml",
    "data/sqlitebrowser.yaml",
    "desktops/xfce.yaml",
    "ides/geany.yaml",
    "ides/thonny.yaml",
];
/// Programs in the terminal, and something they say first.
const IN_A_TERMINAL: [(&str, &str); 2] = [("data/visidata.yaml", "notes.txt"), ("terminals/ipython.yaml", "In [")];
/// Web applications, a path, and something that stands there.
const IN_A_PAGE: [(&str, &str, &str); 2] =
    [("data/datasette.yaml", "GET /data", "data"), ("notebooks/marimo.yaml", "GET /", "marimo")];

#[test]
fn every_shipped_template_is_started_by_a_test() {
    let mut started: Vec<&str> = BY_NAME.iter().chain(&ON_A_SCREEN).copied().collect();
    started.extend(IN_A_TERMINAL.iter().map(|(path, _)| path));
    started.extend(IN_A_PAGE.iter().map(|(path, ..)| path));
    started.sort_unstable();
    let catalog = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates-catalog");
    let mut shipped = Vec::new();
    let categories = catalog.read_dir().unwrap().map(|entry| entry.unwrap().path());
    // What lies in the one is marked as what nobody starts here; in the other lie no templates.
    let is_category = |path: &PathBuf| path.is_dir() && !path.ends_with("unverified") && !path.ends_with("images");
    for category in categories.filter(is_category) {
        for file in category.read_dir().unwrap().map(|entry| entry.unwrap().path()) {
            shipped.push(file.strip_prefix(&catalog).unwrap().to_str().unwrap().to_owned());
        }
    }
    shipped.sort_unstable();
    assert_eq!(started, shipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_on_a_screen_draw_their_windows() {
    let host = Host::start().await;
    for path in ON_A_SCREEN {
        let workload = shipped(path, "alice");
        assert_eq!(host.engine.missing(&workload.requires).await.unwrap(), [], "{path}");
        host.listening(&workload).await;
        drawn(&host, &workload, 40).await;
        host.remove(&workload.session).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_in_a_terminal_greet() {
    let host = Host::start().await;
    for (path, greeting) in IN_A_TERMINAL {
        let workload = shipped(path, "alice");
        assert_eq!(host.engine.missing(&workload.requires).await.unwrap(), [], "{path}");
        host.listening(&workload).await;
        std::fs::write(host.data.join("homes/home-alice/notes.txt"), "x\n").unwrap();
        let mut window = terminal::open(&host, &workload, 100, 30).await;
        window.shows(greeting).await;
        host.remove(&workload.session).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn web_applications_answer() {
    let host = host_with_tools().await;
    for (path, request, word) in IN_A_PAGE {
        let workload = shipped(path, "alice");
        assert_eq!(host.engine.missing(&workload.requires).await.unwrap(), [], "{path}");
        host.listening(&workload).await;
        let page = http(&host, &workload, request, "").await;
        assert!(page.starts_with("HTTP/1.1 200") && page.contains(word), "{path}: {page}");
        host.remove(&workload.session).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_desktop_greets_in_rfb_draws_windows_and_ends_when_asked() {
    let host = Host::start().await;
    let workload = shipped("desktops/desktop.yaml", "alice");
    host.listening(&workload).await;
    drawn(&host, &workload, 20).await;
    host.engine.stop(&workload.session).await.unwrap();
    host.gone(&workload.session).await;
    host.remove(&workload.session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_browser_draws_its_window_in_its_own_sandbox() {
    let host = Host::start().await;
    let workload = shipped("browsers/browser.yaml", "alice");
    assert!(!workload.command.iter().any(|argument| argument == "--no-sandbox"));
    host.listening(&workload).await;
    drawn(&host, &workload, 20).await;
    host.remove(&workload.session).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jupyterlab_answers_without_a_token_and_runs_code_in_a_kernel() {
    let host = host_with_tools().await;
    let workload = shipped("notebooks/jupyterlab.yaml", "alice");
    assert_eq!(host.engine.missing(&workload.requires).await.unwrap(), []);
    host.listening(&workload).await;
    let page = http(&host, &workload, "GET /lab", "").await;
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    let cookie = page.lines().find_map(|line| line.strip_prefix("Set-Cookie: _xsrf=")).unwrap();
    let xsrf = cookie.split(';').next().unwrap();
    let headers = format!("Cookie: _xsrf={xsrf}\r\nX-XSRFToken: {xsrf}\r\nContent-Length: 0\r\n");
    let path = "GET /lab/api/settings/@jupyterlab/apputils-extension:notification";
    let settings = http(&host, &workload, path, &format!("Cookie: _xsrf={xsrf}\r\n")).await;
    let settings: Value = serde_json::from_str(settings.split_once("\r\n\r\n").unwrap().1).unwrap();
    assert_eq!(settings["schema"]["properties"]["fetchNews"]["default"], "false", "nobody is asked about news");
    let started = http(&host, &workload, "POST /api/kernels", &headers).await;
    let kernel: Value = serde_json::from_str(started.split_once("\r\n\r\n").unwrap().1).unwrap();
    let address = format!("ws://x.localhost/api/kernels/{}/channels", kernel["id"].as_str().unwrap());
    let connection = host.dial(&workload.session, 8888).await;
    let (mut socket, _) = tokio_tungstenite::client_async(address, connection).await.unwrap();
    let header =
        json!({ "msg_id": "1", "msg_type": "execute_request", "username": "", "session": "1", "version": "5.3" });
    let content = json!({ "code": "import os; print(6 * 7, os.getcwd())", "silent": false });
    let request =
        json!({ "header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell" });
    socket.send(Message::text(request.to_string())).await.unwrap();
    let printed = async {
        loop {
            let message = socket.next().await.unwrap().unwrap();
            let message: Value = serde_json::from_slice(&message.into_data()).unwrap();
            if message["header"]["msg_type"] == "stream" {
                return message["content"]["text"].clone();
            }
        }
    };
    assert_eq!(tokio::time::timeout(PATIENCE, printed).await.unwrap(), "42 /home/user\n");
    host.remove(&workload.session).await;
}

/// Sends a request and reads the whole answer. The sending side stays open: JupyterLab's server takes its end for ours.
async fn http(host: &Host, workload: &Workload, request: &str, headers: &str) -> String {
    let text = format!("{request} HTTP/1.1\r\nHost: x.localhost\r\nConnection: close\r\n{headers}\r\n");
    let mut connection = host.dial(&workload.session, workload.ports[0]).await;
    connection.write_all(text.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tokio::time::timeout(PATIENCE, connection.read_to_end(&mut answer)).await.unwrap().unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
