//! Timeliness: how much of its freshness budget a change had left when its write was acknowledged.
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// `max(0, 1 − lag / budget)`: 1 at once, 0 at the deadline and after it. A budget of nothing leaves nothing.
pub fn term(lag: Duration, budget: Duration) -> f64 {
    if budget.is_zero() {
        return 0.0;
    }
    (1.0 - lag.as_secs_f64() / budget.as_secs_f64()).clamp(0.0, 1.0)
}

/// Timeliness of the sync events of a window. Times in milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Timeliness {
    /// Mean of the terms, 0 to 1; None where nothing happened.
    pub mean: Option<f64>,
    /// Share of the events that were, or still are, within the budget.
    pub on_time: Option<f64>,
    /// Events that count: acknowledged ones and open ones.
    pub events: u64,
    /// Of those: not yet applied, failed ones included. They count with their present age.
    pub open: u64,
    /// Age of the oldest open event.
    pub oldest: Option<u64>,
    /// Lag of the acknowledged events: half of them are quicker.
    pub p50: Option<u64>,
    /// 95 of 100 are quicker.
    pub p95: Option<u64>,
    /// 99 of 100 are quicker.
    pub p99: Option<u64>,
    /// The greatest.
    pub max: Option<u64>,
}

impl Timeliness {
    /// Over the lags of acknowledged events and the ages of open ones, each with its budget.
    pub fn of(done: &[(Duration, Duration)], open: &[(Duration, Duration)]) -> Self {
        let all = || done.iter().chain(open);
        let events = done.len() + open.len();
        let sum: f64 = all().map(|(lag, budget)| term(*lag, *budget)).sum();
        let in_time = all().filter(|(lag, budget)| lag <= budget).count();
        let share = |part: f64| (events > 0).then(|| (part / events as f64).clamp(0.0, 1.0));
        let mut lags: Vec<u64> = done.iter().map(|(lag, _)| lag.as_millis() as u64).collect();
        lags.sort_unstable();
        let rank = |share: f64| {
            // Nearest rank: the smallest lag that so many do not exceed.
            let place = (share * lags.len() as f64).ceil() as usize;
            lags.get(place.saturating_sub(1).min(lags.len().saturating_sub(1))).copied()
        };
        Self {
            mean: share(sum),
            on_time: share(in_time as f64),
            events: events as u64,
            open: open.len() as u64,
            oldest: open.iter().map(|(age, _)| age.as_millis() as u64).max(),
            p50: rank(0.50),
            p95: rank(0.95),
            p99: rank(0.99),
            max: lags.last().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn millis(pairs: &[(u64, u64)]) -> Vec<(Duration, Duration)> {
        pairs.iter().map(|(lag, budget)| (Duration::from_millis(*lag), Duration::from_millis(*budget))).collect()
    }

    #[test]
    fn nothing_happened_is_no_score() {
        let none = Timeliness::of(&[], &[]);
        assert_eq!((none.mean, none.on_time, none.p95, none.oldest), (None, None, None, None));
    }

    #[test]
    fn half_the_budget_is_half_and_late_is_nothing() {
        let score = Timeliness::of(&millis(&[(500, 1_000), (0, 1_000), (5_000, 1_000)]), &[]);
        assert_eq!(score.mean, Some(0.5));
        assert_eq!(score.on_time, Some(2.0 / 3.0));
        assert_eq!((score.p50, score.p99, score.max), (Some(500), Some(5_000), Some(5_000)));
    }

    #[test]
    fn percentiles_are_by_nearest_rank() {
        let hundred: Vec<(u64, u64)> = (1..=100).map(|lag| (lag, 1_000)).collect();
        let score = Timeliness::of(&millis(&hundred), &[]);
        assert_eq!((score.p50, score.p95, score.p99, score.max), (Some(50), Some(95), Some(99), Some(100)));
    }

    proptest! {
        #[test]
        fn it_is_a_share(done in prop::collection::vec((0_u64..100_000, 0_u64..60_000), 0..40),
                         open in prop::collection::vec((0_u64..100_000, 0_u64..60_000), 0..40)) {
            let score = Timeliness::of(&millis(&done), &millis(&open));
            prop_assert_eq!(score.mean.is_none(), done.is_empty() && open.is_empty());
            for share in [score.mean, score.on_time].into_iter().flatten() {
                prop_assert!((0.0..=1.0).contains(&share));
            }
        }

        #[test]
        fn it_falls_while_something_is_stuck(done in prop::collection::vec((0_u64..2_000, 1_000_u64..2_000), 0..20),
                                             ages in prop::collection::vec((0_u64..2_000, 1_000_u64..2_000), 1..20),
                                             later in 1_u64..5_000) {
            let before = Timeliness::of(&millis(&done), &millis(&ages));
            let older: Vec<(u64, u64)> = ages.iter().map(|(age, budget)| (age + later, *budget)).collect();
            let after = Timeliness::of(&millis(&done), &millis(&older));
            prop_assert!(after.mean <= before.mean && after.on_time <= before.on_time);
            prop_assert!(after.oldest > before.oldest);
            let fresh = ages.iter().any(|(age, budget)| age < budget);
            prop_assert!(!fresh || after.mean < before.mean);
        }
    }
}
