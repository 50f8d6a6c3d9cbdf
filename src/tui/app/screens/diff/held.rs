//! The plan that sync holds a mapping with: looked at here, then released or refused.
use std::sync::Arc;

use crm_core::journal::sync::Order;
use crm_core::plan::{Operation, Plan, Purpose};

use super::count;
use crate::app::overlay::{Overlay, Question, Tag};
use crate::app::screens::ScreenId;
use crate::app::shared::{Shared, Tone};
use crate::app::sync::SyncOrder;
use crate::app::words::Words;

/// Questions.
pub(super) const RELEASE: &str = "release";
pub(super) const HELD: &str = "held plan";

/// The plan was made by sync, of one mapping.
pub(super) fn is_of_sync(plan: &Plan) -> bool {
    plan.purpose == Purpose::Sync
}

/// The plan at hand and its mapping, if sync holds that with it now.
fn at_hand(shared: &mut Shared) -> Option<(Arc<Plan>, String)> {
    let plan = shared.plan.clone().filter(|plan| is_of_sync(plan));
    let found = plan.and_then(|plan| Some((plan.mappings.first()?.mapping.clone(), plan)));
    let Some((mapping, plan)) = found else {
        shared.tell(Tone::Info, "this plan is none that sync holds a mapping with: 9 shows what is held");
        return None;
    };
    let held = shared.sync.lanes.iter().find(|lane| lane.mapping == mapping).and_then(|lane| lane.held.as_ref());
    if held.and_then(|held| held.plan.as_ref()) != Some(&plan.id) {
        shared.tell(Tone::Info, format!("{mapping} is not held with this plan any more: 9 shows how it stands"));
        return None;
    }
    if !shared.sync.alive {
        shared.tell(Tone::Info, "sync is not running: S on the Sync screen starts it");
        return None;
    }
    Some((plan, mapping))
}

/// Asks what to do with it.
pub(super) fn ask(shared: &mut Shared) {
    let Some((_, mapping)) = at_hand(shared) else { return };
    let lines = vec![
        "Released, exactly these changes are made; what came since is looked at after that.".to_owned(),
        "Refused, the plan is thrown away and sync looks anew: it is held again if it still is too much.".to_owned(),
    ];
    let choices = vec![('r', "release"), ('x', "refuse")];
    shared.open(Overlay::Ask(Question::choice(format!("{mapping} is held"), Tag::Choose(HELD), lines, choices)));
}

/// The choice.
pub(super) fn decide(choice: char, shared: &mut Shared) {
    let Some((plan, mapping)) = at_hand(shared) else { return };
    if choice == 'r' {
        return confirm(&plan, shared);
    }
    shared.tell_sync(SyncOrder::Tell(Some(mapping), Order::Refuse));
    shared.go(ScreenId::Sync);
}

/// Asks for the target's name before it is released, as before a run.
pub(super) fn confirm(plan: &Plan, shared: &mut Shared) {
    let Some((_, mapping)) = at_hand(shared) else { return };
    if let Some((reason, advice)) = super::DiffScreen::blocked(plan) {
        return shared.fail(&crm_core::Error::refused(reason).advise(advice));
    }
    let sum = |operation| plan.mappings.iter().map(|mapping| count(&mapping.counts, operation)).sum::<u64>();
    let mut question = Question::text(format!("Release {mapping}"), Tag::Type(RELEASE), "");
    question.lines = vec![
        Words::from(format!(
            "{} inserts, {} updates, {} deletes, {} marks are made by sync at once.",
            sum(Operation::Insert),
            sum(Operation::Update),
            sum(Operation::Delete),
            sum(Operation::Mark)
        )),
        Words::from("From then on changes under the same rules are carried over without asking."),
        Words::from(format!("Type {} to confirm:", plan.confirm)),
    ];
    question.must_be = Some(plan.confirm.clone());
    question.danger = true;
    shared.open(Overlay::Ask(question));
}

/// It was confirmed.
pub(super) fn release(shared: &mut Shared) {
    let Some((plan, mapping)) = at_hand(shared) else { return };
    shared.tell_sync(SyncOrder::Tell(Some(mapping), Order::Release { plan: Some(plan.id.clone()) }));
    shared.go(ScreenId::Sync);
}
