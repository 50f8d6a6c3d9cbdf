//! The secret that requests are signed with: from the environment, or from a file that is its owner's alone.
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crm_core::error::{Error, Result};
use crm_core::project::PushConfig;

/// Fewest bytes of a secret.
const LEAST: usize = 16;

pub(super) fn read(config: &PushConfig, root: &Path) -> Result<Vec<u8>> {
    let (secret, place) = match (&config.secret_env, &config.secret_file) {
        (Some(name), _) => {
            let value = std::env::var(name).map_err(|_| {
                Error::usage(format!("the environment variable {name} is not set: it holds the secret of [push]"))
                    .advise("set it for the process that runs sync; for systemd: EnvironmentFile=")
            })?;
            (value.into_bytes(), name.clone())
        }
        (None, Some(file)) => {
            let path = root.join(file);
            let metadata = std::fs::metadata(&path).map_err(|error| Error::io("open", &path, &error))?;
            if metadata.mode() & 0o077 != 0 {
                return Err(Error::usage(format!("{} can be read by others", path.display()))
                    .advise(format!("chmod 600 {}", path.display())));
            }
            let secret = std::fs::read(&path).map_err(|error| Error::io("read", &path, &error))?;
            (secret.trim_ascii_end().to_vec(), path.display().to_string())
        }
        (None, None) => {
            return Err(Error::usage("[push] has no secret")
                .at("project.toml")
                .advise("name its environment variable (secret_env) or its file of mode 0600 (secret_file)"));
        }
    };
    if secret.len() < LEAST {
        return Err(Error::usage(format!("the secret in {place} is too short: {LEAST} bytes or more"))
            .advise("make one with: openssl rand -hex 32"));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("secret");
        let config = PushConfig { secret_file: Some("secret".into()), ..PushConfig::default() };
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        std::fs::write(&path, "0123456789abcdef\n").unwrap();
        mode(0o640);
        assert!(read(&config, dir.path()).unwrap_err().what().contains("can be read by others"));
        mode(0o600);
        assert_eq!(read(&config, dir.path()).unwrap(), b"0123456789abcdef");
        std::fs::write(&path, "short\n").unwrap();
        assert!(read(&config, dir.path()).unwrap_err().what().contains("too short"));
        assert!(read(&PushConfig::default(), dir.path()).is_err());
    }
}
