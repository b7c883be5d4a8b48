//! A person or a program that calls the API.

use std::net::SocketAddr;

use serde_json::Value;

/// Calls one server.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: reqwest::header::HeaderMap,
    pub body: bytes::Bytes,
}

impl Client {
    /// A client without a credential.
    pub fn new(address: SocketAddr) -> Self {
        // Another test may have been first; either's is the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().expect("a client");
        Self { base: format!("http://localhost:{}", address.port()), http }
    }

    /// Begins a request to a path.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        self.http.request(method, format!("{}{path}", self.base)).header("origin", &self.base)
    }

    /// Asks for a path.
    pub async fn get(&self, path: &str) -> Answer {
        send(self.request("GET", path)).await
    }
}

/// Sends a request and reads the answer to its end.
pub async fn send(request: reqwest::RequestBuilder) -> Answer {
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    Answer { status, headers, body: response.bytes().await.expect("a body") }
}

impl Answer {
    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }

    /// A header, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}
