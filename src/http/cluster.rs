//! `/api/v1/cluster`: what the platform runs on, beside its sessions.

use std::sync::Arc;

use actix_web::{HttpResponse, http::StatusCode, web};
use kube::{ResourceExt, api::DynamicObject};
use serde::Deserialize;
use serde_json::Value;

use super::{
    body::Body,
    etag::{self, IfMatch},
    guard::Guarded,
    list::{Column, ListQuery, Page},
    params::Params,
    sessions::{LogParams, as_text},
};
use crate::{
    App, Error,
    auth::permission::needs::{ClusterRead, ClusterWrite, SessionsRead},
    domain::cluster::{Kind, Listed, Target},
    engine::ContainerOf,
    services::{
        cluster::{self, Change, Manner, Written},
        logs,
    },
};

/// What a list of objects can be sorted by.
const COLUMNS: &[Column<Arc<DynamicObject>>] = &[
    Column { name: "name", compare: |a, b| a.metadata.name.cmp(&b.metadata.name) },
    Column { name: "namespace", compare: |a, b| a.metadata.namespace.cmp(&b.metadata.namespace) },
    Column { name: "createdAt", compare: |a, b| a.metadata.creation_timestamp.cmp(&b.metadata.creation_timestamp) },
];

/// Where to look.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct InNamespace {
    /// Only what is in that namespace; absent: in all that are shown.
    namespace: Option<String>,
}

/// Lists nodes, pods, deployments, services, namespaces or claims of volumes as the cluster has them: in the namespace of
/// sessions and those of `CLUSTER_NAMESPACES`. Sorts by `name`, `namespace`, `createdAt`; `search` looks in names and labels.
#[utoipa::path(get, path = "/api/v1/cluster/{plural}", tag = "cluster",
    params(("plural" = inline(Listed), Path, description = "Which objects"), ListQuery, InNamespace),
    responses((status = 200, description = "A page of them", body = Page<Value>)))]
pub async fn list_objects(
    _: Guarded<ClusterRead>,
    app: web::Data<App>,
    plural: web::Path<String>,
    list: ListQuery,
    place: Params<InNamespace>,
) -> Result<HttpResponse, Error> {
    let kind = serde_json::from_value::<Listed>(plural.as_str().into());
    let kind = kind.map_err(|_| Error::not_found("list", plural.as_str()))?;
    let mut items = cluster::list(&app, kind, place.0.namespace.as_deref()).await?;
    items.retain(|object| list.finds(texts(object).iter().map(String::as_str)));
    list.sort(&mut items, COLUMNS)?;
    Ok(HttpResponse::Ok().json(list.page_of(list_kind(kind), items)))
}

const fn list_kind(kind: Listed) -> &'static str {
    match kind {
        Listed::Nodes => "NodeList",
        Listed::Pods => "PodList",
        Listed::Deployments => "DeploymentList",
        Listed::Services => "ServiceList",
        Listed::Namespaces => "NamespaceList",
        Listed::PersistentVolumeClaims => "PersistentVolumeClaimList",
    }
}

/// What a search looks in.
fn texts(object: &DynamicObject) -> Vec<String> {
    let labels = object.labels().iter().map(|(key, value)| format!("{key}={value}"));
    [object.name_any()].into_iter().chain(object.namespace()).chain(labels).collect()
}

/// How a manifest is applied.
#[derive(Clone, Copy, Debug, Default, Deserialize, utoipa::IntoParams)]
#[serde(default, rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct HowApplied {
    /// Whether it is only judged, and nothing made or changed.
    #[param(required = false)]
    dry_run: bool,
    /// Whether fields that others manage are taken over.
    #[param(required = false)]
    force: bool,
}

/// Applies a manifest as the server side does it: 201 for what was made, 200 for what was changed. Its kind has to be one of
/// `CLUSTER_KINDS`; what a Secret holds is not answered.
#[utoipa::path(post, path = "/api/v1/cluster/resources", tag = "cluster", request_body = Object, params(HowApplied),
    responses(
        (status = 201, description = "It was made", body = Object),
        (status = 200, description = "It was there, and is so now", body = Object),
    ))]
pub async fn apply_resource(
    caller: Guarded<ClusterWrite>,
    app: web::Data<App>,
    how: Params<HowApplied>,
    manifest: Body<Value>,
) -> Result<HttpResponse, Error> {
    let target = cluster::target_of(&manifest.0)?;
    let manner = Manner { dry_run: how.0.dry_run, force: how.0.force };
    let change = Change::Apply(&manifest.0, manner);
    let written = cluster::change(&app, &caller, &target, change, None).await?;
    let status = if written.before.is_none() { StatusCode::CREATED } else { StatusCode::OK };
    Ok(answer(status, written))
}

