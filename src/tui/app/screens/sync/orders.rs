//! What the loop and its lanes are told from the screen, asked first where it writes or throws away.
use crm_core::journal::sync::{EventLine, HeldKind, LaneState, LaneStatus, Order};
use crm_core::project::{ConflictPolicy, DeletePolicy, Direction, Mapping, TargetOnly, words_of};

use super::{END, HELD, RESYNC, START};
use crate::app::msg::{Lane, Request};
use crate::app::overlay::{Overlay, Question, Tag};
use crate::app::screens::ScreenId;
use crate::app::shared::{Shared, Tone};
use crate::app::sync::{SILENCE_MINUTES, SyncOrder, confirm_word, in_sync, silent_until};
use crate::app::words::Words;

/// Mappings that the question before a start lists one by one.
const LISTED: usize = 8;

/// Asks before the loop is started: what it will do from then on without being asked.
pub(super) fn ask_start(shared: &mut Shared) {
    if shared.sync.alive {
        return shared.tell(Tone::Info, "sync runs already");
    }
    if shared.unsaved().next().is_some() {
        return shared.tell(Tone::Bad, "sync does what the files say: save first (^S)");
    }
    let mappings = in_sync(&shared.project.mappings);
    if mappings.is_empty() {
        return shared.fail(
            &crm_core::Error::usage("no mapping takes part in sync")
                .advise("add a [sync] section to a mapping file, with trigger = \"observe\", then f5 reads it again"),
        );
    }
    let word = confirm_word(shared.project.env.as_deref(), &mappings);
    let mut lines: Vec<String> = mappings.iter().take(LISTED).map(|mapping| standing(mapping)).collect();
    if mappings.len() > LISTED {
        lines.push(format!("and {} more", mappings.len() - LISTED));
    }
    lines.push(
        "It writes changes as they come, without asking, until it is ended; it goes on without this screen. \
         Rules that nobody confirmed a run of are held first."
            .to_owned(),
    );
    lines.push(format!("Type {word} to confirm:"));
    let mut question = Question::text("Start sync", Tag::Type(START), "");
    question.lines = lines.into_iter().map(Words::from).collect();
    question.must_be = Some(word);
    question.danger = true;
    shared.open(Overlay::Ask(question));
}

/// What sync does with a mapping: `contacts: legacy:contacts -> nova:contacts, observe; deletes kept; at most 5%/10m`.
pub(super) fn standing(mapping: &Mapping) -> String {
    let arrow = if mapping.sync.direction == Direction::TwoWay { "<->" } else { "->" };
    let deletes = match (&mapping.target_only, &mapping.sync.deletes) {
        (TargetOnly::Delete, _) | (_, Some(DeletePolicy::Propagate)) => {
            format!("what is gone is DELETED (at most {})", bound(mapping.run.max_deletes))
        }
        (TargetOnly::Mark(field), _) | (_, Some(DeletePolicy::Mark(field))) => {
            format!("what is gone is marked in {field}")
        }
        (_, Some(DeletePolicy::Ignore)) => "deletes are ignored".to_owned(),
        (_, None) if mapping.deleted.is_some() => "tombstones are deleted, what is simply gone stays".to_owned(),
        (_, None) => "what is gone stays".to_owned(),
    };
    // Who wins where both sides changed a record is part of what is agreed to.
    let conflicts = match (mapping.sync.direction, &mapping.sync.conflict) {
        (Direction::OneWay, _) => String::new(),
        (Direction::TwoWay, ConflictPolicy::Ask) => {
            let after = mapping.sync.ask_after.map(words_of);
            let then = after.map(|after| format!(", after {after} the {} wins", mapping.sync.then.word()));
            format!("; conflicts are asked about{}", then.unwrap_or_default())
        }
        (Direction::TwoWay, ConflictPolicy::Take(side)) => format!("; in a conflict the {} WINS", side.word()),
        (Direction::TwoWay, ConflictPolicy::Newest(field)) => format!("; in a conflict the later {field} WINS"),
    };
    let cap = mapping.sync.max_changes.map_or("no cap on changes".to_owned(), |cap| format!("held above {cap}"));
    format!(
        "{}: {} {arrow} {}, {}; {deletes}; {cap}{conflicts}",
        mapping.name,
        mapping.from.label,
        mapping.to,
        mapping.sync.trigger.word()
    )
}

fn bound(bound: crm_core::project::Bound) -> String {
    match bound {
        crm_core::project::Bound::Share(share) => format!("{}%", share * 100.0),
        crm_core::project::Bound::Count(count) => count.to_string(),
    }
}

/// Asks before the loop is ended.
pub(super) fn ask_end(shared: &mut Shared) {
    if !shared.sync.alive {
        return shared.tell(Tone::Info, "sync is not running");
    }
    let lines = vec![
        "The loop ends after what it is writing, for everybody.".to_owned(),
        "Changes made meanwhile are found and carried over when it is started again.".to_owned(),
    ];
    let mut question = Question::choice("End sync", Tag::Choose(END), lines, vec![('y', "end it")]);
    question.danger = true;
    shared.open(Overlay::Ask(question));
}

