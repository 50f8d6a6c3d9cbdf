//! Triggers that need nothing of the platform but that it can be read.
use std::sync::Arc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use crate::error::Result;
use crate::platform::{Connector, ObjectVersion, Sign, Trigger};
use crate::project::words_of;

/// Looks every so often.
pub(crate) struct Ticker {
    every: Duration,
    next: Instant,
}

impl Ticker {
    pub(crate) fn new(every: Duration) -> Self {
        Self { every, next: Instant::now() + every }
    }
}

impl Trigger for Ticker {
    fn words(&self) -> String {
        format!("every {}", words_of(self.every))
    }
    fn wait(&mut self, most: Duration) -> Result<Option<Sign>> {
        let now = Instant::now();
        if self.next > now {
            std::thread::sleep(most.min(self.next - now));
        }
        if Instant::now() < self.next {
            return Ok(None);
        }
        // Ticks that went by while nobody asked are one.
        self.next = Instant::now() + self.every;
        Ok(Some(Sign::now("pull")))
    }
}

/// Looks at an object's version, for platforms that give no sign of their own.
pub(crate) struct Versions {
    connector: Arc<dyn Connector>,
    object: String,
    every: Duration,
    known: Option<ObjectVersion>,
}

impl Versions {
    pub(crate) fn new(connector: Arc<dyn Connector>, object: String, every: Duration) -> Self {
        Self { connector, object, every, known: None }
    }
}

impl Trigger for Versions {
    fn words(&self) -> String {
        format!("the state of {}, every {}", self.object, words_of(self.every))
    }
    fn wait(&mut self, most: Duration) -> Result<Option<Sign>> {
        std::thread::sleep(most.min(self.every));
        let now = self.connector.version(&self.object)?;
        let moved = self.known.as_ref().is_some_and(|known| *known != now);
        let changed = (now.modified_ms > 0).then(|| UNIX_EPOCH + Duration::from_millis(now.modified_ms.unsigned_abs()));
        self.known = Some(now);
        Ok(moved.then(|| Sign { changed, ..Sign::now("version") }))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ticks_that_nobody_waited_for_are_one() {
        let mut ticker = Ticker::new(Duration::from_millis(20));
        let until = Instant::now() + Duration::from_millis(100);
        while Instant::now() < until {
            std::hint::spin_loop();
        }
        assert!(ticker.wait(Duration::ZERO).unwrap().is_some());
        assert!(ticker.wait(Duration::ZERO).unwrap().is_none());
    }
}
