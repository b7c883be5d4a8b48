//! Quotas and budgets: how much a person, or a group of people, may have at once, and how much in a month.

use std::fmt;

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{
    fields::FieldError,
    quantity::{self, write_bytes, write_cpu},
    session::Resolved,
};

/// Names of sessions that a refusal lists.
const LISTED: usize = 5;
/// Most sessions and GPUs that a limit can name: beyond that it is none.
const LARGEST_COUNT: i64 = 1_000_000;
/// Most hours that a budget can name: a thousand years of a thousand cores.
const MOST_HOURS: f64 = 1e10;
const SECONDS_OF_HOUR: f64 = 3_600.0;
/// From this part of a budget on people are warned, in hundredths.
const LITTLE_LEFT_PERCENT: i64 = 80;

/// What is limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dimension {
    /// Sessions, from their creation until their object is gone.
    Sessions,
    /// Processor time of those that are not at rest, in thousandths of a core.
    Cpu,
    /// Memory of those that are not at rest, in bytes.
    Memory,
    /// GPUs of those that are not at rest.
    Gpu,
    /// Size of the homes of all of them, in bytes; each home counts once.
    Storage,
    /// Cores times the time that they were given for, in seconds of a month.
    CpuTime,
    /// GiB of memory times the time that they were given for, in seconds of a month.
    MemoryTime,
    /// GPUs times the time that they were given for, in seconds of a month.
    GpuTime,
}

impl Dimension {
    /// Every one of them, in the order in which they are asked.
    pub const ALL: [Self; 8] = [
        Self::Sessions,
        Self::Cpu,
        Self::Memory,
        Self::Gpu,
        Self::Storage,
        Self::CpuTime,
        Self::MemoryTime,
        Self::GpuTime,
    ];

    /// Whether it is counted by the month.
    #[must_use]
    pub const fn is_budget(self) -> bool {
        matches!(self, Self::CpuTime | Self::MemoryTime | Self::GpuTime)
    }

    /// As the beginning of a sentence; of a budget, its unit.
    const fn words(self) -> &'static str {
        match self {
            Self::Sessions => "The number of sessions",
            Self::Cpu => "CPU",
            Self::Memory => "Memory",
            Self::Gpu => "The number of GPUs",
            Self::Storage => "Storage",
            Self::CpuTime => "CPU-hours",
            Self::MemoryTime => "GiB-hours of memory",
            Self::GpuTime => "GPU-hours",
        }
    }

    /// An amount of it, as Kubernetes writes it.
    #[must_use]
    pub fn text(self, amount: i64) -> String {
        let natural = u64::try_from(amount).unwrap_or(0);
        match self {
            Self::Sessions | Self::Gpu => amount.to_string(),
            Self::Cpu => write_cpu(natural),
            Self::Memory | Self::Storage => write_bytes(natural),
            Self::CpuTime | Self::MemoryTime | Self::GpuTime => hours(amount).to_string(),
        }
    }
}

/// One value for each thing that is limited.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Each<T> {
    /// Sessions.
    pub sessions: T,
    /// Thousandths of a core.
    pub cpu_millicores: T,
    /// Bytes.
    pub memory_bytes: T,
    /// Whole GPUs.
    pub gpus: T,
    /// Bytes.
    pub storage_bytes: T,
    /// Seconds of a core, in a month.
    pub cpu_seconds: T,
    /// Seconds of a GiB, in a month.
    pub memory_seconds: T,
    /// Seconds of a GPU, in a month.
    pub gpu_seconds: T,
}

/// How much there is of each.
pub type Amounts = Each<i64>;

/// Limits; `None` = no bound.
pub type Limits = Each<Option<i64>>;

impl<T: Copy> Each<T> {
    /// The value for one thing.
    #[must_use]
    pub const fn get(&self, dimension: Dimension) -> T {
        match dimension {
            Dimension::Sessions => self.sessions,
            Dimension::Cpu => self.cpu_millicores,
            Dimension::Memory => self.memory_bytes,
            Dimension::Gpu => self.gpus,
            Dimension::Storage => self.storage_bytes,
            Dimension::CpuTime => self.cpu_seconds,
            Dimension::MemoryTime => self.memory_seconds,
            Dimension::GpuTime => self.gpu_seconds,
        }
    }

