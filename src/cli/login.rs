//! `streamspace login`: signs a person in and keeps a token for the client's other subcommands.

use std::io::{self, BufRead, IsTerminal, Write};

use reqwest::Method;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::json;
use url::{Host, Url};

use super::{
    CliError,
    client::{Client, Credentials, Server, answer},
};

/// How long the kept token is good.
const TOKEN_LIFETIME: &str = "720h";

#[derive(Debug, clap::Args)]
pub(super) struct Login {
    /// The server's address, such as `https://streamspace.example.org`, or a whole one-time sign-in link.
    url: Url,
    /// The user name; asked for where it is missing.
    #[arg(long)]
    user: Option<String>,
    /// Read the password from standard input instead of asking for it.
    #[arg(long)]
    password_stdin: bool,
    /// Send the password over plain http to another machine, where it can be read on the way.
    #[arg(long)]
    allow_plain_http: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Access {
    access_token: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Token {
    token: String,
    expires_at: jiff::Timestamp,
}

#[derive(Deserialize)]
struct Me {
    name: String,
}

/// Signs in, makes a token and keeps it.
pub(super) fn run(login: Login) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(sign_in(login))
}

async fn sign_in(login: Login) -> Result<(), CliError> {
    let link = link_in(&login.url);
    let mut origin = login.url.clone();
    origin.set_path("/");
    origin.set_fragment(None);
    origin.set_query(None);
    refuse_plain_http(&origin, login.allow_plain_http)?;
    let credentials = Credentials::read()?;
    let stranger = Client::new(origin.clone(), None)?;
    let request = match link {
        Some(link) => {
            let body = json!({ "token": link.expose_secret(), "grant": "token" });
            stranger.request(Method::POST, "/api/v1/auth/link")?.json(&body)
        }
        None => {
            let (user, password) = ask(&login)?;
            let body = json!({ "username": user, "password": password.expose_secret(), "grant": "token" });
            stranger.request(Method::POST, "/api/v1/auth/login")?.json(&body)
        }
    };
    let access: Access = answer(request).await?;
    let client = Client::new(origin.clone(), Some(access.access_token))?;
    let me: Me = answer(client.request(Method::GET, "/api/v1/users/me")?).await?;
    let host = nix::unistd::gethostname()?.to_string_lossy().into_owned();
    let body = json!({ "name": format!("streamspace on {host}"), "expiresIn": TOKEN_LIFETIME });
    let token: Token = answer(client.request(Method::POST, "/api/v1/tokens")?.json(&body)).await?;
    let Token { token, expires_at } = token;
    let origin = origin.origin().ascii_serialization();
    credentials.remember(&origin, Server { user: me.name.clone(), token, expires_at })?;
    println!("signed in to {origin} as {} until {expires_at}", me.name);
    Ok(())
}

/// The secret of a one-time sign-in link.
fn link_in(url: &Url) -> Option<SecretString> {
    url.fragment()?.strip_prefix("link=").map(SecretString::from)
}

fn refuse_plain_http(origin: &Url, allowed: bool) -> Result<(), CliError> {
    let loopback = match origin.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err(format!("{origin} names no server: write https://streamspace.example.org").into()),
    };
    match origin.scheme() {
        "https" => Ok(()),
        "http" if loopback || allowed => Ok(()),
        "http" => Err("over plain http the password can be read on the way: use https, or --allow-plain-http".into()),
        other => Err(format!("{other} is not spoken here: write https://…").into()),
    }
}

fn ask(login: &Login) -> Result<(String, SecretString), CliError> {
    let user = match &login.user {
        Some(user) => user.clone(),
        None if login.password_stdin || !io::stdin().is_terminal() => return Err("name the user with --user".into()),
        None => {
            eprint!("User name: ");
            io::stderr().flush()?;
            line()?
        }
    };
    let password = if login.password_stdin { line()? } else { rpassword::prompt_password("Password: ")? };
    Ok((user, password.into()))
}

fn line() -> Result<String, CliError> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(url: &str, allowed: bool) -> bool {
        refuse_plain_http(&url.parse().unwrap(), allowed).is_ok()
    }

    #[test]
    fn a_password_goes_over_plain_http_to_this_machine_alone() {
        assert!(plain("http://localhost:8000/", false));
        assert!(plain("http://127.0.0.1:8000/", false));
        assert!(plain("http://[::1]:8000/", false));
        assert!(plain("https://streamspace.example.org/", false));
        assert!(!plain("http://streamspace.example.org/", false));
        assert!(plain("http://streamspace.example.org/", true));
        assert!(!plain("ftp://localhost/", true));
    }

    #[test]
    fn a_one_time_link_is_told_from_an_address() {
        let link = |url: &str| link_in(&url.parse().unwrap()).map(|link| link.expose_secret().to_owned());
        assert_eq!(link("http://localhost:8000/sign-in#link=abc").as_deref(), Some("abc"));
        assert_eq!(link("http://localhost:8000/sign-in"), None);
        assert_eq!(link("http://localhost:8000/#top"), None);
    }
}
