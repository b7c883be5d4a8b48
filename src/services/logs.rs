//! What programs wrote.

use futures::stream::BoxStream;
use kube::ResourceExt;

use super::{rights, sessions};
use crate::{
    App, Error,
    auth::Caller,
    engine::{EngineError, LogLine, LogQuery, SessionId},
};

/// The lines of a session, for those who may read its logs.
pub async fn of_session(
    app: &App,
    caller: &Caller,
    id: &str,
    query: LogQuery,
) -> Result<BoxStream<'static, Result<LogLine, EngineError>>, Error> {
    let session = sessions::get(app, caller, id).await?;
    if !rights::reads_logs(caller, &session) {
        return Err(Error::Forbidden("this is another person's log".into()));
    }
    Ok(app.engine.logs(&SessionId(session.name_any()), query).await?)
}
