//! The project's secret, by which hashes in ledgers are keyed.
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::{Hidden, halves, whole};
use crate::error::{Error, Result};
use crate::resolve::keys::KeyHash;

/// See the module. What it hides it can show again: a balanced Feistel network over the two halves of a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Secret {
    rounds: [u64; 4],
}

impl Secret {
    /// Reads the secret of a ledger folder, made on first use (readable by the owner alone).
    pub fn of(folder: &Path) -> Result<Self> {
        let path = folder.join("secret");
        for _ in 0..2 {
            match std::fs::read(&path) {
                Ok(bytes) if bytes.len() == 32 => {
                    let mut rounds = [0; 4];
                    for (round, part) in rounds.iter_mut().zip(bytes.chunks_exact(8)) {
                        *round = u64::from_le_bytes(part.try_into().unwrap_or_default());
                    }
                    return Ok(Self { rounds });
                }
                Ok(_) => {
                    return Err(Error::platform("the ledger's secret is damaged")
                        .at(path.display())
                        .advise("remove the ledger folder: the next full plan makes it again"));
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => make(folder, &path)?,
                Err(error) => return Err(Error::io("read", &path, &error)),
            }
        }
        Err(Error::platform("the ledger's secret cannot be made").at(path.display()))
    }
    /// A hash as it is stored.
    pub fn hide(&self, hash: KeyHash) -> Hidden {
        let [mut left, mut right] = hash;
        for round in self.rounds {
            (left, right) = (right, left ^ xxh3_64_with_seed(&right.to_le_bytes(), round));
        }
        whole([left, right])
    }
    /// The hash behind a stored one.
    pub fn show(&self, hidden: &Hidden) -> KeyHash {
        let [mut left, mut right] = halves(hidden);
        for round in self.rounds.iter().rev() {
            (left, right) = (right ^ xxh3_64_with_seed(&left.to_le_bytes(), *round), left);
        }
        [left, right]
    }
    /// A 128-bit hash as it is stored.
    pub fn hide_wide(&self, hash: u128) -> Hidden {
        self.hide([(hash >> 64) as u64, hash as u64])
    }
    /// Hash of a linked record's key, as in [`super::Entry::links`]; never 0.
    pub fn link(&self, key: KeyHash) -> u64 {
        halves(&self.hide(key))[0].max(1)
    }
}

/// Under another name first, so that nobody reads half of it; who comes second finds the first one's.
fn make(folder: &Path, path: &Path) -> Result<()> {
    let fail = |error: std::io::Error| Error::io("write", path, &error);
    let mut bytes = [0_u8; 32];
    std::fs::File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut bytes)).map_err(fail)?;
    let made = folder.join(format!(
        ".secret-{}-{}",
        std::process::id(),
        u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
    ));
    let mut file = std::fs::OpenOptions::new().create_new(true).write(true).mode(0o600).open(&made).map_err(fail)?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(fail)?;
    let linked = std::fs::hard_link(&made, path);
    _ = std::fs::remove_file(&made);
    match linked {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(fail(error)),
        _ => Ok(()),
    }
}
