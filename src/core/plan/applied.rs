//! The row steps over a source's batches, by one worker or by several: what comes out is the same, in the same order.
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use polars::prelude::DataFrame;

use super::build::Job;
use crate::error::{Error, Result};
use crate::map::{Outcome, Pipeline};

/// A batch on its way: ordinals of its rows, its rows.
pub(crate) type Numbered = (Vec<u32>, DataFrame);

/// Batches that wait for a worker, and as many that wait for the caller.
const WAITING: usize = 1;

/// Hands out each batch of the job with what the row steps make of it. Memory is bounded: a few batches a worker.
pub(super) fn each_applied(
    job: &Job<'_>,
    mut take: impl FnMut(Vec<u32>, DataFrame, Outcome) -> Result<()>,
) -> Result<()> {
    let pipeline = &job.shape.pipeline;
    if job.workers <= 1 {
        for batch in job.batches()? {
            let (ordinals, frame) = batch?;
            let outcome = pipeline.apply(&frame)?;
            take(ordinals, frame, outcome)?;
        }
        return Ok(());
    }
    std::thread::scope(|scope| {
        let mut lanes = Vec::with_capacity(job.workers);
        for _ in 0..job.workers {
            let (work, todo) = sync_channel::<Numbered>(WAITING);
            let (done, results) = sync_channel(WAITING);
            scope.spawn(move || worker(pipeline, &todo, &done));
            lanes.push((work, results));
        }
        let mut given = 0;
        let mut taken = 0;
        // A lane holds one batch at work and one waiting: never more are given than it can hold, so nobody waits for ever.
        for batch in job.batches()? {
            if given - taken == lanes.len() * (1 + WAITING) {
                receive(&lanes[taken % lanes.len()].1, &mut take)?;
                taken += 1;
            }
            let lane: &SyncSender<Numbered> = &lanes[given % lanes.len()].0;
            lane.send(batch?).map_err(|_| lost())?;
            given += 1;
        }
        while taken < given {
            receive(&lanes[taken % lanes.len()].1, &mut take)?;
            taken += 1;
        }
        Ok(())
    })
}

type Applied = Result<(Vec<u32>, DataFrame, Outcome)>;

fn worker(pipeline: &Pipeline, todo: &Receiver<Numbered>, done: &SyncSender<Applied>) {
    while let Ok((ordinals, frame)) = todo.recv() {
        let applied = pipeline.apply(&frame).map(|outcome| (ordinals, frame, outcome));
        if done.send(applied).is_err() {
            return;
        }
    }
}

fn receive(
    results: &Receiver<Applied>,
    take: &mut impl FnMut(Vec<u32>, DataFrame, Outcome) -> Result<()>,
) -> Result<()> {
    let (ordinals, frame, outcome) = results.recv().map_err(|_| lost())??;
    take(ordinals, frame, outcome)
}

fn lost() -> Error {
    Error::platform("a worker ended before its work was done")
        .advise("plan again, with --workers 1 if it happens again")
}
