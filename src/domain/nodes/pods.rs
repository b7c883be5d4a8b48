//! What a drain does about the pods of a node: those that run sessions go with their sessions, the others by the rules
//! of `kubectl drain`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::wish::Wish;

/// The kind of what keeps one pod on each node.
const DAEMON_SET: &str = "DaemonSet";

/// A pod that is bound to the node, as it is at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PodHere {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid: one of that name that comes later is another.
    pub uid: String,
    /// The kind of what keeps it; `None`: nothing makes it again.
    pub controlled_by: Option<String>,
    /// Whether its node runs it by itself and only shows it.
    pub mirror: bool,
    /// Whether it has ended.
    pub ended: bool,
    /// Whether it is being deleted.
    pub leaving: bool,
    /// Whether it has `emptyDir` volumes, whose data goes with it.
    pub scratch: bool,
    /// The session that its label names.
    pub session: Option<String>,
    /// The budgets that guard it.
    pub budgets: Vec<Budget>,
}

/// A PodDisruptionBudget that guards a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Its name.
    pub name: String,
    /// Whether one more of its pods may go at the moment.
    pub has_room: bool,
}

impl PodHere {
    /// The budgets that have no room for its end.
    #[must_use]
    pub fn blocked_by(&self) -> Vec<String> {
        self.budgets.iter().filter(|budget| !budget.has_room).map(|budget| budget.name.clone()).collect()
    }

    fn full_name(&self) -> String {
        format!("{}/{}", self.namespace, self.name)
    }
}

/// How far it is with a pod.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DrainPodStep)]
pub enum PodStep {
    /// It is to be evicted.
    Evict,
    /// It goes with its session.
    Session,
    /// It is left alone.
    Skip,
    /// A budget has no room for its end: it is tried again until the time is over.
    Blocked,
    /// It ends.
    Evicting,
    /// It is there no more.
    Gone,
    /// It was still there when the time was over, or when the drain was cancelled.
    Stayed,
}

impl PodStep {
    /// Whether nothing more happens to it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Skip | Self::Gone | Self::Stayed)
    }
}

/// A pod in a plan, or in what came of it.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DrainPod)]
pub struct PodEntry {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// The kind of what keeps it; absent where nothing makes it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub controlled_by: Option<String>,
    /// The session that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// What is to happen to it, or has.
    pub step: PodStep,
    /// The budgets that had no room for its end when it was looked last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked_by: Vec<String>,
    /// Why it is left alone or cannot go yet, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// What a wish says about a pod.
enum Verdict {
    Does(PodStep),
    LeftAlone(&'static str),
    Refused(Obstacle),
}

/// Why a node cannot be emptied as it is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    DaemonSets,
    Unmanaged,
    Scratch,
}

impl Obstacle {
    const ALL: [Self; 3] = [Self::DaemonSets, Self::Unmanaged, Self::Scratch];

    const fn words(self) -> &'static str {
        match self {
            Self::DaemonSets => {
                "DaemonSets would make these pods again at once; set ignoreDaemonSets to leave them alone"
            }
            Self::Unmanaged => "nothing makes these pods again; set force to evict them for good",
            Self::Scratch => "these pods keep data in emptyDir volumes; set deleteEmptyDirData to let it go with them",
        }
    }
}

fn judge(wish: &Wish, pod: &PodHere) -> Verdict {
    let daemon = pod.controlled_by.as_deref() == Some(DAEMON_SET);
    if pod.mirror {
        return Verdict::LeftAlone("Its node runs it by itself.");
    }
    if pod.leaving {
        return Verdict::Does(PodStep::Evicting);
    }
    if pod.ended {
        return Verdict::Does(PodStep::Evict);
    }
    match (daemon, wish.ignore_daemon_sets) {
        (true, true) => return Verdict::LeftAlone("A DaemonSet keeps one on each node."),
        (true, false) => return Verdict::Refused(Obstacle::DaemonSets),
        (false, _) => {}
    }
    if pod.session.is_some() {
        // What of it is kept and what goes is the session's business, whichever way it stops.
        return Verdict::Does(PodStep::Session);
    }
    if pod.controlled_by.is_none() && !wish.force {
        return Verdict::Refused(Obstacle::Unmanaged);
    }
    if pod.scratch && !wish.delete_empty_dir_data {
        return Verdict::Refused(Obstacle::Scratch);
    }
    Verdict::Does(if pod.blocked_by().is_empty() { PodStep::Evict } else { PodStep::Blocked })
}

/// What is to be done about a pod now.
#[must_use]
pub fn decide(wish: &Wish, pod: &PodHere) -> PodEntry {
    let (step, message) = match judge(wish, pod) {
        Verdict::Does(step) => (step, None),
        Verdict::LeftAlone(why) => (PodStep::Skip, Some(why.to_owned())),
        Verdict::Refused(obstacle) => (PodStep::Skip, Some(format!("Left alone: {}.", obstacle.words()))),
    };
    PodEntry {
        namespace: pod.namespace.clone(),
        name: pod.name.clone(),
        uid: pod.uid.clone(),
        controlled_by: pod.controlled_by.clone(),
        session: pod.session.clone(),
        step,
        blocked_by: if step.is_final() { Vec::new() } else { pod.blocked_by() },
        message,
    }
}

