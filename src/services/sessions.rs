//! Sessions, as people act on them.

use std::sync::Arc;

use kube::ResourceExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::{IntoParams, ToSchema};

use super::{
    catalog::grants,
    intents, nodes, quotas,
    rights::{self, Seen},
    templates,
};
use crate::{
    App, Error,
    auth::{Caller, Permission},
    crd::{DesiredState, LifecycleType, Phase, Resources, Session, SessionSpec, Template},
    domain::{fields::FieldError, keys, names, session},
    objects::{ObjectError, Page, Precondition},
};

pub use crate::objects::Recorded;

/// What a new session is asked to be. Everything but the template has a default.
#[derive(Clone, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewSession {
    /// The template's name.
    pub template: String,
    /// Whose session: oneself, or another person for an administrator.
    pub user: Option<String>,
    /// What people see; 1 to 60 characters.
    pub display_name: Option<String>,
    /// What is wanted of CPU, memory and GPU; the rest comes from the template.
    #[serde(default)]
    pub resources: Resources,
    /// `true` (the default): the person's home stays; `false`: an empty one goes with the session.
    pub persistent_home: Option<bool>,
    /// Hibernate after this long without activity (`30m`); `0s` = never.
    pub idle_timeout: Option<String>,
    /// Terminate after this long (`8h`); `0s` = never.
    pub max_session_duration: Option<String>,
    /// Values for the template's launch form.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// Words to find it by.
    #[serde(default)]
    pub tags: Vec<String>,
    /// The project that it is for, which its owner belongs to. It cannot be changed later.
    pub project: Option<String>,
}

/// What a change of a session may name; each field as in a new session.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[allow(dead_code, reason = "it describes the patch, which is taken as JSON so that null is told from absent")]
pub struct SessionChange {
    /// The desired state.
    pub state: Option<DesiredState>,
    /// Applies at the next start.
    pub resources: Option<Resources>,
    /// Hibernate after this long without activity.
    pub idle_timeout: Option<String>,
    /// Terminate after this long.
    pub max_session_duration: Option<String>,
    /// Words to find it by.
    pub tags: Option<Vec<String>>,
    /// What people see.
    pub display_name: Option<String>,
}

/// Which sessions are wanted; an absent part matches all.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct Filter {
    /// The owner.
    pub user: Option<String>,
    /// The desired state.
    pub state: Option<DesiredState>,
    /// The phase.
    pub phase: Option<Phase>,
    /// The template's name.
    pub template: Option<String>,
    /// A tag.
    pub tag: Option<String>,
    /// The project that they are for.
    pub project: Option<String>,
    /// `true`: those of others that are shared with the caller; `false`: the caller's own.
    pub shared: Option<bool>,
}

impl Filter {
    /// Whether all are wanted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.user.is_none()
            && self.state.is_none()
            && self.phase.is_none()
            && self.template.is_none()
            && self.tag.is_none()
            && self.project.is_none()
            && self.shared.is_none()
    }

    /// Whether `session` is wanted.
    #[must_use]
    pub fn matches(&self, session: &Session) -> bool {
        let spec = &session.spec;
        let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        is(&self.user, &spec.user)
            && is(&self.template, &spec.template)
            && self.state.is_none_or(|state| state == spec.state)
            && self.phase.is_none_or(|phase| phase == session.phase())
            && self.tag.as_ref().is_none_or(|tag| spec.tags.contains(tag))
            && (self.project.is_none() || self.project == spec.project)
    }
}

/// Whether every one of `words` (in lower case) occurs in name, display name, owner, template or tags.
fn mentions(session: &Session, words: &[String]) -> bool {
    let spec = &session.spec;
    let name = session.name_any();
    let texts = [name.as_str(), &spec.user, &spec.template, shown_name(session)];
    let all: Vec<String> =
        texts.into_iter().chain(spec.tags.iter().map(String::as_str)).map(str::to_lowercase).collect();
    words.iter().all(|word| all.iter().any(|text| text.contains(word.as_str())))
}

/// The sessions that the caller may know of and wants, by owner and age.
pub fn list(app: &App, caller: &Caller, filter: &Filter, words: &[String]) -> Vec<Arc<Session>> {
    let mut items = if filter.shared == Some(true) { guest_in(app, caller) } else { seen(app, caller) };
    let wanted = |session: &Session| filter.matches(session) && mentions(session, words);
    let own = |session: &Session| filter.shared != Some(false) || session.spec.user == caller.user;
    items.retain(|session| rights::sees(caller, session) && own(session) && wanted(session));
    items
}

