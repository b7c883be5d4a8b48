//! The registry of metrics, in Prometheus' format.
//!
//! Names begin with `streamspace_` and end in their unit; labels have few values, known beforehand.

use std::{sync::OnceLock, time::Duration};

use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use super::task::Tasks;

/// Bounds of everything that people wait for, in seconds.
const WAITS_S: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// How often samples of histograms are folded, so that they do not pile up when nobody reads them.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// The process's registry; made when first asked for.
///
/// # Errors
/// When another recorder was installed before.
pub fn registry() -> Result<&'static PrometheusHandle, &'static BuildError> {
    static REGISTRY: OnceLock<Result<PrometheusHandle, BuildError>> = OnceLock::new();
    REGISTRY.get_or_init(install).as_ref()
}

/// Bounds of how long jobs take, in seconds.
const JOBS_S: &[f64] = &[1.0, 10.0, 60.0, 120.0, 300.0, 600.0, 1_200.0, 1_800.0, 3_600.0];

fn install() -> Result<PrometheusHandle, BuildError> {
    PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".into()), WAITS_S)?
        .set_buckets_for_metric(Matcher::Full("streamspace_job_duration_seconds".into()), JOBS_S)?
        .install_recorder()
}

/// Keeps the registry small.
pub fn upkeep(registry: &'static PrometheusHandle, tasks: &mut Tasks) {
    let stopping = tasks.stopping();
    tasks.start("metrics-upkeep", async move {
        let mut every = tokio::time::interval(UPKEEP_EVERY);
        while stopping.run_until_cancelled(every.tick()).await.is_some() {
            registry.run_upkeep();
        }
    });
}
