//! `streamspace admin`: what whoever may enter the server's host can do without signing in.

use std::{collections::BTreeSet, sync::Arc};

use secrecy::ExposeSecret;

use super::{
    CliError,
    attend::{Attendance, attend},
};
use crate::{
    auth::{Auth, Caller, Credential, Role},
    clock::Clock,
    config::Config,
    services::{
        accounts::{self, Link, NewUser},
        secrets,
    },
};

/// Accounts and keys, from the server's host.
#[derive(Debug, clap::Subcommand)]
pub(super) enum Admin {
    /// Make an account and print a one-time sign-in link for it.
    Create(Box<Create>),
    /// Print a one-time sign-in link for an account; links made before no longer work.
    SignInLink(Box<SignInLink>),
    /// Seal every secret in the database with the first of several SECRET_KEYs.
    ///
    /// To change the key: put the new one in front of the old (`SECRET_KEY=new,old`), restart every server, run this,
    /// take the old one away, restart again.
    Rekey(Box<Config>),
    /// Let a new key sign tokens from now on; nobody is signed out.
    RotateSigningKey(Box<Config>),
}

#[derive(Debug, clap::Args)]
pub(super) struct Create {
    /// The user name: lower-case letters, digits and hyphens.
    name: String,
    /// What they may do; can be given several times.
    #[arg(long = "role", value_parser = role, default_value = "admin")]
    roles: Vec<Role>,
    /// What is shown.
    #[arg(long, default_value = "")]
    display_name: String,
    /// Where they read mail.
    #[arg(long)]
    email: Option<String>,
    #[command(flatten)]
    config: Config,
}

#[derive(Debug, clap::Args)]
pub(super) struct SignInLink {
    /// The user name.
    name: String,
    #[command(flatten)]
    config: Config,
}

fn role(word: &str) -> Result<Role, String> {
    Role::from_word(word).ok_or_else(|| format!("use one of {}", Role::ALL.map(Role::word).join(", ")))
}

/// Runs one of them.
pub(super) fn run(admin: Admin, clock: Arc<dyn Clock>) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let attendance = attend(admin.config(), clock).await?;
        let result = act(admin, &attendance).await;
        attendance.end(result).await
    })
}

impl Admin {
    fn config(&self) -> &Config {
        match self {
            Self::Create(create) => &create.config,
            Self::SignInLink(link) => &link.config,
            Self::Rekey(config) | Self::RotateSigningKey(config) => config,
        }
    }
}

async fn act(admin: Admin, Attendance { auth, .. }: &Attendance) -> Result<(), CliError> {
    let console = Caller::new("console", [Role::Admin], Credential::Console);
    match admin {
        Admin::Create(create) => {
            let Create { name, roles, display_name, email, config: _ } = *create;
            let new = NewUser { name, display_name, email, roles: roles.into_iter().collect::<BTreeSet<_>>() };
            let (_, link) = accounts::create(auth, &console, new).await?;
            print(auth, &link);
        }
        Admin::SignInLink(asked) => print(auth, &accounts::sign_in_link(auth, &console, &asked.name).await?),
        Admin::Rekey(_) => println!("{} secrets were sealed anew", secrets::rekey(auth).await?),
        Admin::RotateSigningKey(_) => {
            auth.keys.rotate().await?;
            println!("a new key signs tokens; the old ones go on verifying what they signed");
        }
    }
    Ok(())
}

fn print(auth: &Auth, link: &Link) {
    println!("{}", auth.link_url(&link.secret).expose_secret());
    eprintln!("It works once, until {}. Whoever has it is that person.", link.expires_at);
}
