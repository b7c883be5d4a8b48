//! What a person sees where no app answers: how far a start is, why it failed, how to wake it, where to come in.
//!
//! Everything that stems from a session is escaped; nothing in a page is script, the one script is a file of ours.

use std::fmt::Write as _;

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header},
};
use serde::Serialize;
use serde_json::json;

use super::{Asked, Gateway, enter::PREFIX};
use crate::{
    crd::{Phase, Session},
    domain::conditions,
};

/// Seconds after which a request to an app that is away is worth repeating.
const RETRY_AFTER_S: &str = "1";

/// The page's look and the script that keeps a start page fresh.
const STYLE: &str = include_str!("assets/page.css");
const SCRIPT: &str = include_str!("assets/start.js");

/// Steps of a start: the condition, and its words for people.
const STEPS: [(&str, &str); 5] = [
    ("TemplateResolved", "Template found"),
    ("Admitted", "Place found"),
    ("HomeReady", "Files are there"),
    ("WorkloadReady", "Program started"),
    ("Reachable", "Program answers"),
];

/// What can be told of a session that cannot be used at the moment; the script draws the same.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    /// It can be used: the page loads itself again.
    ready: bool,
    /// Nothing will change by itself.
    settled: bool,
    title: String,
    text: String,
    steps: Vec<Step>,
    action: Option<Action>,
}

#[derive(Debug, Serialize)]
struct Step {
    label: &'static str,
    done: bool,
    note: String,
}

#[derive(Debug, Serialize)]
struct Action {
    label: &'static str,
    href: String,
}

impl State {
    /// Of a session, as its status tells.
    pub fn of(gateway: &Gateway, session: &Session) -> Self {
        let phase = session.phase();
        let name = display_name(session);
        let (title, text) = words(session, phase, name);
        let action = |label| Some(Action { label, href: gateway.session_page(session) });
        Self {
            ready: phase == Phase::Running,
            settled: matches!(phase, Phase::Failed | Phase::Hibernated | Phase::Terminated),
            title,
            text,
            steps: if matches!(phase, Phase::Pending | Phase::Starting) { steps(session) } else { vec![] },
            action: match phase {
                Phase::Hibernated | Phase::Hibernating => action("Wake"),
                Phase::Failed | Phase::Terminated | Phase::Terminating => action("Open in StreamSpace"),
                Phase::Pending | Phase::Starting | Phase::Running => None,
            },
        }
    }

    /// It all in a sentence or two.
    pub fn summary(&self) -> String {
        format!("{}. {}", self.title, self.text).trim_end().to_owned()
    }

    /// Of a session that runs, but does not answer at this moment.
    pub fn silent(session: &Session) -> Self {
        Self {
            ready: false,
            settled: false,
            title: format!("{} does not answer", display_name(session)),
            text: "The program runs, but takes no request at the moment. This page tries again by itself.".into(),
            steps: vec![],
            action: None,
        }
    }
}

fn display_name(session: &Session) -> &str {
    let name = session.metadata.name.as_deref().unwrap_or("The session");
    session.spec.display_name.as_deref().unwrap_or(name)
}

fn words(session: &Session, phase: Phase, name: &str) -> (String, String) {
    let verdict = session.status.as_ref().and_then(|status| status.doctor.as_ref());
    match (phase, verdict) {
        (Phase::Failed, Some(verdict)) => {
            (format!("{name} could not start"), format!("{} {}", verdict.message, verdict.remedy))
        }
        (Phase::Failed, None) => (format!("{name} could not start"), "The reason is not known.".into()),
        (Phase::Pending | Phase::Starting, Some(verdict)) => {
            (format!("{name} is waiting"), format!("{} {}", verdict.message, verdict.remedy))
        }
        (Phase::Pending | Phase::Starting, None) => (format!("{name} is starting"), String::new()),
        (Phase::Running, _) => (format!("{name} is ready"), String::new()),
        (Phase::Hibernating, _) => (format!("{name} is going to sleep"), "Your files are kept.".into()),
        (Phase::Hibernated, _) => (format!("{name} is asleep"), "Your files are kept.".into()),
        (Phase::Terminating | Phase::Terminated, _) => (format!("{name} has ended"), String::new()),
    }
}

fn steps(session: &Session) -> Vec<Step> {
    let found = session.status.as_ref().map_or(&[][..], |status| &status.conditions);
    let note = |type_: &str| found.iter().find(|condition| condition.type_ == type_).map(|it| it.message.clone());
    let step = |(type_, label): (&'static str, &'static str)| {
        let done = conditions::is_true(found, type_);
        Step { label, done, note: if done { String::new() } else { note(type_).unwrap_or_default() } }
    };
    STEPS.into_iter().map(step).collect()
}

