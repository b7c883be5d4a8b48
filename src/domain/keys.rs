//! Keys of labels, annotations and finalizers.

/// Finalizer of the controller: held until nothing of the workload is left.
pub const FINALIZER: &str = "stream.streamspace.io/workload";
/// Annotation: a new value asks for another try of a failed session, as `kubectl annotate` or the API sets it.
pub const RESTARTED_AT: &str = "stream.streamspace.io/restarted-at";
/// Annotation: id of the intent that made the object; "exists, with our intent's id" is success.
pub const INTENT: &str = "stream.streamspace.io/intent";
/// Annotation: why the platform itself changed `spec.state`, one of `Idle`, `MaxDuration`, `HostRestarted`, `Disabled`,
/// `BudgetSpent`, `Drain`.
pub const STOPPED_BECAUSE: &str = "stream.streamspace.io/stopped-because";
/// Label: the person, for selectors.
pub const USER_LABEL: &str = "stream.streamspace.io/user";
/// Label of pods: the session that they run.
pub const SESSION_LABEL: &str = "stream.streamspace.io/session";
/// Label of pods: the home that they mount, so that those of one home find each other's node.
pub const HOME_LABEL: &str = "stream.streamspace.io/home";
/// Label of pods: `allowed` or `denied`, whether the template may reach the outside; network policies select by it.
pub const NETWORK_LABEL: &str = "stream.streamspace.io/network";
/// Annotation of pods: the number of the run.
pub const RUN: &str = "stream.streamspace.io/run";
/// Annotation of pods: the node that the volume of the home was attached to when the pod was made, which it may start on
/// alone.
pub const HOME_NODE: &str = "stream.streamspace.io/home-node";
/// Annotation of pods: the uid of the session that they run.
pub const SESSION_UID: &str = "stream.streamspace.io/session-uid";
/// Label: the template, for selectors.
pub const TEMPLATE_LABEL: &str = "stream.streamspace.io/template";
/// Label of templates that came with the server: rewritten at each start.
pub const SHIPPED_LABEL: &str = "stream.streamspace.io/shipped";
/// Annotation of a template that was installed from the catalog: the id of the catalog template.
pub const CATALOG_TEMPLATE: &str = "stream.streamspace.io/catalog-template";
/// Annotation: the id of the version of it that is installed.
pub const CATALOG_VERSION: &str = "stream.streamspace.io/catalog-version";
/// Annotation: the URL of the repository it comes from.
pub const CATALOG_REPOSITORY: &str = "stream.streamspace.io/catalog-repository";
/// Annotation: the commit it comes from.
pub const CATALOG_COMMIT: &str = "stream.streamspace.io/catalog-commit";
/// Annotation: the file it comes from, from the repository's root.
pub const CATALOG_PATH: &str = "stream.streamspace.io/catalog-path";
