//! The dashboard's files, built into the program.

use std::{borrow::Cow, collections::HashMap, io::Write, sync::OnceLock};

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, header},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use rust_embed::RustEmbed;

use super::problem::Refusal;

#[derive(RustEmbed)]
#[folder = "web/dist"]
struct Files;

/// Shown by a program that was built without its page.
const NOT_BUILT: &str = "<!doctype html><html lang=en><meta charset=utf-8><title>StreamSpace</title>\
    <h1>The page is not built in</h1>\
    <p>The API answers. For the page: <code>make build</code>, then start the new program.</p></html>";

/// The document that every navigation gets; the page itself finds out where it is.
const INDEX: &str = "index.html";

/// Media types that are text although their names do not say so.
const TEXT: [&str; 3] = ["application/javascript", "application/json", "application/manifest+json"];

/// A name with a hash in it never means anything else.
const FOREVER: &str = "public, max-age=31536000, immutable";

/// Folder whose files carry a hash of their content in their names.
const HASHED: &str = "assets/";

/// Below this size compression costs more than it saves.
const WORTH_COMPRESSING_BYTES: usize = 1_024;

/// A file with what is sent about it.
struct Asset {
    plain: Bytes,
    /// Filled when first asked for, so that the start costs nothing; `None` inside: it would not be smaller.
    gzip: OnceLock<Option<Bytes>>,
    media_type: String,
    etag: String,
    cache_control: &'static str,
}

/// Every file by its path, the first one without a slash in front.
type Assets = HashMap<String, Asset>;

fn embedded() -> &'static Assets {
    static ASSETS: OnceLock<Assets> = OnceLock::new();
    ASSETS.get_or_init(|| {
        let file = |path: &str| {
            let file = Files::get(path)?;
            Some((path.to_owned(), Asset::new(path, file.data, file.metadata.mimetype(), file.metadata.sha256_hash())))
        };
        Files::iter().filter_map(|path| file(&path)).collect()
    })
}

impl Asset {
    fn new(path: &str, data: Cow<'static, [u8]>, essence: &str, sha256: [u8; 32]) -> Self {
        let text = essence.starts_with("text/") || TEXT.contains(&essence);
        Self {
            // Weak: the same file goes out plain and compressed.
            etag: format!("W/\"{}\"", hex::encode(&sha256[..16])),
            media_type: if text { format!("{essence}; charset=utf-8") } else { essence.to_owned() },
            cache_control: if path.starts_with(HASHED) { FOREVER } else { "no-cache" },
            gzip: OnceLock::new(),
            plain: match data {
                Cow::Borrowed(bytes) => Bytes::from_static(bytes),
                Cow::Owned(bytes) => Bytes::from(bytes),
            },
        }
    }

    fn gzip(&self) -> Option<&Bytes> {
        self.gzip.get_or_init(|| compress(&self.plain, &self.media_type)).as_ref()
    }
}

/// `bytes` compressed, where that is smaller.
fn compress(bytes: &[u8], media_type: &str) -> Option<Bytes> {
    let packed_already = ["image/png", "image/jpeg", "image/webp", "font/woff2"].contains(&media_type);
    if packed_already || bytes.len() < WORTH_COMPRESSING_BYTES {
        return None;
    }
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 3), Compression::best());
    encoder.write_all(bytes).ok()?;
    let packed = encoder.finish().ok()?;
    (packed.len() < bytes.len()).then(|| packed.into())
}

/// Answers what no other route does: a file of the page, or for a navigation the page itself.
pub async fn serve(request: HttpRequest) -> Result<HttpResponse, Refusal> {
    respond(embedded(), &request)
}

fn respond(assets: &Assets, request: &HttpRequest) -> Result<HttpResponse, Refusal> {
    let nothing = || Err(Refusal::NoRoute(request.path().to_owned()));
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        return nothing();
    }
    let path = request.path().trim_start_matches('/');
    match (assets.get(path), assets.get(INDEX)) {
        (Some(asset), _) => Ok(answer(request, asset)),
        (None, _) if !is_navigation(request) => nothing(),
        (None, Some(index)) => Ok(answer(request, index)),
        (None, None) => Ok(HttpResponse::Ok().content_type("text/html; charset=utf-8").body(NOT_BUILT)),
    }
}