    /// What `to` makes of each value.
    #[must_use]
    pub fn map<U>(&self, to: impl Fn(T) -> U) -> Each<U> {
        Each {
            sessions: to(self.sessions),
            cpu_millicores: to(self.cpu_millicores),
            memory_bytes: to(self.memory_bytes),
            gpus: to(self.gpus),
            storage_bytes: to(self.storage_bytes),
            cpu_seconds: to(self.cpu_seconds),
            memory_seconds: to(self.memory_seconds),
            gpu_seconds: to(self.gpu_seconds),
        }
    }
}

impl Amounts {
    /// What a session that got `resolved` holds while it is not at rest; `storage_bytes`: of its home. Of what is counted
    /// by the month it takes a moment at least, so that nothing starts where nothing is left.
    #[must_use]
    pub fn of(resolved: &Resolved, storage_bytes: u64) -> Self {
        let whole = |amount: u64| i64::try_from(amount).unwrap_or(i64::MAX);
        Self {
            sessions: 1,
            cpu_millicores: whole(resolved.cpu_millicores),
            memory_bytes: whole(resolved.memory_bytes),
            gpus: resolved.gpus.into(),
            storage_bytes: whole(storage_bytes),
            cpu_seconds: 1,
            memory_seconds: 1,
            gpu_seconds: resolved.gpus.min(1).into(),
        }
    }

    /// What is left of it at rest.
    #[must_use]
    pub fn at_rest(self) -> Self {
        Self { sessions: self.sessions, storage_bytes: self.storage_bytes, ..Self::default() }
    }

    /// Whether none of `other` is more than this.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        Dimension::ALL.iter().all(|dimension| other.get(*dimension) <= self.get(*dimension))
    }
}

/// Amounts of what is limited; what is absent has no limit.
///
/// Counts are numbers, the rest Kubernetes quantities.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(as = QuotaAmounts, description = "Amounts of what is limited; what is absent has no limit.")]
pub struct Written {
    /// Sessions, from their creation until they are deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub sessions: Option<i64>,
    /// Processor time of sessions that are not at rest, such as `500m` or `4`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<String>,
    /// Memory of sessions that are not at rest, such as `8Gi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<String>,
    /// GPUs of sessions that are not at rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
    /// Size of the homes of all sessions, such as `20Gi`; each home counts once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// Hours of a core in a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub cpu_hours: Option<f64>,
    /// Hours of a GiB of memory in a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub memory_hours: Option<f64>,
    /// Hours of a GPU in a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub gpu_hours: Option<f64>,
}

impl Limits {
    /// Reads limits as they are written.
    ///
    /// # Errors
    /// Every field that is wrong, with what it may be.
    pub fn read(written: &Written) -> Result<Self, Vec<FieldError>> {
        let mut wrong = vec![];
        let mut take = |field: &str, result: Option<Result<i64, String>>| {
            result?.map_err(|message| wrong.push(FieldError::new(field, message))).ok()
        };
        let cpu = |text: &str| quantity::cpu_millicores(text).map_err(|error| error.to_string()).and_then(signed);
        let bytes = |text: &str| quantity::bytes(text).map_err(|error| error.to_string()).and_then(signed);
        let limits = Self {
            sessions: take("sessions", written.sessions.map(count)),
            cpu_millicores: take("cpu", written.cpu.as_deref().map(cpu)),
            memory_bytes: take("memory", written.memory.as_deref().map(bytes)),
            gpus: take("gpu", written.gpu.as_deref().map(|text| text.parse().map_err(|_| counts()).and_then(count))),
            storage_bytes: take("storage", written.storage.as_deref().map(bytes)),
            cpu_seconds: take("cpuHours", written.cpu_hours.map(seconds)),
            memory_seconds: take("memoryHours", written.memory_hours.map(seconds)),
            gpu_seconds: take("gpuHours", written.gpu_hours.map(seconds)),
        };
        if wrong.is_empty() { Ok(limits) } else { Err(wrong) }
    }

    /// The limits as they are written.
    #[must_use]
    pub fn write(&self) -> Written {
        let text = |dimension: Dimension| self.get(dimension).map(|amount| dimension.text(amount));
        Written {
            sessions: self.sessions,
            cpu: text(Dimension::Cpu),
            memory: text(Dimension::Memory),
            gpu: text(Dimension::Gpu),
            storage: text(Dimension::Storage),
            cpu_hours: self.cpu_seconds.map(hours),
            memory_hours: self.memory_seconds.map(hours),
            gpu_hours: self.gpu_seconds.map(hours),
        }
    }
}

