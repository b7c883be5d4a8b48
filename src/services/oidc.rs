//! Signing out on both sides, where an OpenID Connect provider let somebody in.

use secrecy::{ExposeSecret, SecretString};
use url::Url;
use uuid::Uuid;

use super::{
    sign_in::Origin,
    sso::{self, Refused},
};
use crate::{
    Error,
    auth::{
        Auth, Caller, Credential, ProviderError,
        oidc::{Arrived, Oidc},
        secret::Place,
    },
    store::{
        oidc_sessions::{self, Session, TABLE},
        saml::use_up,
    },
    telemetry::logs::chain,
};

fn place(row: &str) -> Place<'_> {
    Place { table: TABLE, column: "id_token", row }
}

/// What the provider `issuer` calls the sign-in `id`.
///
/// # Errors
/// A defect of ours: nothing can be sealed.
pub(super) fn session(auth: &Auth, issuer: &str, id: Uuid, arrived: &Arrived) -> Result<Session, Error> {
    let token = arrived.id_token.expose_secret().as_bytes();
    Ok(Session {
        issuer: issuer.to_owned(),
        subject: arrived.proven.subject.clone(),
        session_id: arrived.session.clone(),
        id_token: auth.secrets.seal(place(&id.to_string()), token).map_err(Error::internal)?,
    })
}

/// Where a browser that signs out here goes to sign out at its provider too; `None`: it came from none that wants that,
/// or that provider is away.
pub async fn leave(auth: &Auth, caller: &Caller) -> Result<Option<Url>, Error> {
    let (Credential::SignIn(id), Some(oidc)) = (&caller.credential, &auth.oidc) else { return Ok(None) };
    let Some(session) = oidc_sessions::of_sign_in(&auth.client().await?, *id).await? else { return Ok(None) };
    if session.issuer != oidc.issuer() {
        return Ok(None);
    }
    let token = auth.secrets.open(place(&id.to_string()), &session.id_token).map_err(Error::internal)?;
    let token: SecretString = String::from_utf8_lossy(token.expose_secret()).into_owned().into();
    // The person is signed out here in any case.
    Ok(oidc.sign_out_url(&token).await.unwrap_or_else(|error| {
        tracing::warn!(error = chain(&error), "somebody could not be signed out at their provider");
        None
    }))
}

/// Signs somebody out because the provider asks for it with a `token` that it signed.
///
/// # Errors
/// [`Refused::Provider`] for what the provider did not sign, or said before.
pub async fn asked_to_leave(auth: &Auth, oidc: &Oidc, origin: &Origin, token: &str) -> Result<(), Refused> {
    let (now, issuer) = (auth.now(), oidc.issuer());
    let leaving = oidc.asked_to_sign_out(token, now).await?;
    let mut client = auth.client().await?;
    let transaction = client.transaction().await?;
    if !use_up(&transaction, issuer, &leaving.id, leaving.over_at).await? {
        return Err(ProviderError::NotAccepted("this request was used before".to_owned()).into());
    }
    let (subject, session) = (leaving.subject.as_deref(), leaving.session.as_deref());
    let ended = oidc_sessions::end(&transaction, issuer, subject, session, now).await?;
    Ok(sso::left(auth, transaction, origin, issuer, &ended).await?)
}