/// Why the node cannot be emptied as it is asked, as sentences; as `kubectl drain` does, nothing is evicted then.
#[must_use]
pub fn obstacles(wish: &Wish, pods: &[PodHere]) -> Vec<String> {
    let sentence = |obstacle: Obstacle| {
        let concerns = |pod: &&PodHere| matches!(judge(wish, pod), Verdict::Refused(found) if found == obstacle);
        let names: Vec<String> = pods.iter().filter(concerns).map(PodHere::full_name).collect();
        (!names.is_empty()).then(|| format!("{}: {}.", upper(obstacle.words()), names.join(", ")))
    };
    Obstacle::ALL.into_iter().filter_map(sentence).collect()
}

fn upper(words: &str) -> String {
    let mut chars = words.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// Takes in which pods are there; says what is to be done about each of them.
pub fn advance(entries: &mut Vec<PodEntry>, wish: &Wish, here: &[PodHere]) -> Vec<PodEntry> {
    for entry in entries.iter_mut() {
        let there = here.iter().any(|pod| pod.uid == entry.uid);
        if !there && !matches!(entry.step, PodStep::Gone | PodStep::Stayed) {
            (entry.step, entry.blocked_by, entry.message) = (PodStep::Gone, Vec::new(), None);
        }
    }
    here.iter()
        .map(|pod| {
            let mut next = decide(wish, pod);
            match entries.iter_mut().find(|entry| entry.uid == pod.uid) {
                Some(entry) => {
                    // What the API server said last stays until something is otherwise.
                    if !matches!(next.step, PodStep::Skip | PodStep::Evicting) {
                        next.message = entry.message.take();
                    }
                    *entry = next.clone();
                }
                None => entries.push(next.clone()),
            }
            next
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(name: &str) -> PodHere {
        PodHere {
            namespace: "apps".into(),
            name: name.into(),
            uid: format!("uid-{name}"),
            controlled_by: Some("ReplicaSet".into()),
            ..PodHere::default()
        }
    }

    fn all() -> Vec<PodHere> {
        let full = Budget { name: "full".into(), has_room: false };
        vec![
            pod("plain"),
            PodHere { controlled_by: Some(DAEMON_SET.into()), ..pod("daemon") },
            PodHere { mirror: true, controlled_by: Some("Node".into()), ..pod("mirror") },
            PodHere { controlled_by: None, ..pod("bare") },
            PodHere { controlled_by: None, ended: true, scratch: true, ..pod("done") },
            PodHere { scratch: true, ..pod("scratch") },
            PodHere { budgets: vec![full], ..pod("guarded") },
            PodHere { leaving: true, controlled_by: None, ..pod("leaving") },
            PodHere { session: Some("s".into()), scratch: true, ..pod("s") },
        ]
    }

    fn steps(wish: &Wish) -> Vec<PodStep> {
        all().iter().map(|pod| decide(wish, pod).step).collect()
    }

    #[test]
    fn pods_go_and_stay_as_kubectl_drain_has_it() {
        use PodStep::{Blocked, Evict, Evicting, Session, Skip};
        let willing = Wish { force: true, delete_empty_dir_data: true, ..Wish::default() };
        let expected = [Evict, Skip, Skip, Evict, Evict, Evict, Blocked, Evicting, Session];
        assert_eq!(steps(&willing), expected);
        assert_eq!(obstacles(&willing, &all()), Vec::<String>::new());
        assert_eq!(decide(&willing, &all()[6]).blocked_by, ["full"]);
    }

    #[test]
    fn what_would_be_lost_needs_a_word_and_each_obstacle_names_its_pods() {
        let strict = Wish { ignore_daemon_sets: false, ..Wish::default() };
        let told = obstacles(&strict, &all());
        let names: Vec<_> = told.iter().map(|text| text.rsplit_once(": ").unwrap().1).collect();
        assert_eq!(names, ["apps/daemon.", "apps/bare.", "apps/scratch."]);
        for (text, word) in told.iter().zip(["ignoreDaemonSets", "force", "deleteEmptyDirData"]) {
            assert!(text.contains(word), "{text}");
        }
        assert_eq!(decide(&strict, &all()[3]).step, PodStep::Skip, "one that comes later is left alone");
    }

    #[test]
    fn what_is_there_no_more_is_gone_and_what_was_said_about_the_rest_stays() {
        let wish = Wish { force: true, delete_empty_dir_data: true, ..Wish::default() };
        let mut entries = Vec::new();
        advance(&mut entries, &wish, &all());
        entries[6].message = Some("The budget full needs 1 pod.".into());
        let rest: Vec<PodHere> = all().into_iter().skip(6).collect();
        let wanted = advance(&mut entries, &wish, &rest);
        assert_eq!(wanted.len(), 3);
        assert!(entries[..6].iter().all(|entry| entry.step == PodStep::Gone), "{entries:?}");
        assert_eq!(entries[6].message.as_deref(), Some("The budget full needs 1 pod."));
        let again = PodHere { uid: "another".into(), ..pod("plain") };
        advance(&mut entries, &wish, &[again]);
        assert_eq!(entries.len(), 10, "one of the same name made anew is another");
    }
}
