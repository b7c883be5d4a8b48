//! Whether those who opened a connection are still let in: asked on every request to an app, and on nobody's behalf
//! but theirs.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{Auth, Credential, Identity, LOOK_UP_WITHIN, Permission, known::Fingerprint};
use crate::{
    Error,
    config::AuthMode,
    store::{
        connections::{Connection, OpenedBy},
        sign_ins, tokens, users,
    },
};

/// A connection that was opened with an access token ends this long after: the token itself is good for minutes only,
/// which is too short for a person's work.
const OPENED_BY_ACCESS_FOR: SignedDuration = SignedDuration::from_hours(12);

impl Auth {
    /// Who opened `connection`, as they are now; `None`: their sign-in or token has ended, or their account is no longer
    /// good. From memory, like [`Auth::identify`], and counts as a use of the sign-in.
    ///
    /// # Errors
    /// [`Error::Database`] where memory lacks it and the database does not answer.
    pub async fn opener(&self, connection: &Connection) -> Result<Option<Arc<Identity>>, Error> {
        let fingerprint = Fingerprint::Opened(connection.opened_by);
        let known = self.remembered(&fingerprint).filter(|identity| self.in_time(identity));
        let identity = match known {
            Some(identity) => Some(identity),
            None => tokio::time::timeout(LOOK_UP_WITHIN, self.look_up_opener(connection, fingerprint))
                .await
                .map_err(|elapsed| Error::Database(elapsed.into()))??,
        };
        if let Some(identity) = &identity {
            identity.touch(self.clock.now());
        }
        Ok(identity)
    }

    async fn look_up_opener(
        &self,
        connection: &Connection,
        fingerprint: Fingerprint,
    ) -> Result<Option<Arc<Identity>>, Error> {
        let generation = self.known.generation();
        let found = match connection.opened_by {
            OpenedBy::SignIn(id) => self.signed_in(id).await?,
            OpenedBy::Token(id) => self.by_token(id).await?,
            OpenedBy::Access(id) => self.by_access(connection, id).await?,
            // It is nobody's account, so there is nothing to look up and to remember.
            OpenedBy::Anyone => {
                let open = self.mode == AuthMode::None;
                return Ok(open.then(|| Arc::new(Identity::anyone(&connection.user))));
            }
        };
        if let Some(identity) = &found {
            self.known.recall_use(&fingerprint, identity);
        }
        let Some(identity) = found.filter(|identity| self.in_time(identity)) else { return Ok(None) };
        let identity = Arc::new(self.with_belonging(identity).await?);
        self.known.remember(fingerprint, Arc::clone(&identity), generation);
        Ok(Some(identity))
    }

    pub(super) async fn signed_in(&self, id: Uuid) -> Result<Option<Identity>, Error> {
        let found = sign_ins::with_user(&self.pool.get().await?, id).await?;
        Ok(found.filter(|(_, user)| !user.disabled).map(|(sign_in, user)| {
            Identity::new(&user, Credential::SignIn(id), sign_in.expires_at, Some(sign_in.last_seen_at))
        }))
    }

    pub(super) async fn by_token(&self, id: Uuid) -> Result<Option<Identity>, Error> {
        let found = tokens::with_user(&self.pool.get().await?, id).await?;
        Ok(found.filter(|(_, user)| !user.disabled).map(|(token, user)| {
            let known = |words: Vec<String>| words.iter().filter_map(|word| Permission::from_word(word)).collect();
            Identity::new(&user, Credential::Token(id), token.expires_at, token.last_used_at)
                .narrowed(token.scopes.map(known))
        }))
    }

    async fn by_access(&self, connection: &Connection, id: Uuid) -> Result<Option<Identity>, Error> {
        let user = users::by_name(&self.pool.get().await?, &connection.user).await?;
        let user = user.filter(|user| !user.disabled && Some(user.epoch) == connection.user_epoch);
        let until = connection.connected_at.checked_add(OPENED_BY_ACCESS_FOR).unwrap_or(Timestamp::MAX);
        Ok(user.map(|user| Identity::new(&user, Credential::Access(id), until, None)))
    }
}