/// Seconds as hours, to a hundredth.
#[must_use]
#[allow(clippy::cast_precision_loss, reason = "it is rounded to a hundredth anyway")]
pub fn hours(seconds: i64) -> f64 {
    (seconds as f64 / SECONDS_OF_HOUR * 100.0).round() / 100.0
}

#[allow(clippy::cast_possible_truncation, reason = "the range was looked at")]
fn seconds(hours: f64) -> Result<i64, String> {
    if (0.0..=MOST_HOURS).contains(&hours) {
        Ok((hours * SECONDS_OF_HOUR).round() as i64)
    } else {
        Err(format!("must lie between 0 and {MOST_HOURS} hours"))
    }
}

/// The part of a month that has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Month {
    /// Its beginning.
    pub since: Timestamp,
    /// The present moment.
    pub now: Timestamp,
}

impl Month {
    /// The month of `now` where the clocks show the time of `zone`.
    #[must_use]
    pub fn at(now: Timestamp, zone: &TimeZone) -> Self {
        let first = now.to_zoned(zone.clone()).first_of_month().and_then(|first| first.start_of_day());
        // Only at the ends of time is there no first of the month.
        Self { since: first.map_or(now, |first| first.timestamp()), now }
    }
}

fn signed(amount: u64) -> Result<i64, String> {
    i64::try_from(amount).map_err(|error| error.to_string())
}

fn count(number: i64) -> Result<i64, String> {
    if (0..=LARGEST_COUNT).contains(&number) { Ok(number) } else { Err(counts()) }
}

fn counts() -> String {
    format!("must lie between 0 and {LARGEST_COUNT}")
}

/// Whose limits they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Everybody's who has none of their own.
    Default,
    /// A person's.
    User(String),
    /// Those that all members of a group share.
    Group(String),
    /// Those that all sessions of a project share.
    Project(String),
}

impl Subject {
    /// Its word in the database.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::User(_) => "user",
            Self::Group(_) => "group",
            Self::Project(_) => "project",
        }
    }

    /// Its name; empty for the default.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Default => "",
            Self::User(name) | Self::Group(name) | Self::Project(name) => name,
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("everybody"),
            Self::User(name) => f.write_str(name),
            Self::Group(name) => write!(f, "the group {name}"),
            Self::Project(name) => write!(f, "the project {name}"),
        }
    }
}

/// Where limits come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = QuotaOrigin)]
pub enum Origin {
    /// They were set for this person or group.
    Own,
    /// They are everybody's.
    Default,
    /// There are none.
    None,
}

/// Limits that hold for a person, and what is used of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Whose.
    pub subject: Subject,
    /// Where they come from.
    pub origin: Origin,
    /// How much may be used.
    pub limits: Limits,
    /// How much is, by the sessions of everybody whom they bind.
    pub used: Amounts,
}

impl Bound {
    /// Of which budgets little is left, in words that stay the same while nothing runs out; `None`: of none.
    #[must_use]
    pub fn little_left(&self) -> Option<String> {
        let little = |dimension: &Dimension| {
            let limit = self.limits.get(*dimension).filter(|limit| *limit > 0)?;
            let used = self.used.get(*dimension).saturating_mul(100);
            let many = dimension.is_budget() && used >= limit.saturating_mul(LITTLE_LEFT_PERCENT);
            many.then(|| format!("{} {}", dimension.text(limit), dimension.words()))
        };
        let all: Vec<String> = Dimension::ALL.iter().filter_map(little).collect();
        let (subject, all) = (&self.subject, (!all.is_empty()).then(|| all.join(" and of "))?);
        Some(format!("{LITTLE_LEFT_PERCENT} % or more of {all} that {subject} may use in this month are used."))
    }
}

