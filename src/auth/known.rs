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
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::permission::{Caller, Credential, Permission, Role};
use crate::{
    domain::sharing::Belonging,
    store::{connections::OpenedBy, users::User},
};

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
    /// The groups that the account belongs to, and the sessions that are shared with it.
    pub belonging: Arc<Belonging>,
    pub(super) epoch: i32,
    /// What the caller presented, where it was that by which they are known.
    pub(super) fingerprint: Option<Fingerprint>,
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
            roles: user.all_roles(),
            scopes: None,
            credential,
            expires_at,
            belonging: Arc::default(),
            epoch: user.epoch,
            fingerprint: None,
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
            belonging: Arc::default(),
            epoch: 0,
            fingerprint: None,
            used: AtomicI64::new(0),
            noted: AtomicI64::new(0),
        }
    }

    /// The same, narrowed to `scopes`.
    pub(super) fn narrowed(self, scopes: Option<BTreeSet<Permission>>) -> Self {
        Self { scopes, ..self }
    }

    /// The same, belonging to what `belonging` says.
    pub(super) fn belonging_to(self, belonging: Belonging) -> Self {
        Self { belonging: Arc::new(belonging), ..self }
    }

    /// The same, known by what has that fingerprint.
    pub(super) fn shown(self, fingerprint: Fingerprint) -> Self {
        Self { fingerprint: Some(fingerprint), ..self }
    }

    /// The caller, without address and request.
    #[must_use]
    pub fn caller(&self) -> Caller {
        Caller {
            scopes: self.scopes.clone(),
            belonging: Arc::clone(&self.belonging),
            ..Caller::new(&self.user, self.roles.clone(), self.credential.clone())
        }
    }

    /// Notes that it is used now.
    pub(super) fn touch(&self, now: Timestamp) {
        self.used.fetch_max(now.as_second(), Ordering::Relaxed);
    }

    /// Takes over a use that `before`, the same credential as it was remembered, has not written down yet.
    fn follow(&self, before: &Self) {
        self.used.fetch_max(before.used.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// Whether it was used within `limit` before `now`.
    pub(super) fn active(&self, now: Timestamp, limit: SignedDuration) -> bool {
        now.as_second() - self.used.load(Ordering::Relaxed) < limit.as_secs()
    }

    /// Whether the account still gives what is remembered.
    fn agrees(&self, user: &User, belonging: Option<&Belonging>) -> bool {
        let access = matches!(self.credential, Credential::Access(_));
        let belongs = belonging.map_or(*self.belonging == Belonging::default(), |now| *now == *self.belonging);
        belongs && self.roles == user.all_roles() && !user.disabled && (!access || self.epoch == user.epoch)
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

/// What a caller is known by. The way it was presented belongs to it: a token that was verified once must not pass as a
/// cookie.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub enum Fingerprint {
    /// SHA-256 of a cookie's value.
    Cookie([u8; 32]),
    /// SHA-256 of a token.
    Bearer([u8; 32]),
    /// What a connection was opened by.
    Opened(OpenedBy),
}

/// The memory; a cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Known(Arc<RwLock<State>>);

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Fingerprint, Arc<Identity>>,
    /// What was forgotten, for nothing but its uses that are not written down yet.
    uses: HashMap<Fingerprint, Arc<Identity>>,
    /// Grows whenever something is forgotten.
    generation: u64,
    trusted_until: Option<Instant>,
}

impl State {
    fn is_believed(&self) -> bool {
        self.trusted_until.is_some_and(|until| Instant::now() < until)
    }

    /// Keeps what is not believed any more until its uses are written down.
    fn keep_uses(&mut self, fingerprint: Fingerprint, identity: Arc<Identity>) {
        if self.uses.len() < MOST {
            self.uses.insert(fingerprint, identity);
        }
    }

    /// Forgets what does not hold, and tells it to `forgotten`.
    fn forget_unless(&mut self, holds: impl Fn(&Identity) -> bool, mut forgotten: impl FnMut(&Identity)) {
        let gone: Vec<_> = self.entries.extract_if(|_, identity| !holds(identity)).collect();
        for (fingerprint, identity) in gone {
            forgotten(&identity);
            self.keep_uses(fingerprint, identity);
        }
    }
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
        if state.is_believed() { state.entries.get(fingerprint).cloned() } else { None }
    }

    /// Whether what is remembered can be believed at the moment.
    #[must_use]
    pub fn is_believed(&self) -> bool {
        self.read().is_believed()
    }

    /// Tells what was just looked up of uses that are remembered of the same credential, believed or not.
    pub(super) fn recall_use(&self, fingerprint: &Fingerprint, identity: &Identity) {
        let state = self.read();
        for before in [state.entries.get(fingerprint), state.uses.get(fingerprint)].into_iter().flatten() {
            identity.follow(before);
        }
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
            state.keep_uses(fingerprint, identity);
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
        state.forget_unless(|identity| identity.user != user, |_| {});
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

    /// Forgets what no longer holds: accounts that differ from `users`, or belong to something else than `belongings`
    /// says, and credentials that are not among `standing`. Returns the names of those whom that concerns.
    pub fn reconcile(
        &self,
        users: &HashMap<Uuid, User>,
        belongings: &HashMap<Uuid, Belonging>,
        standing: &HashSet<Uuid>,
    ) -> HashSet<String> {
        self.forget_unless(|identity| {
            let credential = match identity.credential {
                Credential::SignIn(id) | Credential::Token(id) => standing.contains(&id),
                Credential::Access(_) | Credential::Anyone | Credential::Console => true,
            };
            let belonging = belongings.get(&identity.user_id);
            credential && users.get(&identity.user_id).is_some_and(|user| identity.agrees(user, belonging))
        })
    }

    /// Forgets what has ended; returns the names of those whom that concerns.
    pub fn expire(&self, now: Timestamp) -> HashSet<String> {
        self.forget_unless(|identity| identity.expires_at > now)
    }

    fn forget_unless(&self, holds: impl Fn(&Identity) -> bool) -> HashSet<String> {
        let mut state = self.write();
        let mut gone = HashSet::new();
        state.forget_unless(holds, |identity| {
            gone.insert(identity.user.clone());
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
        let mut take = |identity: &Identity, at_once| {
            let used = identity.take_use(at_once);
            match (&identity.credential, used) {
                (Credential::SignIn(id), Some(used)) => uses.sign_ins.push((*id, used)),
                (Credential::Token(id), Some(used)) => uses.tokens.push((*id, used)),
                _ => {}
            }
            used.is_some()
        };
        let mut state = self.write();
        for identity in state.entries.values() {
            take(identity, at_once);
        }
        // What is taken now is written only after this: it stays for whoever asks meanwhile, and goes the next time.
        state.uses.retain(|_, identity| take(identity, true));
        uses
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, State> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, State> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const NOON: &str = "2026-01-02T12:00:00Z";

    fn user(name: &str) -> User {
        User {
            id: Uuid::from_u128(name.bytes().fold(0, |id, byte| id * 31 + u128::from(byte))),
            roles: BTreeSet::from([Role::User]),
            has_password: true,
            epoch: 1,
            ..User::new(name.to_owned(), NOON.parse().unwrap())
        }
    }

    fn sign_in(name: &str) -> (Fingerprint, Arc<Identity>) {
        let user = user(name);
        let noon: Timestamp = NOON.parse().unwrap();
        let ends = noon + SignedDuration::from_hours(8);
        let identity = Identity::new(&user, Credential::SignIn(user.id), ends, Some(noon));
        (Fingerprint::Cookie(crate::auth::secret::sha256(name.as_bytes())), Arc::new(identity))
    }

    /// A memory that is believed and holds a sign-in each of `names`.
    fn known(names: &[&str]) -> Known {
        let known = Known::default();
        known.trust_until(Instant::now() + Duration::from_mins(1));
        for name in names {
            let (fingerprint, identity) = sign_in(name);
            known.remember(fingerprint, identity, known.generation());
        }
        known
    }

    fn holds(known: &Known, name: &str) -> bool {
        known.get(&sign_in(name).0).is_some()
    }

    #[test]
    fn nothing_is_believed_unless_word_of_changes_arrives() {
        let known = known(&["alice"]);
        assert!(holds(&known, "alice"));
        known.trust_until(Instant::now());
        assert!(!holds(&known, "alice"), "the time is over");
        known.trust_until(Instant::now() + Duration::from_mins(1));
        assert!(holds(&known, "alice"));
        known.distrust();
        assert!(!holds(&known, "alice"));
    }

    #[test]
    fn what_was_looked_up_before_a_change_is_not_remembered_after_it() {
        let known = known(&["bob"]);
        let (fingerprint, identity) = sign_in("alice");
        let asked = known.generation();
        known.forget_user("alice");
        known.remember(fingerprint, Arc::clone(&identity), asked);
        assert!(!holds(&known, "alice"));
        assert!(holds(&known, "bob"), "others are not concerned");
        known.remember(fingerprint, identity, known.generation());
        assert!(holds(&known, "alice"));
    }

    #[test]
    fn what_was_looked_up_before_a_break_is_not_remembered_after_it() {
        let known = known(&[]);
        let (fingerprint, identity) = sign_in("alice");
        let asked = known.generation();
        known.distrust();
        known.trust_until(Instant::now() + Duration::from_mins(1));
        known.remember(fingerprint, identity, asked);
        assert!(!holds(&known, "alice"));
    }

    #[test]
    fn after_a_break_those_who_changed_meanwhile_are_forgotten_and_named() {
        let names = ["same", "disabled", "demoted", "signed-out", "deleted"];
        let known = known(&names);
        let mut users: HashMap<Uuid, User> = names.iter().map(|name| (user(name).id, user(name))).collect();
        let mut standing: HashSet<Uuid> = users.keys().copied().collect();
        users.get_mut(&user("disabled").id).unwrap().disabled = true;
        users.get_mut(&user("demoted").id).unwrap().roles.clear();
        users.remove(&user("deleted").id);
        standing.remove(&user("signed-out").id);
        let concerned = known.reconcile(&users, &HashMap::new(), &standing);
        let expected = ["disabled", "demoted", "signed-out", "deleted"].map(str::to_owned);
        assert_eq!(concerned, HashSet::from(expected));
        assert!(holds(&known, "same"));
        assert!(names[1..].iter().all(|name| !holds(&known, name)));
    }

    #[test]
    fn an_access_token_of_an_older_epoch_is_forgotten() {
        let (known, alice) = (known(&[]), user("alice"));
        let ends = "2026-01-02T12:15:00Z".parse().unwrap();
        let access = Identity::new(&alice, Credential::Access(Uuid::nil()), ends, None);
        known.remember(Fingerprint::Bearer([7; 32]), Arc::new(access), known.generation());
        let users = |epoch| HashMap::from([(alice.id, User { epoch, ..alice.clone() })]);
        assert!(known.reconcile(&users(1), &HashMap::new(), &HashSet::new()).is_empty());
        assert_eq!(known.reconcile(&users(2), &HashMap::new(), &HashSet::new()).len(), 1);
        assert!(known.get(&Fingerprint::Bearer([7; 32])).is_none());
    }

    #[test]
    fn what_has_ended_is_forgotten_and_its_owner_named() {
        let known = known(&["alice"]);
        assert!(known.expire("2026-01-02T19:59:59Z".parse().unwrap()).is_empty());
        assert_eq!(known.expire("2026-01-02T20:00:00Z".parse().unwrap()), HashSet::from(["alice".to_owned()]));
        assert!(!holds(&known, "alice"));
    }

    #[test]
    fn a_use_is_written_down_once_a_minute_and_at_the_end() {
        let known = known(&["alice"]);
        let (fingerprint, noon): (_, Timestamp) = (sign_in("alice").0, NOON.parse().unwrap());
        let use_at = |seconds| known.get(&fingerprint).unwrap().touch(noon + SignedDuration::from_secs(seconds));
        let written = |at_once| known.take_uses(at_once).sign_ins.len();
        use_at(59);
        assert_eq!(written(false), 0);
        use_at(60);
        assert_eq!((written(false), written(false)), (1, 0));
        use_at(61);
        assert_eq!((written(false), written(true), written(true)), (0, 1, 0));
    }

    #[test]
    fn a_use_that_was_not_written_down_is_not_lost_when_the_credential_is_looked_up_again() {
        let known = known(&["alice"]);
        let (fingerprint, again) = sign_in("alice");
        let (noon, limit): (Timestamp, _) = (NOON.parse().unwrap(), SignedDuration::from_hours(1));
        known.get(&fingerprint).unwrap().touch(noon + SignedDuration::from_mins(50));
        let later = noon + SignedDuration::from_mins(100);
        assert!(!again.active(later, limit));
        known.recall_use(&fingerprint, &again);
        assert!(again.active(later, limit));
    }

    #[test]
    fn a_use_outlives_what_is_forgotten() {
        let (noon, limit): (Timestamp, _) = (NOON.parse().unwrap(), SignedDuration::from_hours(1));
        let later = noon + SignedDuration::from_mins(100);
        let (fingerprint, again) = sign_in("alice");
        let known = known(&["alice"]);
        known.get(&fingerprint).unwrap().touch(noon + SignedDuration::from_mins(50));
        known.forget_user("alice");
        assert!(!holds(&known, "alice"), "it is of no other use");
        assert_eq!(known.take_uses(false).sign_ins.len(), 1);
        known.recall_use(&fingerprint, &again);
        assert!(again.active(later, limit));
        assert_eq!(known.take_uses(false).sign_ins.len(), 0);
        let (_, late) = sign_in("alice");
        known.remember(fingerprint, Arc::clone(&late), known.generation() - 1);
        late.touch(noon + SignedDuration::from_mins(50));
        assert_eq!(known.take_uses(false).sign_ins.len(), 1, "nor is one lost that was just looked up");
    }

    #[test]
    fn a_token_that_is_remembered_is_no_cookie() {
        let (known, (_, identity)) = (known(&[]), sign_in("alice"));
        known.remember(Fingerprint::Bearer([7; 32]), identity, known.generation());
        assert!(known.get(&Fingerprint::Bearer([7; 32])).is_some());
        assert!(known.get(&Fingerprint::Cookie([7; 32])).is_none());
    }
}
