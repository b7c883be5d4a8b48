/// Long work, such as catalog syncs.
#[derive(clap::Args, Clone, Debug)]
pub struct Jobs {
    /// How many jobs this server works on at once; 0: it leaves them to others.
    #[arg(long, env = "JOB_WORKERS", default_value_t = 8, value_parser = clap::value_parser!(u16).range(0..=256))]
    pub job_workers: u16,
}
