//! How often one address and one person may ask.
//!
//! The counters run on the process's monotonic clock: a step of the host's clock neither opens nor shuts anything.

use std::{
    net::{IpAddr, Ipv6Addr},
    num::NonZeroU32,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use governor::{
    Quota, RateLimiter,
    clock::{Clock, MonotonicClock},
    middleware::StateInformationMiddleware,
    state::keyed::DashMapStateStore,
};

use crate::config::Changing;

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// A burst is what may be asked in that many seconds at the lasting rate.
const BURST_S: u32 = 10;

type Limiter<K> = RateLimiter<K, DashMapStateStore<K>, MonotonicClock, StateInformationMiddleware>;

/// The limits of one server, as they are at each moment.
#[derive(Debug)]
pub struct Limits {
    settings: Changing,
    counters: RwLock<Arc<Counters>>,
}

/// How often one may ask: of one address and of one person a second, of one address to sign in a minute. 0: no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rates {
    address: u32,
    user: u32,
    sign_in: u32,
}

impl Rates {
    fn now(settings: &Changing) -> Self {
        let now = settings.now();
        Self { address: now.rate_limit_address, user: now.rate_limit_user, sign_in: now.rate_limit_sign_in }
    }
}

/// What was asked so far, counted by those rates.
#[derive(Debug)]
struct Counters {
    rates: Rates,
    addresses: Option<Limiter<IpAddr>>,
    users: Option<Limiter<String>>,
    sign_ins: Option<Limiter<IpAddr>>,
}

impl Counters {
    fn new(rates: Rates) -> Arc<Self> {
        let per_second = |rate: u32| {
            let rate = NonZeroU32::new(rate)?;
            Some(Quota::per_second(rate).allow_burst(rate.saturating_mul(NonZeroU32::new(BURST_S)?)))
        };
        Arc::new(Self {
            rates,
            addresses: per_second(rates.address).map(limiter),
            users: per_second(rates.user).map(limiter),
            sign_ins: NonZeroU32::new(rates.sign_in).map(Quota::per_minute).map(limiter),
        })
    }
}

/// What counting answers: `None` where there is no limit.
pub type Counted = Result<Option<Standing>, Standing>;

/// Where a caller stands with the limit that was counted last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Requests that may come at once.
    pub limit: u32,
    /// How many of them are left.
    pub remaining: u32,
    /// Seconds until all are there again; with none left, until the next may come.
    pub reset_s: u64,
}

impl Limits {
    /// The limits that `settings` name.
    #[must_use]
    pub fn new(settings: Changing) -> Self {
        let counters = RwLock::new(Counters::new(Rates::now(&settings)));
        Self { settings, counters }
    }

    /// The counters of the rates that are in force: other rates count from the beginning.
    fn counters(&self) -> Arc<Counters> {
        let rates = Rates::now(&self.settings);
        let there = Arc::clone(&self.counters.read().unwrap_or_else(PoisonError::into_inner));
        if there.rates == rates {
            return there;
        }
        let mut counters = self.counters.write().unwrap_or_else(PoisonError::into_inner);
        if counters.rates != rates {
            *counters = Counters::new(rates);
        }
        Arc::clone(&counters)
    }

    /// Counts a request of `address`.
    ///
    /// # Errors
    /// The standing of one who has nothing left.
    pub fn count_address(&self, address: IpAddr) -> Counted {
        count(self.counters().addresses.as_ref(), &network(address))
    }

    /// Counts a request of a person.
    ///
    /// # Errors
    /// The standing of one who has nothing left.
    pub fn count_user(&self, user: &str) -> Counted {
        // The store takes keys by reference to the owned type.
        self.counters().users.as_ref().map_or(Ok(None), |limiter| count(Some(limiter), &user.to_owned()))
    }

    /// Counts an attempt to sign in from `address`.
    ///
    /// # Errors
    /// The standing of one who has nothing left.
    pub fn count_sign_in(&self, address: IpAddr) -> Counted {
        count(self.counters().sign_ins.as_ref(), &network(address))
    }

