//! How many changes were made within a time.
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Changes of the last while.
#[derive(Debug, Default)]
pub(crate) struct Window {
    made: VecDeque<(Instant, u64)>,
}

impl Window {
    /// Notes changes that were made.
    pub(crate) fn note(&mut self, at: Instant, changes: u64) {
        if changes > 0 {
            self.made.push_back((at, changes));
        }
    }
    /// Changes within `span` before `now`; what is older is forgotten.
    pub(crate) fn within(&mut self, now: Instant, span: Duration) -> u64 {
        while self.made.front().is_some_and(|(at, _)| now.duration_since(*at) > span) {
            self.made.pop_front();
        }
        self.made.iter().map(|(_, changes)| changes).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_older_than_the_span_does_not_count() {
        let (mut window, start, span) = (Window::default(), Instant::now(), Duration::from_secs(10));
        window.note(start, 5);
        window.note(start + Duration::from_secs(6), 7);
        window.note(start + Duration::from_secs(6), 0);
        assert_eq!(window.within(start + Duration::from_secs(9), span), 12);
        assert_eq!(window.within(start + Duration::from_secs(11), span), 7);
        assert_eq!(window.within(start + Duration::from_secs(60), span), 0);
    }
}
