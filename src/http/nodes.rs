//! `/api/admin/nodes`.

use actix_web::{HttpResponse, web};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{
    body::Body,
    etag::{self, IfMatch},
    guard::Guarded,
    jobs::accepted,
    list::{Column, ListQuery, Page},
    params::Params,
};
use crate::{
    App, Error,
    auth::{
        Caller,
        permission::needs::{NodesRead, NodesWrite},
    },
    domain::{
        jobs::Job,
        nodes::{Effect, Node, NodeStats, Taint, change::Change, drain::Plan, wish::Wish},
    },
    services::{
        drains,
        nodes::{self, NodeDetail},
    },
};

/// What a list of nodes can be sorted by.
const COLUMNS: &[Column<Node>] = &[
    Column { name: "name", compare: |a, b| a.name.cmp(&b.name) },
    Column { name: "createdAt", compare: |a, b| a.created_at.cmp(&b.created_at) },
    Column { name: "ready", compare: |a, b| a.ready.cmp(&b.ready) },
    Column { name: "sessions", compare: |a, b| a.sessions.cmp(&b.sessions) },
    Column { name: "pods", compare: |a, b| a.pods.cmp(&b.pods) },
];

/// Lists the nodes that sessions run on; on one machine the host. Sorts by `name`, `createdAt`, `ready`, `sessions`,
/// `pods`; `search` looks in names, roles, zones and labels.
#[utoipa::path(get, path = "/api/admin/nodes", tag = "nodes", params(ListQuery),
    responses((status = 200, description = "A page of them", body = Page<Node>)))]
pub async fn list_nodes(_: Guarded<NodesRead>, app: web::Data<App>, list: ListQuery) -> Result<HttpResponse, Error> {
    let mut items = nodes::list(&app)?;
    items.retain(|node| list.finds(texts(node).iter().map(String::as_str)));
    list.sort(&mut items, COLUMNS)?;
    Ok(HttpResponse::Ok().json(list.page_of("NodeList", items)))
}

/// What a search looks in.
fn texts(node: &Node) -> Vec<String> {
    let labels = node.labels.iter().map(|(key, value)| format!("{key}={value}"));
    let places = [&node.provider, &node.region, &node.zone].into_iter().flatten().cloned();
    [node.name.clone()].into_iter().chain(node.roles.clone()).chain(places).chain(labels).collect()
}

/// The sums over all nodes.
#[utoipa::path(get, path = "/api/admin/nodes/stats", tag = "nodes",
    responses((status = 200, description = "The sums", body = NodeStats)))]
pub async fn node_stats(_: Guarded<NodesRead>, app: web::Data<App>) -> Result<HttpResponse, Error> {
    Ok(HttpResponse::Ok().json(nodes::stats(&app)?))
}

/// One node, with the sessions and pods on it and what happened to it lately.
#[utoipa::path(get, path = "/api/admin/nodes/{name}", tag = "nodes", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The node; its `ETag` is for `If-Match` with changes", body = NodeDetail)))]
pub async fn get_node(
    caller: Guarded<NodesRead>,
    app: web::Data<App>,
    name: web::Path<String>,
) -> Result<HttpResponse, Error> {
    let detail = nodes::get(&app, &caller, &name).await?;
    Ok(etag::current(&detail.node.resource_version, &detail))
}

/// Makes a change and shows what the node is then.
async fn change(
    app: &App,
    caller: &Caller,
    name: &str,
    change: &Change,
    expected: &IfMatch,
) -> Result<HttpResponse, Error> {
    let node = nodes::change(app, caller, name, change, expected.0.as_deref()).await?;
    Ok(etag::current(&node.resource_version, &node))
}

/// A label.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NodeLabel {
    /// Its key; not one of Kubernetes or the platform.
    #[schema(example = "example.org/team")]
    key: String,
    /// Its value; may be empty.
    #[serde(default)]
    value: String,
}

/// Sets a label of a node, whatever it was before.
#[utoipa::path(put, path = "/api/admin/nodes/{name}/labels", tag = "nodes", request_body = NodeLabel,
    params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The node as it is now", body = Node)))]
pub async fn set_label(
    caller: Guarded<NodesWrite>,
    app: web::Data<App>,
    name: web::Path<String>,
    expected: IfMatch,
    body: Body<NodeLabel>,
) -> Result<HttpResponse, Error> {
    let NodeLabel { key, value } = body.0;
    change(&app, &caller, &name, &Change::Label { key, value }, &expected).await
}