/// Why a session may not have what it asks for. `Display` says which limit, how much is used and by what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Whose limit.
    pub subject: Subject,
    /// Of what.
    pub dimension: Dimension,
    /// How much may be used.
    pub limit: i64,
    /// How much is.
    pub used: i64,
    /// How much more is asked for.
    pub asked: i64,
    /// The sessions of the same owner that use some of it.
    pub by: Vec<String>,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, dimension, limit, used, asked, by } = self;
        let (words, text) = (dimension.words(), |amount| dimension.text(amount));
        if dimension.is_budget() {
            return write!(f, "{subject} has used {} of {} {words} of this month", text(*used), text(*limit));
        }
        write!(f, "{words} of {subject} is limited to {}: {} in use", text(*limit), text(*used))?;
        if !by.is_empty() {
            let more = if by.len() > LISTED { format!(" and {} more", by.len() - LISTED) } else { String::new() };
            let names: Vec<&str> = by.iter().take(LISTED).map(String::as_str).collect();
            // Of what is shared only one's own are named.
            let others =
                if matches!(subject, Subject::Group(_) | Subject::Project(_)) { ", and what others use" } else { "" };
            write!(f, " ({}{more}{others})", names.join(", "))?;
        }
        write!(f, ", {} more asked for", text(*asked))
    }
}