    /// Forgets those who have not asked for so long that nothing counts against them.
    pub fn forget_quiet(&self) {
        let counters = self.counters();
        counters.addresses.as_ref().inspect(|limiter| limiter.retain_recent());
        counters.users.as_ref().inspect(|limiter| limiter.retain_recent());
        counters.sign_ins.as_ref().inspect(|limiter| limiter.retain_recent());
    }
}

fn limiter<K: std::hash::Hash + Eq + Clone>(quota: Quota) -> Limiter<K> {
    RateLimiter::dashmap_with_clock(quota, MonotonicClock).with_middleware()
}

fn count<K: std::hash::Hash + Eq + Clone>(limiter: Option<&Limiter<K>>, key: &K) -> Counted {
    let Some(limiter) = limiter else { return Ok(None) };
    match limiter.check_key(key) {
        Ok(snapshot) => {
            let (quota, remaining) = (snapshot.quota(), snapshot.remaining_burst_capacity());
            let limit = quota.burst_size().get();
            let missing = limit.saturating_sub(remaining);
            let reset = quota.replenish_interval().saturating_mul(missing);
            Ok(Some(Standing { limit, remaining, reset_s: whole_seconds(reset) }))
        }
        Err(not_until) => {
            let wait = not_until.wait_time_from(MonotonicClock.now());
            let limit = not_until.quota().burst_size().get();
            Err(Standing { limit, remaining: 0, reset_s: whole_seconds(wait).max(1) })
        }
    }
}

fn whole_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

/// One person has a whole /64 of IPv6, so that is what is counted.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
    }
}

impl Standing {
    /// Says it on an answer.
    pub fn add_to(self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, HeaderValue::from(self.limit));
        headers.insert(REMAINING, HeaderValue::from(self.remaining));
        headers.insert(RESET, HeaderValue::from(self.reset_s));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::test::config, domain::settings::Kept};

    fn limits(arguments: &[&str]) -> Limits {
        Limits::new(Changing::new(&config(arguments)))
    }

    #[test]
    fn a_limit_that_is_changed_holds_from_the_next_request_on() {
        let settings = Changing::new(&config(&["--rate-limit-sign-in=1"]));
        let limits = Limits::new(settings.clone());
        let mine = "192.0.2.1".parse().unwrap();
        assert!(limits.count_sign_in(mine).is_ok());
        assert!(limits.count_sign_in(mine).is_err());
        let mut kept = Kept { version: 1, ..Kept::default() };
        kept.overrides.rate_limit_sign_in = Some(Some(2));
        assert!(settings.take(kept));
        assert_eq!([(); 3].map(|()| limits.count_sign_in(mine).is_ok()), [true, true, false]);
        assert!(settings.take(Kept { version: 2, ..Kept::default() }));
        assert!(limits.count_sign_in(mine).is_ok());
    }

    #[test]
    fn who_asks_too_often_is_told_when_to_come_back_and_others_go_on() {
        let limits = limits(&["--rate-limit-sign-in=3"]);
        let (mine, other) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
        let left: Vec<u32> = (0..3).map(|_| limits.count_sign_in(mine).unwrap().unwrap().remaining).collect();
        assert_eq!(left, [2, 1, 0]);
        assert!(matches!(limits.count_sign_in(mine), Err(Standing { limit: 3, remaining: 0, reset_s: 1..=20 })));
        assert!(limits.count_sign_in(other).is_ok());
    }

    #[test]
    fn a_network_of_ipv6_counts_as_one_caller() {
        let limits = limits(&["--rate-limit-sign-in=1"]);
        assert!(limits.count_sign_in("2001:db8:1:1::1".parse().unwrap()).is_ok());
        assert!(limits.count_sign_in("2001:db8:1:1:ffff::2".parse().unwrap()).is_err());
        assert!(limits.count_sign_in("2001:db8:1:2::1".parse().unwrap()).is_ok());
    }

    #[test]
    fn a_limit_of_zero_is_off() {
        let limits = limits(&["--rate-limit-user=0"]);
        assert!((0..10_000).all(|_| limits.count_user("alice").is_ok_and(|standing| standing.is_none())));
    }
}
