//! What is kept of a caller for as long as something of theirs goes on, such as a socket: enough to ask again later
//! whether they may, without what they showed.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Auth, Identity, LOOK_UP_WITHIN,
    known::Fingerprint,
    permission::{Caller, Credential},
};
use crate::{Error, config::AuthMode, store::users};

/// The account that the first sign-in link is for, and the name of the caller of `AUTH_MODE=none`.
pub const FIRST_ADMINISTRATOR: &str = "admin";

/// A credential that was good once.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Standing {
    /// What was shown.
    fingerprint: Option<Fingerprint>,
    user_id: Uuid,
    credential: Credential,
    expires_at: Timestamp,
    epoch: i32,
}

impl Standing {
    /// Of `identity`.
    #[must_use]
    pub fn of(identity: &Identity) -> Self {
        Self {
            fingerprint: identity.fingerprint,
            user_id: identity.user_id,
            credential: identity.credential.clone(),
            expires_at: identity.expires_at,
            epoch: identity.epoch,
        }
    }
}

impl Auth {
    /// Who holds that credential by now, with the roles of by now; `None`: it has ended. Does not count as a use of it.
    ///
    /// # Errors
    /// Where that cannot be found out.
    pub async fn holder(&self, standing: &Standing) -> Result<Option<Caller>, Error> {
        if standing.credential == Credential::Anyone {
            return Ok((self.mode == AuthMode::None).then(|| Identity::anyone(FIRST_ADMINISTRATOR).caller()));
        }
        if standing.expires_at <= self.now() {
            return Ok(None);
        }
        if let Some(identity) = standing.fingerprint.and_then(|fingerprint| self.remembered(&fingerprint)) {
            return Ok(self.in_time(&identity).then(|| identity.caller()));
        }
        tokio::time::timeout(LOOK_UP_WITHIN, self.ask(standing))
            .await
            .map_err(|elapsed| Error::Database(elapsed.into()))?
    }

    async fn ask(&self, standing: &Standing) -> Result<Option<Caller>, Error> {
        let identity = match standing.credential {
            Credential::SignIn(id) => self.signed_in(id).await?,
            Credential::Token(id) => self.by_token(id).await?,
            Credential::Access(_) => {
                let user = users::by_id(&self.client().await?, standing.user_id).await?;
                let user = user.filter(|user| !user.disabled && user.epoch == standing.epoch);
                user.map(|user| Identity::new(&user, standing.credential.clone(), standing.expires_at, None))
            }
            Credential::Anyone | Credential::Console => None,
        };
        match identity.filter(|identity| self.in_time(identity)) {
            Some(identity) => Ok(Some(self.with_belonging(identity).await?.caller())),
            None => Ok(None),
        }
    }
}
