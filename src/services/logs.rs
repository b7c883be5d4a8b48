//! What programs wrote.

use futures::stream::BoxStream;
use kube::ResourceExt;

use super::sessions;
use crate::{
    App, Error,
    auth::{Caller, Permission},
    engine::{EngineError, LogLine, LogQuery, SessionId},
};

/// The lines of a session, for its owner and for those who may read everybody's logs.
pub async fn of_session(
    app: &App,
    caller: &Caller,
    id: &str,
    query: LogQuery,
) -> Result<BoxStream<'static, Result<LogLine, EngineError>>, Error> {
    let session = sessions::get(app, caller, id).await?;
    if session.spec.user != caller.user && !caller.may(Permission::LogsReadAll) {
        return Err(Error::Forbidden("this is another person's log".into()));
    }
    Ok(app.engine.logs(&SessionId(session.name_any()), query).await?)
}
