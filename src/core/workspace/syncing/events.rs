//! Events out of what a cycle did: one for each record that was written or could not be.
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::journal::sync::{Clock, EventOutcome, LogLevel, SyncEvent, SyncStore, millis, now_ms};
use crate::journal::{Reject, read_rejects, rejects_file};
use crate::plan::ops::{KEY, OP, OPS_BATCH, Store, TARGET, operation, ops_path};
use crate::plan::taken_back::STEP;
use crate::plan::{MappingPlan, Operation};
use crate::platform::Sign;
use crate::resolve::show_key;

/// Events of one cycle that are kept one by one. What is more is a load, not a change: the log says how many.
const MOST: usize = 10_000;

/// What told of the changes.
#[derive(Clone, Copy)]
pub(super) struct By<'a> {
    pub(super) sign: &'a Sign,
    pub(super) at: Instant,
    /// Records that were pushed, by key.
    pub(super) arrivals: Option<&'a HashMap<String, Arrival>>,
    /// A loop that was killed told of it already.
    pub(super) known: bool,
}

/// How a pushed record came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Arrival {
    /// When it was changed, by which clock.
    pub(super) changed: i64,
    pub(super) clock: Clock,
    /// When it came, through which door.
    pub(super) seen: i64,
    pub(super) origin: String,
}

/// What was told of a cycle.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// Records that are left out: rejected or held.
    pub(super) left_out: u64,
    /// Of those: records that are left alone because what sync did with them was taken back.
    pub(super) left_alone: u64,
    /// Of those: records that have a target row, which is not as it should be.
    pub(super) different: u64,
    /// Records beside these that were pushed and could not be carried over: a look at the source says nothing about them.
    pub(super) pushed_out: u64,
}

/// The event is of a record that was pushed.
fn is_pushed(event: &SyncEvent) -> bool {
    matches!(event.origin.as_str(), "webhook" | "socket" | "stdin")
}

/// A look found nothing to do: records that waited are as they must be, but for those that were pushed.
pub(super) fn tell_nothing(store: &SyncStore, mapping: &str) -> Result<Told> {
    let (pushed, others): (Vec<_>, Vec<_>) =
        store.open_events(mapping)?.into_iter().partition(|line| is_pushed(&line.event));
    let keys: Vec<String> = others.into_iter().filter_map(|line| line.event.key).collect();
    store.close_events(mapping, &keys, EventOutcome::Same)?;
    Ok(Told { pushed_out: pushed.len() as u64, ..Told::default() })
}

impl By<'_> {
    fn arrival(&self, key: Option<&str>) -> Option<&Arrival> {
        self.arrivals?.get(key?)
    }
    /// When the changes of a plan were made, by which clock, and how long ago on the clock that never goes back.
    fn times(&self, part: &MappingPlan) -> (i64, Clock, u64) {
        let seen = millis(self.sign.seen);
        // A file's own time: nothing in it can be younger, and a look of our own says nothing about when.
        let file = part.source_version.modified_ms;
        let (changed, clock) = match self.sign.changed.map(millis) {
            Some(changed) => (changed, Clock::Platform),
            None if file > 0 && file < seen && self.sign.origin != "resync" => (file, Clock::Platform),
            None => (seen, Clock::Seen),
        };
        let changed = changed.min(seen);
        (changed, clock, self.at.elapsed().as_millis() as u64 + (seen - changed).unsigned_abs())
    }
}

