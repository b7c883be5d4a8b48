//! Table `reservations`: what each session holds of the limits, and the one function that gives it.
//!
//! The API calls it before it creates or wakes a session, the controller before it starts one: what came without the API
//! asks there, and for the rest the answer is known. All of them wait for one lock, so that two who ask at once for the
//! last slot are answered one after the other, whichever server they asked.

use deadpool_postgres::{GenericClient, Transaction};
use tokio_postgres::Row;

use crate::{
    Error,
    domain::quota::{Amounts, Bound, Dimension, Exceeded, Limits, Month, Origin, Subject, exceeded},
    store::quotas,
};

/// The advisory lock of whoever gives reservations; any number that nothing else takes.
const LOCK: i64 = 0x7175_6f74_6173;
/// Sessions that a refusal is told of, which names fewer.
const MOST_NAMED: i64 = 100;

/// What a session asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// `metadata.name`.
    pub session: String,
    /// `metadata.uid`; `None` before there is an object.
    pub session_uid: Option<String>,
    /// Its owner.
    pub owner: String,
    /// The project that it is for.
    pub project: Option<String>,
    /// The home that it mounts; sessions of one home hold its storage once.
    pub home: String,
    /// What it holds while it is not at rest.
    pub amounts: Amounts,
}

/// What a session holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reservation {
    /// `metadata.name`.
    pub session: String,
    /// `metadata.uid`; `None`: its object was not seen yet.
    pub session_uid: Option<String>,
    /// Whether CPU, memory and GPUs count.
    pub running: bool,
    owner: String,
    amounts: Amounts,
}

fn from_row(row: &Row) -> Result<Reservation, Error> {
    let running: bool = row.try_get("running")?;
    let whole = Amounts {
        sessions: 1,
        cpu_millicores: row.try_get("cpu_millicores")?,
        memory_bytes: row.try_get("memory_bytes")?,
        gpus: row.try_get("gpus")?,
        storage_bytes: row.try_get("storage_bytes")?,
        cpu_seconds: 1,
        memory_seconds: 1,
        gpu_seconds: 1,
    };
    Ok(Reservation {
        session: row.try_get("session")?,
        session_uid: row.try_get("session_uid")?,
        owner: row.try_get("owner")?,
        amounts: if running { whole } else { whole.at_rest() },
        running,
    })
}

/// Gives a session what it asks for, if every limit of its owner and their groups allows it; once given, again is given.
/// Belongs into a transaction that ends soon: others wait. `month`: that of the budgets.
pub async fn admit(transaction: &Transaction<'_>, ask: &Ask, month: &Month) -> Result<Result<(), Exceeded>, Error> {
    let lock = transaction.prepare_cached("SELECT pg_advisory_xact_lock($1)").await?;
    transaction.execute(&lock, &[&LOCK]).await?;
    let held = held(transaction, ask).await?.unwrap_or_default();
    if !held.covers(&ask.amounts) {
        let bounds = bounds(transaction, &ask.owner, ask.project.as_deref(), month).await?;
        let storage = shared_storage(transaction, ask).await?;
        let known = Amounts { storage_bytes: held.storage_bytes.max(storage), ..held };
        if let Some(refused) = exceeded(&bounds, &known, &ask.amounts) {
            let by = users_of(transaction, ask, &refused).await?;
            return Ok(Err(Exceeded { by, ..refused }));
        }
    }
    put(transaction, ask).await?;
    Ok(Ok(()))
}

/// What the session holds, if that is its owner's.
async fn held(db: &impl GenericClient, ask: &Ask) -> Result<Option<Amounts>, Error> {
    let statement = db.prepare_cached("SELECT * FROM reservations WHERE session = $1").await?;
    let found = db.query_opt(&statement, &[&ask.session]).await?.as_ref().map(from_row).transpose()?;
    Ok(found.filter(|found| found.owner == ask.owner).map(|found| found.amounts))
}

