//! What went back to the source since both sides last agreed.
//!
//! A value that the target changed is written to the source by a plan of its own, and only the next look notes that both sides
//! agree. Whatever happens in between (the target changes again, the loop is killed), the source's new value is the target's
//! and no change of the source's own. So before it is written it is noted here, until the ledger has it.
use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::cycle::Cycle;
use super::lane::Lane;
use crate::error::Result;
use crate::plan::ops::{KEY, OP, OPS_BATCH, SOURCE, Store, operation, ops_path};
use crate::plan::shape::text_columns;
use crate::plan::sides::{Found, Offer};
use crate::plan::{MappingPlan, Operation};
use crate::resolve::show_key;
use crate::table::Snapshot;

/// By key and target field: the values that were written to the source, in the target's terms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Offered(BTreeMap<String, BTreeMap<String, Offer>>);

impl Offered {
    /// What of a field of a record went back.
    pub(super) fn of(&self, key: &str, field: &str) -> Option<&Offer> {
        self.0.get(key)?.get(field)
    }

    fn add(&mut self, key: &str, field: &str, value: Option<String>) {
        let tried = &mut self.0.entry(key.to_owned()).or_default().entry(field.to_owned()).or_default().tried;
        // The newest stands last: it is the one that lands.
        tried.retain(|known| *known != value);
        tried.push(value);
    }
}

impl Cycle<'_> {
    /// After a look: of records that are not still on their way the ledger knows what both sides agreed on.
    pub(super) fn forget_offered(&self, lane: &mut Lane, found: &Found) -> Result<()> {
        let offered = &mut lane.memory.offered.0;
        if offered.is_empty() {
            return Ok(());
        }
        let waiting = found.waiting.iter().map(|one| one.key.as_str());
        let still: HashSet<&str> = found.back.iter().map(|one| one.key.as_str()).chain(waiting).collect();
        let before = offered.len();
        offered.retain(|key, _| still.contains(key.as_str()));
        if offered.len() == before { Ok(()) } else { self.store.remember(&lane.mapping.name, &lane.memory) }
    }

    /// A plan of the way back was carried out: the source has what it wrote of these records.
    pub(super) fn note_landed(&self, lane: &mut Lane, keys: &[(String, &'static str)]) -> Result<()> {
        let written: HashSet<&str> = keys.iter().map(|(key, _)| key.as_str()).collect();
        for (_, fields) in lane.memory.offered.0.iter_mut().filter(|(key, _)| written.contains(show_key(key).as_str()))
        {
            for offer in fields.values_mut() {
                if let Some(value) = offer.tried.pop() {
                    *offer = Offer { tried: Vec::new(), landed: vec![value] };
                }
            }
        }
        self.store.remember(&lane.mapping.name, &lane.memory)
    }

    /// Before a plan of the way back is carried out: `fields` of the records that it changes or makes.
    pub(super) fn note_offered(
        &self,
        lane: &mut Lane,
        found: &Found,
        (part, plan_dir): (&MappingPlan, &Path),
        fields: &[String],
    ) -> Result<()> {
        let offered = &mut lane.memory.offered;
        for back in &found.back {
            for (field, value) in back.fields.iter().zip(&back.values) {
                offered.add(&back.key, field, value.clone());
            }
        }
        if part.counts.inserted > 0 {
            let ops = Store::open(&ops_path(plan_dir, &part.mapping))?;
            let rows = Snapshot::open(&self.workspace.project().root.join(&part.source_snapshot))?;
            let columns = [OP, KEY, SOURCE].map(str::to_owned);
            let mut at = 0;
            while at < ops.rows() {
                let frame = ops.slice(at, OPS_BATCH, Some(&columns))?;
                at += frame.height() as u64;
                let (codes, keys) = (frame.column(OP)?.u32()?, frame.column(KEY)?.str()?);
                let places = frame.column(SOURCE)?.u32()?;
                let (mut made, mut ordinals) = (Vec::new(), Vec::new());
                for row in 0..frame.height() {
                    if codes.get(row).and_then(operation) == Some(Operation::Insert)
                        && let (Some(key), Some(place)) = (keys.get(row), places.get(row))
                    {
                        made.push(key);
                        ordinals.push(u64::from(place));
                    }
                }
                let cells = text_columns(&rows.gather(&ordinals, Some(fields))?, fields)?;
                for (field, cells) in fields.iter().zip(&cells) {
                    for (key, cell) in made.iter().zip(cells.iter()) {
                        offered.add(key, field, cell.map(str::to_owned));
                    }
                }
            }
        }
        self.store.remember(&lane.mapping.name, &lane.memory)
    }
}
