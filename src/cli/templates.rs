//! `streamspace templates`: what can be launched on a server that one is signed in to.

use kube::ResourceExt;
use serde::Deserialize;
use serde_json::Value;

use super::{
    CliError,
    client::{Output, Target, all},
    table::{self, harmless},
};
use crate::{clock::Clock, crd::Template, domain::conditions};

const TEMPLATES: &str = "/api/v1/templates";

/// Templates on a server that one is signed in to.
#[derive(Debug, clap::Args)]
pub(super) struct Templates {
    /// Only those in which these words occur.
    #[arg(long)]
    search: Option<String>,
    #[command(flatten)]
    target: Target,
    /// How answers are written.
    #[arg(short, long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Lists them.
pub(super) fn run(templates: &Templates, clock: &dyn Clock) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let client = templates.target.client(clock.now())?;
    let filters: Vec<_> = templates.search.as_deref().map(|words| ("search", words)).into_iter().collect();
    let found = runtime.block_on(all(&client, TEMPLATES, &filters))?;
    let mut out = std::io::stdout().lock();
    if matches!(templates.output, Output::Json) {
        return Ok(table::json(&mut out, &found)?);
    }
    let rows = found.iter().map(row).collect::<Result<Vec<_>, _>>()?;
    Ok(table::write(&mut out, ["NAME", "TITLE", "CATEGORY", "RUNS HERE"], &rows)?)
}

fn row(object: &Value) -> Result<[String; 4], CliError> {
    let template = Template::deserialize(object)?;
    let conditions = template.status.as_ref().map(|status| status.conditions.as_slice()).unwrap_or_default();
    let runs = if conditions::is_true(conditions, "RunsHere") { "yes" } else { "no" };
    let cells = [&template.name_any(), &template.spec.display_name, &template.spec.category, runs];
    Ok(cells.map(harmless))
}
