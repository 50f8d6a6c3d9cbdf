//! Records that others push: what is taken at the door, and how a lane handles what waits.
//!
//! A pushed record is carried over as soon as it is there, and stands until the source's own row changes: a look at the
//! source, every so often, finds what was not pushed. A resync compares everything, and there the source is right. For a
//! mapping that goes both ways a push is a sign to look, since only both sides together tell who changed what.
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use polars::prelude::{Column, DataFrame, NamedFrom, Series};
use serde_json::{Map, Value};

use super::cycle::{Cycle, Ended};
use super::events::Arrival;
use super::lane::Lane;
use super::seen::Seen;
use crate::error::{Error, Kind, Result};
use crate::journal::sync::{Clock, EventOutcome, Order, Pushed as Waiting, PushedKind, SyncEvent, SyncStore, now_ms};
use crate::map::Pipeline;
use crate::migrate::fault;
use crate::plan::Purpose;
use crate::plan::incremental::Pushed;
use crate::platform::{Delivery, Desk, Item, Receipt, Refusal, Sign};
use crate::project::{Direction, Mapping, Mode, TriggerKind};
use crate::resolve::keys::{key_text, show_key};
use crate::sync::Board;
use crate::workspace::Workspace;
use crate::workspace::plans::{PlanRequest, problems_error};

/// Records that are handled together.
const BATCH: usize = 1_000;
/// Batches after which a lane looks whether it is told something.
const BATCHES: usize = 10;
/// Records of a mapping that may wait; then no more are taken.
const MOST_WAITING: u64 = 200_000;

/// What records of a mapping must be like.
struct Form {
    /// Columns of the source.
    columns: Vec<String>,
    /// Those that the mapping reads.
    reads: Vec<String>,
    /// Those that its key is made of.
    key: Vec<String>,
}

/// Takes what comes through the doors.
pub(super) struct PushDesk {
    state: Mutex<DeskState>,
    store: Mutex<SyncStore>,
    /// Lanes that take pushes; None: whatever mapping the project has.
    lanes: Option<Vec<String>>,
    /// None: the loop is another process.
    board: Option<Arc<Board>>,
}

struct DeskState {
    workspace: Workspace,
    files: Seen,
    forms: HashMap<String, Arc<Form>>,
}

impl PushDesk {
    pub(super) fn new(
        workspace: &Workspace,
        store: SyncStore,
        lanes: Option<Vec<String>>,
        board: Option<Arc<Board>>,
    ) -> Self {
        let state = DeskState { workspace: workspace.clone(), files: Seen::now(workspace), forms: HashMap::new() };
        Self { state: Mutex::new(state), store: Mutex::new(store), lanes, board }
    }

    /// What records of a mapping must be like; `anew`: the source may have other columns by now.
    fn form(&self, name: &str, anew: bool) -> std::result::Result<Arc<Form>, Refusal> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let files = Seen::now(&state.workspace);
        if files != state.files {
            state.files = files;
            // Files that cannot be read are told of by the lanes; here it goes on as they were.
            if let Ok(workspace) = state.workspace.reload() {
                state.workspace = workspace;
                state.forms.clear();
            }
        }
        if let Some(form) = state.forms.get(name).filter(|_| !anew) {
            return Ok(Arc::clone(form));
        }
        let mapping = state.workspace.project().mapping(name);
        let Some(mapping) = mapping.filter(|one| one.sync.on && one.sync.trigger == TriggerKind::Push) else {
            return Err(Refusal::Unknown("no mapping of that name takes pushes".to_owned()));
        };
        if self.lanes.as_ref().is_some_and(|lanes| lanes.iter().all(|lane| lane != name)) {
            return Err(Refusal::Unknown("the loop that runs leaves that mapping out".to_owned()));
        }
        let form = Arc::new(form_of(&state.workspace, mapping)?);
        state.forms.insert(name.to_owned(), Arc::clone(&form));
        Ok(form)
    }
}

fn form_of(workspace: &Workspace, mapping: &Mapping) -> Result<Form> {
    let connector = workspace.connector(&mapping.from.platform)?;
    let columns: Vec<String> = connector.schema(&mapping.from.source)?.names().map(str::to_owned).collect();
    let pipeline = compile(workspace, mapping, &columns)?;
    Ok(Form { reads: pipeline.reads(), key: pipeline.identity().to_vec(), columns })
}

fn compile(workspace: &Workspace, mapping: &Mapping, columns: &[String]) -> Result<Pipeline> {
    Pipeline::compile(mapping, columns, &workspace.project().root).map_err(|found| problems_error(&found))
}

