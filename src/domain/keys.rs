//! Keys of labels, annotations and finalizers.

/// Finalizer of the controller: held until nothing of the workload is left.
pub const FINALIZER: &str = "stream.streamspace.io/workload";
/// Annotation: a new value asks for another try of a failed session, as `kubectl annotate` or the API sets it.
pub const RESTARTED_AT: &str = "stream.streamspace.io/restarted-at";
/// Annotation: id of the intent that made the object; "exists, with our intent's id" is success.
pub const INTENT: &str = "stream.streamspace.io/intent";
/// Annotation: why the platform itself changed `spec.state`, one of `Idle`, `MaxDuration`, `HostRestarted`, `Disabled`.
pub const STOPPED_BECAUSE: &str = "stream.streamspace.io/stopped-because";
/// Label: the person, for selectors.
pub const USER_LABEL: &str = "stream.streamspace.io/user";
/// Label: the template, for selectors.
pub const TEMPLATE_LABEL: &str = "stream.streamspace.io/template";
/// Label of templates that came with the server: rewritten at each start.
pub const SHIPPED_LABEL: &str = "stream.streamspace.io/shipped";
