//! Credentials that were looked up once and need no database the next time.
//!
//! What is remembered is believed only while word of changes arrives: the listener extends that time again and again,
//! and once it cannot, every request asks the database until it can.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Instant,
};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::permission::{Caller, Credential, Permission, Role};
use crate::store::users::User;

/// Most credentials that are remembered; about 40 MB.
const MOST: usize = 100_000;
/// How often at most it is written down when a credential was last used.
const NOTE_EVERY_S: i64 = 60;

/// What a credential that was looked up says.
#[derive(Debug)]
pub struct Identity {
    /// The account's id.
    pub user_id: Uuid,
    /// The account's name.
    pub user: String,
    /// Its roles.
    pub roles: BTreeSet<Role>,
    /// What narrows them.
    pub scopes: Option<BTreeSet<Permission>>,
    /// Which credential it is.
    pub credential: Credential,
    /// When the credential ends, whatever happens.
    pub expires_at: Timestamp,
    pub(super) epoch: i32,
    /// SHA-256 of what the caller presented.
    pub(super) fingerprint: Fingerprint,
    /// Last use, in seconds since 1970.
    used: AtomicI64,
    /// The last use that was written down.
    noted: AtomicI64,
}

impl Identity {
    /// `user` known by `credential` until `expires_at`.
    pub(super) fn new(user: &User, credential: Credential, expires_at: Timestamp, used: Option<Timestamp>) -> Self {
        let used = used.map_or(0, Timestamp::as_second);
        Self {
            user_id: user.id,
            user: user.name.clone(),
            roles: user.roles.clone(),
            scopes: None,
            credential,
            expires_at,
            epoch: user.epoch,
            fingerprint: Fingerprint::default(),
            used: AtomicI64::new(used),
            noted: AtomicI64::new(used),
        }
    }

    /// Whoever calls where nobody has to sign in, under the name `user`.
    pub fn anyone(user: &str) -> Self {
        Self {
            user_id: Uuid::nil(),
            user: user.to_owned(),
            roles: [Role::Admin].into(),
            scopes: None,
            credential: Credential::Anyone,
            expires_at: Timestamp::MAX,
            epoch: 0,
            fingerprint: Fingerprint::default(),
            used: AtomicI64::new(0),
            noted: AtomicI64::new(0),
        }
    }

    /// The same, narrowed to `scopes`.
    pub(super) fn narrowed(self, scopes: Option<BTreeSet<Permission>>) -> Self {
        Self { scopes, ..self }
    }

    /// The same, known by what has that fingerprint.
    pub(super) fn shown(self, fingerprint: Fingerprint) -> Self {
        Self { fingerprint, ..self }
    }

    /// The caller, without address and request.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller { scopes: self.scopes.clone(), ..Caller::new(&self.user, self.roles.clone(), self.credential.clone()) }
    }

    /// Notes that it is used now.
    pub(super) fn touch(&self, now: Timestamp) {
        self.used.fetch_max(now.as_second(), Ordering::Relaxed);
    }

    /// Whether it was used within `limit` before `now`.
    pub(super) fn active(&self, now: Timestamp, limit: SignedDuration) -> bool {
        now.as_second() - self.used.load(Ordering::Relaxed) < limit.as_secs()
    }

    /// Whether the account still gives what is remembered.
    fn agrees(&self, user: &User) -> bool {
        let access = matches!(self.credential, Credential::Access(_));
        self.roles == user.roles && !user.disabled && (!access || self.epoch == user.epoch)
    }

    /// The last use, if it is time to write it down.
    fn take_use(&self, at_once: bool) -> Option<Timestamp> {
        let (used, noted) = (self.used.load(Ordering::Relaxed), self.noted.load(Ordering::Relaxed));
        if used <= noted || (!at_once && used - noted < NOTE_EVERY_S) {
            return None;
        }
        self.noted.store(used, Ordering::Relaxed);
        Timestamp::from_second(used).ok()
    }
}

