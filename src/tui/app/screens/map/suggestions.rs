//! What may fill a field: looked at, accepted, refused.
use super::{MapScreen, SURE, edit};
use crate::app::msg::{Lesson, Proposal};
use crate::app::overlay::{Overlay, Picker, Tag};
use crate::app::shared::{Shared, Tone};

impl MapScreen {
    /// Suggestions for a target field that were not refused, best first.
    pub fn proposals_for<'a>(&'a self, target: &str, shared: &'a Shared) -> impl Iterator<Item = &'a Proposal> {
        let mapping = shared.mapping_name();
        let target = target.to_owned();
        self.proposals.iter().filter(move |proposal| {
            proposal.to == target
                && !shared
                    .refused
                    .iter()
                    .any(|(one, to, from)| *one == *mapping && *to == proposal.to && *from == proposal.from)
        })
    }
    /// The suggestion that is shown for the field at the cursor.
    pub fn proposal<'a>(&'a self, shared: &'a Shared) -> Option<&'a Proposal> {
        let row = self.row().filter(|row| row.field.is_none())?;
        self.proposals_for(&row.target, shared).next()
    }
    pub(super) fn accept(&mut self, shared: &mut Shared) {
        match self.proposal(shared).cloned() {
            Some(proposal) => edit::link_all(shared, &[proposal]),
            None => shared.tell(Tone::Info, "there is no suggestion for this field"),
        }
    }
    pub(super) fn accept_all(&mut self, shared: &mut Shared) {
        let open = self.fields.iter().filter(|row| row.field.is_none());
        let sure: Vec<Proposal> = open
            .filter_map(|row| self.proposals_for(&row.target, shared).next().filter(|one| one.score >= SURE).cloned())
            .collect();
        if sure.is_empty() {
            shared.tell(Tone::Info, "no suggestion has a score of .90 or more");
        } else {
            edit::link_all(shared, &sure);
        }
    }
    pub(super) fn refuse(&mut self, shared: &mut Shared) {
        if let Some(proposal) = self.proposal(shared).cloned() {
            let mapping = shared.mapping_name().to_owned();
            shared.tell(Tone::Info, format!("{} is not suggested for {} again", proposal.from, proposal.to));
            let (from, to) = (proposal.from.clone(), proposal.to.clone());
            shared.lessons.push((mapping.clone(), Lesson { from, to, fits: false }));
            shared.refused.push((mapping, proposal.to, proposal.from));
        }
    }
    /// All suggestions for the field at the cursor, with why.
    pub(super) fn show_others(&self, shared: &mut Shared) {
        let Some(row) = self.row() else { return };
        let target = row.target.clone();
        let of_target = self.proposals.iter().filter(|proposal| proposal.to == target);
        let items: Vec<(String, String)> = of_target
            .map(|proposal| {
                let refused = !self.proposals_for(&target, shared).any(|one| one == proposal);
                let refused = if refused { "refused before; " } else { "" };
                (proposal.words(), format!("{:.2} {refused}{}", proposal.score, proposal.reasons.join(", ")))
            })
            .collect();
        if items.is_empty() {
            return shared.tell(Tone::Info, "there is no suggestion for this field");
        }
        let title = format!("What may fill {target}");
        shared.open(Overlay::Pick(Picker::new(title, Tag::Choose("suggestion"), items, 0)));
    }
}
