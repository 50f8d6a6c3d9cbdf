//! What waits for each lane: signs of change and orders. Triggers and the clerk write here, the lanes' workers wait here.
//!
//! Signs of one lane become one, with the times of the first: memory does not grow with what happens outside.
use std::collections::HashMap;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::journal::sync::OrderLine;
use crate::platform::Sign;

/// What a lane has to do.
#[derive(Debug, Default, Clone)]
pub(crate) struct Turn {
    /// The first sign since the last turn.
    pub(crate) sign: Option<Sign>,
    /// When it came, on the clock that never goes back.
    pub(crate) at: Option<Instant>,
    /// Orders since the last turn, oldest first.
    pub(crate) orders: Vec<OrderLine>,
}

impl Turn {
    fn is_due(&self) -> bool {
        self.sign.is_some() || !self.orders.is_empty()
    }
}

#[derive(Debug, Default)]
struct Inner {
    lanes: HashMap<String, Turn>,
    stop: bool,
}

/// Shared by all threads of a loop.
#[derive(Debug, Default)]
pub(crate) struct Board {
    inner: Mutex<Inner>,
    news: Condvar,
}

impl Board {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// A lane may have something to do.
    pub(crate) fn sign(&self, lane: &str, sign: Sign) {
        let mut inner = self.inner();
        let turn = inner.lanes.entry(lane.to_owned()).or_default();
        match &mut turn.sign {
            Some(first) => first.join(&sign),
            None => (turn.sign, turn.at) = (Some(sign), Some(Instant::now())),
        }
        drop(inner);
        self.news.notify_all();
    }
    /// A lane is told something.
    pub(crate) fn order(&self, lane: &str, order: OrderLine) {
        self.inner().lanes.entry(lane.to_owned()).or_default().orders.push(order);
        self.news.notify_all();
    }
    /// All workers shall end.
    pub(crate) fn stop(&self) {
        self.inner().stop = true;
        self.news.notify_all();
    }
    /// Waits so long, or until all shall end.
    pub(crate) fn rest(&self, span: std::time::Duration) {
        let until = Instant::now() + span;
        let mut inner = self.inner();
        while !inner.stop {
            let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return;
            };
            inner = self.news.wait_timeout(inner, left).map_or_else(|e| e.into_inner().0, |it| it.0);
        }
    }
    /// All workers shall end.
    pub(crate) fn stopped(&self) -> bool {
        self.inner().stop
    }
    /// Waits until one of these lanes has something to do, until `until` at most. Answers what each of them has to do; a
    /// sign is taken only by lanes that `ready` names.
    pub(crate) fn wait(&self, lanes: &[String], ready: &[bool], until: Option<Instant>) -> Vec<Turn> {
        let mut inner = self.inner();
        loop {
            let due = |(lane, ready): (&String, &bool)| {
                inner.lanes.get(lane).is_some_and(|turn| !turn.orders.is_empty() || (*ready && turn.is_due()))
            };
            let now = Instant::now();
            if inner.stop || lanes.iter().zip(ready).any(due) || until.is_some_and(|until| until <= now) {
                break;
            }
            inner = match until {
                Some(until) => self.news.wait_timeout(inner, until - now).map_or_else(|e| e.into_inner().0, |it| it.0),
                None => self.news.wait(inner).unwrap_or_else(PoisonError::into_inner),
            };
        }
        let take = |(lane, ready): (&String, &bool)| {
            let Some(turn) = inner.lanes.get_mut(lane) else { return Turn::default() };
            let orders = std::mem::take(&mut turn.orders);
            if !*ready {
                return Turn { orders, ..Turn::default() };
            }
            Turn { orders, ..std::mem::take(turn) }
        };
        lanes.iter().zip(ready).map(take).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::{Duration, SystemTime};

    use super::*;
    use crate::journal::sync::Order;

    fn order(order: Order) -> OrderLine {
        OrderLine { id: 1, who: "anna".into(), mapping: None, order }
    }

    #[test]
    fn many_signs_are_one_with_the_first_time() {
        let board = Board::default();
        let first = SystemTime::now();
        for later in [5, 0, 9] {
            let seen = first + Duration::from_secs(later);
            board.sign("a", Sign { origin: "file", changed: Some(seen), seen });
        }
        let lanes = ["a".to_owned(), "b".to_owned()];
        assert!(board.wait(&lanes, &[false, true], Some(Instant::now())).iter().all(|turn| turn.sign.is_none()));
        let turns = board.wait(&lanes, &[true, true], None);
        let sign = turns[0].sign.clone().unwrap();
        assert_eq!((sign.changed, sign.seen), (Some(first), first + Duration::from_secs(5)));
        assert!(turns[1].sign.is_none());
        let again = board.wait(&lanes, &[true, true], Some(Instant::now()));
        assert!(again[0].sign.is_none(), "it is taken once");
    }

    #[test]
    fn orders_reach_a_lane_that_is_not_ready_for_signs() {
        let board = Board::default();
        board.sign("a", Sign::now("pull"));
        board.order("a", order(Order::Pause));
        let turns = board.wait(&["a".to_owned()], &[false], None);
        assert_eq!((turns[0].orders.len(), turns[0].sign.is_some()), (1, false));
        let later = board.wait(&["a".to_owned()], &[true], None);
        assert!(later[0].sign.is_some(), "the sign waited on");
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| board.wait(&["b".to_owned()], &[true], None));
            board.stop();
            worker.join().unwrap();
        });
        assert!(board.stopped());
    }
}
