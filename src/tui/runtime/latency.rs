//! How long a key takes to its frame.
use std::time::{Duration, Instant};

/// Gathers the times between keys and the frames that show their effect.
#[derive(Debug, Default)]
pub(super) struct Latency {
    waiting: Option<Instant>,
    micros: Vec<u32>,
}

impl Latency {
    /// A key came in at that time.
    pub(super) fn key(&mut self, at: Instant) {
        self.waiting.get_or_insert(at);
    }
    /// A frame was written: it shows the oldest key that was waiting.
    pub(super) fn frame(&mut self) {
        if let Some(at) = self.waiting.take() {
            self.record(at.elapsed());
        }
    }
    fn record(&mut self, time: Duration) {
        self.micros.push(u32::try_from(time.as_micros()).unwrap_or(u32::MAX));
    }
    /// `{"frames":…,"p50_ms":…,"p95_ms":…,"max_ms":…}`.
    pub(super) fn report(&self) -> String {
        let mut sorted = self.micros.clone();
        sorted.sort_unstable();
        let at = |share: f64| -> f64 {
            let last = sorted.len().saturating_sub(1);
            let index = (share * last as f64).ceil() as usize;
            sorted.get(index).map_or(0.0, |micros| f64::from(*micros) / 1000.0)
        };
        format!(
            "{{\"frames\":{},\"p50_ms\":{:.2},\"p95_ms\":{:.2},\"max_ms\":{:.2}}}\n",
            sorted.len(),
            at(0.5),
            at(0.95),
            at(1.0)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_has_percentiles() {
        let mut latency = Latency::default();
        assert!(latency.report().contains("\"frames\":0"));
        for millis in 1..=100 {
            latency.record(Duration::from_millis(millis));
        }
        assert_eq!(latency.report(), "{\"frames\":100,\"p50_ms\":51.00,\"p95_ms\":96.00,\"max_ms\":100.00}\n");
    }
}