/// What another session of its owner holds of the same home.
async fn shared_storage(db: &impl GenericClient, ask: &Ask) -> Result<i64, Error> {
    let statement = db
        .prepare_cached(
            "SELECT coalesce(max(storage_bytes), 0)::bigint FROM reservations
             WHERE owner = $1 AND home = $2 AND session <> $3",
        )
        .await?;
    Ok(db.query_one(&statement, &[&ask.owner, &ask.home, &ask.session]).await?.try_get(0)?)
}

/// The owner's own sessions that use some of what is limited.
async fn users_of(db: &impl GenericClient, ask: &Ask, refused: &Exceeded) -> Result<Vec<String>, Error> {
    let uses = match refused.dimension {
        Dimension::Sessions | Dimension::Storage => "true",
        Dimension::Cpu | Dimension::Memory => "running",
        Dimension::Gpu => "running AND gpus > 0",
        // A month is used up by what is gone as well.
        Dimension::CpuTime | Dimension::MemoryTime | Dimension::GpuTime => return Ok(vec![]),
    };
    let query = format!(
        "SELECT session FROM reservations
         WHERE owner = $1 AND session <> $2 AND ($4::text IS NULL OR project = $4) AND {uses} ORDER BY session LIMIT $3"
    );
    let project = Some(refused.subject.name()).filter(|_| matches!(refused.subject, Subject::Project(_)));
    let statement = db.prepare_cached(&query).await?;
    let rows = db.query(&statement, &[&ask.owner, &ask.session, &MOST_NAMED, &project]).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// Writes down what a session holds without asking whether it may: it runs, or lies there. What was given before stays.
pub async fn adopt(db: &impl GenericClient, ask: &Ask, running: bool) -> Result<(), Error> {
    write(db, ask, running, "session_uid = excluded.session_uid").await
}

/// Writes down what a session is given.
async fn put(db: &impl GenericClient, ask: &Ask) -> Result<(), Error> {
    let all = "session_uid = coalesce(excluded.session_uid, reservations.session_uid), owner = excluded.owner,
        cpu_millicores = excluded.cpu_millicores, memory_bytes = excluded.memory_bytes, gpus = excluded.gpus,
        home = excluded.home, storage_bytes = excluded.storage_bytes, running = true, reserved_at = now(),
        project = excluded.project";
    write(db, ask, true, all).await
}

async fn write(db: &impl GenericClient, ask: &Ask, running: bool, else_set: &str) -> Result<(), Error> {
    let query = format!(
        "INSERT INTO reservations (session, session_uid, owner, cpu_millicores, memory_bytes, gpus, home,
                                   storage_bytes, running, project)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT (session) DO UPDATE SET {else_set}"
    );
    let statement = db.prepare_cached(&query).await?;
    let Ask { session, session_uid, owner, project, home, amounts } = ask;
    let Amounts { cpu_millicores, memory_bytes, gpus, storage_bytes, .. } = amounts;
    db.execute(
        &statement,
        &[session, session_uid, owner, cpu_millicores, memory_bytes, gpus, home, storage_bytes, &running, project],
    )
    .await?;
    Ok(())
}

/// Notes that a session is at rest: its CPU, memory and GPUs are free.
pub async fn rest(db: &impl GenericClient, session: &str, uid: &str) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "UPDATE reservations SET running = false
             WHERE session = $1 AND coalesce(session_uid, $2) = $2 AND running",
        )
        .await?;
    db.execute(&statement, &[&session, &uid]).await?;
    Ok(())
}

/// Frees what a session held whose object is gone; another object of that name keeps what it holds.
pub async fn free(db: &impl GenericClient, session: &str, uid: &str) -> Result<(), Error> {
    let statement =
        db.prepare_cached("DELETE FROM reservations WHERE session = $1 AND coalesce(session_uid, $2) = $2").await?;
    db.execute(&statement, &[&session, &uid]).await?;
    Ok(())
}

/// Frees what was reserved for a session whose object could not be made.
pub async fn give_back(db: &impl GenericClient, session: &str) -> Result<(), Error> {
    let statement = db.prepare_cached("DELETE FROM reservations WHERE session = $1 AND session_uid IS NULL").await?;
    db.execute(&statement, &[&session]).await?;
    Ok(())
}

