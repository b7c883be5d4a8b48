//! What everything is wired to.
//!
//! `App` is a struct of handles and nothing more: it is made in `cli/serve.rs` and by the tests, and named by
//! handlers, services and the controller.

use std::{ops::Deref, sync::Arc};

use crate::{
    auth::Auth,
    clock::Clock,
    config::{Changing, Config},
    crd::{Session, Template},
    engine::Engine,
    live::Hub,
    nodes::Nodes,
    objects::{Cached, Resources},
    store::Pool,
};

/// A cheap handle to the parts of the server.
#[derive(Clone, Debug)]
pub struct App(Arc<Parts>);

/// The parts.
#[derive(Debug)]
pub struct Parts {
    /// What was configured.
    pub config: Config,
    /// What of that may change meanwhile, as it is now.
    pub settings: Changing,
    /// The one source of time.
    pub clock: Arc<dyn Clock>,
    /// The database.
    pub pool: Pool,
    /// Who is calling.
    pub auth: Auth,
    /// Sessions.
    pub sessions: Cached<Session>,
    /// Templates.
    pub templates: Cached<Template>,
    /// What runs the programs.
    pub engine: Arc<dyn Engine>,
    /// The machines that they run on.
    pub nodes: Arc<dyn Nodes>,
    /// What else is in the cluster; `None` on one machine.
    pub resources: Option<Resources>,
    /// Tells every browser what happens.
    pub hub: Hub,
}

impl App {
    /// A handle to `parts`.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

impl Deref for App {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}
