//! What the screens want to know of the sync loop and tell it, as plain data; what in it is an alarm.
use std::collections::BTreeMap;

use crm_core::journal::sync::{
    ConflictRecord, EventFilter, EventLine, LaneState, LaneStatus, LogLine, LoopState, Order, ScoreLine, text_of,
};
use crm_core::project::{Mapping, Side};
use crm_core::workspace::{SyncStatus, Trace};

/// Bounds of the histogram of lags, in milliseconds.
pub const LAGS: [u64; 8] = [10, 50, 100, 250, 1_000, 5_000, 30_000, 60_000];
/// Minutes for which an alarm is silenced.
pub const SILENCE_MINUTES: i64 = 30;
/// A sign of life that is older is told: the loop gives one every 2 seconds.
pub const BEAT_LATE: i64 = 10_000;
/// An alarm that comes back within this time, in milliseconds, is the same one.
const SAME: i64 = 60_000;

/// What is looked at.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SyncLook {
    /// These events, and the log; None: only how the loop and its lanes stand.
    pub events: Option<EventFilter>,
    /// The lags of this mapping.
    pub lags_of: Option<String>,
    /// The history of scores.
    pub scores: bool,
    /// The conflicts.
    pub conflicts: bool,
}

/// What was seen; what was not looked at is None.
#[derive(Debug, Clone, Default)]
pub struct SyncSeen {
    /// How it stands.
    pub status: SyncStatus,
    /// Events, newest first.
    pub events: Option<Vec<EventLine>>,
    /// What happened to lanes, newest first.
    pub log: Option<Vec<LogLine>>,
    /// Lags of a mapping's last 5 minutes, counted by [`LAGS`].
    pub lags: Option<(String, Vec<u64>)>,
    /// Scores of the last hour by mapping, oldest first.
    pub scores: Option<BTreeMap<String, Vec<ScoreLine>>>,
    /// Conflicts that are not settled.
    pub conflicts: Option<Vec<ConflictRecord>>,
}

/// Something to do about the loop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SyncOrder {
    /// Start it.
    Start,
    /// Tell it, or one mapping's lane, something.
    Tell(Option<String>, Order),
    /// Be quiet about a mapping's alarms for so many minutes; 0: no longer.
    Silence(String, i64),
    /// Decide fields of a conflict.
    Decide(i64, Vec<(String, Side)>),
    /// Take a decision back.
    Undecide(i64),
}

impl SyncOrder {
    /// Does to the conflicts at hand what it will do to those of the store.
    pub fn foresee(&self, conflicts: &mut [ConflictRecord]) {
        use crm_core::journal::sync::ConflictState;
        let (id, takes) = match self {
            Self::Decide(id, takes) => (id, Some(takes)),
            Self::Undecide(id) => (id, None),
            _ => return,
        };
        let Some(conflict) = conflicts.iter_mut().find(|conflict| conflict.id == *id) else { return };
        for field in &mut conflict.fields {
            match takes {
                None => field.take = None,
                Some(takes) => {
                    let take = takes.iter().find(|(name, _)| *name == field.field).map(|(_, side)| *side);
                    field.take = take.or(field.take);
                }
            }
        }
        let all = conflict.fields.iter().all(|field| field.take.is_some());
        conflict.state = if all { ConflictState::Decided } else { ConflictState::Open };
    }
}

/// What is known of one record that sync carried over.
#[derive(Debug, Clone)]
pub struct SyncTraced {
    /// Mapping.
    pub mapping: String,
    /// Key.
    pub key: String,
    /// Its events, newest first.
    pub events: Vec<EventLine>,
    /// Its way through the newest run or plan that had it.
    pub trace: Option<Trace>,
}

