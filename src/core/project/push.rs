//! `[push]` of `project.toml`: how others tell of changes.
use std::net::SocketAddr;
use std::path::PathBuf;

/// `[push]` after defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushConfig {
    /// Where HTTP is taken; port 0: any that is free. None: HTTP is not taken.
    pub listen: Option<SocketAddr>,
    /// Environment variable that holds the secret that HTTP is signed with.
    pub secret_env: Option<String>,
    /// File of mode 0600 that holds it, from the project's folder.
    pub secret_file: Option<PathBuf>,
    /// Most bytes of one request, or of one line on the socket.
    pub max_bytes: usize,
}

impl Default for PushConfig {
    fn default() -> Self {
        Self { listen: None, secret_env: None, secret_file: None, max_bytes: 1 << 20 }
    }
}