impl Form {
    /// Columns that are not the source's, and columns that are missing.
    fn misfits(&self, item: &Item) -> (Vec<String>, Vec<String>) {
        let (record, needed) = match item {
            Item::Put(record) => (record, &self.reads),
            Item::Delete(key) => (key, &self.key),
            Item::Look => return (Vec::new(), Vec::new()),
        };
        let unknown = record.keys().filter(|name| !self.columns.contains(*name)).cloned().collect();
        let missing = needed.iter().filter(|name| !record.contains_key(*name)).cloned().collect();
        (unknown, missing)
    }
}

/// Names in a row, the first dozen of them.
fn list(names: &[String]) -> String {
    let shown = names[..names.len().min(12)].join(", ");
    if names.len() > 12 { format!("{shown} and {} more", names.len() - 12) } else { shown }
}

impl Desk for PushDesk {
    fn metrics(&self) -> Result<String> {
        let workspace = self.state.lock().unwrap_or_else(PoisonError::into_inner).workspace.clone();
        Ok(workspace.sync_status()?.metrics())
    }
    fn take(&self, delivery: &Delivery) -> std::result::Result<Receipt, Refusal> {
        let mut form = self.form(&delivery.mapping, false)?;
        for (at, item) in delivery.items.iter().enumerate() {
            let mut misfits = form.misfits(item);
            if !misfits.0.is_empty() || !misfits.1.is_empty() {
                form = self.form(&delivery.mapping, true)?;
                misfits = form.misfits(item);
            }
            let record = at + 1;
            if !misfits.0.is_empty() {
                let (unknown, known) = (list(&misfits.0), list(&form.columns));
                return Err(Refusal::Bad(format!(
                    "record {record} has columns that the source has not: {unknown}; it has: {known}"
                )));
            }
            if !misfits.1.is_empty() {
                let missing = list(&misfits.1);
                return Err(Refusal::Bad(match item {
                    Item::Delete(_) => format!("delete {record} lacks columns of the key: {missing}"),
                    _ => format!("record {record} lacks columns that the mapping reads: {missing}; send null for none"),
                }));
            }
        }
        let store = self.store.lock().unwrap_or_else(PoisonError::into_inner);
        if store.pushed_beyond(&delivery.mapping, MOST_WAITING)? {
            return Err(Refusal::Full(format!("more than {MOST_WAITING} records wait to be handled: try again later")));
        }
        let receipt = store.push(delivery)?;
        if receipt.accepted > 0 {
            match &self.board {
                Some(board) => {
                    let sign = Sign { changed: delivery.changed, ..Sign::now(delivery.origin) };
                    board.sign(&delivery.mapping, sign);
                }
                None => store.tell(Some(&delivery.mapping), &Order::Pushed)?,
            }
        }
        Ok(receipt)
    }
}

impl Workspace {
    /// Who takes records of this project's mappings for a loop that runs in another process, now or later.
    pub fn push_desk(&self) -> Result<impl Desk + use<>> {
        self.state().make()?;
        Ok(PushDesk::new(self, self.sync_store()?, None, None))
    }
}

/// What waits, as rows of the source.
struct Batch {
    frame: DataFrame,
    /// Rows that are deletes, ascending.
    deleted: Vec<u32>,
    /// By key: the times of the change.
    arrivals: HashMap<String, Arrival>,
}

/// Handles what was pushed and waits. `Done { again: true }`: the target moved, or more waits.
pub(super) fn handle(cycle: &Cycle<'_>, lane: &mut Lane) -> Result<Ended> {
    let name = lane.mapping.name.clone();
    for _ in 0..BATCHES {
        let waiting = cycle.store.pushed(&name, BATCH)?;
        if waiting.is_empty() {
            return Ok(Ended::Done { again: false });
        }
        if lane.mapping.sync.direction == Direction::TwoWay {
            // Who changed what is told by comparing both sides: what came before this look is in it.
            let ids: Vec<i64> = waiting.iter().map(|one| one.id).collect();
            cycle.store.pushed_done(&name, &ids)?;
            continue;
        }
        if waiting.len() == BATCH {
            lane.status.pending = cycle.store.pushed_waiting(&name)?.0;
            cycle.store.put_lane(&lane.status)?;
        }
        let ids: Vec<i64> = waiting.iter().map(|one| one.id).collect();
        let ended = batch(cycle, lane, &waiting)?;
        if !matches!(ended, Ended::Done { again: false }) {
            return Ok(ended);
        }
        if waiting.iter().any(|one| one.kind == PushedKind::Look) {
            let ended = cycle.pass(lane, Mode::Incremental)?;
            if !matches!(ended, Ended::Done { again: false }) {
                return Ok(ended);
            }
        }
        fault::point("sync-pushed");
        cycle.store.pushed_done(&name, &ids)?;
        if waiting.len() < BATCH {
            // What came meanwhile has given a sign of its own.
            return Ok(Ended::Done { again: false });
        }
    }
    Ok(Ended::Done { again: true })
}

