//! What has to be done about credentials from time to time.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::Auth;
use crate::{
    Error, clock,
    store::{saml, sign_in_failures, sign_in_links, sign_in_requests, sign_ins, tokens},
};

/// How often uses are written down and what has ended is forgotten.
const EVERY: Duration = Duration::from_secs(10);
/// How often keys are looked after and old rows removed, in seconds.
const SWEEP_EVERY_S: i64 = 3_600;
/// For how long rows of what has ended are kept.
const KEPT: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Looks after credentials until `stop`, and writes the last uses down then.
pub(super) async fn run(auth: Auth, stop: CancellationToken) {
    let mut swept_at = auth.now();
    loop {
        let ended = tokio::select! {
            () = stop.cancelled() => true,
            () = clock::sleep(&*auth.clock, EVERY) => false,
        };
        let now = auth.now();
        logged("uses of credentials could not be written down", note_uses(&auth, ended).await);
        if ended {
            return;
        }
        for name in auth.known.expire(now) {
            let _ = auth.changes.send(name);
        }
        if now.duration_since(swept_at).as_secs().abs() >= SWEEP_EVERY_S {
            swept_at = now;
            logged("the signing keys could not be looked after", auth.keys.maintain().await);
            logged("old credentials could not be removed", sweep(&auth, now - KEPT).await);
        }
    }
}

fn logged(what: &str, result: Result<(), Error>) {
    if let Err(error) = result {
        tracing::warn!(error = &error as &dyn std::error::Error, "{what}");
    }
}

async fn note_uses(auth: &Auth, at_once: bool) -> Result<(), Error> {
    let uses = auth.known.take_uses(at_once);
    if uses.sign_ins.is_empty() && uses.tokens.is_empty() {
        return Ok(());
    }
    let client = auth.client().await?;
    sign_ins::note_seen(&client, &uses.sign_ins).await?;
    tokens::note_used(&client, &uses.tokens).await
}

async fn sweep(auth: &Auth, before: Timestamp) -> Result<(), Error> {
    let client = auth.client().await?;
    sign_ins::sweep(&client, before).await?;
    sign_in_links::sweep(&client, before).await?;
    sign_in_failures::sweep(&client, before).await?;
    sign_in_requests::sweep(&client, auth.now()).await?;
    saml::sweep(&client, auth.now()).await?;
    tokens::sweep(&client, before).await
}
