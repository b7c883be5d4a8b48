//! Older spellings of manifests, as they are found in the wild, brought to the current one.

use serde_json::{Map, Value, json};

use super::located::Document;
use crate::crd::{GROUP, VERSION};

/// The group under which templates were written before.
pub const OLDER_GROUP: &str = "stream.space";
/// The path under which the images of older manifests serve their own client.
const OLDER_HOME: &str = "/config";

/// Whether the document is a template in either group; `Err` says of what kind it is otherwise.
pub fn is_template(document: &Value) -> Result<(), String> {
    let text = |field: &str| document.get(field).and_then(Value::as_str);
    let (Some(version), Some(kind)) = (text("apiVersion"), text("kind")) else {
        return Err("it is no manifest: apiVersion and kind are missing".into());
    };
    let (group, number) = version.split_once('/').unwrap_or(("", version));
    if kind != "Template" || (group != GROUP && group != OLDER_GROUP) {
        return Err(format!("it is a {kind} of {version}, not a Template of {GROUP}/{VERSION}"));
    }
    if number != VERSION {
        return Err(format!("version {number} is not known: write {GROUP}/{VERSION}"));
    }
    Ok(())
}

/// Brings the document to the current spelling; answers what was changed: the field as it was written, and a sentence.
pub fn translate(document: &mut Document<'_>) -> Vec<(String, String)> {
    let mut notes = Vec::new();
    let group =
        document.value["apiVersion"].as_str().unwrap_or_default().split('/').next().unwrap_or_default().to_owned();
    if group == OLDER_GROUP {
        document.value["apiVersion"] = format!("{GROUP}/{VERSION}").into();
        notes.push(("apiVersion".into(), format!("an older spelling: write {GROUP}/{VERSION}")));
    }
    let mut moves = Vec::new();
    if let Some(Value::Object(spec)) = document.value.get_mut("spec") {
        kasmvnc(spec, &mut notes, &mut moves);
        resources(spec, &mut notes, &mut moves);
        home(spec, &mut notes);
    }
    for (from, to) in moves {
        document.moved(from, to);
    }
    notes
}

type Notes = Vec<(String, String)>;
type Moves = Vec<(&'static str, &'static str)>;

/// `kasmvnc: {enabled, port}`: images with a web client of their own, which start as root.
fn kasmvnc(spec: &mut Map<String, Value>, notes: &mut Notes, moves: &mut Moves) {
    let Some(old) = spec.remove("kasmvnc") else { return };
    let enabled = old.get("enabled").cloned().unwrap_or(Value::Bool(true));
    if spec.contains_key("vnc") || enabled == Value::Bool(false) {
        notes.push(("spec.kasmvnc".into(), "an older spelling, which spec.vnc overrides".into()));
        return;
    }
    let port = old.get("port").cloned().unwrap_or_else(|| 3000.into());
    spec.insert("vnc".into(), json!({ "enabled": enabled, "port": port, "protocol": "kasmvnc" }));
    spec.entry("security").or_insert_with(|| "baseline".into());
    moves.push(("spec.kasmvnc", "spec.vnc"));
    let now =
        "an older spelling: write vnc with protocol kasmvnc, and security baseline, since such images start as root";
    notes.push(("spec.kasmvnc".into(), now.into()));
}

/// `defaultResources: {requests, limits}`, as containers have them.
fn resources(spec: &mut Map<String, Value>, notes: &mut Notes, moves: &mut Moves) {
    let Some(Value::Object(old)) = spec.get("defaultResources") else { return };
    let (limits, requests) = (old.get("limits").cloned(), old.get("requests").cloned());
    if limits.is_none() && requests.is_none() {
        return;
    }
    let mut now = old.clone();
    now.retain(|field, _| field != "limits" && field != "requests");
    let parts = [("spec.defaultResources.requests", requests), ("spec.defaultResources.limits", limits)];
    for (from, part) in parts {
        if let Some(Value::Object(part)) = part {
            now.extend(part);
            moves.push((from, "spec.defaultResources"));
        }
    }
    spec.insert("defaultResources".into(), Value::Object(now));
    notes.push(("spec.defaultResources".into(), "an older spelling: write cpu and memory directly below it".into()));
}

/// The home's volume was `user-home`, at `/config` for most.
fn home(spec: &mut Map<String, Value>, notes: &mut Notes) {
    let Some(Value::Array(mounts)) = spec.get_mut("volumeMounts") else { return };
    for (index, mount) in mounts.iter_mut().enumerate() {
        let older = mount.get("name").is_some_and(|name| name == "user-home");
        if older && let Value::Object(mount) = mount {
            mount.insert("name".into(), "home".into());
            mount.entry("mountPath").or_insert_with(|| OLDER_HOME.into());
            notes.push((
                format!("spec.volumeMounts[{index}].name"),
                "an older spelling: the volume is called home".into(),
            ));
        }
    }
}