/// What the caller presented: in which way, and its SHA-256. The way belongs to it: a token that was verified once must
/// not pass as a cookie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Whether as a cookie.
    pub cookie: bool,
    /// SHA-256 of the text.
    pub hash: [u8; 32],
}

/// The memory; a cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Known(Arc<RwLock<State>>);

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Fingerprint, Arc<Identity>>,
    /// Grows whenever something is forgotten.
    generation: u64,
    trusted_until: Option<Instant>,
}

/// The uses to write down: sign-ins and personal tokens.
#[derive(Debug, Default)]
pub struct Uses {
    /// Of browsers.
    pub sign_ins: Vec<(Uuid, Timestamp)>,
    /// Of personal tokens.
    pub tokens: Vec<(Uuid, Timestamp)>,
}

impl Known {
    /// What is remembered of that credential, if it can be believed.
    #[must_use]
    pub fn get(&self, fingerprint: &Fingerprint) -> Option<Arc<Identity>> {
        let state = self.read();
        let trusted = state.trusted_until.is_some_and(|until| Instant::now() < until);
        if trusted { state.entries.get(fingerprint).cloned() } else { None }
    }

    /// To be asked before the database is, and handed to [`Known::remember`] with what it said.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.read().generation
    }

    /// Remembers `identity`, unless something was forgotten since `generation`: it might have been this.
    pub fn remember(&self, fingerprint: Fingerprint, identity: Arc<Identity>, generation: u64) {
        let mut state = self.write();
        if state.generation != generation {
            return;
        }
        if state.entries.len() >= MOST {
            state.entries.clear();
        }
        state.entries.insert(fingerprint, identity);
    }

    /// Forgets what is known of the account of that name.
    pub fn forget_user(&self, user: &str) {
        let mut state = self.write();
        state.generation += 1;
        state.entries.retain(|_, identity| identity.user != user);
    }

    /// What is remembered can be believed until then.
    pub fn trust_until(&self, moment: Instant) {
        self.write().trusted_until = Some(moment);
    }

    /// Nothing is believed until [`Known::trust_until`]; what is being looked up now is not remembered either.
    pub fn distrust(&self) {
        let mut state = self.write();
        state.generation += 1;
        state.trusted_until = None;
    }

    /// Everything that is remembered.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Identity>> {
        self.read().entries.values().cloned().collect()
    }

    /// Forgets what no longer holds: accounts that differ from `users` and credentials that are not among `standing`.
    /// Returns the names of those whom that concerns.
    pub fn reconcile(&self, users: &HashMap<Uuid, User>, standing: &HashSet<Uuid>) -> HashSet<String> {
        self.forget_unless(|identity| {
            let credential = match identity.credential {
                Credential::SignIn(id) | Credential::Token(id) => standing.contains(&id),
                Credential::Access(_) | Credential::Anyone | Credential::Console => true,
            };
            credential && users.get(&identity.user_id).is_some_and(|user| identity.agrees(user))
        })
    }

    /// Forgets what has ended; returns the names of those whom that concerns.
    pub fn expire(&self, now: Timestamp) -> HashSet<String> {
        self.forget_unless(|identity| identity.expires_at > now)
    }

    fn forget_unless(&self, holds: impl Fn(&Identity) -> bool) -> HashSet<String> {
        let mut state = self.write();
        let mut gone = HashSet::new();
        state.entries.retain(|_, identity| {
            let kept = holds(identity);
            if !kept {
                gone.insert(identity.user.clone());
            }
            kept
        });
        if !gone.is_empty() {
            state.generation += 1;
        }
        gone
    }

    /// The uses to write down now; all there are if `at_once`.
    #[must_use]
    pub fn take_uses(&self, at_once: bool) -> Uses {
        let mut uses = Uses::default();
        for identity in self.read().entries.values() {
            match (&identity.credential, identity.take_use(at_once)) {
                (Credential::SignIn(id), Some(used)) => uses.sign_ins.push((*id, used)),
                (Credential::Token(id), Some(used)) => uses.tokens.push((*id, used)),
                _ => {}
            }
        }
        uses
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}
