use secrecy::SecretString;

/// How people sign in.
#[derive(clap::Args, Clone, Debug)]
pub struct People {
    /// `jwt`: local accounts and tokens; `saml`: identity providers alone, and tokens; `hybrid`: all; `none`: everyone on
    /// this machine is the administrator.
    #[arg(long, env = "AUTH_MODE", value_enum, default_value_t = AuthMode::Hybrid)]
    pub auth_mode: AuthMode,
    /// Keys of at least 32 bytes that protect secrets at rest, separated by commas: the first encrypts, all decrypt.
    /// Absent: a file in the data folder, made at the first start.
    #[arg(long, env = "SECRET_KEY", hide_env_values = true)]
    pub secret_key: Option<SecretString>,
    /// Let whoever reaches the sign-in page make themselves an account, with the role `user`.
    #[arg(long, env = "REGISTRATION")]
    pub registration: bool,
    /// Hours without a request after which a browser is signed out.
    #[arg(long, env = "SIGN_IN_IDLE_HOURS", default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub sign_in_idle_hours: u32,
    /// Hours after which a browser is signed out in any case.
    #[arg(long, env = "SIGN_IN_MAX_HOURS", default_value_t = 168, value_parser = clap::value_parser!(u32).range(1..=8_760))]
    pub sign_in_max_hours: u32,
}

/// Ways to sign in that are switched on.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
#[allow(missing_docs, reason = "the names say it")]
pub enum AuthMode {
    Jwt,
    Saml,
    Hybrid,
    None,
}
