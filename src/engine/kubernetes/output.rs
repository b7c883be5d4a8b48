//! The output of any container within reach, through its restarts.

use std::{sync::Arc, time::Duration};

use async_stream::stream;
use futures::{
    AsyncBufReadExt, StreamExt,
    io::{AsyncBufRead, Lines},
    stream::BoxStream,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerState, ContainerStatus, Pod};
use kube::{Api, ResourceExt, api::LogParams, runtime::wait::await_condition};
use tokio::time::{sleep, timeout};

use super::{CALL_WITHIN, Inner, failed, logs};
use crate::{
    domain::names::{is_dns_label, is_subdomain},
    engine::{ContainerOf, EngineError, LogLine, LogQuery},
};

/// The annotation that names the container that people mean where they name none.
const USUAL_CONTAINER: &str = "kubectl.kubernetes.io/default-container";
/// Pause before a log that broke off while its container runs is opened again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// The lines that there are of that container, and, where that is asked, those to come, until it starts no more.
pub(super) async fn read(
    inner: &Arc<Inner>,
    of: &ContainerOf,
    query: LogQuery,
) -> Result<BoxStream<'static, Result<LogLine, EngineError>>, EngineError> {
    let missing = || EngineError::NoSuchPod(format!("{}/{}", of.namespace, of.pod));
    if !inner.options.readable(&of.namespace) || !is_subdomain(&of.pod) {
        return Err(missing());
    }
    let pods = Api::namespaced(inner.client.clone(), &of.namespace);
    let pod: Pod = inner.call(pods.get_opt(&of.pod)).await?.ok_or_else(missing)?;
    let reading = Reading {
        inner: Arc::clone(inner),
        pods,
        uid: pod.uid().unwrap_or_default(),
        container: container(&pod, of.container.as_deref())?,
        pod: of.pod.clone(),
    };
    Ok(reading.lines(query))
}

/// The container that is meant.
fn container(pod: &Pod, asked: Option<&str>) -> Result<String, EngineError> {
    let all = names(pod);
    let usual = pod.annotations().get(USUAL_CONTAINER).map(String::as_str).filter(|name| all.contains(name));
    match asked {
        Some(asked) if is_dns_label(asked) && all.contains(&asked) => Ok(asked.to_owned()),
        Some(asked) => Err(EngineError::NoSuchContainer {
            pod: pod.name_any(),
            container: asked.to_owned(),
            there: all.join(", "),
        }),
        None => Ok(usual.or(all.first().copied()).unwrap_or_default().to_owned()),
    }
}

/// The names of the containers of a pod: those that stay first.
fn names(pod: &Pod) -> Vec<&str> {
    let Some(spec) = &pod.spec else { return vec![] };
    let lasting = spec.containers.iter().map(|one| one.name.as_str());
    let before = spec.init_containers.iter().flatten().map(|one| one.name.as_str());
    let besides = spec.ephemeral_containers.iter().flatten().map(|one| one.name.as_str());
    lasting.chain(before).chain(besides).collect()
}

/// What is read.
struct Reading {
    inner: Arc<Inner>,
    pods: Api<Pod>,
    pod: String,
    uid: String,
    container: String,
}

impl Reading {
    fn lines(self, query: LogQuery) -> BoxStream<'static, Result<LogLine, EngineError>> {
        stream! {
            let (mut begun, mut last) = (None, None::<Timestamp>);
            while let Some(start) = self.next_start(begun, query.follow).await {
                // What broke off is gone on with; it begins anew with the second, of which something was read already.
                let read = last;
                let from = LogQuery { since: read.or(query.since), tail: query.tail.filter(|_| read.is_none()), ..query };
                match self.open(from).await {
                    Ok(mut lines) => {
                        while let Some(Ok(text)) = lines.next().await {
                            let line = logs::parse(&text, self.inner.clock.now());
                            if read.is_some_and(|read| line.time <= read) {
                                continue;
                            }
                            last = Some(line.time);
                            yield Ok(line);
                        }
                    }
                    Err(error) => {
                        yield Err(error);
                        return;
                    }
                }
                if !query.follow {
                    return;
                }
                if begun.replace(start) == Some(start) {
                    sleep(AGAIN_AFTER).await;
                }
            }
        }
        .boxed()
    }

    /// When the run of the container began whose output is to be read next, once there is one; `None`: there will be none.
    async fn next_start(&self, last: Option<Timestamp>, wait: bool) -> Option<Timestamp> {
        let judge = |pod: Option<&Pod>| outlook(pod, &self.uid, &self.container, last);
        let now = if wait {
            let decided = |pod: Option<&Pod>| !matches!(judge(pod), Outlook::Wait);
            await_condition(self.pods.clone(), &self.pod, decided).await.ok()?
        } else {
            self.inner.call(self.pods.get_opt(&self.pod)).await.ok()?
        };
        match judge(now.as_ref()) {
            Outlook::Read(start) => Some(start),
            Outlook::Wait | Outlook::Over => None,
        }
    }

    async fn open(&self, query: LogQuery) -> Result<Lines<impl AsyncBufRead + Unpin + use<>>, EngineError> {
        let params = LogParams { container: Some(self.container.clone()), ..logs::params(query) };
        match timeout(CALL_WITHIN, self.pods.log_stream(&self.pod, &params)).await {
            Ok(Ok(output)) => Ok(Box::pin(output).lines()),
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => Err(EngineError::Failed("the output has not been told in time".into())),
        }
    }
}