/// Notes what became of the records of a plan that was carried out in `dir`.
pub(super) fn tell(by: &By<'_>, store: &SyncStore, part: &MappingPlan, plan_dir: &Path, dir: &Path) -> Result<Told> {
    let mut left: HashMap<String, Reject> = HashMap::new();
    let mut alone: HashSet<String> = HashSet::new();
    let mut told = Told::default();
    let file = rejects_file(dir, &part.mapping);
    if file.exists() {
        for reject in read_rejects(&file)? {
            let reject = reject?;
            told.left_out += 1;
            if reject.step == STEP {
                // Somebody took it back: nobody waits for it.
                told.left_alone += 1;
                alone.insert(name_of(&reject));
            } else {
                left.insert(name_of(&reject), reject);
            }
        }
    }
    let (changed, clock, lag) = by.times(part);
    let done = now_ms();
    let open: HashMap<String, SyncEvent> = store
        .open_events(&part.mapping)?
        .into_iter()
        .filter_map(|line| Some((line.event.key.clone()?, line.event)))
        .collect();
    // Of these a plan tells only if it looked at them: their rows need not be the source's.
    let pushed: HashSet<&String> = open.iter().filter(|(_, event)| is_pushed(event)).map(|(key, _)| key).collect();
    let mut looked: HashSet<String> = HashSet::new();
    let event = |key: Option<String>, operation: &str, outcome: EventOutcome, reason: Option<String>| {
        let arrival = by.arrival(key.as_deref());
        let (changed, clock, lag) = arrival
            .map_or((changed, clock, lag), |it| (it.changed, it.clock, (done - it.changed).max(0).unsigned_abs()));
        SyncEvent {
            mapping: part.mapping.clone(),
            key,
            operation: operation.to_owned(),
            origin: arrival.map_or(by.sign.origin, |it| it.origin.as_str()).to_owned(),
            clock,
            changed,
            seen: arrival.map_or(millis(by.sign.seen), |it| it.seen),
            done: outcome.is_done().then_some(done),
            lag: outcome.is_done().then_some(lag),
            outcome,
            reason,
            cycle: dir.file_name().map(|name| name.to_string_lossy().into_owned()),
        }
    };
    let mut events: Vec<SyncEvent> = Vec::new();
    let mut more = 0_u64;
    each_operation(part, plan_dir, |op, key, has_target| {
        let key = key.unwrap_or_default();
        if pushed.contains(&key.to_owned()) {
            looked.insert(key.to_owned());
        }
        if left.contains_key(key) || alone.contains(key) {
            told.different += u64::from(has_target);
            return;
        }
        if !matches!(op, Operation::Insert | Operation::Update | Operation::Delete | Operation::Mark) {
            return;
        }
        if events.len() < MOST {
            let key = (!key.is_empty()).then(|| key.to_owned());
            events.push(event(key, op.word(), EventOutcome::Written, None));
        } else {
            more += 1;
        }
    })?;
    // Records that wait for the same reason as before go on waiting.
    let mut still: Vec<&String> = Vec::new();
    for (key, reject) in &left {
        still.push(key);
        if open.get(key).is_some_and(|event| event.reason.as_deref() == Some(reject.cause.as_str())) {
            continue;
        }
        let outcome = match (reject.step.as_str(), reject.kind.as_str()) {
            ("conflict", _) => EventOutcome::Conflict,
            (_, "held") => EventOutcome::Held,
            _ => EventOutcome::Rejected,
        };
        if events.len() < MOST {
            events.push(event(Some(key.clone()), "write", outcome, Some(reject.cause.clone())));
        } else {
            more += 1;
        }
    }
    // Where only pushed records were looked at, nothing is known of the others.
    let asked = |key: &String| match by.arrivals {
        Some(arrivals) => arrivals.contains_key(key),
        None => !pushed.contains(key) || looked.contains(key),
    };
    told.pushed_out = pushed.iter().filter(|key| !left.contains_key(**key) && !asked(key)).count() as u64;
    let gone: Vec<String> = open.keys().filter(|key| !left.contains_key(*key) && asked(key)).cloned().collect();
    let written: HashSet<&str> = events.iter().filter_map(|event| event.key.as_deref()).collect();
    let same: Vec<String> = gone.into_iter().filter(|key| !written.contains(key.as_str())).collect();
    store.close_events(&part.mapping, &same, EventOutcome::Same)?;
    if by.known {
        return Ok(told);
    }
    store.add_events(&events)?;
    if more > 0 {
        store.log(
            Some(&part.mapping),
            LogLevel::Info,
            &format!("{more} more changes in one go: they are counted, and not listed as events"),
        )?;
    }
    Ok(told)
}

