//! The dashboard's files, built into the program.

use std::{collections::HashMap, io::Write, sync::OnceLock};

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
fn assets() -> &'static HashMap<String, Asset> {
    static ASSETS: OnceLock<HashMap<String, Asset>> = OnceLock::new();
    ASSETS.get_or_init(|| {
        Files::iter().filter_map(|path| Some((path.to_string(), asset(&path, Files::get(&path)?)))).collect()
    })
}

fn asset(path: &str, file: rust_embed::EmbeddedFile) -> Asset {
    let essence = file.metadata.mimetype();
    let text = essence.starts_with("text/") || matches!(essence, "application/javascript" | "application/json");
    Asset {
        // Weak: the same file goes out plain and compressed.
        etag: format!("W/\"{}\"", hex::encode(&file.metadata.sha256_hash()[..16])),
        media_type: if text { format!("{essence}; charset=utf-8") } else { essence.to_owned() },
        cache_control: if path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" },
        gzip: OnceLock::new(),
        plain: match file.data {
            std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
            std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
        },
    }
}

impl Asset {
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
    let path = request.path().trim_start_matches('/');
    let read = matches!(*request.method(), Method::GET | Method::HEAD);
    let found = assets().get(path).filter(|_| read);
    match found {
        Some(asset) => Ok(answer(&request, asset)),
        None if read && is_navigation(&request) => Ok(match assets().get(INDEX) {
            Some(index) => answer(&request, index),
            None => HttpResponse::Ok().content_type("text/html; charset=utf-8").body(NOT_BUILT),
        }),
        None => Err(Refusal::NoRoute(request.path().to_owned())),
    }
}

/// Whether a person went there, so that the page answers and shows its own "not found" where it knows no such place.
fn is_navigation(request: &HttpRequest) -> bool {
    let accepts_html = request
        .headers()
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    accepts_html && !request.path().starts_with("/api/") && !request.path().starts_with("/assets/")
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
    let packed = if accepts_gzip(request) { asset.gzip() } else { None };
    if packed.is_some() {
        response.headers_mut().insert(header::CONTENT_ENCODING, header::HeaderValue::from_static("gzip"));
    }
    if let Ok(media_type) = header::HeaderValue::from_str(&asset.media_type) {
        response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    }
    response.set_body(actix_web::body::BoxBody::new(packed.unwrap_or(&asset.plain).clone()))
}

fn accepts_gzip(request: &HttpRequest) -> bool {
    request
        .headers()
        .get(header::ACCEPT_ENCODING)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.split(',').any(|coding| coding.trim().split(';').next() == Some("gzip")))
}
