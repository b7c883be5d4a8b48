//! Passwords: argon2id, off the threads that serve requests, a few at a time.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use argon2::{Algorithm, Argon2, Params, PasswordHash, PasswordHasher, PasswordVerifier, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::{Error, domain::people::check_password};

/// Memory of one hash in KiB: 1.7 times what OWASP asks for at this number of passes.
const MEMORY_KIB: u32 = 32 * 1_024;
/// Passes over the memory.
const PASSES: u32 = 2;
/// How many hashes are made at once: each takes a core and [`MEMORY_KIB`].
const AT_ONCE: usize = 2;
/// How many may wait for their turn; about two seconds' worth.
const WAITING: usize = 64;

/// Makes and checks password hashes; a cheap handle.
#[derive(Clone, Debug)]
pub struct Passwords(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    /// Checked where there is no hash to check, so that an unknown name costs what a known one does.
    decoy: String,
    turn: Arc<Semaphore>,
    queue: Semaphore,
    computed: AtomicU64,
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, 1, None).unwrap_or(Params::DEFAULT);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

impl Passwords {
    /// Takes the time of one hash.
    pub fn new() -> Result<Self, Error> {
        let decoy = hash(&argon2(), &rand::random::<[u8; 16]>())?;
        Ok(Self(Arc::new(Inner {
            decoy,
            turn: Arc::new(Semaphore::new(AT_ONCE)),
            queue: Semaphore::new(AT_ONCE + WAITING),
            computed: AtomicU64::new(0),
        })))
    }

    /// The hash of `password` as a PHC string, with a salt of its own.
    ///
    /// # Errors
    /// [`Error::TooMany`] when too many wait for their turn already.
    pub async fn hash(&self, password: SecretString) -> Result<String, Error> {
        self.compute(move || hash(&argon2(), password.expose_secret().as_bytes())).await?
    }

    /// Whether `password` is hard enough to guess for the person `name`; `field`: what to name where it is not.
    ///
    /// # Errors
    /// [`Error::Invalid`], and [`Error::TooMany`] when too many wait for their turn already.
    pub async fn check(&self, field: &'static str, password: &SecretString, name: &str) -> Result<(), Error> {
        let (password, name) = (password.clone(), name.to_owned());
        let checked = self.compute(move || check_password(field, password.expose_secret(), &name)).await?;
        checked.map_err(|wrong| Error::Invalid(vec![wrong]))
    }

    /// Whether `password` is the one that `kept` was made of; `None` is never right and takes as long.
    ///
    /// # Errors
    /// [`Error::TooMany`] when too many wait for their turn already.
    pub async fn verify(&self, password: SecretString, kept: Option<String>) -> Result<Verdict, Error> {
        let known = kept.is_some();
        let kept = kept.unwrap_or_else(|| self.0.decoy.clone());
        let verdict = self.compute(move || check(password.expose_secret().as_bytes(), &kept)).await??;
        Ok(if known { verdict } else { Verdict::Wrong })
    }

    /// How often something was computed since the start: the work that an observer of time could see.
    #[must_use]
    pub fn computed(&self) -> u64 {
        self.0.computed.load(Ordering::Relaxed)
    }

    async fn compute<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
        let _place = self.0.queue.try_acquire().map_err(|_| Error::TooMany { retry_after_s: 2 })?;
        let turn = Arc::clone(&self.0.turn).acquire_owned().await.map_err(Error::internal)?;
        self.0.computed.fetch_add(1, Ordering::Relaxed);
        // The turn goes along: a request that is given up frees its place only once the thread is free.
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(turn);
            result
        });
        done.await.map_err(Error::internal)
    }
}

/// What a password is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    /// Not the one.
    Wrong,
    /// The one.
    Right,
    /// The one, but its hash was made with other parameters than today's: hash it again.
    RightButOld,
}

fn hash(argon2: &Argon2<'_>, password: &[u8]) -> Result<String, Error> {
    let hash: PasswordHash = argon2.hash_password(password).map_err(Error::internal)?;
    Ok(hash.to_string())
}

fn check(password: &[u8], kept: &str) -> Result<Verdict, Error> {
    let kept = PasswordHash::new(kept).map_err(Error::internal)?;
    let argon2 = argon2();
    match argon2.verify_password(password, &kept) {
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(Verdict::Wrong),
        Err(error) => Err(Error::internal(error)),
        Ok(()) if is_current(&argon2, &kept) => Ok(Verdict::Right),
        Ok(()) => Ok(Verdict::RightButOld),
    }
}

fn is_current(argon2: &Argon2<'_>, kept: &PasswordHash) -> bool {
    let same = |params: Params| {
        let ours = argon2.params();
        (params.m_cost(), params.t_cost(), params.p_cost()) == (ours.m_cost(), ours.t_cost(), ours.p_cost())
    };
    kept.algorithm.as_str() == "argon2id" && Params::try_from(kept).is_ok_and(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        text.to_owned().into()
    }

    #[tokio::test]
    async fn a_password_is_known_again_and_another_is_not() {
        let passwords = Passwords::new().unwrap();
        let kept = passwords.hash(secret("correct horse")).await.unwrap();
        assert!(kept.starts_with("$argon2id$v=19$m=32768,t=2,p=1$"), "{kept}");
        assert_eq!(passwords.verify(secret("correct horse"), Some(kept.clone())).await.unwrap(), Verdict::Right);
        assert_eq!(passwords.verify(secret("wrong horse!"), Some(kept)).await.unwrap(), Verdict::Wrong);
    }

    #[tokio::test]
    async fn the_same_password_is_never_kept_as_the_same_text() {
        let passwords = Passwords::new().unwrap();
        let one = passwords.hash(secret("correct horse")).await.unwrap();
        assert_ne!(one, passwords.hash(secret("correct horse")).await.unwrap());
    }

    #[tokio::test]
    async fn without_an_account_nothing_is_right_and_the_same_work_is_done() {
        let passwords = Passwords::new().unwrap();
        let kept = passwords.hash(secret("correct horse")).await.unwrap();
        let before = passwords.computed();
        passwords.verify(secret("wrong horse!"), Some(kept.clone())).await.unwrap();
        let with_account = passwords.computed() - before;
        assert_eq!(passwords.verify(secret("wrong horse!"), None).await.unwrap(), Verdict::Wrong);
        assert_eq!(passwords.computed() - before, 2 * with_account);
        let params = |text: &str| Params::try_from(&PasswordHash::new(text).unwrap()).unwrap();
        assert_eq!(params(&passwords.0.decoy), params(&kept));
    }

    #[tokio::test]
    async fn a_hash_of_weaker_parameters_is_right_but_old() {
        let weak = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(8 * 1_024, 1, 1, None).unwrap());
        let kept = hash(&weak, b"correct horse").unwrap();
        let passwords = Passwords::new().unwrap();
        assert_eq!(passwords.verify(secret("correct horse"), Some(kept)).await.unwrap(), Verdict::RightButOld);
    }

    #[tokio::test]
    async fn whoever_comes_when_the_queue_is_full_is_told_to_come_back() {
        let passwords = Passwords::new().unwrap();
        let all = (0..AT_ONCE + WAITING + 10).map(|_| passwords.verify(secret("anything goes"), None));
        let (served, refused): (Vec<_>, Vec<_>) =
            futures::future::join_all(all).await.into_iter().partition(Result::is_ok);
        assert_eq!((served.len(), refused.len()), (AT_ONCE + WAITING, 10));
        assert!(passwords.verify(secret("anything goes"), None).await.is_ok(), "the queue is free again");
    }
}
