//! What a strategy costs here: rows that are read and written, and a time from measured rates.
use serde::{Deserialize, Serialize};

use crate::report::grouped;

/// Rows a second that planning is taken to handle where nothing was measured yet.
pub(super) const PLAN_RATE: f64 = 100_000.0;
/// The same for writing.
pub(super) const RUN_RATE: f64 = 50_000.0;
/// Rows below which a measured time says more about starting than about rows.
pub(super) const ENOUGH_ROWS: u64 = 1_000;

/// What a strategy costs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Rows that planning goes over; None: not known.
    pub reads: Option<u64>,
    /// Rows that the target takes at most; None: not known.
    pub writes: Option<u64>,
    /// About how long planning and writing take, to one digit; None: not known.
    pub seconds: Option<u64>,
    /// All of it in words.
    pub words: String,
}

/// A rate, and where it is from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Rate {
    /// Rows a second.
    pub(super) rows: f64,
    /// In words: `as plan 7f3ac2 did`; None: it is assumed.
    pub(super) basis: Option<String>,
}

impl Rate {
    /// Assumed until something is measured.
    pub(super) const fn assumed(rows: f64) -> Self {
        Self { rows, basis: None }
    }
    /// Measured; None where it was too little to tell.
    pub(super) fn measured(rows: u64, millis: u64, basis: impl Into<String>) -> Option<Self> {
        (rows >= ENOUGH_ROWS && millis > 0)
            .then(|| Self { rows: rows as f64 * 1_000.0 / millis as f64, basis: Some(basis.into()) })
    }
    /// Seconds for some rows.
    pub(super) fn seconds(&self, rows: u64) -> f64 {
        rows as f64 / self.rows.max(1.0)
    }
}

/// What the two rates rest on, in words.
pub(super) fn basis(plan: &Rate, run: &Rate) -> String {
    match (&plan.basis, &run.basis) {
        (None, None) => format!(
            "an assumption of {} rows/s planned and {} rows/s written: nothing was measured here yet",
            grouped(plan.rows as u64),
            grouped(run.rows as u64)
        ),
        (Some(plan), Some(run)) => format!("what {plan} and {run} took"),
        (Some(plan), None) => format!("what {plan} took; writing is assumed at {} rows/s", grouped(run.rows as u64)),
        (None, Some(run)) => format!("what {run} took; planning is assumed at {} rows/s", grouped(plan.rows as u64)),
    }
}

/// A number of seconds to one digit: more would be invented.
pub(super) fn round(seconds: f64) -> u64 {
    if seconds < 10.0 {
        return seconds.ceil() as u64;
    }
    let unit = 10_f64.powf(seconds.log10().floor());
    ((seconds / unit).round() * unit) as u64
}

/// A time in words, as coarse as an estimate is.
pub(super) fn about(seconds: u64) -> String {
    match seconds {
        0 | 1 => "about a second".to_owned(),
        2..=59 => format!("about {seconds} s"),
        60..=3_599 => format!("about {} min", (seconds + 30) / 60),
        _ => format!("about {} h", (seconds + 1_800) / 3_600),
    }
}

/// A number of rows in words.
pub(super) fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{} rows", grouped(count)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn estimates_have_one_digit_and_say_what_they_rest_on() {
        let rounded: Vec<u64> = [0.0, 0.2, 3.4, 11.0, 14.9, 26.0, 96.0, 1_234.0].into_iter().map(round).collect();
        assert_eq!(rounded, [0, 1, 4, 10, 10, 30, 100, 1_000]);
        assert_eq!(
            [0, 30, 100, 1_000, 8_000].map(about),
            ["about a second", "about 30 s", "about 2 min", "about 17 min", "about 2 h"]
        );
        assert_eq!(Rate::measured(999, 10, "x"), None, "too little to tell");
        assert_eq!(Rate::measured(5_000, 0, "x"), None);
        let measured = Rate::measured(5_000, 500, "plan 7f3ac2");
        assert_eq!(measured.as_ref().map(|rate| rate.rows), Some(10_000.0));
        let assumed = Rate::assumed(RUN_RATE);
        assert!(basis(&Rate::assumed(PLAN_RATE), &assumed).contains("nothing was measured here yet"));
        let half = measured.map(|plan| basis(&plan, &assumed)).unwrap_or_default();
        assert!(half.contains("plan 7f3ac2") && half.contains("assumed"), "{half}");
    }
}
