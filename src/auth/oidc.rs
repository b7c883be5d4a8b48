//! Signing in through an OpenID Connect provider: the authorization code flow with PKCE.
//!
//! What the provider says of itself and its keys is read from it, kept for a while, and used on while it is away. An
//! identity counts once its token was fetched from the provider itself, is signed by one of its keys with an asymmetric
//! algorithm, and is meant for us and for this very sign-in.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use jiff::{SignedDuration, Timestamp};
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AuthType, AuthorizationCode, ClaimsVerificationError, Client, ClientId,
    ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenFields,
    IssuerUrl, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, Scope,
    SignatureVerificationError, StandardErrorResponse, StandardTokenResponse, TokenResponse, UserInfoClaims,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod, CoreErrorResponseType,
        CoreGenderClaim, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm,
        CoreProviderMetadata, CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse,
        CoreTokenType,
    },
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::outside::{Kept, Outside, Proven, ProviderError};
use crate::{config::SingleSignOn, domain::sso::Claims, telemetry::logs::chain};

/// Where the provider sends the browser back to, below our own address.
pub const CALLBACK: &str = "/api/v1/auth/oidc/callback";
/// What is known of the provider is read again after this time.
const KNOWN_FOR: Duration = Duration::from_mins(10);
/// A key that is not known makes the server read the keys again at most this often.
const KEYS_PAUSE: Duration = Duration::from_secs(1);
/// How far the provider's clock may be from ours.
const SKEW: SignedDuration = SignedDuration::from_secs(60);
/// Most bytes of the provider's id of a person (OpenID Connect Core, 2).
const SUBJECT_BYTES: usize = 255;

/// Algorithms that a token may be signed with: none of those whose key both sides share.
const ALGORITHMS: [CoreJwsSigningAlgorithm; 9] = [
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha256,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha384,
    CoreJwsSigningAlgorithm::RsaSsaPkcs1V15Sha512,
    CoreJwsSigningAlgorithm::RsaSsaPssSha256,
    CoreJwsSigningAlgorithm::RsaSsaPssSha384,
    CoreJwsSigningAlgorithm::RsaSsaPssSha512,
    CoreJwsSigningAlgorithm::EcdsaP256Sha256,
    CoreJwsSigningAlgorithm::EcdsaP384Sha384,
    CoreJwsSigningAlgorithm::EdDsa,
];

/// Claims beside those that the standard names.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct More {
    #[serde(flatten)]
    rest: Claims,
}

impl AdditionalClaims for More {}

type Fields = IdTokenFields<
    More,
    EmptyExtraTokenFields,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJwsSigningAlgorithm,
>;
type Tokens = StandardTokenResponse<Fields, CoreTokenType>;
type OidcClient = Client<
    More,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

fn not_accepted(error: impl std::error::Error + 'static) -> ProviderError {
    ProviderError::NotAccepted(chain(&error))
}

/// What one sign-in is told from others by; all of it random and known to nobody else.
#[derive(Debug)]
pub struct Secrets {
    /// Handed back with the answer.
    pub state: String,
    /// Stands in the token.
    pub nonce: String,
    /// Shown by whoever redeems the code: 43 to 128 characters.
    pub verifier: String,
}

/// An OpenID Connect provider; a cheap handle.
#[derive(Clone, Debug)]
pub struct Oidc(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    issuer: IssuerUrl,
    label: String,
    client_id: ClientId,
    client_secret: Option<SecretString>,
    redirect: RedirectUrl,
    scopes: Vec<Scope>,
    outside: Outside,
    metadata: Kept<CoreProviderMetadata>,
}

impl Oidc {
    /// The configured provider; `None` where none is. `public_url`: where it sends people back to.
    ///
    /// # Errors
    /// What is wrong with the settings; the configuration's own check has said it before.
    pub fn new(config: &SingleSignOn, public_url: &Url) -> Result<Option<Self>, String> {
        let (Some(issuer), Some(client)) = (&config.oidc_issuer_url, &config.oidc_client_id) else { return Ok(None) };
        let callback = public_url.join(CALLBACK).map_err(|error| error.to_string())?;
        Ok(Some(Self(Arc::new(Inner {
            issuer: IssuerUrl::new(issuer.clone()).map_err(|error| error.to_string())?,
            label: config.oidc_label.clone(),
            client_id: ClientId::new(client.clone()),
            client_secret: config.oidc_client_secret.clone(),
            redirect: RedirectUrl::from_url(callback),
            scopes: config.oidc_scopes.iter().map(|scope| Scope::new(scope.trim().to_owned())).collect(),
            outside: Outside::at(issuer)?,
            metadata: Kept::default(),
        }))))
    }

    /// Who it is, as it writes itself.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// What the button on the sign-in page says behind “Sign in with”.
    #[must_use]
    pub fn label(&self) -> &str {
        &self.0.label
    }

