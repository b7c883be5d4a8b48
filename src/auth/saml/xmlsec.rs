//! The one thread on which libxml and xmlsec run: both keep state of the whole process.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::OnceLock,
    thread,
    time::Duration,
};

use samael::crypto::{AllowedSignatureAlgorithm as Algorithm, CertificateDer, Crypto, CryptoProvider, ReduceMode};
use tokio::sync::{mpsc, oneshot};

use super::xml::Faulty;

/// Messages that wait for the thread at most.
const WAITING: usize = 64;
/// Longest time for one message, the wait included.
const WITHIN: Duration = Duration::from_secs(5);

/// What counts where SHA-1 does not.
const STRONG: [Algorithm; 6] = [
    Algorithm::RsaSha256,
    Algorithm::RsaSha384,
    Algorithm::RsaSha512,
    Algorithm::EcdsaSha256,
    Algorithm::EcdsaSha384,
    Algorithm::EcdsaSha512,
];

static OWNER: OnceLock<mpsc::Sender<Job>> = OnceLock::new();

/// A message that passed the gate.
struct Job {
    xml: String,
    certificates: Vec<CertificateDer>,
    sha1: bool,
    answer: oneshot::Sender<Result<String, Faulty>>,
}

/// Why it is not known whether a signature is good.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unproven {
    /// It is not.
    #[error(transparent)]
    Faulty(#[from] Faulty),
    /// Nobody looked.
    #[error("signatures cannot be verified at the moment")]
    Busy,
}

/// The bytes that the signatures of `xml` cover, once each of them was verified with one of `certificates`: the whole
/// response, or the one element that is signed, in canonical form and without its signature.
///
/// `xml` has passed the gate: xmlsec would follow whatever a signature refers to.
pub(super) async fn signed_part(
    xml: String,
    certificates: Vec<CertificateDer>,
    sha1: bool,
) -> Result<String, Unproven> {
    let (answer, answered) = oneshot::channel();
    let job = Job { xml, certificates, sha1, answer };
    let owner = match OWNER.get() {
        Some(owner) => owner,
        None => OWNER.get_or_init(start),
    };
    owner.try_send(job).map_err(|_| Unproven::Busy)?;
    match tokio::time::timeout(WITHIN, answered).await {
        Ok(Ok(result)) => Ok(result?),
        _ => Err(Unproven::Busy),
    }
}

/// Starts the thread, which ends with the process. Where the system gives none, nobody takes messages.
fn start() -> mpsc::Sender<Job> {
    let (owner, mut jobs) = mpsc::channel::<Job>(WAITING);
    let started = thread::Builder::new().name("saml-xmlsec".to_owned()).spawn(move || {
        while let Some(job) = jobs.blocking_recv() {
            // Whoever asked may have gone.
            if !job.answer.is_closed() {
                let result = catch_unwind(AssertUnwindSafe(|| verify(&job)));
                let _ = job.answer.send(result.unwrap_or(Err(Faulty("its signature cannot be read".into()))));
            }
        }
    });
    if let Err(error) = started {
        tracing::error!(error = %error, "the thread that verifies SAML's signatures cannot be started");
    }
    owner
}

fn verify(job: &Job) -> Result<String, Faulty> {
    let allowed = (!job.sha1).then_some(&STRONG[..]);
    Crypto::reduce_xml_to_signed_with_allowed_algorithms(&job.xml, &job.certificates, ReduceMode::PreDigest, allowed)
        .map_err(|_| Faulty("its signature is not good".into()))
}
