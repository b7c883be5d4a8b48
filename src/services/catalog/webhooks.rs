//! Webhooks: somebody pushed, so that a repository is synced before its time.

use uuid::Uuid;

use super::{repositories::webhook_place, sync};
use crate::{
    App, Error,
    auth::{Caller, Credential, Permission},
    catalog::webhook::{Meaning, Webhook},
    domain::jobs::Job,
    store::catalog::{
        deliveries::{self, Delivery},
        repositories::{self, Repository},
    },
};

/// What became of a webhook.
#[derive(Debug)]
pub enum Answer {
    /// A sync is on its way.
    Accepted(Box<Job>),
    /// The sender tried whether somebody listens.
    Pong,
    /// It concerns nothing that is read here, for this reason.
    Ignored(String),
}

/// Takes a webhook whose sender knows the secret of a repository.
///
/// # Errors
/// [`Error::SignInRefused`] where no repository of that URL has this secret, in the same words whether there is one or
/// not; [`Error::Conflict`] for a delivery that came before.
pub async fn receive(app: &App, hook: &Webhook) -> Result<Answer, Error> {
    let candidates = repositories::by_keys(&app.pool.get().await?, &hook.repositories()).await?;
    let mut proved = Vec::new();
    for candidate in candidates {
        if is_proved(app, hook, &candidate)? {
            proved.push(candidate);
        }
    }
    if proved.is_empty() {
        return Err(Error::SignInRefused(
            "no repository with this URL has the secret that this webhook is signed with".into(),
        ));
    }
    let mut answer = None;
    for repository in proved {
        let one = take(app, hook, &repository).await?;
        // Several may read the same URL; one sync is worth more to tell than the others' silence.
        if answer.is_none() || matches!(one, Answer::Accepted(_)) {
            answer = Some(one);
        }
    }
    answer.ok_or_else(|| Error::internal("a webhook without an answer"))
}

fn is_proved(app: &App, hook: &Webhook, repository: &Repository) -> Result<bool, Error> {
    let Some(sealed) = &repository.webhook_secret else { return Ok(false) };
    let row = repository.id.to_string();
    let secret =
        app.auth.secrets.open(webhook_place(&row), sealed).map_err(|error| Error::Conflict(error.to_string()))?;
    Ok(hook.is_proved_by(secrecy::ExposeSecret::expose_secret(&secret)))
}

async fn take(app: &App, hook: &Webhook, repository: &Repository) -> Result<Answer, Error> {
    let mut delivery = Delivery {
        id: Uuid::now_v7(),
        repository: repository.id,
        provider: hook.provider.word().into(),
        delivery: hook.delivery.clone(),
        event: hook.event.clone(),
        reference: None,
        result: "ignored".into(),
        reason: None,
        job: None,
        received_at: app.clock.now(),
    };
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let answer = match hook.meaning() {
        Meaning::Ping => {
            delivery.result = "pong".into();
            Answer::Pong
        }
        Meaning::Other => Answer::Ignored(format!("{} is no push", hook.event)),
        Meaning::Push { moved, main } => {
            let concerned = moved.iter().find(|name| repository.reference.is_moved_by(name, main.as_deref()));
            delivery.reference = concerned.or(moved.first()).cloned();
            if concerned.is_some() {
                let job = sync::enqueue_by_clock(&transaction, repository.id).await?;
                delivery.result = "accepted".into();
                delivery.job = Some(job.id.clone());
                Answer::Accepted(Box::new(job))
            } else {
                Answer::Ignored(format!("it moved {}, which is not read here", moved.join(", ")))
            }
        }
    };
    if let Answer::Ignored(reason) = &answer {
        delivery.reason = Some(reason.clone());
    }
    if deliveries::insert(&transaction, &delivery).await? {
        transaction.commit().await?;
        return Ok(answer);
    }
    transaction.rollback().await?;
    let replayed = Delivery { result: "replayed".into(), reason: Some("it came before".into()), job: None, ..delivery };
    deliveries::insert(&client, &replayed).await?;
    Err(Error::Conflict("this delivery came before".into()))
}

/// Has the repositories of that URL synced that read `branch`, for a program with a token.
///
/// # Errors
/// [`Error::Unauthenticated`] and [`Error::Forbidden`] for who may not, [`Error::NotFound`] where there is none.
pub async fn by_token(app: &App, caller: Option<&Caller>, hook: &Webhook) -> Result<Answer, Error> {
    // A browser's cookie is not asked for: this URL takes requests of any origin.
    let shows_token = |caller: &&Caller| matches!(caller.credential, Credential::Token(_) | Credential::Access(_));
    let caller = caller.filter(shows_token).ok_or(Error::Unauthenticated)?;
    if !caller.may(Permission::CatalogSync) {
        return Err(Error::Forbidden("this needs an API token with the scope catalog:sync".into()));
    }
    let keys = hook.repositories();
    let mut client = app.pool.get().await?;
    let transaction = client.transaction().await?;
    let known = repositories::by_keys(&transaction, &keys).await?;
    if known.is_empty() {
        return Err(Error::not_found("repository", keys.join(", ")));
    }
    let Meaning::Push { moved, main } = hook.meaning() else {
        return Err(Error::BadRequest("write {\"repository_url\": …, \"branch\": …}".into()));
    };
    let concerned = |repository: &&Repository| {
        moved.is_empty() || moved.iter().any(|name| repository.reference.is_moved_by(name, main.as_deref()))
    };
    let mut job = None;
    for repository in known.iter().filter(concerned) {
        job = Some(sync::enqueue(&transaction, caller, repository.id).await?);
    }
    transaction.commit().await?;
    Ok(match job {
        Some(job) => Answer::Accepted(Box::new(job)),
        None => Answer::Ignored("nothing reads that branch".into()),
    })
}