/// What people see: the display name, else the template's name.
#[must_use]
pub fn shown_name(session: &Session) -> &str {
    session.spec.display_name.as_deref().unwrap_or(&session.spec.template)
}

/// The session of that name, if the caller may know of it.
pub async fn get(app: &App, caller: &Caller, id: &str) -> Result<Arc<Session>, Error> {
    let session = app.sessions.get(id).await?;
    session.filter(|session| rights::sees(caller, session)).ok_or_else(|| Error::not_found("session", id))
}

/// The session of that name, if the caller may change it.
pub async fn get_changeable(app: &App, caller: &Caller, id: &str) -> Result<Arc<Session>, Error> {
    let session = get(app, caller, id).await?;
    if rights::changes(caller, &session) { Ok(session) } else { Err(rights::not_yours(caller, &session)) }
}

/// The session of that name, if the caller may come in, and how far.
pub async fn get_enterable(app: &App, caller: &Caller, id: &str) -> Result<(Arc<Session>, rights::Entry), Error> {
    let session = get(app, caller, id).await?;
    match rights::entry(caller, &session) {
        Some(entry) => Ok((session, entry)),
        None => Err(rights::not_yours(caller, &session)),
    }
}

/// The session of that name, if the caller may work in it.
pub async fn get_usable(app: &App, caller: &Caller, id: &str) -> Result<Arc<Session>, Error> {
    let (session, entry) = get_enterable(app, caller, id).await?;
    if entry == rights::Entry::Work { Ok(session) } else { Err(rights::not_yours(caller, &session)) }
}

/// Every session that the caller sees, by owner, age and name.
pub fn seen(app: &App, caller: &Caller) -> Vec<Arc<Session>> {
    let shared = match rights::seen(caller) {
        None => return vec![],
        Some(Seen::All) => return app.sessions.snapshot(None),
        Some(Seen::Own(shared)) => shared,
    };
    let mut items = app.sessions.snapshot(Some(&caller.user));
    if !shared.is_empty() {
        items.extend(guest_in(app, caller));
        let place = |session: &Session| {
            let created = session.creation_timestamp().map(|time| time.0.as_second());
            (session.spec.user.clone(), created, session.name_any())
        };
        items.sort_by_cached_key(|session| place(session));
    }
    items
}

/// The sessions of others that are shared with the caller.
pub fn guest_in(app: &App, caller: &Caller) -> Vec<Arc<Session>> {
    let there = |uid: &String, name: &str| {
        let session = app.sessions.peek(name)?;
        let same = session.metadata.uid.as_ref() == Some(uid) && session.spec.user != caller.user;
        same.then_some(session)
    };
    caller.belonging.shared.iter().filter_map(|(uid, share)| there(uid, &share.session)).collect()
}

/// A page of every session that the caller sees, in the order that the index has.
pub fn page(app: &App, caller: &Caller, offset: usize, limit: usize) -> Page<Session> {
    match rights::seen(caller) {
        // A page costs what it holds.
        Some(Seen::All) => app.sessions.page(None, offset, limit),
        Some(Seen::Own(shared)) if shared.is_empty() => app.sessions.page(Some(&caller.user), offset, limit),
        _ => {
            let items = seen(app, caller);
            let total = items.len();
            Page { items: items.into_iter().skip(offset).take(limit).collect(), total }
        }
    }
}

/// Creates a session, or with `dry_run` says only whether that would work.
///
/// `key`: the request's `Idempotency-Key`; the same key of the same caller makes the same name, so that a request
/// that is repeated meets what it made before.
pub async fn create(
    app: &App,
    caller: &Caller,
    key: Option<&str>,
    new: NewSession,
    dry_run: bool,
) -> Result<Arc<Session>, Error> {
    let owner = owner(app, caller, &new).await?;
    let template = template(app, caller, &new.template).await?;
    project(app, &owner, new.project.as_deref()).await?;
    let spec = compose(owner, new);
    let resolved = session::resolve(&spec, &template.spec, &app.settings.now().ceilings())
        .map_err(|errors| Error::Invalid(flat(errors)))?;
    grants::require(app, &template).await?;
    runs_here(app, &template).await?;
    nodes::require_open(app)?;
    let wish = intents::Wish::new(&caller.user, key);
    let session = object(app, spec, &wish);
    if dry_run {
        return Ok(Arc::new(session));
    }
    // The controller has the object's uid first; until then the reservation has none.
    let ask = quotas::ask(app, &session, &template, &resolved);
    intents::create(app, caller, &wish, session, ask).await
}