/// Which object, and whether something is done to it.
#[derive(Clone, Debug, Deserialize, utoipa::IntoParams)]
#[serde(rename_all = "camelCase")]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Its group; absent for the core group.
    #[serde(default)]
    #[param(required = false, example = "apps")]
    group: String,
    /// Its version.
    #[param(example = "v1")]
    version: String,
    /// Its kind.
    #[param(example = "Deployment")]
    kind: String,
    /// Its namespace; absent for what is in none.
    namespace: Option<String>,
    /// Its name.
    name: String,
    /// Whether it is only judged, and nothing done.
    #[serde(default)]
    #[param(required = false)]
    dry_run: bool,
}

impl Which {
    fn target(&self) -> Result<Target, Error> {
        let Self { group, version, kind, namespace, name, .. } = self;
        let api_version = if group.is_empty() { version.clone() } else { format!("{group}/{version}") };
        let kind = Kind::of(&api_version, kind)
            .ok_or_else(|| Error::field("kind", "group, version and kind are such as apps, v1 and Deployment"))?;
        Ok(Target { kind, namespace: namespace.clone(), name: name.clone() })
    }
}

/// Changes an object by a JSON merge patch; `If-Match` insists on a version.
#[utoipa::path(patch, path = "/api/v1/cluster/resources", tag = "cluster", request_body = Object, params(Which),
    responses((status = 200, description = "It is so now", body = Object)))]
pub async fn patch_resource(
    caller: Guarded<ClusterWrite>,
    app: web::Data<App>,
    which: Params<Which>,
    expected: IfMatch,
    patch: Body<Value>,
) -> Result<HttpResponse, Error> {
    let change = Change::Patch(&patch.0, which.0.dry_run);
    let written = cluster::change(&app, &caller, &which.0.target()?, change, expected.0.as_deref()).await?;
    Ok(answer(StatusCode::OK, written))
}

/// Deletes an object, and what belongs to it after it; `If-Match` insists on a version.
#[utoipa::path(delete, path = "/api/v1/cluster/resources", tag = "cluster", params(Which),
    responses(
        (status = 200, description = "It goes, and is still there for a while", body = Object),
        (status = 204, description = "It is gone"),
    ))]
pub async fn delete_resource(
    caller: Guarded<ClusterWrite>,
    app: web::Data<App>,
    which: Params<Which>,
    expected: IfMatch,
) -> Result<HttpResponse, Error> {
    let change = Change::Delete(which.0.dry_run);
    let written = cluster::change(&app, &caller, &which.0.target()?, change, expected.0.as_deref()).await?;
    Ok(answer(StatusCode::OK, written))
}

/// Shows what is there now.
fn answer(status: StatusCode, written: Written) -> HttpResponse {
    match written.after {
        Some(object) => HttpResponse::build(status)
            .insert_header((actix_web::http::header::ETAG, etag::tag(&object.resource_version().unwrap_or_default())))
            .json(object),
        None => HttpResponse::NoContent().finish(),
    }
}

/// Which container.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OfContainer {
    /// The container, where the pod has several; absent: the one that people mean.
    container: Option<String>,
}

/// What a container wrote, through its restarts: a session's for those who may read its logs, any other's for those who may
/// read all.
#[utoipa::path(get, path = "/api/v1/cluster/pods/{namespace}/{name}/logs", tag = "cluster",
    params(
        ("namespace" = String, Path, description = "`local` on one machine"),
        ("name" = String, Path, description = "The pod; of a session `status.workload.name`"),
        LogParams, OfContainer,
    ),
    responses((status = 200, description = "Lines of text, as they come", content_type = "text/plain", body = String)))]
pub async fn pod_logs(
    caller: Guarded<SessionsRead>,
    app: web::Data<App>,
    place: web::Path<(String, String)>,
    params: Params<LogParams>,
    container: Params<OfContainer>,
) -> Result<HttpResponse, Error> {
    let (namespace, pod) = place.into_inner();
    let of = ContainerOf { namespace, pod, container: container.0.container };
    let query = params.0.query(app.clock.now())?;
    let lines = logs::of_container(&app, &caller, &of, query).await?;
    Ok(as_text(lines, params.0.timestamps))
}
