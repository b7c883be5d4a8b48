use crate::domain::cluster::Kind;

/// What of a cluster people see and change beside sessions.
#[derive(clap::Args, Clone, Debug)]
pub struct Cluster {
    /// Namespaces beside `NAMESPACE` whose objects operators see and administrators change, separated by commas.
    #[arg(long, env = "CLUSTER_NAMESPACES", value_delimiter = ',')]
    pub cluster_namespaces: Vec<String>,
    /// Kinds of objects that administrators may apply, change and delete, such as `v1/ConfigMap,apps/v1/Deployment`. Absent:
    /// none. The server's account needs the rights, too.
    #[arg(long, env = "CLUSTER_KINDS", value_parser = Kind::parse, value_delimiter = ',')]
    pub cluster_kinds: Vec<Kind>,
}

impl Cluster {
    /// The namespaces whose objects are shown: `own`, where sessions are, and those that are named.
    #[must_use]
    pub fn namespaces(&self, own: &str) -> Vec<String> {
        let named = self.cluster_namespaces.iter().map(|name| name.trim()).filter(|name| !name.is_empty());
        let mut all: Vec<String> = named.chain([own]).map(str::to_owned).collect();
        all.sort();
        all.dedup();
        all
    }
}