/// The page about a session that cannot be used at the moment; it keeps itself fresh.
pub(super) fn waiting(gateway: &Gateway, asked: &Asked<'_>, state: &State) -> HttpResponse {
    let mut body = String::new();
    for step in &state.steps {
        let class = if step.done { "done" } else { "open" };
        let note = if step.note.is_empty() { String::new() } else { format!(" <small>{}</small>", escape(&step.note)) };
        let _ = write!(body, "<li class={class}>{}{note}</li>", step.label);
    }
    let steps = format!("<ol id=steps>{body}</ol>");
    let mut builder = HttpResponse::build(StatusCode::SERVICE_UNAVAILABLE);
    builder.insert_header((header::RETRY_AFTER, RETRY_AFTER_S));
    let body = Body { title: &state.title, text: &state.text, more: &steps, action: state.action.as_ref() };
    page(gateway, asked, &mut builder, &body, !state.settled)
}

/// The page for a browser that has no way in yet, or lost it: one button that leads through the dashboard.
pub(super) fn entrance(gateway: &Gateway, asked: &Asked<'_>, text: &str) -> HttpResponse {
    let action = Action { label: "Open in StreamSpace", href: gateway.page_of(&asked.place.session) };
    let body = Body { title: "Come in through StreamSpace", text, more: "", action: Some(&action) };
    page(gateway, asked, &mut HttpResponse::Forbidden(), &body, false)
}

/// What stands on a page.
struct Body<'a> {
    title: &'a str,
    text: &'a str,
    /// Markup.
    more: &'a str,
    action: Option<&'a Action>,
}

fn page(
    gateway: &Gateway,
    asked: &Asked<'_>,
    builder: &mut HttpResponseBuilder,
    body: &Body<'_>,
    fresh: bool,
) -> HttpResponse {
    let Body { more, action, .. } = *body;
    let (title, text, ours_at) = (escape(body.title), escape(body.text), format!("{}{PREFIX}", asked.prefix));
    let button = action.map_or_else(String::new, |action| {
        format!("<a id=action class=button target=_top href=\"{}\">{}</a>", escape(&action.href), action.label)
    });
    let (script, refresh) = if fresh {
        (
            format!("<script src={ours_at}start.js defer></script>"),
            "<noscript><meta http-equiv=refresh content=3></noscript>",
        )
    } else {
        (String::new(), "")
    };
    let html = format!(
        "<!doctype html><html lang=en><head><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <title>{title}</title><link rel=stylesheet href={ours_at}page.css>{refresh}</head>\
         <body><main role=status aria-live=polite><h1 id=title>{title}</h1><p id=text>{text}</p>{more}{button}</main>\
         {script}</body></html>"
    );
    ours(gateway, builder).content_type("text/html; charset=utf-8").body(html)
}

/// Headers of everything that we say on an app's origin ourselves.
fn ours<'a>(gateway: &Gateway, builder: &'a mut HttpResponseBuilder) -> &'a mut HttpResponseBuilder {
    builder
        .insert_header((header::CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'"))
        .append_header((header::CONTENT_SECURITY_POLICY, gateway.ours().frame_ancestors().clone()))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::REFERRER_POLICY, "no-referrer"))
}

/// The state for the script.
pub fn state(gateway: &Gateway, state: &State) -> HttpResponse {
    ours(gateway, &mut HttpResponse::Ok()).json(state)
}

/// A file of the pages; `None`: there is none of that name.
pub fn asset(gateway: &Gateway, name: &str) -> Option<HttpResponse> {
    let (media_type, text) = match name {
        "page.css" => ("text/css; charset=utf-8", STYLE),
        "start.js" => ("text/javascript; charset=utf-8", SCRIPT),
        _ => return None,
    };
    Some(ours(gateway, &mut HttpResponse::Ok()).content_type(media_type).body(text))
}

/// Leads on without telling where from, as after a ticket was redeemed.
pub fn redirect(gateway: &Gateway, to: &str) -> HttpResponse {
    ours(gateway, &mut HttpResponse::SeeOther()).insert_header((header::LOCATION, to)).finish()
}

/// A problem object for those who did not ask for a page.
pub fn problem(gateway: &Gateway, status: StatusCode, code: &str, title: &str, detail: &str) -> HttpResponse {
    let mut builder = HttpResponse::build(status);
    if status == StatusCode::SERVICE_UNAVAILABLE {
        builder.insert_header((header::RETRY_AFTER, RETRY_AFTER_S));
    }
    let body = json!({
        "type": format!("/problems/{code}"),
        "title": title,
        "status": status.as_u16(),
        "detail": detail,
        "code": code,
    });
    ours(gateway, &mut builder).content_type("application/problem+json").body(body.to_string())
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}
