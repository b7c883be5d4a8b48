//! Objects in memory, sorted: by owner, then by creation, then by name.

use std::{
    collections::{BTreeMap, HashMap},
    ops::Bound,
    sync::Arc,
};

use super::Object;

/// Where an object stands in the order.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    owner: Arc<str>,
    /// Seconds since 1970.
    created: i64,
    name: Arc<str>,
}

/// The sorted objects, and how many each owner has in each phase.
#[derive(Debug)]
pub(super) struct Index<K> {
    sorted: BTreeMap<Place, Arc<K>>,
    places: HashMap<Arc<str>, Place>,
    counts: BTreeMap<Arc<str>, BTreeMap<&'static str, usize>>,
}

impl<K> Default for Index<K> {
    fn default() -> Self {
        Self { sorted: BTreeMap::new(), places: HashMap::new(), counts: BTreeMap::new() }
    }
}

impl<K: Object> Index<K> {
    /// Adds the object or takes it in place of the older one of that name.
    pub(super) fn put(&mut self, object: Arc<K>) {
        let name: Arc<str> = object.meta().name.as_deref().unwrap_or_default().into();
        self.remove(&name);
        let created = object.meta().creation_timestamp.as_ref().map_or(0, |time| time.0.as_second());
        let place = Place { owner: object.owner().into(), created, name: Arc::clone(&name) };
        *self.counts.entry(Arc::clone(&place.owner)).or_default().entry(object.phase()).or_default() += 1;
        self.places.insert(name, place.clone());
        self.sorted.insert(place, object);
    }

    /// Takes the object of that name away.
    pub(super) fn remove(&mut self, name: &str) {
        let Some(place) = self.places.remove(name) else { return };
        let Some(object) = self.sorted.remove(&place) else { return };
        if let Some(phases) = self.counts.get_mut(&place.owner) {
            if let Some(count) = phases.get_mut(object.phase()) {
                *count -= 1;
            }
            phases.retain(|_, count| *count > 0);
            if phases.is_empty() {
                self.counts.remove(&place.owner);
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Arc<K>> {
        self.sorted.get(self.places.get(name)?)
    }

    /// The objects of `owner`, or of everybody, in order.
    pub(super) fn iter(&self, owner: Option<&str>) -> Box<dyn Iterator<Item = &Arc<K>> + '_> {
        let Some(owner) = owner else { return Box::new(self.sorted.values()) };
        let owner: Arc<str> = owner.into();
        let first = Place { owner: Arc::clone(&owner), created: i64::MIN, name: "".into() };
        let from_there = self.sorted.range((Bound::Included(first), Bound::Unbounded));
        Box::new(from_there.take_while(move |(place, _)| place.owner == owner).map(|(_, object)| object))
    }

    /// How many objects `owner`, or everybody, has.
    pub(super) fn count(&self, owner: Option<&str>) -> usize {
        match owner {
            None => self.sorted.len(),
            Some(owner) => self.counts.get(owner).map_or(0, |phases| phases.values().sum()),
        }
    }

    /// How many objects `owner`, or everybody, has in each phase; phases without any are absent.
    pub(super) fn phases(&self, owner: Option<&str>) -> BTreeMap<&'static str, usize> {
        let mut sum = BTreeMap::new();
        let of_one = owner.map(|owner| self.counts.get(owner).into_iter().collect::<Vec<_>>());
        for phases in of_one.unwrap_or_else(|| self.counts.values().collect()) {
            for (phase, count) in phases {
                *sum.entry(*phase).or_default() += count;
            }
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    use super::*;
    use crate::crd::{Phase, Session, SessionSpec, SessionStatus};

    fn session(name: &str, user: &str, created: i64, phase: Phase) -> Arc<Session> {
        let mut session = Session::new(name, SessionSpec { user: user.into(), ..SessionSpec::default() });
        session.metadata.creation_timestamp = Some(Time(Timestamp::from_second(created).unwrap()));
        session.status = Some(SessionStatus { phase, ..SessionStatus::default() });
        Arc::new(session)
    }

    fn names(index: &Index<Session>, owner: Option<&str>) -> Vec<String> {
        index.iter(owner).map(|session| session.metadata.name.clone().unwrap()).collect()
    }

    fn filled() -> Index<Session> {
        let mut index = Index::default();
        for (name, user, created, phase) in [
            ("d", "bob", 1, Phase::Running),
            ("c", "alice", 2, Phase::Running),
            ("b", "alice", 1, Phase::Hibernated),
            ("a", "alice", 2, Phase::Running),
            ("e", "alic", 9, Phase::Failed),
        ] {
            index.put(session(name, user, created, phase));
        }
        index
    }

    #[test]
    fn the_order_is_owner_creation_name() {
        assert_eq!(names(&filled(), None), ["e", "b", "a", "c", "d"]);
        assert_eq!(names(&filled(), Some("alice")), ["b", "a", "c"]);
        assert_eq!(names(&filled(), Some("ali")), Vec::<String>::new());
    }

    #[test]
    fn counts_follow_every_change() {
        let mut index = filled();
        assert_eq!(index.phases(Some("alice")), BTreeMap::from([("Running", 2), ("Hibernated", 1)]));
        index.put(session("a", "alice", 2, Phase::Failed));
        index.remove("b");
        index.remove("never there");
        assert_eq!(index.phases(Some("alice")), BTreeMap::from([("Running", 1), ("Failed", 1)]));
        assert_eq!(index.phases(None), BTreeMap::from([("Running", 2), ("Failed", 2)]));
        assert_eq!((index.count(Some("alice")), index.count(None), index.count(Some("carol"))), (2, 4, 0));
    }

    #[test]
    fn a_name_that_comes_back_with_another_creation_stands_once() {
        let mut index = filled();
        index.put(session("b", "bob", 7, Phase::Pending));
        assert_eq!(names(&index, None), ["e", "a", "c", "d", "b"]);
        assert_eq!(index.get("b").unwrap().spec.user, "bob");
    }
}