/// The reservations that nothing was asked of for `seconds`.
pub async fn older_than(db: &impl GenericClient, seconds: f64) -> Result<Vec<Reservation>, Error> {
    let statement =
        db.prepare_cached("SELECT * FROM reservations WHERE reserved_at < now() - make_interval(secs => $1)").await?;
    db.query(&statement, &[&seconds]).await?.iter().map(from_row).collect()
}

/// Frees a reservation as it was found, unless something was asked of it since.
pub async fn free_if_older(db: &impl GenericClient, session: &str, seconds: f64) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "DELETE FROM reservations WHERE session = $1 AND reserved_at < now() - make_interval(secs => $2)",
        )
        .await?;
    db.execute(&statement, &[&session, &seconds]).await?;
    Ok(())
}

/// Puts a reservation to rest as it was found, unless something was asked of it since.
pub async fn rest_if_older(db: &impl GenericClient, session: &str, seconds: f64) -> Result<(), Error> {
    let statement = db
        .prepare_cached(
            "UPDATE reservations SET running = false
             WHERE session = $1 AND running AND reserved_at < now() - make_interval(secs => $2)",
        )
        .await?;
    db.execute(&statement, &[&session, &seconds]).await?;
    Ok(())
}

/// What is used of the limits of each of `subjects`, rows of `(kind, name)`: by `people`, rows of `(kind, name, person)`,
/// and for projects by the sessions that name them. The month began at `$2`, and it is `$3`.
const USED: &str = "
    held AS (
        SELECT DISTINCT p.kind, p.name, r.session, r.cpu_millicores, r.memory_bytes, r.gpus, r.home, r.storage_bytes,
               r.running
        FROM people p JOIN reservations r ON r.owner = p.person
        UNION ALL
        SELECT s.kind, s.name, r.session, r.cpu_millicores, r.memory_bytes, r.gpus, r.home, r.storage_bytes, r.running
        FROM subjects s JOIN reservations r ON r.project = s.name WHERE s.kind = 'project'
    ), homes AS (
        SELECT kind, name, sum(bytes)::bigint AS bytes
        FROM (SELECT kind, name, max(storage_bytes) AS bytes FROM held GROUP BY kind, name, home) each
        GROUP BY kind, name
    ), used AS (
        SELECT kind, name, count(*) AS used_sessions,
               coalesce(sum(cpu_millicores) FILTER (WHERE running), 0)::bigint AS used_cpu,
               coalesce(sum(memory_bytes) FILTER (WHERE running), 0)::bigint AS used_memory,
               coalesce(sum(gpus) FILTER (WHERE running), 0)::bigint AS used_gpus
        FROM held GROUP BY kind, name
    ), runs AS (
        SELECT DISTINCT p.kind, p.name, r.* FROM people p JOIN usage_runs r ON r.owner = p.person
        WHERE coalesce(r.ended_at, $3) > $2
        UNION ALL
        SELECT s.kind, s.name, r.* FROM subjects s JOIN usage_runs r ON r.project = s.name
        WHERE s.kind = 'project' AND coalesce(r.ended_at, $3) > $2
    ), ran AS (
        SELECT *, extract(epoch FROM least(coalesce(ended_at, $3), $3) - greatest(started_at, $2)) AS seconds FROM runs
    ), times AS (
        SELECT kind, name, (sum(cpu_millicores * seconds) / 1000)::bigint AS cpu_time,
               (sum(memory_bytes * seconds) / 1073741824)::bigint AS memory_time,
               sum(gpus * seconds)::bigint AS gpu_time
        FROM ran WHERE seconds > 0 GROUP BY kind, name
    )
    SELECT s.kind, s.name, q.kind AS set_for, q.sessions, q.cpu_millicores, q.memory_bytes, q.gpus, q.storage_bytes,
           q.cpu_seconds, q.memory_seconds, q.gpu_seconds, coalesce(t.cpu_time, 0) AS cpu_time,
           coalesce(t.memory_time, 0) AS memory_time, coalesce(t.gpu_time, 0) AS gpu_time,
           coalesce(u.used_sessions, 0) AS used_sessions, coalesce(u.used_cpu, 0) AS used_cpu,
           coalesce(u.used_memory, 0) AS used_memory, coalesce(u.used_gpus, 0) AS used_gpus,
           coalesce(h.bytes, 0)::bigint AS used_storage
    FROM subjects s
    LEFT JOIN used u USING (kind, name)
    LEFT JOIN homes h USING (kind, name)
    LEFT JOIN times t USING (kind, name)
    LEFT JOIN LATERAL (
        SELECT * FROM quotas q
        WHERE (q.kind = s.kind AND q.subject = s.name) OR (q.kind = 'default' AND s.kind = 'user')
        ORDER BY q.kind = 'default' LIMIT 1
    ) q ON true
    ORDER BY s.kind DESC, s.name";

