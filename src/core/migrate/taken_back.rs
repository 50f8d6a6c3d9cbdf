//! Before a run takes back what sync wrote: the ledger forgets the records, and it is noted how the side looks that still holds
//! the change, so that the loop does not do again what is being taken back. All of it is on disk before anything is
//! written: a run that dies in between leaves records that are compared again, and carried over where nothing came of it.
use std::path::Path;

use super::Run;
use crate::error::{Error, Result};
use crate::journal::StateDir;
use crate::journal::ledger::{Hidden, Ledger, Secret};
use crate::journal::sync::{HeldBack, Order, TakenBack};
use crate::plan::ops::{KEY, OP, OPS_BATCH, Store, operation, ops_path};
use crate::plan::{MappingPlan, Operation, Plan, Purpose};
use crate::project::Side;
use crate::resolve::keys::key_hash;
use crate::sync::is_way_back;

/// Does it for one mapping of a run; nothing where the run takes back no sync.
pub(super) fn begin(run: &Run<'_>, part: &MappingPlan) -> Result<()> {
    let Purpose::RevertSync { mapping, .. } = &run.plan.purpose else { return Ok(()) };
    let env = run.plan.env.as_deref();
    let secret = Secret::of(&run.state.ledgers())?;
    let mut ledger = Ledger::open(&run.state.ledger(mapping, env))?;
    // What sync wrote back is taken back at the source, and the target still holds it.
    let side = if is_way_back(&part.mapping) { Side::Target } else { Side::Source };
    let mut records: Vec<(Hidden, TakenBack)> = Vec::new();
    let mut keys = Vec::new();
    each_written(run, part, |operation, key| {
        let key = key_hash(key);
        let entry = ledger.as_ref().map(|ledger| ledger.get(&secret.hide(key))).transpose()?.flatten();
        let held = match (entry, operation) {
            (Some(entry), _) if side == Side::Source => HeldBack::Row(entry.source),
            // A row is put back, so it was the going that sync carried over.
            (_, Operation::Insert) => HeldBack::Gone,
            // What was written back is in the ledger only when it was looked at once more: the next look tells.
            _ => HeldBack::Any,
        };
        records.push((secret.hide(key), TakenBack { side, held }));
        keys.push(key);
        Ok(())
    })?;
    let id = run.dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    run.state.sync_store(env)?.take_back(mapping, &id, &records)?;
    if let Some(ledger) = &mut ledger {
        ledger.forget(&secret, keys, Vec::new())?;
    }
    Ok(())
}

/// Notes that a run took back what it had to of a mapping.
pub(super) fn end(state: &StateDir, plan: &Plan, run_dir: &Path) -> Result<()> {
    let Purpose::RevertSync { mapping, .. } = &plan.purpose else { return Ok(()) };
    let id = run_dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let store = state.sync_store(plan.env.as_deref())?;
    store.took_back(mapping, &id)?;
    store.tell(Some(mapping), &Order::Look)
}

/// Hands out operation and key of the records that a plan writes.
fn each_written(run: &Run<'_>, part: &MappingPlan, mut take: impl FnMut(Operation, &str) -> Result<()>) -> Result<()> {
    let ops = Store::open(&ops_path(&run.state.plan(&run.plan.id), &part.mapping))?;
    let columns = [OP, KEY].map(str::to_owned);
    let mut at = 0;
    while at < ops.rows() {
        let frame = ops.slice(at, OPS_BATCH, Some(&columns))?;
        at += frame.height() as u64;
        let keys = frame.column(KEY)?.str()?;
        for (row, code) in frame.column(OP)?.u32()?.iter().enumerate() {
            let op = code.and_then(operation).ok_or_else(|| Error::data("an operation is damaged"))?;
            if let (Operation::Insert | Operation::Update | Operation::Delete, Some(key)) = (op, keys.get(row)) {
                take(op, key)?;
            }
        }
    }
    Ok(())
}