pub(super) fn end(shared: &mut Shared) {
    shared.tell_sync(SyncOrder::Tell(None, Order::Stop));
}

/// The lane of a running loop: only that one hears what it is told.
fn hearing(lane: Option<LaneStatus>, shared: &mut Shared) -> Option<LaneStatus> {
    if !shared.sync.alive {
        shared.tell(Tone::Info, "sync is not running: S starts it");
        return None;
    }
    lane
}

pub(super) fn pause(lane: Option<LaneStatus>, shared: &mut Shared) {
    let Some(lane) = hearing(lane, shared) else { return };
    let order = if lane.state == LaneState::Paused { Order::Resume } else { Order::Pause };
    shared.tell_sync(SyncOrder::Tell(Some(lane.mapping), order));
}

pub(super) fn audit(lane: Option<LaneStatus>, shared: &mut Shared) {
    let Some(lane) = hearing(lane, shared) else { return };
    shared.tell_sync(SyncOrder::Tell(Some(lane.mapping), Order::Audit));
}

pub(super) fn silence(lane: Option<LaneStatus>, shared: &mut Shared) {
    let Some(lane) = hearing(lane, shared) else { return };
    let silent = silent_until(&lane, shared.sync.now).is_some();
    shared.tell_sync(SyncOrder::Silence(lane.mapping, if silent { 0 } else { SILENCE_MINUTES }));
}

/// Asks what is to be compared again: writes follow.
pub(super) fn ask_resync(lane: Option<LaneStatus>, event: Option<EventLine>, shared: &mut Shared) {
    let Some(lane) = hearing(lane, shared) else { return };
    let mapping = event.as_ref().map_or(lane.mapping, |line| line.event.mapping.clone());
    let mut question = Question::text("", Tag::Choose(RESYNC), "");
    question.input = None;
    question.title = format!("Resync {mapping}");
    question.lines = vec!["What differs is written, under the same caps and holds as any change.".into()];
    question.choices = vec![('y', "compare all of the mapping again")];
    if let Some(key) = event.and_then(|line| line.event.key) {
        let hidden = shared.personal.key(&mapping);
        question.lines.push(Words::from("Record ").cell(key, hidden).and(":"));
        question.choices.insert(0, ('k', "only this record"));
    }
    shared.open(Overlay::Ask(question));
}

pub(super) fn resync(choice: char, lane: Option<LaneStatus>, event: Option<EventLine>, shared: &mut Shared) {
    let mapping = event.as_ref().map(|line| line.event.mapping.clone()).or(lane.map(|lane| lane.mapping));
    let keys = if choice == 'k' { event.and_then(|line| line.event.key).into_iter().collect() } else { Vec::new() };
    if let Some(mapping) = mapping {
        shared.tell_sync(SyncOrder::Tell(Some(mapping), Order::Resync { keys }));
    }
}

/// What a mapping is held with: its plan on the Diff screen, or a question where it is no plan.
pub(super) fn held(lane: Option<LaneStatus>, shared: &mut Shared) {
    let Some((lane, held)) = lane.and_then(|lane| lane.held.clone().map(|held| (lane, held))) else {
        return shared.tell(Tone::Info, "this mapping is not held");
    };
    if let (Some(plan), true) = (&held.plan, held.kind != HeldKind::Blocked) {
        shared.go(ScreenId::Diff);
        return shared.ask(Lane::Plan, "reading the plan", Request::LoadPlan(plan.clone()));
    }
    let mut lines = vec![Words::from(held.why.clone())];
    let mut choices = Vec::new();
    if held.kind == HeldKind::Drift {
        lines.extend(held.columns.iter().map(|column| Words::from(format!("  {column}"))));
        choices.push(('g', "go on with the columns as they are now"));
        choices.push(('m', "map them first: to the Map screen"));
    }
    if held.plan.is_some() {
        choices.push(('v', "view its plan"));
    }
    choices.push(('a', "look anew"));
    let mut question = Question::choice(format!("{} is held", lane.mapping), Tag::Choose(HELD), Vec::new(), choices);
    question.lines = lines;
    question.danger = true;
    shared.open(Overlay::Ask(question));
}

pub(super) fn decide_held(choice: char, lane: Option<LaneStatus>, shared: &mut Shared) {
    let Some(lane) = lane else { return };
    match choice {
        'm' => match shared.drafts.iter().position(|draft| draft.name == lane.mapping) {
            Some(at) => {
                shared.current = at;
                shared.go(ScreenId::Map);
            }
            None => shared.tell(Tone::Info, format!("the project has no mapping '{}' any more", lane.mapping)),
        },
        'v' => {
            if let Some(plan) = lane.held.and_then(|held| held.plan) {
                shared.go(ScreenId::Diff);
                shared.ask(Lane::Plan, "reading the plan", Request::LoadPlan(plan));
            }
        }
        _ => {
            let Some(lane) = hearing(Some(lane), shared) else { return };
            let order = if choice == 'g' { Order::Release { plan: None } } else { Order::Refuse };
            shared.tell_sync(SyncOrder::Tell(Some(lane.mapping), order));
        }
    }
}
