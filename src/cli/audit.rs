//! `streamspace audit`: checks the chain over the audit.

use std::sync::Arc;

use super::{CliError, attend::attend};
use crate::{
    clock::Clock,
    config::Config,
    services::audit_chain::{self, Verdict},
};

/// The audit, from the server's host.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Audit {
    /// Check every link; ends with 1 and names the first that does not hold.
    Verify(Box<Verify>),
}

#[derive(Debug, clap::Args)]
pub(super) struct Verify {
    /// A hash that was noted elsewhere, from `GET /api/v1/audit/head` or the log: it has to be in the chain, or the end
    /// of the audit was cut off.
    #[arg(long)]
    head: Option<String>,
    #[command(flatten)]
    config: Config,
}

/// Runs one of them.
pub(super) fn run(audit: Audit, clock: Arc<dyn Clock>) -> Result<(), CliError> {
    let Audit::Verify(verify) = audit;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let attendance = attend(&verify.config, clock).await?;
        let verdict = audit_chain::verify(attendance.auth.pool(), verify.head.as_deref()).await;
        attendance.end(verdict.map_err(CliError::from).and_then(say)).await
    })
}

fn say(verdict: Verdict) -> Result<(), CliError> {
    match verdict {
        Verdict::Whole { links, head } => {
            println!("the audit is whole: {links} entries, head {}", head.as_deref().unwrap_or("none"));
            Ok(())
        }
        Verdict::Broken { number, reason } => Err(format!("the audit is broken at entry {number}: {reason}").into()),
        Verdict::Unlinked { oldest, entries } => {
            let most = "the audit's chain holds, but";
            Err(format!("{most} {entries} entries older than a minute are not in it, the oldest is {oldest}").into())
        }
        Verdict::Cut { links } => {
            Err(format!("the audit's end was cut off: its {links} entries do not contain the head that was noted")
                .into())
        }
    }
}