/// Whether a person went there, so that the page answers and shows its own "not found" where it knows no such place.
fn is_navigation(request: &HttpRequest) -> bool {
    let accepts_html = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    accepts_html && !["/api/", "/assets/"].iter().any(|prefix| request.path().starts_with(prefix))
}

fn answer(request: &HttpRequest, asset: &Asset) -> HttpResponse {
    let known = request.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    let mut builder = if known.is_some_and(|tags| tags.split(',').any(|tag| tag.trim() == asset.etag)) {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    builder
        .insert_header((header::ETAG, asset.etag.as_str()))
        .insert_header((header::CACHE_CONTROL, asset.cache_control))
        .insert_header((header::VARY, "Accept-Encoding"));
    let mut response = builder.finish();
    if response.status() == actix_web::http::StatusCode::NOT_MODIFIED {
        return response;
    }
    let packed = if accepts_gzip(request.headers()) { asset.gzip() } else { None };
    if packed.is_some() {
        response.headers_mut().insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
    }
    if let Ok(media_type) = header::HeaderValue::from_str(&asset.media_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    }
    response.set_body(actix_web::body::BoxBody::new(packed.unwrap_or(&asset.plain).clone()))
}

/// Whether the caller takes what is compressed.
pub(super) fn accepts_gzip(headers: &header::HeaderMap) -> bool {
    headers
        .get(header::ACCEPT_ENCODING)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.split(',').any(|coding| coding.trim().split(';').next() == Some("gzip")))
}

#[cfg(test)]
mod tests {
    use actix_web::{body::to_bytes, test::TestRequest};

    use super::*;

    const SCRIPT: &str = "assets/index-1a2b.js";

    fn assets() -> Assets {
        let file = |path: &str, text: String, essence: &str, hash: u8| {
            (path.to_owned(), Asset::new(path, Cow::Owned(text.into_bytes()), essence, [hash; 32]))
        };
        HashMap::from([
            file(INDEX, "<html>".into(), "text/html", 1),
            file(SCRIPT, "let a = 1;\n".repeat(1_000), "text/javascript", 2),
        ])
    }

    fn get(path: &str, headers: &[(&'static str, &str)]) -> Result<HttpResponse, Refusal> {
        let request =
            headers.iter().fold(TestRequest::with_uri(path), |request, header| request.insert_header(*header));
        respond(&assets(), &request.to_http_request())
    }

    fn header(answer: &HttpResponse, name: header::HeaderName) -> String {
        answer.headers().get(name).map_or(String::new(), |value| value.to_str().unwrap().to_owned())
    }

    #[test]
    fn a_navigation_gets_the_page_and_anything_else_unknown_gets_nothing() {
        let navigation = ("accept", "text/html,*/*;q=0.8");
        let page = get("/sessions/s1", &[navigation]).unwrap();
        assert_eq!(header(&page, header::CONTENT_TYPE), "text/html; charset=utf-8");
        assert_eq!(header(&page, header::CACHE_CONTROL), "no-cache");
        assert!(get("/sessions/s1", &[("accept", "application/json")]).is_err());
        assert!(get("/api/v1/nothing", &[navigation]).is_err());
        assert!(get("/assets/index-old.js", &[navigation]).is_err());
    }

    #[actix_web::test]
    async fn a_file_is_compressed_for_those_who_can_read_it_and_kept_for_ever() {
        let plain = get("/assets/index-1a2b.js", &[]).unwrap();
        let packed = get("/assets/index-1a2b.js", &[("accept-encoding", "br;q=1, gzip")]).unwrap();
        assert_eq!(header(&packed, header::CONTENT_ENCODING), "gzip");
        assert_eq!(header(&packed, header::CACHE_CONTROL), FOREVER);
        assert_eq!(header(&plain, header::CONTENT_ENCODING), "");
        let (plain, packed) = (to_bytes(plain.into_body()).await.unwrap(), to_bytes(packed.into_body()).await.unwrap());
        let mut unpacked = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&packed[..]), &mut unpacked).unwrap();
        assert!(packed.len() < plain.len());
        assert_eq!(unpacked, plain);
    }

    #[test]
    fn one_who_has_the_file_gets_no_body() {
        let first = get("/", &[("accept", "text/html")]).unwrap();
        let tag = header(&first, header::ETAG);
        let again = get("/", &[("accept", "text/html"), ("if-none-match", &tag)]).unwrap();
        assert_eq!(again.status(), 304);
    }
}
