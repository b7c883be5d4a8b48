//! `Streamspace-Revision`: who has just changed something and reads from another replica sees the change.

use actix_web::{HttpRequest, web};

use crate::{app::App, http::etag};

/// Waits, at most a second, until memory knows what the caller has seen; a replica that is slower answers what it has.
pub async fn catch_up(request: &HttpRequest) {
    if !request.headers().contains_key(etag::REVISION) {
        return;
    }
    let Some(app) = request.app_data::<web::Data<App>>() else { return };
    if let Some(revision) = etag::seen(request, "sessions") {
        app.sessions.wait_for(&revision).await;
    }
    if let Some(revision) = etag::seen(request, "templates") {
        app.templates.wait_for(&revision).await;
    }
}