/// The owner of a new session, who has to exist.
async fn owner(app: &App, caller: &Caller, new: &NewSession) -> Result<String, Error> {
    let Some(user) = new.user.as_ref().filter(|user| **user != caller.user) else { return Ok(caller.user.clone()) };
    if !caller.may(Permission::SessionsActAs) {
        return Err(Error::Forbidden("only an administrator creates a session for another person".into()));
    }
    let client = app.pool.get().await?;
    match crate::store::users::by_name(&client, user).await? {
        Some(found) if !found.disabled => Ok(user.clone()),
        _ => Err(Error::field("user", format!("there is no active account “{user}”"))),
    }
}

/// Refuses a project that the owner does not belong to.
async fn project(app: &App, owner: &str, project: Option<&str>) -> Result<(), Error> {
    let Some(name) = project else { return Ok(()) };
    let belongs = crate::store::projects::role_of(&app.pool.get().await?, name, owner).await?.is_some();
    let stranger = || Error::field("project", format!("{owner} does not belong to a project “{name}”"));
    if belongs { Ok(()) } else { Err(stranger()) }
}

/// The template, if it can be launched by the caller.
async fn template(app: &App, caller: &Caller, name: &str) -> Result<Arc<Template>, Error> {
    let unknown = || Error::field("template", format!("there is no template “{name}”"));
    let template = app.templates.get(name).await?.ok_or_else(unknown)?;
    if !templates::launchable(app, caller, &template).await? {
        return Err(unknown());
    }
    let wrong = crate::domain::template::check(&template.spec);
    match wrong.first() {
        None => Ok(template),
        Some(first) => Err(Error::field("template", format!("the template “{name}” is not valid: {first}"))),
    }
}

async fn runs_here(app: &App, template: &Template) -> Result<(), Error> {
    let requires = template.spec.local.as_ref().map(|local| local.requires.as_slice()).unwrap_or_default();
    match app.engine.missing(requires).await?.first() {
        None => Ok(()),
        Some(need) => {
            Err(Error::CannotRunHere(format!("{} is missing on this machine: {}", need.program, need.install)))
        }
    }
}

fn compose(user: String, new: NewSession) -> SessionSpec {
    SessionSpec {
        user,
        template: new.template,
        state: DesiredState::Running,
        resources: new.resources,
        display_name: new.display_name,
        persistent_home: new.persistent_home.unwrap_or(true),
        idle_timeout: new.idle_timeout,
        max_session_duration: new.max_session_duration,
        parameters: new.parameters.into_iter().collect(),
        tags: new.tags,
        observability: None,
        project: new.project,
    }
}

fn object(app: &App, spec: SessionSpec, wish: &intents::Wish) -> Session {
    let labels = [(keys::USER_LABEL, &spec.user), (keys::TEMPLATE_LABEL, &spec.template)];
    let labels = labels.map(|(key, value)| (key.to_owned(), value.clone())).into();
    let name = names::session(&spec.user, &spec.template, wish.unique);
    let mut session = Session::new(&name, spec);
    session.metadata.namespace = Some(app.config.sessions.namespace().to_owned());
    session.metadata.labels = Some(labels);
    session.metadata.annotations = Some([(keys::INTENT.to_owned(), wish.id.to_string())].into());
    session.metadata.finalizers = Some(vec![keys::FINALIZER.to_owned()]);
    session
}

/// Findings on `spec.x` as findings on `x`: requests are flat.
fn flat(errors: Vec<FieldError>) -> Vec<FieldError> {
    let strip = |field: String| field.strip_prefix("spec.").map(str::to_owned).unwrap_or(field);
    errors.into_iter().map(|error| FieldError { field: strip(error.field), ..error }).collect()
}

