//! What a running engine can be told, as a word and a value.
use serde::{Deserialize, Serialize};

/// What a running engine can be told. The last one of its sort counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Command {
    /// End before anything more is published; what was staged is thrown away.
    Cancel,
    /// End after the batch that is being written, so that the run can be resumed.
    Stop,
    /// Wait.
    Pause,
    /// Go on after a pause.
    Resume,
    /// Write at most this many rows a second; None: as fast as it goes.
    Throttle(Option<u64>),
    /// Prepare batches on this many threads.
    Workers(u32),
}

impl Command {
    /// Its word, as in the store.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Stop => "stop",
            Self::Pause => "pause",
            Self::Resume => "resume",
            Self::Throttle(_) => "throttle",
            Self::Workers(_) => "workers",
        }
    }
    /// Its value, as in the store.
    pub(super) fn value(self) -> Option<i64> {
        match self {
            Self::Throttle(rate) => rate.map(|rate| i64::try_from(rate).unwrap_or(i64::MAX)),
            Self::Workers(workers) => Some(i64::from(workers)),
            _ => None,
        }
    }
    /// From word and value; None: a word of another version.
    pub(super) fn of(word: &str, value: Option<i64>) -> Option<Self> {
        Some(match word {
            "cancel" => Self::Cancel,
            "stop" => Self::Stop,
            "pause" => Self::Pause,
            "resume" => Self::Resume,
            "throttle" => Self::Throttle(value.map(i64::unsigned_abs)),
            "workers" => Self::Workers(u32::try_from(value?).ok()?.max(1)),
            _ => return None,
        })
    }
    /// A setting holds for later attempts of the run too; an order is for the engine that is at work.
    pub const fn is_setting(self) -> bool {
        matches!(self, Self::Throttle(_) | Self::Workers(_))
    }
}

/// Words of the orders, for SQL.
pub(super) const ORDERS: &str = "('cancel', 'stop', 'pause', 'resume')";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_comes_back() {
        let all = [
            Command::Cancel,
            Command::Stop,
            Command::Pause,
            Command::Resume,
            Command::Throttle(None),
            Command::Throttle(Some(500)),
            Command::Workers(4),
        ];
        for command in all {
            assert_eq!(Command::of(command.word(), command.value()), Some(command));
            assert_eq!(!command.is_setting(), ORDERS.contains(&format!("'{}'", command.word())), "{command:?}");
        }
        assert_eq!(Command::of("dance", None), None);
        assert_eq!(Command::of("workers", None), None);
    }
}