    /// Where a browser goes to sign in.
    ///
    /// # Errors
    /// [`ProviderError::Away`] while nothing is known of the provider.
    pub async fn authorize_url(&self, secrets: Secrets) -> Result<Url, ProviderError> {
        let client = self.client(&*self.metadata(KNOWN_FOR).await?);
        let Secrets { state, nonce, verifier } = secrets;
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(verifier));
        let flow = CoreAuthenticationFlow::AuthorizationCode;
        let request = client.authorize_url(flow, move || CsrfToken::new(state), move || Nonce::new(nonce));
        let request = request.add_scopes(self.0.scopes.iter().cloned()).set_pkce_challenge(challenge);
        Ok(request.url().0)
    }

    /// Redeems a code for the identity that it stands for. `now`: by which the token is to be in time.
    ///
    /// # Errors
    /// [`ProviderError`] if the provider is away, does not take the code, or does not prove who it is.
    pub async fn redeem(&self, code: String, secrets: Secrets, now: Timestamp) -> Result<Proven, ProviderError> {
        let metadata = self.metadata(KNOWN_FOR).await?;
        let client = self.client(&metadata);
        let http = |request| self.0.outside.ask(request);
        let exchange = client.exchange_code(AuthorizationCode::new(code)).map_err(not_accepted)?;
        let exchange = exchange.set_pkce_verifier(PkceCodeVerifier::new(secrets.verifier));
        let tokens: Tokens = exchange.request_async(&http).await.map_err(|error| match error {
            openidconnect::RequestTokenError::Request(why) => ProviderError::Away(why.0),
            other => not_accepted(other),
        })?;
        let nonce = Nonce::new(secrets.nonce);
        let mut claims = match self.verified(&client, &tokens, &nonce, now) {
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)) => {
                let client = self.client(&*self.metadata(KEYS_PAUSE).await?);
                self.verified(&client, &tokens, &nonce, now)
            }
            other => other,
        }
        .map_err(not_accepted)?;
        let subject =
            claims.get("sub").and_then(Value::as_str).filter(|subject| is_subject(subject)).map(str::to_owned);
        let subject = subject.ok_or_else(|| ProviderError::NotAccepted("it names nobody".to_owned()))?;
        for (name, value) in self.user_info(&client, &tokens, &subject).await? {
            claims.entry(name).or_insert(value);
        }
        Ok(Proven { subject, claims })
    }

    /// What the token says, once it is proven.
    fn verified(
        &self,
        client: &OidcClient,
        tokens: &Tokens,
        nonce: &Nonce,
        now: Timestamp,
    ) -> Result<Claims, ClaimsVerificationError> {
        let other = |why: &str| ClaimsVerificationError::Other(why.to_owned());
        let id_token = tokens.id_token().ok_or_else(|| other("there is no ID token in it"))?;
        let (early, late) = (now.saturating_sub(SKEW), now.saturating_add(SKEW));
        let (early, late) = (early.unwrap_or(now), late.unwrap_or(now));
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(ALGORITHMS)
            .set_time_fn(move || SystemTime::from(early).into())
            .set_issue_time_verifier_fn(move |issued| {
                let known = issued.timestamp() <= late.as_second();
                known.then_some(()).ok_or_else(|| "it was issued in the future".to_owned())
            });
        let claims = id_token.claims(&verifier, nonce)?;
        if claims.authorized_party().is_some_and(|party| *party != self.0.client_id) {
            return Err(other("it was issued for another client"));
        }
        if let Some(expected) = claims.access_token_hash() {
            let unsigned = ClaimsVerificationError::SignatureVerification;
            let algorithm = id_token.signing_alg().map_err(unsigned)?;
            let key = id_token.signing_key(&verifier).map_err(unsigned)?;
            let actual = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
            if actual.map_err(|error| other(&error.to_string()))? != *expected {
                return Err(other("its access token is another one's"));
            }
        }
        match serde_json::to_value(claims) {
            Ok(Value::Object(claims)) => Ok(claims),
            _ => Err(other("its claims cannot be read")),
        }
    }

    /// What the provider says beside the token, where it has a place for that.
    async fn user_info(&self, client: &OidcClient, tokens: &Tokens, subject: &str) -> Result<Claims, ProviderError> {
        let subject = openidconnect::SubjectIdentifier::new(subject.to_owned());
        let Ok(request) = client.user_info(tokens.access_token().clone(), Some(subject)) else {
            return Ok(Claims::new());
        };
        let http = |request| self.0.outside.ask(request);
        let info: UserInfoClaims<More, CoreGenderClaim> =
            request.request_async(&http).await.map_err(|error| match error {
                openidconnect::UserInfoError::Request(why) => ProviderError::Away(why.0),
                other => not_accepted(other),
            })?;
        match serde_json::to_value(&info) {
            Ok(Value::Object(claims)) => Ok(claims),
            _ => Err(ProviderError::NotAccepted("what it says beside the token cannot be read".to_owned())),
        }
    }

    fn client(&self, metadata: &CoreProviderMetadata) -> OidcClient {
        let inner = &*self.0;
        let secret = inner.client_secret.as_ref().map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let client = OidcClient::from_provider_metadata(metadata.clone(), inner.client_id.clone(), secret);
        let methods = metadata.token_endpoint_auth_methods_supported();
        let only_in_body = methods.is_some_and(|methods| {
            methods.contains(&CoreClientAuthMethod::ClientSecretPost)
                && !methods.contains(&CoreClientAuthMethod::ClientSecretBasic)
        });
        let how = if only_in_body { AuthType::RequestBody } else { AuthType::BasicAuth };
        client.set_redirect_uri(inner.redirect.clone()).set_auth_type(how)
    }

    /// What the provider says of itself, not older than `age`; or older, while it is away.
    async fn metadata(&self, age: Duration) -> Result<Arc<CoreProviderMetadata>, ProviderError> {
        let read = async || {
            let http = |request| self.0.outside.ask(request);
            let read = CoreProviderMetadata::discover_async(self.0.issuer.clone(), &http).await;
            read.inspect_err(|error| {
                tracing::warn!(sso.issuer = self.issuer(), error = chain(error), "an identity provider cannot be read");
            })
            .ok()
        };
        let known = self.0.metadata.get(age, read).await;
        known.ok_or_else(|| ProviderError::Away("nothing is known of it yet".to_owned()))
    }
}

/// Whether a provider can know somebody by that.
fn is_subject(text: &str) -> bool {
    (1..=SUBJECT_BYTES).contains(&text.len()) && !text.chars().any(char::is_control)
}
