//! The chart as helm renders it: it is accepted, and what makes no sense is not.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::{Value, json};

use crate::{
    cluster::Place,
    helm::{RELEASE, chart, helm, render, values, word},
};

/// Kinds whose definitions others bring.
const OF_OTHERS: [&str; 3] = ["HTTPRoute", "PrometheusRule", "ServiceMonitor"];

#[tokio::test(flavor = "multi_thread")]
async fn every_rendering_is_accepted_by_the_api_server() {
    let place = Place::make().await;
    let others = place.cluster.knows_others();
    let sessions = format!("sessions.namespace={}", place.namespace);
    let system = format!("{}-system", place.namespace);
    place.cluster.kubectl(&["create", "namespace", &system]);
    let all = "ingress.enabled=true,postgresql.enabled=true,autoscaling.enabled=true,metrics.serviceMonitor.enabled=true,\
               metrics.rules.enabled=true,metrics.dashboard.enabled=true,nodes=read";
    let split = "split.enabled=true,ingress.enabled=true,ingress.tlsSecret=tls,replicas=3";
    let routed = "httpRoute.enabled=true,httpRoute.parentRefs[0].name=public,replicas=2";
    let both = "httpRoute.enabled=true,httpRoute.parentRefs[0].name=public,split.enabled=true";
    for values in ["replicas=1", all, split, routed, both] {
        let mut objects = render(&system, &[&sessions, values]);
        assert!(objects.len() > 10, "{values}");
        objects.retain(|object| others || !OF_OTHERS.contains(&&*word(&object["kind"])));
        let list = json!({ "apiVersion": "v1", "kind": "List", "items": objects }).to_string();
        let accepted = ["apply", "--server-side", "--force-conflicts", "--dry-run=server", "--filename", "-"];
        place.cluster.kubectl_with(&accepted, list.as_bytes());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_the_alerts() {
    let place = Place::make().await;
    if !place.cluster.is_own() {
        return;
    }
    let rendered = render("here", &["metrics.rules.enabled=true"]);
    let rules = &rendered.iter().find(|object| object["kind"] == "PrometheusRule").unwrap()["spec"];
    let read = |rules: &str| {
        let mut command = Command::new(place.cluster.tool("rules"));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut reader = command.spawn().unwrap();
        reader.stdin.take().unwrap().write_all(rules.as_bytes()).unwrap();
        reader.wait_with_output().unwrap()
    };
    // Whatever is JSON is YAML.
    let accepted = read(&rules.to_string());
    assert!(accepted.status.success(), "{}", String::from_utf8_lossy(&accepted.stderr));
    let names: Vec<String> =
        rules["groups"][0]["rules"].as_array().unwrap().iter().map(|rule| word(&rule["alert"])).collect();
    assert_eq!(String::from_utf8(accepted.stdout).unwrap().lines().collect::<Vec<_>>(), names);
    for (right, wrong) in [("rate(", "speed("), ("{{ $value }}", "{{ $worth }}")] {
        let refused = read(&rules.to_string().replace(right, wrong));
        assert!(!refused.status.success(), "{wrong}: {}", String::from_utf8_lossy(&refused.stdout));
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_a_sentence() {
    let chart = chart();
    for (value, sentence) in [
        ("publicUrl=streamspace.example", "publicUrl"),
        ("existingSecret=", "existingSecret"),
        ("replica=2", "replica"),
        ("sessions.namespace=here", "sessions need a namespace for them alone"),
    ] {
        let values = values(&[value]);
        let mut arguments = vec!["template", RELEASE, &chart, "--namespace", "here", "--kube-version", "1.34.4"];
        arguments.extend(values.iter().map(String::as_str));
        let said = helm(None, &arguments).unwrap_err();
        assert!(said.contains(sentence), "{said}");
    }
}

#[test]
fn the_definitions_are_those_of_the_program_and_no_password_is_rendered() {
    let printed = Command::new(env!("CARGO_BIN_EXE_streamspace")).arg("crds").output().unwrap();
    let printed: Vec<Value> = serde_saphyr::from_multiple(&String::from_utf8(printed.stdout).unwrap()).unwrap();
    let mut rendered = render("here", &["postgresql.enabled=true"]);
    assert!(rendered.iter().all(|object| object["kind"] != "Secret"), "{rendered:#?}");
    rendered.retain(|object| object["kind"] == "CustomResourceDefinition");
    assert_eq!(rendered.len(), printed.len());
    for (rendered, mut printed) in rendered.into_iter().zip(printed) {
        let name = word(&printed["metadata"]["name"]);
        printed["metadata"]["annotations"]["helm.sh/resource-policy"] = json!("keep");
        // As Kubernetes reads them: 0 and 0.0 are the same there.
        let [rendered, printed] = [rendered, printed].map(serde_json::from_value::<CustomResourceDefinition>);
        assert!(rendered.unwrap() == printed.unwrap(), "{name}");
    }
}
