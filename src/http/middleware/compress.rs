//! Long answers of the API go out compressed to those who take it: a list shrinks to a tenth.

use std::io::Write;

use actix_web::{
    body::{BodySize, BoxBody, MessageBody},
    dev::ServiceResponse,
    http::header::{self, HeaderValue},
};
use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};

use crate::http::page;

/// Below this size, in bytes, compressing takes longer than sending.
const WORTH_IT_BYTES: u64 = 4 * 1024;

/// Compresses `answer` where it is a long list: JSON that is there whole, without a version that would name its bytes.
pub fn lists(answer: ServiceResponse) -> ServiceResponse {
    if !page::accepts_gzip(answer.request().headers()) || !is_long_list(&answer) {
        return answer;
    }
    answer.map_body(|head, body| {
        let plain = match body.try_into_bytes() {
            Ok(plain) => plain,
            Err(stream) => return stream,
        };
        let Some(packed) = packed(&plain) else { return BoxBody::new(plain) };
        head.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        head.headers_mut().append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
        BoxBody::new(packed)
    })
}

fn is_long_list(answer: &ServiceResponse) -> bool {
    let headers = answer.headers();
    let json = headers.get(header::CONTENT_TYPE).is_some_and(|media_type| media_type == "application/json");
    let long = matches!(answer.response().body().size(), BodySize::Sized(bytes) if bytes >= WORTH_IT_BYTES);
    json && long && !headers.contains_key(header::ETAG) && !headers.contains_key(header::CONTENT_ENCODING)
}

fn packed(plain: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(plain.len() / 8), Compression::fast());
    encoder.write_all(plain).ok()?;
    Some(encoder.finish().ok()?.into())
}
