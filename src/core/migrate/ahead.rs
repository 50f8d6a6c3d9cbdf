//! Work done ahead of who needs its results: numbered jobs on as many threads as are wanted at the moment, results in order.
use std::collections::VecDeque;
use std::sync::Arc;
use std::thread::{Scope, ScopedJoinHandle};

use crate::error::{Error, Result};

/// Results of the jobs `0..jobs`, in their order, whatever the number of threads.
pub(super) struct Ahead<'s, 'e, T, W, J> {
    scope: &'s Scope<'s, 'e>,
    jobs: u64,
    next: u64,
    /// Threads that are wanted; asked before each job.
    workers: W,
    job: Arc<J>,
    running: VecDeque<ScopedJoinHandle<'s, Result<T>>>,
}

impl<'s, 'e, T, W, J> Ahead<'s, 'e, T, W, J>
where
    T: Send + 's,
    W: Fn() -> usize,
    J: Fn(u64) -> Result<T> + Send + Sync + 's,
{
    pub(super) fn new(scope: &'s Scope<'s, 'e>, jobs: u64, workers: W, job: J) -> Self {
        Self { scope, jobs, next: 0, workers, job: Arc::new(job), running: VecDeque::new() }
    }

    /// The next result; None after the last. With one worker nothing is done ahead.
    pub(super) fn next(&mut self) -> Result<Option<T>> {
        let workers = (self.workers)();
        while workers > 1 && self.running.len() < workers && self.next < self.jobs {
            let (job, number) = (self.job.clone(), self.next);
            self.running.push_back(self.scope.spawn(move || job(number)));
            self.next += 1;
        }
        if let Some(first) = self.running.pop_front() {
            return first.join().unwrap_or_else(|_| Err(Error::platform("a worker thread failed"))).map(Some);
        }
        if self.next == self.jobs {
            return Ok(None);
        }
        self.next += 1;
        (self.job)(self.next - 1).map(Some)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn results_come_in_order_for_any_number_of_workers() {
        for workers in [0, 1, 2, 3, 8, 100] {
            let most = AtomicUsize::new(0);
            let now = AtomicUsize::new(0);
            std::thread::scope(|scope| {
                let mut ahead = Ahead::new(
                    scope,
                    50,
                    || workers,
                    |number| {
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        // Odd jobs take longer, so that they would be overtaken.
                        for turn in 0..number % 2 * 20_000 {
                            std::hint::black_box(turn);
                        }
                        now.fetch_sub(1, Ordering::SeqCst);
                        Ok(number)
                    },
                );
                let mut seen = Vec::new();
                while let Some(number) = ahead.next().unwrap() {
                    seen.push(number);
                }
                assert_eq!(seen, (0..50).collect::<Vec<_>>());
            });
            assert!(most.into_inner() <= workers.max(1), "{workers}");
        }
    }

    #[test]
    fn the_number_of_workers_may_change_and_an_error_comes_at_its_place() {
        let turn = Cell::new(0_usize);
        std::thread::scope(|scope| {
            let workers = || {
                turn.set(turn.get() + 1);
                [1, 4, 1, 2, 8][turn.get() % 5]
            };
            let job = |number| if number == 20 { Err(Error::data("no")) } else { Ok(number) };
            let mut ahead = Ahead::new(scope, 30, workers, job);
            for number in 0..20 {
                assert_eq!(ahead.next().unwrap(), Some(number));
            }
            assert!(ahead.next().is_err());
            assert_eq!(ahead.next().unwrap(), Some(21));
        });
    }
}