fn batch(cycle: &Cycle<'_>, lane: &mut Lane, waiting: &[Waiting]) -> Result<Ended> {
    let records: Vec<&Waiting> = waiting.iter().filter(|one| one.kind != PushedKind::Look).collect();
    if records.is_empty() {
        return Ok(Ended::Done { again: false });
    }
    let mapping = lane.mapping.clone();
    let from = cycle.workspace.connector(&mapping.from.platform)?;
    let columns: Vec<String> = from.schema(&mapping.from.source)?.names().map(str::to_owned).collect();
    // Text files do not tell the empty text from NULL, so their records do not either.
    let no_empty = matches!(from.kind(), "csv" | "tsv");
    let pipeline = compile(cycle.workspace, &mapping, &columns)?;
    let keys = keys(&mapping, &pipeline, &frame_of(&columns, &records, no_empty)?)?;
    let mut last: HashMap<&str, usize> = HashMap::new();
    for (at, key) in keys.iter().enumerate() {
        last.extend(key.as_deref().map(|key| (key, at)));
    }
    let stands = |at: usize| keys[at].as_deref().is_none_or(|key| last.get(key) == Some(&at));
    // A row without a key keeps a plan from deleting anything: it goes apart from those that have one.
    let (keyed, keyless): (Vec<usize>, Vec<usize>) =
        (0..records.len()).filter(|at| stands(*at)).partition(|at| keys[*at].is_some());
    for part in [keyed, keyless].into_iter().filter(|part| !part.is_empty()) {
        let rows: Vec<&Waiting> = part.iter().map(|at| records[*at]).collect();
        let deleted = rows.iter().enumerate().filter(|(_, one)| one.kind == PushedKind::Delete);
        let made = Batch {
            frame: frame_of(&columns, &rows, no_empty)?,
            deleted: deleted.map(|(at, _)| at as u32).collect(),
            arrivals: part
                .iter()
                .filter_map(|at| Some((show_key(keys[*at].as_deref()?), arrival(records[*at]))))
                .collect(),
        };
        let ended = carry(cycle, lane, made)?;
        if !matches!(ended, Ended::Done { again: false }) {
            return Ok(ended);
        }
    }
    let replaced: Vec<SyncEvent> = (0..records.len())
        .filter(|at| !stands(*at))
        .map(|at| replaced(&mapping.name, keys[at].as_deref().map(show_key), records[at]))
        .collect();
    cycle.store.add_events(&replaced)?;
    Ok(Ended::Done { again: false })
}

/// Plans and carries over a batch; where nothing was agreed on yet that it could be compared with, the source is first.
fn carry(cycle: &Cycle<'_>, lane: &mut Lane, batch: Batch) -> Result<Ended> {
    let request = PlanRequest {
        mappings: vec![lane.mapping.name.clone()],
        purpose: Purpose::Sync,
        mode: Some(Mode::Incremental),
        pushed: Some(Pushed { frame: batch.frame, deleted: batch.deleted }),
        left_alone: cycle.left_alone(&lane.mapping.name, false)?,
        ..PlanRequest::default()
    };
    let cycle = Cycle { arrivals: Some(&batch.arrivals), ..*cycle };
    match cycle.planned(lane, &request, Mode::Incremental) {
        Err(error) if error.kind() == Kind::Refused => {
            let first = cycle.pass(lane, Mode::Incremental)?;
            if !matches!(first, Ended::Done { again: false }) {
                return Ok(first);
            }
            cycle.planned(lane, &request, Mode::Incremental)
        }
        ended => ended,
    }
}

fn arrival(one: &Waiting) -> Arrival {
    Arrival {
        changed: one.changed.unwrap_or(one.seen).min(one.seen),
        clock: if one.changed.is_some() { Clock::Platform } else { Clock::Seen },
        seen: one.seen,
        origin: one.origin.clone(),
    }
}

