//! `[alerts]` of `project.toml`: whom sync tells that somebody must look, and about what.
use std::path::PathBuf;
use std::time::Duration;

/// What may be alerted of: the alarms of a mapping, and the loop that ended by an error.
pub const ALARMS: [&str; 6] = ["stuck", "held", "late", "conflicts", "audit gap", "failed"];

/// `[alerts]`, after defaults. Without a command and a webhook nobody is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertsConfig {
    /// A program with its arguments, run in the project's folder; no shell reads it.
    pub command: Vec<String>,
    /// Where a webhook listens.
    pub webhook: Option<String>,
    /// Environment variable that holds the address, where the address is a secret.
    pub webhook_env: Option<String>,
    /// The header that carries the secret.
    pub header: String,
    /// Environment variable that holds what stands in it.
    pub secret_env: Option<String>,
    /// File of mode 0600 that holds it, from the project's folder.
    pub secret_file: Option<PathBuf>,
    /// Certificates (PEM) that a webhook's is trusted by, instead of the usual ones.
    pub ca_file: Option<PathBuf>,
    /// Alarms that are told.
    pub on: Vec<&'static str>,
    /// How long an alarm must be there, or be gone, before it is told.
    pub after: Duration,
    /// An alarm that is still there is told again after this; None: once.
    pub repeat: Option<Duration>,
    /// Longest time that the command, or one request, may take.
    pub timeout: Duration,
}

impl Default for AlertsConfig {
    fn default() -> Self {
        Self {
            command: Vec::new(),
            webhook: None,
            webhook_env: None,
            header: "Authorization".to_owned(),
            secret_env: None,
            secret_file: None,
            ca_file: None,
            on: ALARMS.to_vec(),
            after: Duration::from_secs(15),
            repeat: Some(Duration::from_secs(3_600)),
            timeout: Duration::from_secs(10),
        }
    }
}

impl AlertsConfig {
    /// Somebody is told.
    pub fn is_on(&self) -> bool {
        !self.command.is_empty() || self.webhook.is_some() || self.webhook_env.is_some()
    }
}
