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
use jsonwebtoken::jwk::Jwk;
use openidconnect::{
    AccessTokenHash, AdditionalClaims, AuthType, AuthorizationCode, ClaimsVerificationError, Client, ClientId,
    ClientSecret, CsrfToken, EmptyExtraTokenFields, EndpointMaybeSet, EndpointNotSet, EndpointSet, IdToken,
    IdTokenFields, IssuerUrl, LogoutRequest, Nonce, OAuth2TokenResponse, PkceCodeChallenge, PkceCodeVerifier,
    PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl, Scope, SignatureVerificationError,
    StandardErrorResponse, StandardTokenResponse, TokenResponse, UserInfoClaims,
    core::{
        CoreAuthDisplay, CoreAuthPrompt, CoreAuthenticationFlow, CoreClientAuthMethod, CoreErrorResponseType,
        CoreGenderClaim, CoreIdTokenVerifier, CoreJsonWebKey, CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm, CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse,
        CoreTokenType,
    },
};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::{
    outside::{Kept, Outside, Proven, ProviderError},
    signed::{Expected, SKEW, is_in_time, moment},
};
use crate::{config::SingleSignOn, domain::sso::Claims, telemetry::logs::chain};

/// Where the provider sends the browser back to, below our own address.
pub const CALLBACK: &str = "/api/v1/auth/oidc/callback";
/// Where it sends them after they signed out there.
const SIGNED_OUT: &str = "/sign-in";
/// The event that a token names that is to sign somebody out (OpenID Connect Back-Channel Logout, 2.4).
const SIGN_OUT_EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";
/// What such a token says that it is: the older and the newer word (2.4), which may be shortened or not.
const SIGN_OUT_TYPES: [&str; 3] = ["jwt", "logout+jwt", "application/logout+jwt"];
/// How long such a token counts after it was made.
const SIGN_OUT_COUNTS_FOR: SignedDuration = SignedDuration::from_mins(5);
/// What is known of the provider is read again after this time.
const KNOWN_FOR: Duration = Duration::from_mins(10);
/// A key that is not known makes the server read the keys again at most this often.
const KEYS_PAUSE: Duration = Duration::from_secs(1);
/// Most bytes of the provider's id of a person (OpenID Connect Core, 2), and of its other ids.
const ID_BYTES: usize = 255;

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
type Token = IdToken<More, CoreGenderClaim, CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm>;
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

fn not(why: &str) -> ProviderError {
    ProviderError::NotAccepted(why.to_owned())
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

/// Somebody whom the provider let in, proven.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// Who.
    pub proven: Proven,
    /// What the provider calls this sign-in, where it does.
    pub session: Option<String>,
    /// The token that proved it, by which the provider knows the sign-in again.
    pub id_token: SecretString,
}

/// A provider's word that somebody is to be signed out. It names who, or which sign-in, or both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaving {
    /// Its id, which is used once.
    pub id: String,
    /// Who; `None`: whoever the sign-in is of.
    pub subject: Option<String>,
    /// Which sign-in there; `None`: all of theirs.
    pub session: Option<String>,
    /// From then on it is too old to count.
    pub over_at: Timestamp,
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
    signed_out: PostLogoutRedirectUrl,
    scopes: Vec<Scope>,
    outside: Outside,
    metadata: Kept<ProviderMetadataWithLogout>,
}