/// What is to be expected of a container's output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outlook {
    /// That of the run that began then is there.
    Read(Timestamp),
    /// There may be some later.
    Wait,
    /// There will be no more.
    Over,
}

/// `last`: the beginning of the run that was read last. One that runs still is read again: its log broke off.
fn outlook(pod: Option<&Pod>, uid: &str, container: &str, last: Option<Timestamp>) -> Outlook {
    let Some(pod) = pod.filter(|pod| pod.uid().as_deref() == Some(uid)) else { return Outlook::Over };
    let status = status_of(pod, container);
    let running = status.and_then(|status| status.state.as_ref()?.running.as_ref()?.started_at.as_ref()).map(|at| at.0);
    let start = running.or_else(|| status.and_then(ended));
    match start {
        Some(start) if running.is_some() || last != Some(start) => Outlook::Read(start),
        _ if may_start(pod, status) => Outlook::Wait,
        _ => Outlook::Over,
    }
}

fn status_of<'a>(pod: &'a Pod, container: &str) -> Option<&'a ContainerStatus> {
    let status = pod.status.as_ref()?;
    let all = [&status.container_statuses, &status.init_container_statuses, &status.ephemeral_container_statuses];
    all.into_iter().flatten().flatten().find(|status| status.name == container)
}

/// When the latest run began that is over.
fn ended(status: &ContainerStatus) -> Option<Timestamp> {
    let of = |state: &Option<ContainerState>| Some(state.as_ref()?.terminated.as_ref()?.started_at.as_ref()?.0);
    of(&status.state).or_else(|| of(&status.last_state))
}

/// Whether the container may be started once more.
fn may_start(pod: &Pod, status: Option<&ContainerStatus>) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    if pod.metadata.deletion_timestamp.is_some() || matches!(phase, Some("Succeeded" | "Failed")) {
        return false;
    }
    let Some(over) = status.and_then(|status| status.state.as_ref()?.terminated.as_ref()) else { return true };
    match pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()) {
        Some("Never") => false,
        Some("OnFailure") => over.exit_code != 0,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn pod(policy: &str, phase: &str, state: Value, last: Value) -> Pod {
        serde_json::from_value(json!({
            "metadata": { "name": "p", "uid": "u" },
            "spec": {
                "restartPolicy": policy, "containers": [{ "name": "main" }, { "name": "side" }],
                "initContainers": [{ "name": "first" }],
            },
            "status": { "phase": phase, "containerStatuses": [{
                "name": "main", "image": "i", "imageID": "", "ready": true, "restartCount": 1, "state": state, "lastState": last,
            }] },
        }))
        .unwrap()
    }

    #[test]
    fn a_log_is_read_run_after_run_for_as_long_as_another_may_follow() {
        let at = |second: i64| Timestamp::from_second(second).unwrap();
        let run = |second: i64| json!({ "running": { "startedAt": at(second).to_string() } });
        let over =
            |second: i64, code: i32| json!({ "terminated": { "startedAt": at(second).to_string(), "exitCode": code } });
        let waits = || json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        let of = |pod: &Pod, last: Option<i64>| outlook(Some(pod), "u", "main", last.map(at));
        let first = pod("Always", "Running", run(1), json!({}));
        assert_eq!([of(&first, None), of(&first, Some(1))], [Outlook::Read(at(1)); 2], "it broke off");
        let between = pod("Always", "Running", waits(), over(1, 1));
        assert_eq!([of(&between, None), of(&between, Some(1))], [Outlook::Read(at(1)), Outlook::Wait]);
        let second = pod("Always", "Running", run(9), over(1, 1));
        assert_eq!(of(&second, Some(1)), Outlook::Read(at(9)));
        for (policy, phase, code, expected) in [
            ("Always", "Running", 0, Outlook::Wait),
            ("OnFailure", "Running", 1, Outlook::Wait),
            ("OnFailure", "Running", 0, Outlook::Over),
            ("Never", "Running", 1, Outlook::Over),
            ("Always", "Failed", 1, Outlook::Over),
        ] {
            assert_eq!(of(&pod(policy, phase, over(1, code), json!({})), Some(1)), expected, "{policy} {phase} {code}");
        }
        assert_eq!(of(&pod("Always", "Pending", json!({}), json!({})), None), Outlook::Wait);
        assert_eq!(outlook(Some(&first), "another", "main", None), Outlook::Over);
        assert_eq!(outlook(None, "u", "main", None), Outlook::Over);
    }

    #[test]
    fn the_usual_container_is_the_first_unless_the_pod_says_otherwise() {
        let mut pod = pod("Always", "Running", json!({}), json!({}));
        assert_eq!(container(&pod, None).unwrap(), "main");
        pod.annotations_mut().insert(USUAL_CONTAINER.into(), "side".into());
        assert_eq!(container(&pod, None).unwrap(), "side");
        assert_eq!(container(&pod, Some("first")).unwrap(), "first");
        let wrong = container(&pod, Some("none")).unwrap_err().to_string();
        assert!(wrong.contains("main, side, first"), "{wrong}");
    }
}