fn bound(row: &Row) -> Result<Bound, Error> {
    let (kind, name): (&str, String) = (row.try_get("kind")?, row.try_get("name")?);
    let set_for: Option<&str> = row.try_get("set_for")?;
    Ok(Bound {
        subject: match kind {
            "group" => Subject::Group(name),
            "project" => Subject::Project(name),
            _ => Subject::User(name),
        },
        origin: match set_for {
            None => Origin::None,
            Some("default") => Origin::Default,
            Some(_) => Origin::Own,
        },
        limits: if set_for.is_some() { quotas::limits(row)? } else { Limits::default() },
        used: Amounts {
            sessions: row.try_get("used_sessions")?,
            cpu_millicores: row.try_get("used_cpu")?,
            memory_bytes: row.try_get("used_memory")?,
            gpus: row.try_get("used_gpus")?,
            storage_bytes: row.try_get("used_storage")?,
            cpu_seconds: row.try_get("cpu_time")?,
            memory_seconds: row.try_get("memory_time")?,
            gpu_seconds: row.try_get("gpu_time")?,
        },
    })
}

/// The limits that hold for the sessions of a person, their own first, then those of `project`, then those of each of
/// their groups, with what is used.
pub async fn bounds(
    db: &impl GenericClient,
    user: &str,
    project: Option<&str>,
    month: &Month,
) -> Result<Vec<Bound>, Error> {
    let query = format!(
        "WITH subjects AS (
             SELECT 'user' AS kind, $1::text AS name
             UNION
             SELECT 'group', m.group_name FROM group_members m JOIN users u ON u.id = m.user_id WHERE u.name = $1
             UNION
             SELECT 'project', $4::text WHERE $4 IS NOT NULL
         ), people AS (
             SELECT kind, name, name AS person FROM subjects WHERE kind = 'user'
             UNION
             SELECT s.kind, s.name, u.name FROM subjects s
             JOIN group_members m ON m.group_name = s.name JOIN users u ON u.id = m.user_id WHERE s.kind = 'group'
         ), {USED}"
    );
    let statement = db.prepare_cached(&query).await?;
    db.query(&statement, &[&user, &month.since, &month.now, &project]).await?.iter().map(bound).collect()
}

/// The limits of a project, with what its sessions use together.
pub async fn of_project(db: &impl GenericClient, project: &str, month: &Month) -> Result<Bound, Error> {
    let query = format!(
        "WITH subjects AS (SELECT 'project' AS kind, $1::text AS name),
         people AS (SELECT kind, name, name AS person FROM subjects WHERE false), {USED}"
    );
    let statement = db.prepare_cached(&query).await?;
    bound(&db.query_one(&statement, &[&project, &month.since, &month.now]).await?)
}

/// The limits of a group, with what its members use together.
pub async fn of_group(db: &impl GenericClient, group: &str, month: &Month) -> Result<Bound, Error> {
    let query = format!(
        "WITH subjects AS (SELECT 'group' AS kind, $1::text AS name),
         people AS (
             SELECT 'group' AS kind, m.group_name AS name, u.name AS person
             FROM group_members m JOIN users u ON u.id = m.user_id WHERE m.group_name = $1
         ), {USED}"
    );
    let statement = db.prepare_cached(&query).await?;
    bound(&db.query_one(&statement, &[&group, &month.since, &month.now]).await?)
}