/// The event of a record that a later one of the same batch took the place of.
fn replaced(mapping: &str, key: Option<String>, one: &Waiting) -> SyncEvent {
    let (arrival, done) = (arrival(one), now_ms());
    SyncEvent {
        mapping: mapping.to_owned(),
        key,
        operation: if one.kind == PushedKind::Delete { "delete" } else { "write" }.to_owned(),
        origin: arrival.origin,
        clock: arrival.clock,
        changed: arrival.changed,
        seen: arrival.seen,
        done: Some(done),
        lag: Some((done - arrival.changed).max(0).unsigned_abs()),
        outcome: EventOutcome::Replaced,
        reason: None,
        cycle: None,
    }
}

/// Key of each row, as operations have it.
fn keys(mapping: &Mapping, pipeline: &Pipeline, frame: &DataFrame) -> Result<Vec<Option<String>>> {
    let mapped = pipeline.apply(frame)?.mapped;
    let mut columns = Vec::with_capacity(mapping.key.len());
    for name in &mapping.key {
        let field = mapping.fields.iter().position(|field| field.target == *name);
        let field = field.ok_or_else(|| Error::usage(format!("no field fills the key column {name}")))?;
        let cells: Vec<Option<String>> =
            mapped.column(name)?.str()?.iter().map(|cell| cell.map(|cell| pipeline.canonical(field, cell))).collect();
        columns.push(cells);
    }
    Ok((0..frame.height()).map(|row| key_text(columns.iter().map(|cells| cells[row].as_deref()))).collect())
}

/// Records as rows: all columns of the source, as text.
fn frame_of(columns: &[String], records: &[&Waiting], no_empty: bool) -> Result<DataFrame> {
    let cell = |record: &Map<String, Value>, name: &str| -> Option<String> {
        let text = record.get(name)?.as_str()?;
        (!(no_empty && text.is_empty())).then(|| text.to_owned())
    };
    let columns = columns.iter().map(|name| {
        let cells: Vec<Option<String>> = records.iter().map(|one| cell(&one.record, name)).collect();
        Column::from(Series::new(name.as_str().into(), cells))
    });
    Ok(DataFrame::new(records.len(), columns.collect())?)
}

/// A mapping that is pushed to, and a sign that only says that records wait.
pub(super) fn is_all(lane: &Lane, sign: &Sign) -> bool {
    let one_way = lane.mapping.sync.direction == Direction::OneWay;
    lane.mapping.sync.trigger == TriggerKind::Push && sign.is_push() && !lane.whole && one_way
}

/// Names of lanes that take pushes.
pub(super) fn takers(mappings: &[Mapping]) -> Vec<String> {
    let takes = |mapping: &&Mapping| mapping.sync.trigger == TriggerKind::Push;
    mappings.iter().filter(takes).map(|mapping| mapping.name.clone()).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn form() -> Form {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Form { columns: names(&["ID", "NAME", "FAX"]), reads: names(&["ID", "NAME"]), key: names(&["ID"]) }
    }

    fn record(names: &[&str]) -> Map<String, Value> {
        names.iter().map(|name| ((*name).to_owned(), Value::Null)).collect()
    }

    #[test]
    fn a_record_has_all_that_the_mapping_reads_and_nothing_that_the_source_has_not() {
        let none = (Vec::<String>::new(), Vec::<String>::new());
        assert_eq!(form().misfits(&Item::Put(record(&["ID", "NAME"]))), none);
        assert_eq!(form().misfits(&Item::Delete(record(&["ID"]))), none);
        assert_eq!(form().misfits(&Item::Look), none);
        let (unknown, missing) = form().misfits(&Item::Put(record(&["ID", "CITY"])));
        assert_eq!((unknown, missing), (vec!["CITY".to_owned()], vec!["NAME".to_owned()]));
        assert_eq!(form().misfits(&Item::Delete(record(&["NAME"]))).1, ["ID"]);
    }

    #[test]
    fn rows_have_the_columns_of_the_source_and_text_files_no_empty_text() {
        let mut waiting = Waiting {
            id: 1,
            kind: PushedKind::Put,
            record: record(&["ID"]),
            changed: None,
            seen: 0,
            origin: "webhook".into(),
        };
        waiting.record.insert("NAME".into(), "".into());
        let columns = form().columns;
        let cell = |no_empty| {
            let frame = frame_of(&columns, &[&waiting], no_empty).unwrap();
            assert_eq!(frame.width(), 3);
            frame.column("NAME").unwrap().str().unwrap().get(0).map(str::to_owned)
        };
        assert_eq!((cell(false), cell(true)), (Some(String::new()), None));
    }
}