impl Oidc {
    /// The configured provider; `None` where none is. `public_url`: where it sends people back to.
    ///
    /// # Errors
    /// What is wrong with the settings; the configuration's own check has said it before.
    pub fn new(config: &SingleSignOn, public_url: &Url) -> Result<Option<Self>, String> {
        let (Some(issuer), Some(client)) = (&config.oidc_issuer_url, &config.oidc_client_id) else { return Ok(None) };
        let below = |path| public_url.join(path).map_err(|error| error.to_string());
        Ok(Some(Self(Arc::new(Inner {
            issuer: IssuerUrl::new(issuer.clone()).map_err(|error| error.to_string())?,
            label: config.oidc_label.clone(),
            client_id: ClientId::new(client.clone()),
            client_secret: config.oidc_client_secret.clone(),
            redirect: RedirectUrl::from_url(below(CALLBACK)?),
            signed_out: PostLogoutRedirectUrl::from_url(below(SIGNED_OUT)?),
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
    pub async fn redeem(&self, code: String, secrets: Secrets, now: Timestamp) -> Result<Arrived, ProviderError> {
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
        let mut claims = self.proven(|client| self.verified(client, &tokens, &nonce, now)).await?;
        let subject = named(&claims, "sub").ok_or_else(|| not("it names nobody"))?;
        let session = named(&claims, "sid");
        for (name, value) in self.user_info(&client, &tokens, &subject).await? {
            claims.entry(name).or_insert(value);
        }
        let id_token = tokens.id_token().map(ToString::to_string).unwrap_or_default().into();
        Ok(Arrived { proven: Proven { subject, claims }, session, id_token })
    }

    /// Where a browser goes to sign out at the provider too, whose `id_token` let it in; `None`: the provider does not
    /// know of that.
    ///
    /// # Errors
    /// [`ProviderError::Away`] while nothing is known of the provider.
    pub async fn sign_out_url(&self, id_token: &SecretString) -> Result<Option<Url>, ProviderError> {
        let metadata = self.metadata(KNOWN_FOR).await?;
        let Some(place) = &metadata.additional_metadata().end_session_endpoint else { return Ok(None) };
        // The page leads the browser there: to a page, and to no script.
        if !["https", "http"].contains(&place.url().scheme()) {
            return Err(not("its place for signing out is no page"));
        }
        let token: Token = id_token.expose_secret().parse().map_err(not_accepted)?;
        let request = LogoutRequest::from(place.clone())
            .set_id_token_hint(&token)
            .set_client_id(self.0.client_id.clone())
            .set_post_logout_redirect_uri(self.0.signed_out.clone());
        Ok(Some(request.http_get_url()))
    }

    /// Reads the provider's word that somebody is to be signed out. `now`: by which it is to be in time.
    ///
    /// # Errors
    /// [`ProviderError::NotAccepted`] for what the provider did not sign, or did not mean for this.
    pub async fn asked_to_sign_out(&self, token: &str, now: Timestamp) -> Result<Leaving, ProviderError> {
        let expected = Expected {
            issuer: self.issuer(),
            audience: &self.0.client_id,
            types: &SIGN_OUT_TYPES,
            // The standard asks for `exp` only since its second edition; `iat` is looked at in any case.
            required: &["iss", "aud"],
        };
        let kid = expected.key_id(token).map_err(|why| not(&why))?;
        let key = self.key(kid.as_deref()).await?.ok_or_else(|| not("it is signed with no key of the provider"))?;
        let claims = expected.claims(token, &key).map_err(|why| not(&why))?;
        if !is_in_time(&claims, now) {
            return Err(not("it is out of time"));
        }
        if claims.get("aud").and_then(Value::as_array).is_some_and(|audiences| audiences.len() > 1) {
            return Err(not("it is for others as well"));
        }
        // What proves a sign-in has a nonce and ends none.
        let event = claims.get("events").and_then(|events| events.get(SIGN_OUT_EVENT));
        if claims.contains_key("nonce") || !event.is_some_and(Value::is_object) {
            return Err(not("it is not for signing out"));
        }
        let over_at = moment(&claims, "iat").map(|issued| issued + (SIGN_OUT_COUNTS_FOR + SKEW));
        let over_at = over_at.filter(|over_at| *over_at > now).ok_or_else(|| not("it is too old"))?;
        let id = named(&claims, "jti").ok_or_else(|| not("it has no id"))?;
        // A name that cannot be read is not none: none means everybody's.
        let whom = |name: &str| match claims.get(name) {
            None => Ok(None),
            Some(_) => named(&claims, name).map(Some).ok_or_else(|| not("whom it names cannot be read")),
        };
        let (subject, session) = (whom("sub")?, whom("sid")?);
        if subject.is_none() && session.is_none() {
            return Err(not("it names nobody"));
        }
        Ok(Leaving { id, subject, session, over_at })
    }

    /// The provider's key of that id; without one its only key. `None`: there is none, neither by what is known nor by
    /// what it says now.
    async fn key(&self, id: Option<&str>) -> Result<Option<Jwk>, ProviderError> {
        for age in [KNOWN_FOR, KEYS_PAUSE] {
            let metadata = self.metadata(age).await?;
            let keys = metadata.jwks().keys().iter().filter_map(|key| serde_json::to_value(key).ok());
            let mut keys: Vec<Jwk> = keys.filter_map(|key| serde_json::from_value(key).ok()).collect();
            match id {
                Some(id) => keys.retain(|key| key.common.key_id.as_deref() == Some(id)),
                None if keys.len() > 1 => return Ok(None),
                None => {}
            }
            if let Some(key) = keys.pop() {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    /// What `read` makes of the provider's keys; where none of them fits, of those that it has by now.
    async fn proven(
        &self,
        read: impl Fn(&OidcClient) -> Result<Claims, ClaimsVerificationError>,
    ) -> Result<Claims, ProviderError> {
        let known = self.client(&*self.metadata(KNOWN_FOR).await?);
        match read(&known) {
            Err(ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey)) => {
                read(&self.client(&*self.metadata(KEYS_PAUSE).await?))
            }
            other => other,
        }
        .map_err(not_accepted)
    }

    /// What the token says, once it is proven.
    fn verified(
        &self,
        client: &OidcClient,
        tokens: &Tokens,
        nonce: &Nonce,
        now: Timestamp,
    ) -> Result<Claims, ClaimsVerificationError> {
        let id_token = tokens.id_token().ok_or_else(|| other("there is no ID token in it"))?;
        let verifier = verifier(client, now);
        let proven = id_token.claims(&verifier, nonce)?;
        if proven.authorized_party().is_some_and(|party| *party != self.0.client_id) {
            return Err(other("it was issued for another client"));
        }
        if let Some(expected) = proven.access_token_hash() {
            let unsigned = ClaimsVerificationError::SignatureVerification;
            let algorithm = id_token.signing_alg().map_err(unsigned)?;
            let key = id_token.signing_key(&verifier).map_err(unsigned)?;
            let actual = AccessTokenHash::from_token(tokens.access_token(), algorithm, key);
            if actual.map_err(|error| other(&error.to_string()))? != *expected {
                return Err(other("its access token is another one's"));
            }
        }
        match serde_json::to_value(proven) {
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
            _ => Err(not("what it says beside the token cannot be read")),
        }
    }

    fn client(&self, metadata: &ProviderMetadataWithLogout) -> OidcClient {
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
    async fn metadata(&self, age: Duration) -> Result<Arc<ProviderMetadataWithLogout>, ProviderError> {
        let read = async || {
            let http = |request| self.0.outside.ask(request);
            let read = ProviderMetadataWithLogout::discover_async(self.0.issuer.clone(), &http).await;
            read.inspect_err(|error| {
                tracing::warn!(sso.issuer = self.issuer(), error = chain(error), "an identity provider cannot be read");
            })
            .ok()
        };
        let known = self.0.metadata.get(age, read).await;
        known.ok_or_else(|| ProviderError::Away("nothing is known of it yet".to_owned()))
    }
}

fn other(why: &str) -> ClaimsVerificationError {
    ClaimsVerificationError::Other(why.to_owned())
}

/// What checks that a token is of the provider, for us and of now.
fn verifier(client: &OidcClient, now: Timestamp) -> CoreIdTokenVerifier<'_> {
    let (early, late) = (now.saturating_sub(SKEW), now.saturating_add(SKEW));
    let (early, late) = (early.unwrap_or(now), late.unwrap_or(now));
    client
        .id_token_verifier()
        .set_allowed_algs(ALGORITHMS)
        .set_time_fn(move || SystemTime::from(early).into())
        .set_issue_time_verifier_fn(move |issued| {
            let known = issued.timestamp() <= late.as_second();
            known.then_some(()).ok_or_else(|| "it was issued in the future".to_owned())
        })
}

/// The id in the claim `name`, if it is one by which a provider can know something.
fn named(claims: &Claims, name: &str) -> Option<String> {
    let text = claims.get(name).and_then(Value::as_str)?;
    let sound = (1..=ID_BYTES).contains(&text.len()) && !text.chars().any(char::is_control);
    sound.then(|| text.to_owned())
}
