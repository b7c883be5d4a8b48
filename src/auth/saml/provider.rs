//! One provider: its settings, and what is known of it.

use std::{
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jiff::Timestamp;

use super::metadata::Metadata;
use crate::{
    auth::outside::{Kept, Outside, ProviderError, Question},
    config::SamlProvider,
    store::{self, Pool},
    telemetry::logs::chain,
};

/// Its metadata is read again after this time.
pub(super) const KNOWN_FOR: Duration = Duration::from_mins(10);
/// A signature that is not good makes the server read it again at most this often.
pub(super) const ROLL_PAUSE: Duration = Duration::from_secs(2);

/// A SAML identity provider.
#[derive(Debug)]
pub struct Provider {
    pub(super) settings: SamlProvider,
    source: Source,
    known: Kept<Metadata>,
    /// Who it is, as far as it is known: read without waiting for the provider.
    issuer: RwLock<Option<String>>,
}

#[derive(Debug)]
enum Source {
    File(PathBuf),
    Url { url: url::Url, outside: Outside },
}

/// How identities and rules call a provider. An OpenID Connect provider may have the same name, as a Keycloak does: what
/// either says of somebody is not the other's, so they are told apart.
pub(super) fn issuer_of(entity_id: &str) -> String {
    format!("saml:{entity_id}")
}

impl Provider {
    /// As configured. What a file holds has to be good; a provider on the network may be away.
    ///
    /// # Errors
    /// What is wrong, as a sentence.
    pub(super) async fn new(settings: SamlProvider, pool: &Pool, now: Timestamp) -> Result<Self, String> {
        let (source, known) = match (&settings.metadata_url, &settings.metadata_file) {
            (_, Some(path)) => {
                let read = read_file(path).and_then(|xml| parse(&xml, &settings, now))?;
                (Source::File(path.clone()), Some(read))
            }
            (Some(url), None) => {
                let kept = kept(pool, url.as_str()).await?.and_then(|xml| parse(&xml, &settings, now).ok());
                (Source::Url { url: url.clone(), outside: Outside::at(url.as_str())? }, kept)
            }
            (None, None) => return Err(format!("{}: it has no metadata", settings.id)),
        };
        let issuer = RwLock::new(known.as_ref().map(|known| issuer_of(&known.entity_id)));
        Ok(Self { settings, source, known: Kept::old(known), issuer })
    }

    /// What URLs call it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.settings.id
    }

    /// What the button on the sign-in page says behind “Sign in with”.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.settings.label
    }

    /// Who it is to identities and rules; `None`: it was never reached.
    #[must_use]
    pub fn issuer(&self) -> Option<String> {
        self.issuer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether it may send people who were not sent to it.
    #[must_use]
    pub fn initiates(&self) -> bool {
        self.settings.idp_initiated
    }

    /// What is known of it, not older than `age`; or older, while it is away. `taken`: whether another provider has
    /// that name, in whose place it could speak.
    pub(super) async fn metadata(
        &self,
        age: Duration,
        now: Timestamp,
        pool: &Pool,
        taken: impl Fn(&str) -> bool,
    ) -> Result<Arc<Metadata>, ProviderError> {
        let read = async || {
            let read = self.read(now, pool).await.and_then(|metadata| {
                if taken(&issuer_of(&metadata.entity_id)) {
                    return Err(format!("another provider is {} already", metadata.entity_id));
                }
                Ok(metadata)
            });
            match read {
                Ok(metadata) => {
                    let issuer = issuer_of(&metadata.entity_id);
                    *self.issuer.write().unwrap_or_else(PoisonError::into_inner) = Some(issuer);
                    Some(metadata)
                }
                Err(error) => {
                    tracing::warn!(sso.provider = self.id(), error, "an identity provider's metadata cannot be read");
                    None
                }
            }
        };
        let known = self.known.get(age, read).await;
        known.ok_or_else(|| ProviderError::Away("nothing is known of it yet".to_owned()))
    }

    async fn read(&self, now: Timestamp, pool: &Pool) -> Result<Metadata, String> {
        let (url, outside) = match &self.source {
            Source::File(path) => return parse(&read_file(path)?, &self.settings, now),
            Source::Url { url, outside } => (url, outside),
        };
        let mut question = Question::new(Vec::new());
        *question.uri_mut() = url.as_str().parse().map_err(|_| "its address cannot be asked".to_owned())?;
        let answer = outside.ask(question).await.map_err(|error| error.to_string())?;
        if answer.status() != http::StatusCode::OK {
            return Err(format!("it answers {}", answer.status()));
        }
        let xml = String::from_utf8(answer.into_body()).map_err(|_| "it is not UTF-8".to_owned())?;
        let metadata = parse(&xml, &self.settings, now)?;
        keep(pool, url.as_str(), &xml, now).await;
        Ok(metadata)
    }
}

fn parse(xml: &str, settings: &SamlProvider, now: Timestamp) -> Result<Metadata, String> {
    Metadata::read(xml, settings.entity_id.as_deref(), now).map_err(|error| format!("{}: {error}", settings.id))
}

fn read_file(path: &std::path::Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

async fn kept(pool: &Pool, source: &str) -> Result<Option<String>, String> {
    let read = async { store::saml::metadata(&pool.get().await?, source).await };
    read.await.map_err(|error: crate::Error| chain(&error))
}

/// For the next start. Without the database it is read from the provider then.
async fn keep(pool: &Pool, source: &str, xml: &str, now: Timestamp) {
    let kept = async { store::saml::keep_metadata(&pool.get().await?, source, xml, now).await };
    if let Err(error) = kept.await {
        let error: crate::Error = error;
        tracing::warn!(error = chain(&error), "a provider's metadata could not be kept");
    }
}
