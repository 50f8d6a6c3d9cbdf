//! Records that were pushed: all of them are looked at, and nothing else is.
//!
//! An entry of the ledger goes on saying how the source's own row looked when it was last read. So what was pushed stands
//! until that row changes, and a change that was not pushed is found all the same. Of a record whose delete was pushed the
//! ledger knows the row as one that is left out.
use hashbrown::HashSet;
use polars::prelude::DataFrame;

use super::{Asked, Ground, LookReason, Looked};
use crate::error::Result;
use crate::project::DeletePolicy;
use crate::resolve::keys::key_hash;
use crate::table::Snapshot;

/// Records that were pushed, as rows of the source.
#[derive(Debug, Clone)]
pub(crate) struct Pushed {
    /// All columns of the source, as text.
    pub(crate) frame: DataFrame,
    /// Rows that say by their key alone that the record is gone, ascending.
    pub(crate) deleted: Vec<u32>,
}

/// Looks at the rows of a snapshot of what was pushed. The target rows they may have are asked for where that can be done.
pub(crate) fn look_pushed(
    ground: Ground<'_>,
    deleted: Vec<u32>,
    mut asked: Option<Asked<'_>>,
) -> Result<(Looked, Option<Snapshot>)> {
    let (shape, since) = (ground.shape, ground.since);
    let mut looked = Looked { pushed: true, deleted, mark: since.agreement.mark.clone(), ..Looked::default() };
    let mut owners: HashSet<String> = HashSet::new();
    let mut rows = 0_u32;
    for frame in ground.source.batches(None)? {
        ground.monitor.check()?;
        let frame = frame?;
        let cells = shape.cells(&shape.pipeline.apply(&frame)?)?;
        let keys = shape.key_texts(&cells);
        if let Some(asked) = &mut asked {
            owners.extend(asked.fetch(&keys, &cells)?);
        }
        for (row, key) in keys.iter().enumerate() {
            let Some(key) = key else { continue };
            let is_delete = looked.deleted.binary_search(&(rows + row as u32)).is_ok();
            if is_delete && shape.mapping.sync.deletes == Some(DeletePolicy::Ignore) {
                continue;
            }
            if let Some(entry) = since.ledger.get(&ground.secret.hide(key_hash(key)))? {
                looked.gone.extend(is_delete.then_some(entry.key));
                looked.own.insert(entry.key, (entry.source, entry.locator));
            }
        }
        rows += frame.height() as u32;
    }
    looked.ordinals = (0..rows).collect();
    looked.reasons = vec![(LookReason::Changed, u64::from(rows))];
    let known = looked.own.len() as u64;
    looked.unread_records = since.agreement.records.saturating_sub(known);
    looked.unread = (since.agreement.records + since.agreement.filtered).saturating_sub(known);
    if asked.is_some() {
        for owner in owners {
            let entry = since.ledger.get(&ground.secret.hide(key_hash(&owner)))?;
            looked
                .others
                .extend(entry.filter(|entry| !looked.own.contains_key(&entry.key)).and_then(|entry| entry.target));
        }
    } else {
        since.ledger.each(|entry| {
            let other = !looked.own.contains_key(&entry.key);
            looked.others.extend(entry.target.filter(|_| other));
            Ok(())
        })?;
    }
    Ok((looked, asked.map(Asked::finish).transpose()?))
}
