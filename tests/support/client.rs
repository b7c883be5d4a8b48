//! A person or a program that calls the API.

use std::net::SocketAddr;

use serde_json::Value;

/// Calls one server.
#[derive(Clone)]
pub struct Client {
    base: String,
    http: reqwest::Client,
    /// The page that it is.
    origin: String,
    /// A header that says who calls: `cookie` or `authorization`.
    credential: Option<(&'static str, String)>,
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
        let base = format!("http://localhost:{}", address.port());
        Self { origin: base.clone(), base, http, credential: None }
    }

    /// The same client with a browser's cookie, of which `cookie` is the value.
    pub fn browser(&self, cookie: &str) -> Self {
        Self { credential: Some(("cookie", format!("streamspace_session={cookie}"))), ..self.clone() }
    }

    /// The same client with a token.
    pub fn bearer(&self, token: &str) -> Self {
        Self { credential: Some(("authorization", format!("Bearer {token}"))), ..self.clone() }
    }

    /// The same client with the credential of `other`, which may be a client of another server on the same database.
    pub fn like(&self, other: &Self) -> Self {
        Self { credential: other.credential.clone(), ..self.clone() }
    }

    /// The same client as a page of `origin`.
    pub fn page_of(&self, origin: &str) -> Self {
        Self { origin: origin.to_owned(), ..self.clone() }
    }

    /// Begins a request to a path.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = method.parse().expect("a method");
        let request = self.http.request(method, format!("{}{path}", self.base)).header("origin", &self.origin);
        match &self.credential {
            Some((name, value)) => request.header(*name, value),
            None => request,
        }
    }

    /// Begins a request that says nothing of where it comes from.
    pub fn bare(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http.request(method.parse().expect("a method"), format!("{}{path}", self.base))
    }

    /// The headers that say who calls and from which page; no `origin` where that is empty.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let origin = Some(("origin", self.origin.as_str())).filter(|(_, origin)| !origin.is_empty());
        origin.into_iter().chain(self.credential.as_ref().map(|(name, value)| (*name, value.as_str())))
    }

    /// The origin of the server's own page, as a URL without a path.
    pub fn base(&self) -> &str {
        &self.base
    }

    /// Sends `body` to a path.
    pub async fn send(&self, method: &str, path: &str, body: &Value) -> Answer {
        send(self.request(method, path).json(body)).await
    }

    /// Posts `body` to a path.
    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.send("POST", path, &body).await
    }

    /// Changes what is at a path.
    pub async fn patch(&self, path: &str, body: Value) -> Answer {
        self.send("PATCH", path, &body).await
    }

    /// Deletes what is at a path.
    pub async fn delete(&self, path: &str) -> Answer {
        send(self.request("DELETE", path)).await
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

    /// The value of the sign-in cookie that it sets; empty where it takes it away.
    pub fn cookie(&self) -> Option<String> {
        let set = self.headers.get_all("set-cookie").iter().find_map(|line| {
            line.to_str().expect("text").strip_prefix("streamspace_session=").map(ToOwned::to_owned)
        })?;
        Some(set.split(';').next().unwrap_or_default().to_owned())
    }

    /// The problem's code; empty for what is no problem.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// A header, empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }
}
