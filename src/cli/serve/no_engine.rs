//! Stands where the local engine will: it accepts everything and runs nothing.

use crate::{
    crd::Requirement,
    engine::{
        Connection, Engine, EngineError, HomeUsage, LogLine, LogQuery, SessionId, Usage, Workload, WorkloadEvent,
        WorkloadState,
    },
};
use async_trait::async_trait;
use futures::{StreamExt, stream, stream::BoxStream};

/// Runs nothing.
#[derive(Debug)]
pub struct NoEngine;

#[async_trait]
impl Engine for NoEngine {
    async fn ensure(&self, _: &Workload) -> Result<(), EngineError> {
        Ok(())
    }

    async fn stop(&self, _: &SessionId) -> Result<(), EngineError> {
        Ok(())
    }

    async fn remove(&self, _: &SessionId) -> Result<(), EngineError> {
        Ok(())
    }

    async fn state(&self, _: &SessionId) -> Result<Option<WorkloadState>, EngineError> {
        Ok(None)
    }

    fn watch(&self) -> BoxStream<'static, WorkloadEvent> {
        stream::iter([WorkloadEvent::Init, WorkloadEvent::InitDone]).chain(stream::pending()).boxed()
    }

    async fn dial(&self, session: &SessionId, _: u16) -> Result<Box<dyn Connection>, EngineError> {
        Err(EngineError::NotRunning(session.clone()))
    }

    async fn logs(
        &self,
        _: &SessionId,
        _: LogQuery,
    ) -> Result<BoxStream<'static, Result<LogLine, EngineError>>, EngineError> {
        Ok(stream::empty().boxed())
    }

    async fn usage(&self, _: &SessionId) -> Result<Option<Usage>, EngineError> {
        Ok(None)
    }

    async fn home_usage(&self, _: &str) -> Result<Option<HomeUsage>, EngineError> {
        Ok(None)
    }

    async fn remove_home(&self, _: &str) -> Result<(), EngineError> {
        Ok(())
    }

    async fn missing(&self, _: &[Requirement]) -> Result<Vec<Requirement>, EngineError> {
        Ok(Vec::new())
    }
}