/// Alarms that were rung for.
#[derive(Debug, Default)]
pub struct Alarms {
    /// Mapping and alarm, and when it was seen last.
    heard: BTreeMap<(Option<String>, &'static str), i64>,
    begun: bool,
}

impl Alarms {
    /// Looks at how it stands: true if there is an alarm that was not there before and is not silenced. What is there when
    /// the screen opens is seen, and rings for nobody.
    pub fn ring(&mut self, status: &SyncStatus) -> bool {
        let now = status.now;
        self.heard.retain(|_, seen| now - *seen < SAME);
        let mut ring = false;
        for (mapping, alarm) in status.alarms() {
            let quiet = mapping.is_some_and(|name| {
                status.lanes.iter().any(|lane| lane.mapping == name && silent_until(lane, now).is_some())
            });
            // A silenced alarm is heard of once the silence is over.
            if !quiet {
                ring |= self.heard.insert((mapping.map(str::to_owned), alarm), now).is_none();
            }
        }
        std::mem::replace(&mut self.begun, true) && ring
    }
}

/// Until when a lane's alarms are silent, if they are.
pub fn silent_until(lane: &LaneStatus, now: i64) -> Option<i64> {
    lane.silenced.as_ref().map(|(_, until)| *until).filter(|until| *until > now)
}

/// The worst of it, for the window's title: `sync STUCK contacts`; None where there is no loop to speak of.
pub fn worst(status: &SyncStatus) -> Option<String> {
    let record = status.record.as_ref()?;
    match (record.state, status.alive) {
        (LoopState::Running, false) => return Some("sync DEAD".to_owned()),
        (LoopState::Failed, _) => return Some("sync FAILED".to_owned()),
        (LoopState::Stopped, false) => return Some("sync stopped".to_owned()),
        _ => {}
    }
    for alarm in ["stuck", "held", "late", "conflicts", "audit gap"] {
        let lanes: Vec<&str> = status
            .lanes
            .iter()
            .filter(|lane| lane.alarms(status.now).contains(&alarm))
            .map(|lane| lane.mapping.as_str())
            .collect();
        if let Some(first) = lanes.first() {
            let more = if lanes.len() > 1 { format!(" +{}", lanes.len() - 1) } else { String::new() };
            return Some(format!("sync {} {first}{more}", alarm.to_uppercase()));
        }
    }
    let paused = status.lanes.iter().any(|lane| lane.state == LaneState::Paused);
    Some(if paused { "sync paused" } else { "sync ok" }.to_owned())
}

/// The mappings that a start would keep in sync.
pub fn in_sync(mappings: &[Mapping]) -> Vec<&Mapping> {
    mappings.iter().filter(|mapping| mapping.sync.on).collect()
}

/// What is typed to start it: the targets' platforms with the environment, each once, as for a run.
pub fn confirm_word(env: Option<&str>, mappings: &[&Mapping]) -> String {
    let mut words: Vec<String> = Vec::new();
    for mapping in mappings {
        let platform = &mapping.to.platform;
        let word = env.map_or_else(|| platform.clone(), |env| format!("{platform}-{env}"));
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words.join("+")
}

/// `41ms`, `9.1s`, `38m12s`, `4h02m`, `3d04h`.
pub fn short(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis}ms"),
        1_000..60_000 => format!("{:.1}s", (millis / 100) as f64 / 10.0),
        60_000..3_600_000 => format!("{}m{:02}s", millis / 60_000, millis / 1_000 % 60),
        3_600_000..86_400_000 => format!("{}h{:02}m", millis / 3_600_000, millis / 60_000 % 60),
        _ => format!("{}d{:02}h", millis / 86_400_000, millis / 3_600_000 % 24),
    }
}

/// Time of day in UTC, `02:41:07`; with the date where that is another than that of `now`.
pub fn clock(at: i64, now: i64) -> String {
    let (at, now) = (text_of(at), text_of(now));
    let part = |text: &str, range: std::ops::Range<usize>| text.get(range).unwrap_or_default().to_owned();
    if part(&at, 0..10) == part(&now, 0..10) {
        part(&at, 11..19)
    } else {
        format!("{} {}", part(&at, 5..10), part(&at, 11..16))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn spans_and_times_are_short() {
        assert_eq!(
            [short(41), short(9_190), short(2_292_000), short(14_520_000), short(273_600_000)],
            ["41ms", "9.1s", "38m12s", "4h02m", "3d04h"]
        );
        let day = 86_400_000;
        assert_eq!(clock(day + 9_667_000, day + 9_668_000), "02:41:07");
        assert_eq!(clock(9_667_000, day), "01-01 02:41");
    }
}
