//! `streamspace ready`: asks servers whether they can work, for hosts and images that have no other client.

use super::{CliError, client};

/// Whom to ask.
#[derive(Debug, clap::Args)]
pub(super) struct Ready {
    /// Addresses, such as `http://localhost:8080`: of either port.
    #[arg(required = true)]
    servers: Vec<url::Url>,
    /// Name under which to ask: a server answers its own alone on the port for people.
    #[arg(long)]
    host: Option<String>,
}

/// Asks one after the other; fails at the first that cannot work.
pub(super) fn run(ready: &Ready) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(ask(ready))
}

async fn ask(ready: &Ready) -> Result<(), CliError> {
    let client = client::http()?;
    for server in &ready.servers {
        let mut request = client.get(server.join("/ready")?);
        if let Some(host) = &ready.host {
            request = request.header("host", host);
        }
        let answer = request.send().await?;
        let status = answer.status();
        if !status.is_success() {
            return Err(format!("{server} answers {status}: {}", answer.text().await?).into());
        }
        println!("{server} is ready");
    }
    Ok(())
}