/// Notes that the changes of a plan wait, because of an error.
pub(super) fn wait(by: &By<'_>, store: &SyncStore, part: &MappingPlan, plan_dir: &Path, error: &Error) -> Result<()> {
    let (changed, clock, _) = by.times(part);
    let mut events: Vec<SyncEvent> = Vec::new();
    each_operation(part, plan_dir, |op, key, _| {
        let writes = matches!(op, Operation::Insert | Operation::Update | Operation::Delete | Operation::Mark);
        if writes && events.len() < MOST {
            let arrival = by.arrival(key);
            let (changed, clock) = arrival.map_or((changed, clock), |it| (it.changed, it.clock));
            events.push(SyncEvent {
                mapping: part.mapping.clone(),
                key: key.map(str::to_owned),
                operation: op.word().to_owned(),
                origin: arrival.map_or(by.sign.origin, |it| it.origin.as_str()).to_owned(),
                clock,
                changed,
                seen: arrival.map_or(millis(by.sign.seen), |it| it.seen),
                done: None,
                lag: None,
                outcome: EventOutcome::Held,
                reason: Some(error.what().to_owned()),
                cycle: None,
            });
        }
    })?;
    store.add_events(&events)
}

/// Keys of the records that a plan writes, with the operation.
pub(super) fn written_keys(part: &MappingPlan, plan_dir: &Path) -> Result<Vec<(String, &'static str)>> {
    let mut keys = Vec::new();
    each_operation(part, plan_dir, |op, key, _| {
        if matches!(op, Operation::Insert | Operation::Update | Operation::Delete)
            && let Some(key) = key
        {
            keys.push((key.to_owned(), op.word()));
        }
    })?;
    Ok(keys)
}

/// Keys of the records that a plan removes or marks.
pub(super) fn gone_keys(part: &MappingPlan, plan_dir: &Path) -> Result<Vec<String>> {
    let mut keys = Vec::new();
    each_operation(part, plan_dir, |op, key, _| {
        if matches!(op, Operation::Delete | Operation::Mark) {
            keys.extend(key.map(str::to_owned));
        }
    })?;
    Ok(keys)
}

/// By what a reject is known: its key, else its line.
fn name_of(reject: &Reject) -> String {
    match (&reject.key, reject.row) {
        (Some(key), _) => key.clone(),
        (None, _) if reject.line > 0 => format!("line {}", reject.line),
        (None, Some(row)) => format!("row {}", row + 1),
        (None, None) => format!("piece {}", reject.n),
    }
}

/// Hands out operation, key as events, rejects and people have it, and whether there is a target row, of all operations of
/// a plan.
fn each_operation(
    part: &MappingPlan,
    plan_dir: &Path,
    mut take: impl FnMut(Operation, Option<&str>, bool),
) -> Result<()> {
    let path = ops_path(plan_dir, &part.mapping);
    if !path.exists() {
        return Ok(());
    }
    let ops = Store::open(&path)?;
    let columns = [OP, KEY, TARGET].map(str::to_owned);
    let mut at = 0;
    while at < ops.rows() {
        let frame = ops.slice(at, OPS_BATCH, Some(&columns))?;
        at += frame.height() as u64;
        let (keys, targets) = (frame.column(KEY)?.str()?, frame.column(TARGET)?.is_not_null());
        for (row, code) in frame.column(OP)?.u32()?.iter().enumerate() {
            let op = code.and_then(operation).ok_or_else(|| Error::data("an operation is damaged"))?;
            take(op, keys.get(row).map(show_key).as_deref(), targets.get(row).unwrap_or(false));
        }
    }
    Ok(())
}
