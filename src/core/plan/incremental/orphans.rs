//! Target rows that no row of the source seems to stand for any more, and the rows that this concerns.
use super::{LookReason, Search, Side};
use crate::journal::ledger::Left;
use crate::project::TargetOnly;

impl Search<'_> {
    /// Target rows in scope that neither an entry that holds nor a row that is looked at leads to.
    fn abandoned(&self) -> Vec<u32> {
        let Side::Whole { facts, known, owner, hit } = &self.side else { return Vec::new() };
        let mut scope = facts.scope.clone();
        if self.ground.shape.scope.is_none() {
            known.add_to_scope(&mut scope);
        }
        (0..owner.len()).filter(|at| scope[*at] && owner[*at] == 0 && !hit[*at]).map(|at| at as u32).collect()
    }

    /// Marks the rows that link to records of the same mapping which are deleted from the target because the source lacks
    /// them. Answers whether there are any.
    pub(super) fn orphans(&mut self) -> bool {
        if self.children.is_empty() || self.ground.shape.mapping.target_only != TargetOnly::Delete {
            return false;
        }
        let mut gone = self.abandoned();
        let mut found: Vec<u32> = Vec::new();
        if let Side::Whole { facts, known, .. } = &self.side {
            gone.sort_unstable();
            for (key, row) in known.owners(facts) {
                if gone.binary_search(&row).is_ok() {
                    found.extend(self.children.remove(&self.ground.secret.link(key)).unwrap_or_default());
                }
            }
        }
        for child in found {
            self.mark(child, LookReason::Parent);
        }
        !self.queue.is_empty()
    }

    /// Marks the rows that `where` leaves out if one of them may stand for such a row: their entries name no target row,
    /// for there was none when they were made. Answers whether there are any.
    pub(super) fn hidden_owners(&mut self) -> bool {
        if self.abandoned().is_empty() {
            return false;
        }
        let filtered = self.slots.values().filter(|slot| slot.left == Left::Filtered);
        let found: Vec<u32> = filtered.filter_map(|slot| slot.at.checked_sub(1)).collect();
        for row in found {
            self.mark(row, LookReason::Target);
        }
        !self.queue.is_empty()
    }
}
