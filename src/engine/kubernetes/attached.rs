//! Where the volumes of homes are attached: a volume that one node at a time may use can be used there alone.

use k8s_openapi::api::{core::v1::PersistentVolumeClaim, storage::v1::VolumeAttachment};
use kube::{Api, Client, api::ListParams};
use tokio::time::timeout;

use super::{CALL_WITHIN, failed};
use crate::engine::EngineError;

/// A mode of access in which several nodes use a volume at once.
const BY_MANY: &str = "ReadWriteMany";

/// What the cluster tells of the attachments of volumes.
pub(super) struct Attachments(Api<VolumeAttachment>);

impl Attachments {
    pub(super) fn new(client: Client) -> Self {
        Self(Api::all(client))
    }

    /// The one node that can use the volume of `claim` at the moment. `None`: any can, or it may not be known, as without
    /// rights beyond the namespace of sessions; then the cluster's own attaching decides, which says so less clearly.
    pub(super) async fn node_of(&self, claim: Option<&PersistentVolumeClaim>) -> Result<Option<String>, EngineError> {
        let spec = claim.and_then(|claim| claim.spec.as_ref());
        let by_many = spec.is_some_and(|spec| spec.access_modes.iter().flatten().any(|mode| mode == BY_MANY));
        let Some(volume) = spec.and_then(|spec| spec.volume_name.as_ref()).filter(|_| !by_many) else {
            return Ok(None);
        };
        match timeout(CALL_WITHIN, self.0.list(&ListParams::default())).await {
            Ok(Ok(all)) => Ok(all.items.into_iter().find(|one| holds(one, volume)).map(|one| one.spec.node_name)),
            Ok(Err(kube::Error::Api(status))) if status.is_forbidden() => Ok(None),
            Ok(Err(error)) => Err(failed(error)),
            Err(_) => Err(EngineError::Failed("the API server has not told in time what is attached where".into())),
        }
    }
}

/// Whether `attachment` keeps that volume at a node.
fn holds(attachment: &VolumeAttachment, volume: &str) -> bool {
    let attached = attachment.status.as_ref().is_some_and(|status| status.attached);
    attached && attachment.spec.source.persistent_volume_name.as_deref() == Some(volume)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_volume_is_held_by_what_is_attached_of_it() {
        for (volume, attached, holds_it) in [("home", true, true), ("home", false, false), ("other", true, false)] {
            let attachment = json!({
                "metadata": {}, "status": { "attached": attached },
                "spec": { "attacher": "a", "nodeName": "node1", "source": { "persistentVolumeName": volume } },
            });
            assert_eq!(holds(&serde_json::from_value(attachment).unwrap(), "home"), holds_it, "{volume}, {attached}");
        }
    }
}
