//! What of heads passes, and where a request ends.

use super::world::World;
use crate::support::program::Program;

#[actix_web::test]
async fn an_app_sees_neither_the_platforms_credentials_nor_forged_words_about_the_client() {
    let world = World::start().await;
    let program = Program::echo().await;
    let (browser, _, entry) = world.opened(&program).await;
    let token = browser.post("/api/v1/tokens", serde_json::json!({ "name": "cli" })).await.json();
    let headers = format!(
        "cookie: {}; theme=dark\r\nauthorization: Bearer {}\r\nx-forwarded-for: 6.6.6.6\r\nforwarded: for=6.6.6.6\r\n\
         x_forwarded_for: 6.6.6.6\r\nx-real-ip: 6.6.6.6\r\nx-forwarded-host: evil.test\r\nproxy-authorization: Basic x\r\n",
        browser.cookie(),
        token["token"].as_str().unwrap()
    );
    let (_, seen) = world.ask(&entry, "GET", "/a?b=c%20d", &headers).await;
    assert!(seen.starts_with("GET /a?b=c%20d HTTP/1.1\r\n"), "{seen}");
    for secret in ["6.6.6.6", "evil.test", "__Host-app", "streamspace_session", "Bearer", "Basic"] {
        assert!(!seen.contains(secret), "{secret} in {seen}");
    }
    for (name, value) in [
        ("cookie", "theme=dark"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", &entry.host),
        ("x-forwarded-proto", "http"),
        ("host", &entry.host),
    ] {
        assert!(seen.contains(&format!("\r\n{name}: {value}\r\n")), "{name}: {value} in {seen}");
    }
    let (_, seen) = world.ask(&entry, "GET", "/", "authorization: Bearer the-apps-own\r\n").await;
    assert!(seen.contains("authorization: Bearer the-apps-own"), "{seen}");
}

#[actix_web::test]
async fn a_proxy_that_is_trusted_may_say_for_whom_it_asks() {
    let world = World::with(&["--trusted-proxies=127.0.0.1"]).await;
    let program = Program::echo().await;
    let (_, _, entry) = world.opened(&program).await;
    let (_, seen) = world.ask(&entry, "GET", "/", "x-forwarded-for: 203.0.113.9\r\n").await;
    assert!(seen.contains("x-forwarded-for: 203.0.113.9\r\n"), "{seen}");
}

#[actix_web::test]
async fn an_apps_answer_stays_within_its_own_origin() {
    let world = World::start().await;
    let program = Program::start(|mut client| async move {
        while client.head().await.is_some() {
            let headers = [
                ("set-cookie", "a=1; Domain=localhost; Path=/"),
                ("set-cookie", "__Host-app=stolen; Secure; Path=/"),
                ("set-cookie", "streamspace_session=planted; Domain=localhost"),
                ("x-frame-options", "DENY"),
                ("content-security-policy", "default-src 'self'; frame-ancestors 'none'"),
                ("clear-site-data", "\"cookies\""),
                ("connection", "keep-alive, x-hop"),
                ("x-hop", "1"),
                ("keep-alive", "timeout=5"),
                ("x-kept", "yes"),
            ];
            client.answer(&headers, b"ok").await;
        }
    })
    .await;
    let (_, _, entry) = world.opened(&program).await;
    let (head, body) = world.get(&entry, "/").await;
    assert_eq!(
        (body.as_str(), head.all("set-cookie")),
        ("ok", vec!["a=1; Path=/; Secure; SameSite=None; Partitioned"])
    );
    let dashboard = format!("frame-ancestors 'self' http://localhost:{}", world.app.address().port());
    assert_eq!(head.all("content-security-policy"), ["default-src 'self'", &dashboard]);
    for gone in ["x-frame-options", "clear-site-data", "x-hop", "keep-alive"] {
        assert_eq!(head.one(gone), "", "{gone}");
    }
    assert_eq!(head.one("x-kept"), "yes");
}

/// Requests whose end can be understood in two ways, with a second one hidden in them.
const AMBIGUOUS: [&str; 9] = [
    "content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n",
    "content-length: 0\r\ncontent-length: 44\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n",
    "content-length: 0, 44\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n",
    "content-length: +0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n",
    "transfer-encoding: xchunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n",
    "transfer-encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n",
    "transfer-encoding : chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n",
    "host: other.localhost\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n",
    "x: 1\r\n\tfolded\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n",
];

#[actix_web::test]
async fn a_request_whose_end_is_ambiguous_never_reaches_an_app() {
    let world = World::start().await;
    let program = Program::echo().await;
    let (_, _, entry) = world.opened(&program).await;
    let dials = world.engine.dials();
    for ambiguous in AMBIGUOUS {
        let mut client = world.client().await;
        let start = entry.request("POST", "/", "");
        client.write(format!("{}{ambiguous}", start.trim_end_matches("\r\n\r\n").to_owned() + "\r\n")).await;
        assert_eq!(client.head().await.unwrap().status(), 400, "{ambiguous}");
        let rest = String::from_utf8(client.rest().await).unwrap();
        assert!(!rest.contains("200 OK"), "{ambiguous}: {rest}");
    }
    assert_eq!(world.engine.dials(), dials);
    let (_, seen) = world.ask(&entry, "POST", "/", "content-length: 0\r\n").await;
    assert!(seen.contains("content-length: 0\r\n"), "{seen}");
}

#[actix_web::test]
async fn a_request_inside_a_body_stays_a_body() {
    let world = World::start().await;
    let program = Program::echo().await;
    let (_, _, entry) = world.opened(&program).await;
    let hidden = "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
    let framed = [
        format!("content-length: {}\r\n\r\n{hidden}", hidden.len()),
        format!("transfer-encoding: chunked\r\n\r\n{:x}\r\n{hidden}\r\n0\r\n\r\n", hidden.len()),
    ];
    for framed in framed {
        for method in ["POST", "GET"] {
            let start = entry.request(method, "/", "");
            let (head, body) = world.raw(&format!("{}\r\n{framed}", start.trim_end_matches("\r\n\r\n"))).await;
            let seen = String::from_utf8(body).unwrap();
            assert_eq!(head.status(), 200, "{seen}");
            assert!(seen.ends_with(&format!("\n{}", hidden.len())), "{seen}");
        }
    }
}

#[actix_web::test]
async fn what_an_app_sends_beyond_its_answer_is_nobodys_answer() {
    let world = World::start().await;
    let program = Program::start(|mut client| async move {
        while client.head().await.is_some() {
            let poison = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
            client.write(format!("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood{poison}")).await;
        }
    })
    .await;
    let (_, _, entry) = world.opened(&program).await;
    for _ in 0..5 {
        assert_eq!(world.get(&entry, "/").await.1, "good");
    }
}

#[actix_web::test]
async fn an_answer_whose_end_is_ambiguous_is_not_passed_on() {
    for bad in [
        "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 4\r\n\r\nokHT",
        "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\nok",
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\nfree bytes",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "",
    ] {
        let world = World::start().await;
        let program = Program::start(move |mut client| async move {
            if client.head().await.is_some() {
                client.write(bad).await;
            }
        })
        .await;
        let (_, _, entry) = world.opened(&program).await;
        let (head, body) = world.get(&entry, "/").await;
        assert_eq!(head.status(), 502, "{bad}: {body}");
        assert!(!body.contains("free bytes"));
    }
}

#[actix_web::test]
async fn only_ordinary_requests_for_a_path_reach_an_app() {
    let world = World::start().await;
    let program = Program::echo().await;
    let (_, _, entry) = world.opened(&program).await;
    let dials = world.engine.dials();
    assert_eq!(world.ask(&entry, "TRACE", "/", "").await.0.status(), 400);
    assert_eq!(world.ask(&entry, "GET", &format!("http://{}/", entry.host), "").await.0.status(), 400);
    assert_eq!(world.engine.dials(), dials);
    assert_eq!(world.ask(&entry, "PROPFIND", "/", "").await.0.status(), 200);
}

#[actix_web::test]
async fn answers_without_a_body_keep_what_they_say_of_it() {
    let world = World::start().await;
    let program = Program::start(|mut client| async move {
        while let Some(head) = client.head().await {
            let answer = match head.text.split(' ').nth(1).unwrap() {
                "/head" => "HTTP/1.1 200 OK\r\ncontent-length: 1234\r\n\r\n",
                "/none" => "HTTP/1.1 204 No Content\r\netag: \"x\"\r\n\r\n",
                "/same" => "HTTP/1.1 304 Not Modified\r\ncontent-length: 99\r\netag: \"x\"\r\n\r\n",
                "/hints" => {
                    "HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n"
                }
                _ => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            };
            client.write(answer).await;
        }
    })
    .await;
    let (_, _, entry) = world.opened(&program).await;
    let mut client = world.client().await;
    for (method, path, status, length) in [
        ("HEAD", "/head", 200, "1234"),
        ("GET", "/none", 204, ""),
        ("GET", "/same", 304, "99"),
        ("GET", "/hints", 200, "0"),
        ("GET", "/empty", 200, "0"),
    ] {
        // One connection for all: a body that is there after all would be read as the next head.
        client.write(entry.request(method, path, "")).await;
        let head = client.head().await.unwrap();
        assert_eq!((head.status(), head.one("content-length")), (status, length), "{path}");
    }
    assert_eq!(world.engine.dials(), 1);
}
