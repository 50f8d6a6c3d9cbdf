//! The status of sync in the text form of Prometheus (exposition format 0.0.4).
use std::fmt::Write;

use super::SyncStatus;
use crate::journal::sync::{LaneState, LaneStatus};
use crate::score::{Consistency, Tally};

/// A value of each lane: name, help, type, how it is read; None: the lane has none.
type Gauge = (&'static str, &'static str, fn(&LaneStatus, i64) -> Option<f64>);

const GAUGES: [Gauge; 14] = [
    ("pending", "Changes seen and not yet applied.", |lane, _| Some(lane.pending as f64)),
    ("conflicts", "Conflicts that wait for a decision.", |lane, _| Some(lane.conflicts as f64)),
    ("rejects", "Records that are left out.", |lane, _| Some(lane.rejects as f64)),
    ("oldest_seconds", "Age of the oldest change that is not applied.", |lane, now| {
        lane.oldest.map(|oldest| (now - oldest).max(0) as f64 / 1000.0)
    }),
    ("freshness_seconds", "Budget from a change to its acknowledged write.", |lane, _| {
        Some(lane.freshness as f64 / 1000.0)
    }),
    ("timeliness_ratio", "Timeliness over 5 minutes, 0 to 1.", |lane, _| lane.recent.mean),
    ("on_time_ratio", "Share of changes within the budget over 5 minutes, 0 to 1.", |lane, _| lane.recent.on_time),
    ("lag_p50_seconds", "Median lag over 5 minutes.", |lane, _| lane.recent.p50.map(seconds)),
    ("lag_p95_seconds", "95th percentile of the lag over 5 minutes.", |lane, _| lane.recent.p95.map(seconds)),
    ("lag_p99_seconds", "99th percentile of the lag over 5 minutes.", |lane, _| lane.recent.p99.map(seconds)),
    ("consistency_ratio", "Records that are equal on both sides, 0 to 1.", |lane, _| {
        lane.tally.and_then(|tally| tally.ratio())
    }),
    ("records_equal", "Records that are equal on both sides.", |lane, _| lane.tally.map(|tally| tally.equal as f64)),
    ("audit_gap", "Records by which the upkeep was off at the last audit.", |lane, _| {
        lane.audit_gap.map(|gap| gap as f64)
    }),
    ("cycle_seconds", "Time that the last look took.", |lane, _| Some(seconds(lane.cycle_ms))),
];

const STATES: [LaneState; 5] =
    [LaneState::Starting, LaneState::Ok, LaneState::Stuck, LaneState::Held, LaneState::Paused];

fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}

impl SyncStatus {
    /// In the text form of Prometheus. What is not known has no line.
    pub fn metrics(&self) -> String {
        let mut out = String::new();
        let head = |out: &mut String, name: &str, help: &str| {
            _ = writeln!(out, "# HELP crm_console_sync_{name} {help}\n# TYPE crm_console_sync_{name} gauge");
        };
        head(&mut out, "up", "The loop is at work.");
        _ = writeln!(out, "crm_console_sync_up {}", u8::from(self.alive));
        let tallies: Vec<Tally> = self.lanes.iter().filter_map(|lane| lane.tally).collect();
        if let Some(mean) = Consistency::of(&tallies).mean {
            head(&mut out, "consistency_mean_ratio", "Mean consistency over the mappings, 0 to 1.");
            _ = writeln!(out, "crm_console_sync_consistency_mean_ratio {mean}");
        }
        head(&mut out, "state", "1 for the state that a mapping is in.");
        for lane in &self.lanes {
            for state in STATES {
                let (name, is) = (label(&lane.mapping), u8::from(lane.state == state));
                _ = writeln!(out, "crm_console_sync_state{{mapping=\"{name}\",state=\"{}\"}} {is}", state.word());
            }
        }
        for (name, help, value) in GAUGES {
            let mut any = false;
            for lane in &self.lanes {
                let Some(value) = value(lane, self.now) else { continue };
                if !std::mem::replace(&mut any, true) {
                    head(&mut out, name, help);
                }
                _ = writeln!(out, "crm_console_sync_{name}{{mapping=\"{}\"}} {value}", label(&lane.mapping));
            }
        }
        out
    }
}

/// A label's value, with what the format escapes.
fn label(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_has_no_line_and_names_are_escaped() {
        let lane = LaneStatus {
            mapping: "a\"b".into(),
            state: LaneState::Held,
            freshness: 1_500,
            oldest: Some(1_000),
            tally: Some(Tally { equal: 3, missing: 1, ..Tally::default() }),
            ..LaneStatus::default()
        };
        let status = SyncStatus { lanes: vec![lane], now: 3_500, ..SyncStatus::default() };
        let text = status.metrics();
        for line in [
            "crm_console_sync_up 0",
            "crm_console_sync_state{mapping=\"a\\\"b\",state=\"held\"} 1",
            "crm_console_sync_state{mapping=\"a\\\"b\",state=\"ok\"} 0",
            "crm_console_sync_oldest_seconds{mapping=\"a\\\"b\"} 2.5",
            "crm_console_sync_freshness_seconds{mapping=\"a\\\"b\"} 1.5",
            "crm_console_sync_consistency_ratio{mapping=\"a\\\"b\"} 0.75",
        ] {
            assert!(text.lines().any(|have| have == line), "{line}\n{text}");
        }
        assert!(!text.contains("timeliness") && !text.contains("lag_p95"), "{text}");
    }
}
