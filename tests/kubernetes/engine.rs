//! The engine on pods keeps what every engine promises, as far as pods can: their output goes with them, and what they
//! use is measured by others.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use streamspace::{
    clock::SystemClock,
    engine::{
        Engine,
        kubernetes::{KubernetesEngine, Options},
    },
    telemetry::task::Tasks,
};
use tokio_util::sync::CancellationToken;

use crate::{
    cluster::Place,
    engine_contract::{Subject, engine_contract},
};

/// An engine in a namespace of its own.
struct OnPods {
    engine: Arc<dyn Engine>,
    // They end with the value.
    tasks: Tasks,
    place: Place,
}

impl OnPods {
    async fn start() -> Self {
        let place = Place::make().await;
        let (engine, tasks) = open(&place).await;
        Self { engine, tasks, place }
    }
}

async fn open(place: &Place) -> (Arc<dyn Engine>, Tasks) {
    let options = Options {
        // The contract's sessions are nobody's objects.
        owned: false,
        home_bytes: 64 << 20,
        stop_grace: Duration::from_secs(1),
        port_deadline: Duration::from_secs(8),
        ..Options::new(&place.namespace)
    };
    let mut tasks = Tasks::new(CancellationToken::new());
    let engine = KubernetesEngine::start(place.client.clone(), options, SystemClock::shared(), &mut tasks).await;
    (engine.unwrap(), tasks)
}

#[async_trait]
impl Subject for OnPods {
    fn engine(&self) -> Arc<dyn Engine> {
        Arc::clone(&self.engine)
    }

    async fn restart(&mut self) {
        (self.engine, self.tasks) = open(&self.place).await;
    }

    fn image(&self) -> String {
        "localhost/app:test".into()
    }

    fn counter(&self, port: u16) -> Vec<String> {
        vec!["app".into(), "counter".into(), port.to_string()]
    }

    fn hungry(&self, mib: u32) -> Vec<String> {
        vec!["app".into(), "hungry".into(), mib.to_string()]
    }

    fn knows_the_host(&self) -> bool {
        false
    }
}

engine_contract!(OnPods::start:
    a_workload_is_started_once_however_often_it_is_asked_for
    a_later_run_replaces_an_earlier_one_and_an_earlier_one_changes_nothing
    a_session_made_anew_under_the_same_name_is_another
    what_is_removed_leaves_nothing_but_its_home
    names_that_lead_elsewhere_are_refused
    a_watch_begins_with_the_present_and_goes_on_with_each_change
    another_server_finds_what_runs_and_what_ended
    ports_of_the_workload_are_reached_and_no_others
    output_is_kept_in_order_and_its_end_is_told_first
    output_is_followed_through_runs_until_the_end
    the_program_finds_its_environment_and_its_home
    a_home_outlives_its_sessions_and_belongs_to_one_person
    an_ephemeral_home_is_empty_and_goes_with_its_session
    a_home_is_gone_when_that_is_asked
    a_program_that_ends_at_once_is_told_with_its_status_and_last_words
    a_program_that_is_not_there_is_told
    a_program_that_does_not_listen_in_time_is_told
    a_program_that_needs_too_much_memory_is_told
    requirements_are_looked_for_where_programs_are_the_hosts
);
