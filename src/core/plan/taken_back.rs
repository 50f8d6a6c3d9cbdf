//! Records of which sync's work was taken back. A plan of sync leaves them alone as long as the side that still holds the
//! change is as it was then: else the next look would do again what somebody took back.
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::Operation;
use super::classify::Classified;
use super::compare::hold;
use super::facts::TargetFacts;
use super::shape::Shape;
use crate::error::Result;
use crate::journal::ledger::{Hidden, Secret};
use crate::journal::sync::{HeldBack, TakenBack};
use crate::plan::material::source_hashes;
use crate::project::Side;
use crate::resolve::keys::key_hash;

/// Step of the records that are left alone.
pub(crate) const STEP: &str = "taken back";
/// Why they are.
pub(crate) const REASON: &str = "what sync did with it was taken back: it waits until it changes again, or is resynced";

/// What a plan found out about the records that are left alone.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Both sides agree on them again, or the side that held the change changed: they are sync's again.
    pub(crate) over: Vec<Hidden>,
    /// Of those nobody knew the state of: the hash of the row on the side that holds the change.
    pub(crate) rows: Vec<(Hidden, Hidden)>,
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct LeftAlone {
    records: HashMap<Hidden, TakenBack>,
    /// The plan goes the way back, from target to source: of it only what would be made anew is looked at, the rest was
    /// chosen by the plan of the way there.
    back: bool,
    seen: Mutex<Seen>,
}

impl LeftAlone {
    /// These records of a mapping; None if there are none.
    pub(crate) fn of(records: HashMap<Hidden, TakenBack>, back: bool) -> Option<Self> {
        (!records.is_empty()).then_some(Self { records, back, seen: Mutex::default() })
    }

    /// What plans found out so far.
    pub(crate) fn seen(&self) -> Seen {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn get(&self, secret: Secret, key: &str) -> Option<(Hidden, TakenBack)> {
        let key = secret.hide(key_hash(key));
        self.records.get(&key).map(|known| (key, *known))
    }

    /// Holds the rows of a batch that are to be left alone. Before both sides are compared: nobody is to be asked about them.
    pub(crate) fn hold(
        &self,
        shape: &Shape,
        secret: Secret,
        facts: &TargetFacts,
        batch: &mut Classified,
    ) -> Result<()> {
        let is_open = |operation: Option<Operation>| match operation {
            Some(Operation::Insert) => true,
            Some(Operation::Update) => !self.back,
            _ => false,
        };
        let ours: Vec<(usize, Hidden, TakenBack)> = batch
            .rows
            .iter()
            .enumerate()
            .filter(|(_, op)| is_open(op.operation))
            .filter_map(|(row, op)| {
                let (key, known) = self.get(secret, op.key.as_deref()?)?;
                Some((row, key, known))
            })
            .collect();
        if ours.is_empty() {
            return Ok(());
        }
        let sources = source_hashes(&batch.frame, &shape.pipeline.reads())?;
        let cells = shape.hashes(&batch.cells);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for (row, key, known) in ours {
            let op = &mut batch.rows[row];
            if self.back {
                if known.side == Side::Target {
                    hold(op, &mut batch.blames[row], STEP, REASON);
                }
                continue;
            }
            let there = op.target.map(|target| facts.cells_hash[target as usize]);
            let same = match (known.held, known.side) {
                _ if there == Some(cells[row]) => false,
                (HeldBack::Any, Side::Source) => {
                    seen.rows.push((key, secret.hide(sources[row])));
                    true
                }
                (HeldBack::Any, Side::Target) => {
                    seen.rows.extend(there.map(|there| (key, secret.hide_wide(there))));
                    true
                }
                (HeldBack::Row(hash), Side::Source) => secret.hide(sources[row]) == hash,
                (HeldBack::Row(hash), Side::Target) => there.is_some_and(|there| secret.hide_wide(there) == hash),
                (HeldBack::Gone, Side::Source) => false,
                (HeldBack::Gone, Side::Target) => there.is_none(),
            };
            if same {
                hold(op, &mut batch.blames[row], STEP, REASON);
            } else {
                seen.over.push(key);
            }
        }
        Ok(())
    }

    /// A target row whose record the source lacks may go: nobody took its going back, nor that the source got it from here.
    pub(crate) fn may_go(&self, secret: Secret, key: &str) -> bool {
        match self.get(secret, key) {
            Some((_, known)) => known.side == Side::Source && matches!(known.held, HeldBack::Row(_)),
            None => true,
        }
    }
}
