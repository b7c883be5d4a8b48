//! What programs wrote.

use futures::stream::BoxStream;
use kube::ResourceExt;

use super::{rights, sessions};
use crate::{
    App, Error,
    auth::{Caller, Permission},
    crd::Session,
    engine::{ContainerOf, EngineError, LogLine, LogQuery, SessionId},
};

/// Lines as they come.
type Lines = BoxStream<'static, Result<LogLine, EngineError>>;

/// The lines of a session, for those who may read its logs.
pub async fn of_session(app: &App, caller: &Caller, id: &str, query: LogQuery) -> Result<Lines, Error> {
    let session = sessions::get(app, caller, id).await?;
    check(caller, &session)?;
    Ok(app.engine.logs(&SessionId(session.name_any()), query).await?)
}

fn check(caller: &Caller, session: &Session) -> Result<(), Error> {
    if rights::reads_logs(caller, session) {
        Ok(())
    } else {
        Err(Error::Forbidden("this is another person's log".into()))
    }
}

/// The lines of a container: of a session's for those who may read its logs, of any other for those who may read all.
///
/// # Errors
/// [`Error::NotFound`] for a pod that is not there, that is not shown, or that the caller may not know of.
pub async fn of_container(app: &App, caller: &Caller, of: &ContainerOf, query: LogQuery) -> Result<Lines, Error> {
    let missing = || Error::not_found("pod", format!("{}/{}", of.namespace, of.pod));
    let name = |session: &Session| Some(session.status.as_ref()?.workload.as_ref()?.name.clone());
    let ours = of.namespace == app.engine.namespace();
    let session = app.sessions.snapshot(None).into_iter().find(|it| ours && name(it).as_ref() == Some(&of.pod));
    match session {
        Some(session) if !rights::sees(caller, &session) => Err(missing()),
        Some(session) => {
            check(caller, &session)?;
            Ok(match of.container {
                None => app.engine.logs(&SessionId(session.name_any()), query).await?,
                Some(_) => app.engine.output(of, query).await?,
            })
        }
        None if caller.may(Permission::LogsReadAll) && app.engine.reads_pods_in(&of.namespace) => {
            Ok(app.engine.output(of, query).await?)
        }
        None => Err(missing()),
    }
}