/// The first limit that would be exceeded if a session that holds `held` came to hold `wanted`.
///
/// `bounds` count what it holds. What does not grow is not asked about: a limit that was lowered keeps nobody from
/// waking one session in place of another.
#[must_use]
pub fn exceeded(bounds: &[Bound], held: &Amounts, wanted: &Amounts) -> Option<Exceeded> {
    let mut all = bounds.iter().flat_map(|bound| Dimension::ALL.map(|dimension| (bound, dimension)));
    all.find_map(|(bound, dimension)| {
        let (limit, used) = (bound.limits.get(dimension)?, bound.used.get(dimension));
        let asked = wanted.get(dimension) - held.get(dimension);
        let over = asked > 0 && used.saturating_add(asked) > limit;
        let subject = bound.subject.clone();
        over.then(|| Exceeded { subject, dimension, limit, used, asked, by: vec![] })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: i64 = 1 << 30;

    #[test]
    fn little_is_left_of_a_budget_from_four_fifths_of_it_on_and_of_nothing_else() {
        let limits = Limits { sessions: Some(1), cpu_seconds: Some(36_000), gpu_seconds: Some(0), ..Limits::default() };
        let used = |cpu_seconds| Amounts { sessions: 1, cpu_seconds, ..Amounts::default() };
        assert_eq!(bound(limits, used(28_799)).little_left(), None);
        let words = "80 % or more of 10 CPU-hours that alice may use in this month are used.";
        assert_eq!(bound(limits, used(28_800)).little_left().as_deref(), Some(words));
        assert_eq!(bound(limits, used(40_000)).little_left().as_deref(), Some(words));
    }

    fn bound(limits: Limits, used: Amounts) -> Bound {
        Bound { subject: Subject::User("alice".into()), origin: Origin::Own, limits, used }
    }

    fn one(cpu_millicores: i64) -> Amounts {
        Amounts { sessions: 1, cpu_millicores, memory_bytes: GIB, storage_bytes: 10 * GIB, ..Amounts::default() }
    }

    #[test]
    fn a_limit_may_be_reached_and_not_passed() {
        let limits = Limits { cpu_millicores: Some(3000), ..Limits::default() };
        let ask = |used, wanted| exceeded(&[bound(limits, one(used))], &Amounts::default(), &one(wanted));
        assert_eq!(ask(1000, 2000), None);
        let refused = ask(1000, 2001).unwrap();
        assert_eq!((refused.limit, refused.used, refused.asked), (3000, 1000, 2001));
        assert_eq!(ask(i64::MAX, 1).unwrap().dimension, Dimension::Cpu);
    }

    #[test]
    fn only_what_grows_is_asked_about() {
        let limits = Limits { sessions: Some(1), cpu_millicores: Some(1000), ..Limits::default() };
        let both = Amounts { sessions: 2, ..one(0) };
        let wake = |wanted| exceeded(&[bound(limits, both)], &one(1000).at_rest(), &one(wanted));
        assert_eq!(wake(1000), None, "that there are two sessions is past asking");
        assert_eq!(wake(1500).unwrap().dimension, Dimension::Cpu);
        let another = exceeded(&[bound(limits, both)], &Amounts::default(), &one(0));
        assert_eq!(another.unwrap().dimension, Dimension::Sessions);
    }

    #[test]
    fn nothing_starts_where_nothing_of_the_month_is_left() {
        let limits = Limits { cpu_seconds: Some(3600), ..Limits::default() };
        let run = Amounts { cpu_seconds: 1, ..one(1000) };
        let start =
            |used: i64| exceeded(&[bound(limits, Amounts { cpu_seconds: used, ..one(0) })], &run.at_rest(), &run);
        assert_eq!(start(3599), None);
        let spent = start(3600).unwrap();
        assert_eq!(spent.to_string(), "alice has used 1 of 1 CPU-hours of this month");
        let goes_on = exceeded(&[bound(limits, Amounts { cpu_seconds: 9999, ..one(0) })], &run, &run);
        assert_eq!(goes_on, None, "what runs asks for nothing more");
    }

    #[test]
    fn a_month_begins_where_the_people_are() {
        let now: Timestamp = "2030-02-28T23:30:00Z".parse().unwrap();
        let since = |zone: TimeZone| Month::at(now, &zone).since.to_string();
        assert_eq!(since(TimeZone::UTC), "2030-02-01T00:00:00Z");
        assert_eq!(since(TimeZone::fixed(jiff::tz::offset(1))), "2030-02-28T23:00:00Z");
    }

    #[test]
    fn each_subject_is_asked() {
        let free = bound(Limits::default(), one(1000));
        let limits = Limits { memory_bytes: Some(2 * GIB), ..Limits::default() };
        let group = |used| Bound {
            subject: Subject::Group("physics".into()),
            used: Amounts { memory_bytes: used, ..Amounts::default() },
            ..bound(limits, one(0))
        };
        assert_eq!(exceeded(&[free.clone(), group(GIB)], &Amounts::default(), &one(1)), None);
        let refused = exceeded(&[free, group(2 * GIB)], &Amounts::default(), &one(1)).unwrap();
        assert_eq!(refused.subject, Subject::Group("physics".into()));
    }

    #[test]
    fn a_refusal_says_which_limit_how_much_is_used_and_by_what() {
        let mut refused = Exceeded {
            subject: Subject::User("alice".into()),
            dimension: Dimension::Sessions,
            limit: 2,
            used: 2,
            asked: 1,
            by: vec!["a".into(), "b".into()],
        };
        let says = |refused: &Exceeded| refused.to_string();
        assert_eq!(
            says(&refused),
            "The number of sessions of alice is limited to 2: 2 in use (a, b), 1 more asked for"
        );
        refused.by = (0..7).map(|number| number.to_string()).collect();
        assert!(says(&refused).contains("(0, 1, 2, 3, 4 and 2 more)"), "{refused}");
        refused.subject = Subject::Group("physics".into());
        (refused.dimension, refused.limit, refused.used, refused.by) =
            (Dimension::Memory, 4 * GIB, 7 * GIB / 2, vec!["a".into()]);
        refused.asked = GIB;
        assert_eq!(
            says(&refused),
            "Memory of the group physics is limited to 4Gi: 3584Mi in use (a, and what others use), 1Gi more asked for"
        );
    }

    #[test]
    fn limits_are_read_as_they_are_written_and_each_wrong_one_is_named() {
        let written = Written {
            sessions: Some(0),
            cpu: Some("500m".into()),
            memory: Some("8Gi".into()),
            gpu: Some("128".into()),
            cpu_hours: Some(0.5),
            ..Written::default()
        };
        let limits = Limits::read(&written).unwrap();
        assert_eq!((limits.sessions, limits.cpu_millicores, limits.gpus), (Some(0), Some(500), Some(128)));
        assert_eq!((limits.cpu_seconds, limits.gpu_seconds), (Some(1800), None));
        assert_eq!(limits.write(), written);
        let wrong = Written {
            sessions: Some(-1),
            cpu: Some("much".into()),
            memory: Some("1".into()),
            gpu: Some("0.5".into()),
            storage: Some(String::new()),
            cpu_hours: Some(-1.0),
            memory_hours: Some(f64::NAN),
            gpu_hours: Some(1e11),
        };
        let fields: Vec<String> = Limits::read(&wrong).unwrap_err().into_iter().map(|error| error.field).collect();
        assert_eq!(fields, ["sessions", "cpu", "memory", "gpu", "storage", "cpuHours", "memoryHours", "gpuHours"]);
    }
}
