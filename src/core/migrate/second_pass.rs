//! Links between rows of one mapping: set when all its rows have their ids.
use polars::prelude::{DataFrame, IntoColumn, NewChunkedArray, StringChunked};

use super::mapping::Writing;
use super::staged;
use crate::error::Result;
use crate::plan::ops::PendingLink;
use crate::platform::RowResult;

impl Writing<'_, '_> {
    /// Notes links of written rows to rows of the same mapping.
    pub(super) fn wait_for(&mut self, here: &[PendingLink], written: &[Option<String>]) -> Result<()> {
        here.iter().try_for_each(|cell| match &written[cell.row] {
            Some(identity) => self.later.push(identity, cell),
            None => Ok(()),
        })
    }

    /// The second pass: links within the mapping, now that all its rows have their ids.
    pub(super) fn amend(&mut self) -> Result<()> {
        if self.later.is_empty() {
            return Ok(());
        }
        self.stage.finish()?;
        let mut parents = self.later.parents()?;
        staged::inserted_ids(self.run.dir, &self.plan.mapping, &mut parents)?;
        let (writer, plan, resolver) = (&mut self.writer, self.plan, &mut self.resolver);
        let monitor = self.run.monitor;
        self.later.amends(&parents, |link, rows, ids| {
            monitor.check()?;
            resolver.left += ids.iter().filter(|id| id.is_none()).count() as u64;
            let (rows, ids): (Vec<String>, Vec<String>) =
                rows.iter().zip(ids).filter_map(|(row, id)| Some((row.clone(), id?))).unzip();
            let column = plan.links[link].column.as_str();
            let values = StringChunked::from_iter_values(column.into(), ids.iter());
            let frame = DataFrame::new(rows.len(), vec![values.into_column()])?;
            for outcome in writer.amend(&rows, &frame)? {
                resolver.left += u64::from(!matches!(outcome, RowResult::Written(_)));
            }
            Ok(())
        })
    }
}
