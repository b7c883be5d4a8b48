use std::{net::IpAddr, time::Duration};

use ipnet::IpNet;
use jiff::{Timestamp, tz::TimeZone};

use crate::domain::{duration, quantity, quota::Month};

/// What sessions get.
#[derive(clap::Args, Clone, Debug)]
pub struct Sessions {
    /// Namespace of sessions, templates, homes and pods. Absent: `streamspace`.
    #[arg(long, env = "NAMESPACE")]
    pub namespace: Option<String>,
    /// Idle time for templates that name none, such as `1h`; `0s` means never.
    #[arg(long, env = "DEFAULT_IDLE_TIMEOUT", value_parser = duration::parse, default_value = "1h")]
    pub default_idle_timeout: Duration,
    /// Longest idle time that may be asked for; `0s` means no bound.
    #[arg(long, env = "MAX_IDLE_TIMEOUT", value_parser = duration::parse, default_value = "168h")]
    pub max_idle_timeout: Duration,
    /// Longest duration of a session that may be asked for; `0s` means no bound.
    #[arg(long, env = "MAX_SESSION_DURATION", value_parser = duration::parse, default_value = "0s")]
    pub max_session_duration: Duration,
    /// How long terminated sessions stay listed.
    #[arg(long, env = "TERMINATED_TTL", value_parser = duration::parse, default_value = "168h")]
    pub terminated_ttl: Duration,
    /// First host uid given to people's sandboxes when the server runs as root.
    #[arg(long, env = "SESSION_UID_BASE", default_value_t = 2_000_000)]
    pub session_uid_base: u32,
    /// How long a session's program may take to open its port before it counts as failed.
    #[arg(long, env = "SESSION_START_TIMEOUT", value_parser = duration::parse, default_value = "1m")]
    pub session_start_timeout: Duration,
    /// Networks that no session reaches, such as `10.0.0.0/8`, separated by commas: beside the host's own addresses, the
    /// link-local ones and clouds' metadata, which are refused anyway.
    #[arg(long, env = "SESSION_REFUSED_NETWORKS", value_parser = network, value_delimiter = ',')]
    pub session_refused_networks: Vec<IpNet>,
    /// Size of a home, such as `10Gi`.
    #[arg(long, env = "USER_PV_SIZE", value_parser = quantity::bytes, default_value = "10Gi")]
    pub user_pv_size: u64,
    /// Time zone in which the months of budgets begin, such as `Europe/Berlin`.
    #[arg(long, env = "BUDGET_TIMEZONE", value_parser = zone, default_value = "UTC")]
    pub budget_timezone: TimeZone,
    /// How long sessions go on, after a warning, once a budget is spent.
    #[arg(long, env = "BUDGET_GRACE", value_parser = duration::parse, default_value = "30m")]
    pub budget_grace: Duration,
    /// Storage class of homes in a cluster. Absent: the cluster's own default.
    #[arg(long, env = "DEFAULT_STORAGE_CLASS")]
    pub default_storage_class: Option<String>,
}

impl Sessions {
    /// Namespace of sessions, templates, homes and pods.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or("streamspace")
    }

    /// The month of `now`, for budgets.
    #[must_use]
    pub fn month(&self, now: Timestamp) -> Month {
        Month::at(now, &self.budget_timezone)
    }
}

/// A time zone by its name.
fn zone(text: &str) -> Result<TimeZone, String> {
    TimeZone::get(text).map_err(|_| {
        format!("“{text}” is no time zone that this host knows: write such as Europe/Berlin, or install tzdata")
    })
}

/// A network, or one address.
fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    text.parse().or_else(|_| address()).map_err(|_| format!("“{text}” is no network: write such as 10.0.0.0/8"))
}
