//! How fast a run may write, and how fast it does.
use std::time::{Duration, Instant};

/// Time over which the rate is smoothed.
const SMOOTHING: Duration = Duration::from_secs(3);
/// Pieces a second that a throttled run is written in: a change of mind is heard that often.
const PIECES: u64 = 5;

/// Rows a second at most.
#[derive(Debug)]
pub(super) struct Pace {
    limit: Option<u64>,
    /// When the piece that was written last began, and its rows.
    piece: (Instant, u64),
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self { limit: None, piece: (now, 0) }
    }
    /// From now on. 0 would be a pause, which has a word of its own: one row a second is the least.
    pub(super) fn set(&mut self, limit: Option<u64>) {
        self.limit = limit.map(|limit| limit.max(1));
    }
    /// Most rows to write at once.
    pub(super) fn rows(&self) -> usize {
        self.limit.map_or(usize::MAX, |limit| usize::try_from(limit / PIECES).unwrap_or(usize::MAX).max(1))
    }
    /// A piece of that many rows was written.
    pub(super) fn wrote(&mut self, rows: u64) {
        self.piece.1 = rows;
    }
    /// How long to wait until the next piece may begin; zero: it begins now.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        let (began, rows) = self.piece;
        let takes = self.limit.map_or(Duration::ZERO, |limit| Duration::from_secs_f64(rows as f64 / limit as f64));
        let left = (began + takes).saturating_duration_since(now);
        if left.is_zero() {
            self.piece = (now, 0);
        }
        left
    }
}

/// Rows a second, exponentially smoothed; each step begins anew.
#[derive(Debug, Default)]
pub(super) struct Rate {
    pub(super) per_second: f64,
    last: Option<(u64, Instant)>,
}

impl Rate {
    pub(super) fn note(&mut self, same_step: bool, done: u64, now: Instant) {
        let Some((before, at)) = self.last.filter(|(before, _)| same_step && *before <= done) else {
            *self = Self { per_second: 0.0, last: Some((done, now)) };
            return;
        };
        let seconds = (now - at).as_secs_f64();
        if seconds < 0.02 {
            return;
        }
        let current = (done - before) as f64 / seconds;
        let weight = if self.per_second == 0.0 { 1.0 } else { 1.0 - (-seconds / SMOOTHING.as_secs_f64()).exp() };
        self.per_second += weight * (current - self.per_second);
        self.last = Some((done, now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_follows_slowly_and_begins_anew_with_a_step() {
        let start = Instant::now();
        let at = |seconds: u64| start + Duration::from_secs(seconds);
        let mut rate = Rate::default();
        rate.note(false, 0, at(0));
        rate.note(true, 1_000, at(1));
        assert!((rate.per_second - 1_000.0).abs() < 1e-9);
        rate.note(true, 1_000, at(2));
        assert!(rate.per_second > 600.0 && rate.per_second < 800.0, "{}", rate.per_second);
        rate.note(false, 0, at(3));
        assert!(rate.per_second.abs() < f64::EPSILON);
    }

    #[test]
    fn a_limit_spreads_the_pieces_and_a_new_one_counts_at_once() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let mut pace = Pace::new(start);
        assert_eq!(pace.rows(), usize::MAX);
        pace.wrote(1_000_000);
        assert!(pace.wait(at(0)).is_zero(), "without a limit nothing waits");
        pace.set(Some(100));
        assert_eq!(pace.rows(), 20);
        pace.wrote(20);
        assert_eq!(pace.wait(at(50)), Duration::from_millis(150));
        assert_eq!(pace.wait(at(199)), Duration::from_millis(1));
        assert!(pace.wait(at(200)).is_zero());
        pace.wrote(20);
        pace.set(Some(10));
        assert_eq!(pace.wait(at(200)), Duration::from_secs(2));
        pace.set(None);
        assert!(pace.wait(at(200)).is_zero());
        pace.set(Some(0));
        assert_eq!(pace.rows(), 1);
    }

    #[test]
    fn ten_seconds_at_a_limit_are_that_many_rows() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        pace.set(Some(1_000));
        let (mut millis, mut rows) = (0, 0);
        while millis < 10_000 {
            if pace.wait(start + Duration::from_millis(millis)).is_zero() {
                rows += pace.rows() as u64;
                pace.wrote(pace.rows() as u64);
            }
            // Each piece takes 30 ms to write, and the clock is looked at every 7.
            millis += 7;
        }
        assert!((9_500..=10_200).contains(&rows), "{rows}");
    }
}