/// Fields that a change may name.
const CHANGEABLE: [&str; 6] = ["state", "resources", "idleTimeout", "maxSessionDuration", "tags", "displayName"];

/// Changes a session by a merge patch, flat or as the object has it.
///
/// `if_match`: the `resourceVersion` that the caller has seen.
pub async fn change(
    app: &App,
    caller: &Caller,
    id: &str,
    patch: &Value,
    if_match: Option<String>,
) -> Result<Arc<Session>, Error> {
    let session = get_changeable(app, caller, id).await?;
    apply(app, caller, session, patch, if_match).await
}

/// Starts a session that sleeps, for somebody who may come in.
pub(super) async fn wake(app: &App, caller: &Caller, session: Arc<Session>) -> Result<Arc<Session>, Error> {
    apply(app, caller, session, &json!({ "state": DesiredState::Running }), None).await
}

/// Changes a session for somebody who may.
async fn apply(
    app: &App,
    caller: &Caller,
    session: Arc<Session>,
    patch: &Value,
    if_match: Option<String>,
) -> Result<Arc<Session>, Error> {
    let fields = fields(patch)?;
    let wanted = merged(&session, &fields)?;
    possible(&session, wanted.state)?;
    if starts(&session, wanted.state) {
        nodes::require_open(app)?;
    }
    if let Some(template) = app.templates.get(&wanted.template).await? {
        session::resolve(&wanted, &template.spec, &app.settings.now().ceilings())
            .map_err(|errors| Error::Invalid(flat(errors)))?;
    }
    if wanted.state == DesiredState::Running && session.spec.state != DesiredState::Running {
        let woken = Session { spec: wanted, ..(*session).clone() };
        quotas::admit_start(app, &woken).await?;
    }
    let because = fields.contains_key("state").then(|| json!({ "annotations": { keys::STOPPED_BECAUSE: null } }));
    let patch = json!({ "spec": fields, "metadata": because.unwrap_or_else(|| json!({})) });
    write(app, caller, &session, &patch, if_match, "session.change").await
}

/// The fields of `spec` that a patch names, whether it is flat or nested.
fn fields(patch: &Value) -> Result<Map<String, Value>, Error> {
    let object = |value: &Value, field: &str| {
        value.as_object().cloned().ok_or_else(|| Error::field(field, "must be a JSON object"))
    };
    let top = object(patch, "")?;
    let (prefix, fields) = match top.get("spec") {
        None => ("", top),
        Some(spec) => {
            if let Some(other) = top.keys().find(|key| !["spec", "apiVersion", "kind"].contains(&key.as_str())) {
                return Err(Error::field(other, "cannot be changed here: only spec can"));
            }
            ("spec.", object(spec, "spec")?)
        }
    };
    let unknown: Vec<FieldError> = fields
        .keys()
        .filter(|key| !CHANGEABLE.contains(&key.as_str()))
        .map(|key| {
            FieldError::new(format!("{prefix}{key}"), format!("cannot be changed; what can: {}", CHANGEABLE.join(", ")))
        })
        .collect();
    if unknown.is_empty() { Ok(fields) } else { Err(Error::Invalid(unknown)) }
}

/// The spec as it will be.
fn merged(session: &Session, fields: &Map<String, Value>) -> Result<SessionSpec, Error> {
    let mut spec = serde_json::to_value(&session.spec).map_err(Error::internal)?;
    crate::domain::merge::patch(&mut spec, &Value::Object(fields.clone()));
    serde_json::from_value(spec).map_err(|error| Error::BadRequest(format!("the session would not be valid: {error}")))
}

fn possible(session: &Session, wanted: DesiredState) -> Result<(), Error> {
    if session.metadata.deletion_timestamp.is_some() {
        return Err(Error::Conflict("the session is being deleted".into()));
    }
    if session.spec.state == DesiredState::Terminated && wanted != DesiredState::Terminated {
        return Err(Error::Conflict("a terminated session stays terminated: create a new one".into()));
    }
    Ok(())
}

/// Whether the change has a session started that does not run.
fn starts(session: &Session, wanted: DesiredState) -> bool {
    wanted == DesiredState::Running && session.spec.state == DesiredState::Hibernated
}