/// Takes a label of a node away. One that is not there is as good.
#[utoipa::path(delete, path = "/api/admin/nodes/{name}/labels/{key}", tag = "nodes",
    params(("name" = String, Path, description = "Its name"), ("key" = String, Path, description = "The key; its `/` as `%2F`")),
    responses((status = 200, description = "The node as it is now", body = Node)))]
pub async fn remove_label(
    caller: Guarded<NodesWrite>,
    app: web::Data<App>,
    place: web::Path<(String, String)>,
    expected: IfMatch,
) -> Result<HttpResponse, Error> {
    let (name, key) = place.into_inner();
    change(&app, &caller, &name, &Change::Unlabel { key }, &expected).await
}

/// Sets a taint of a node; one of the same key and effect gets the new value. On one machine `NoSchedule` keeps new
/// sessions away, and `NoExecute` is refused.
#[utoipa::path(post, path = "/api/admin/nodes/{name}/taints", tag = "nodes", request_body = Taint,
    params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The node as it is now", body = Node)))]
pub async fn set_taint(
    caller: Guarded<NodesWrite>,
    app: web::Data<App>,
    name: web::Path<String>,
    expected: IfMatch,
    body: Body<Taint>,
) -> Result<HttpResponse, Error> {
    change(&app, &caller, &name, &Change::Taint(body.0), &expected).await
}

/// Which taints of a key.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OfEffect {
    /// Only the one of this effect; absent: every taint of the key.
    effect: Option<Effect>,
}

/// Takes taints of a node away. Ones that are not there are as good.
#[utoipa::path(delete, path = "/api/admin/nodes/{name}/taints/{key}", tag = "nodes",
    params(("name" = String, Path, description = "Its name"), ("key" = String, Path, description = "The key; its `/` as `%2F`"), OfEffect),
    responses((status = 200, description = "The node as it is now", body = Node)))]
pub async fn remove_taint(
    caller: Guarded<NodesWrite>,
    app: web::Data<App>,
    place: web::Path<(String, String)>,
    expected: IfMatch,
    of: Params<OfEffect>,
) -> Result<HttpResponse, Error> {
    let (name, key) = place.into_inner();
    change(&app, &caller, &name, &Change::Untaint { key, effect: of.0.effect }, &expected).await
}

/// Keeps new sessions away from a node; those on it go on. On one machine no session can be started or woken then.
#[utoipa::path(post, path = "/api/admin/nodes/{name}/cordon", tag = "nodes", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The node as it is now", body = Node)))]
pub async fn cordon_node(
    caller: Guarded<NodesWrite>,
    app: web::Data<App>,
    name: web::Path<String>,
    expected: IfMatch,
) -> Result<HttpResponse, Error> {
    change(&app, &caller, &name, &Change::Cordon(true), &expected).await
}

/// Lets sessions come to a node again; those that wait for it start by themselves.
#[utoipa::path(post, path = "/api/admin/nodes/{name}/uncordon", tag = "nodes", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, description = "The node as it is now", body = Node)))]
pub async fn uncordon_node(
    caller: Guarded<NodesWrite>,
    app: web::Data<App>,
    name: web::Path<String>,
    expected: IfMatch,
) -> Result<HttpResponse, Error> {
    change(&app, &caller, &name, &Change::Cordon(false), &expected).await
}

/// Empties a node: cordons it, warns the people who are in sessions there, puts the idle ones to sleep at once and the
/// others once they leave or their time is over. The job's `result` tells at each moment how it stands with each session.
#[utoipa::path(post, path = "/api/admin/nodes/{name}/drain", tag = "nodes", request_body = Wish,
    params(("name" = String, Path, description = "Its name")),
    responses(
        (status = 202, description = "It is being emptied", body = Job),
        (status = 200, description = "With `dryRun`: what would happen now", body = Plan),
    ))]
pub async fn drain_node(
    caller: Guarded<NodesWrite>,
    app: web::Data<App>,
    name: web::Path<String>,
    body: Body<Wish>,
) -> Result<HttpResponse, Error> {
    if body.0.dry_run {
        return Ok(HttpResponse::Ok().json(drains::plan(&app, &name, &body.0).await?));
    }
    Ok(accepted(drains::begin(&app, &caller, &name, &body.0).await?))
}