/// Patches the object and audits it.
async fn write(
    app: &App,
    caller: &Caller,
    session: &Session,
    patch: &Value,
    if_match: Option<String>,
    action: &'static str,
) -> Result<Arc<Session>, Error> {
    let condition = Precondition { uid: session.uid(), resource_version: if_match };
    let changed = app.sessions.patch(&session.name_any(), patch, &condition).await?;
    intents::audit(app, caller, action, &session.name_any(), Some(&session.spec), Some(&changed.spec)).await?;
    Ok(changed)
}

/// Deletes a session with everything that was made for it but a persistent home.
pub async fn delete(
    app: &App,
    caller: &Caller,
    id: &str,
    if_match: Option<String>,
) -> Result<Option<Arc<Session>>, Error> {
    let session = get(app, caller, id).await?;
    if !rights::deletes(caller, &session) {
        return Err(rights::not_yours(caller, &session));
    }
    let condition = Precondition { uid: session.uid(), resource_version: if_match };
    let left = app.sessions.delete(id, &condition).await?;
    intents::audit(app, caller, "session.delete", id, Some(&session.spec), None::<&SessionSpec>).await?;
    Ok(left)
}

/// Tries a failed session again.
pub async fn restart(app: &App, caller: &Caller, id: &str) -> Result<Arc<Session>, Error> {
    let session = get_changeable(app, caller, id).await?;
    try_again(app, caller, &session).await
}

/// Tries a failed session again, for somebody who may.
pub(super) async fn try_again(app: &App, caller: &Caller, session: &Session) -> Result<Arc<Session>, Error> {
    possible(session, DesiredState::Running)?;
    match session.phase() {
        Phase::Failed => {
            nodes::require_open(app)?;
            quotas::admit_start(app, session).await?;
            write(app, caller, session, &again(app), None, "session.restart").await
        }
        Phase::Hibernated | Phase::Hibernating => {
            Err(Error::Conflict("the session sleeps: wake it with {\"state\":\"running\"} or by connecting".into()))
        }
        _ => Err(Error::Conflict("the session has not failed: there is nothing to try again".into())),
    }
}

fn again(app: &App) -> Value {
    let now = app.clock.now().to_string();
    json!({ "metadata": { "annotations": { keys::RESTARTED_AT: now, keys::STOPPED_BECAUSE: null } }, "spec": { "state": "running" } })
}

/// Has the platform itself put a session to sleep, for the reason `because`. False: it is gone meanwhile, or another by
/// now.
pub(super) async fn put_to_sleep(app: &App, session: &Session, because: &str) -> Result<bool, Error> {
    let patch = json!({
        "metadata": { "annotations": { keys::STOPPED_BECAUSE: because } },
        "spec": { "state": DesiredState::Hibernated },
    });
    let condition = Precondition { uid: session.uid(), resource_version: None };
    match app.sessions.patch(&session.name_any(), &patch, &condition).await {
        Ok(_) => Ok(true),
        Err(ObjectError::NotFound { .. } | ObjectError::Conflict { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What the page asks about the story of a session.
#[derive(Clone, Debug, Default)]
pub struct StoryQuery {
    /// Only events so recent.
    pub since: Option<std::time::Duration>,
    /// Only events of this type.
    pub type_: Option<LifecycleType>,
    /// At most so many, the latest.
    pub limit: i64,
}

/// The story of a session: whole from the database, with the counts that its status keeps.
pub async fn story(app: &App, caller: &Caller, id: &str, query: &StoryQuery) -> Result<crate::crd::Lifecycle, Error> {
    let session = get(app, caller, id).await?;
    let mut story = session.status.as_ref().and_then(|status| status.lifecycle.clone()).unwrap_or_default();
    let since = query.since.and_then(|since| jiff::SignedDuration::try_from(since).ok());
    let window = crate::store::lifecycle::Window {
        since: since.and_then(|since| app.clock.now().checked_sub(since).ok()),
        type_: query.type_.map(|type_| format!("{type_:?}")),
        limit: query.limit,
    };
    let client = app.pool.get().await?;
    story.events = crate::store::lifecycle::of_session(&client, &session.uid().unwrap_or_default(), &window).await?;
    Ok(story)
}

/// The Kubernetes-style Events about a session, newest last.
pub async fn occurrences(app: &App, caller: &Caller, id: &str) -> Result<Vec<Recorded>, Error> {
    get(app, caller, id).await?;
    Ok(app.sessions.store().occurrences(id).await?)
}
