//! Taking back what sync did for a mapping within a span of time: what is kept, the span, then its plan on the Diff screen.
use crm_core::journal::sync::LaneStatus;
use crm_core::workspace::{KeptCycles, parse_moment};

use super::UNDO;
use crate::app::msg::{Lane, Request};
use crate::app::overlay::{Overlay, Question, Tag};
use crate::app::screens::ScreenId;
use crate::app::shared::{Shared, Tone};
use crate::app::sync::clock;
use crate::app::thousands;
use crate::app::words::Words;

/// Between the two times of a span.
const TO: &str = "..";

/// Asks what is kept of the mapping.
pub(super) fn begin(lane: Option<LaneStatus>, shared: &mut Shared) {
    let Some(LaneStatus { mapping, .. }) = lane else {
        return shared.tell(Tone::Info, "sync was never started here: there is nothing to take back");
    };
    shared.ask(Lane::SyncKept, "", Request::SyncKept(mapping));
}

/// Asks for the span, the time of the event at the cursor being where it begins. False: nothing is kept.
pub(super) fn ask(mapping: &str, kept: &KeptCycles, at: Option<i64>, shared: &mut Shared) -> bool {
    let now = shared.sync.now;
    let (Some(first), Some(last)) = (kept.first, kept.last) else {
        shared.tell(Tone::Info, format!("nothing that sync wrote for {mapping} is kept"));
        return false;
    };
    let begins = at.map_or_else(|| "-30m".to_owned(), |at| clock(at, now));
    let mut question = Question::text(format!("Undo a span of {mapping}"), Tag::Type(UNDO), begins);
    let size = match kept.bytes {
        0..1_000_000 => format!("{} kB", kept.bytes.div_ceil(1_000)),
        bytes => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    };
    let cycles =
        if kept.cycles == 1 { "1 cycle".to_owned() } else { format!("{} cycles", thousands(kept.cycles as u64)) };
    let mut lines = vec![
        format!("Kept: {cycles}, {} to {}, {size}.", clock(first, now), clock(last, now)),
        "What sync wrote in that time, at both sides, becomes what it was; rows that others changed since are held. The plan \
         is shown first."
            .to_owned(),
        "Sync leaves those records alone from then on, until the other side changes them again or R asks for them.".to_owned(),
        "From, or from..to: 02:30, 02:30..02:45 (UTC, as shown), -30m, 2026-11-25 02:30:".to_owned(),
    ];
    if let Some(gone) = kept.gone {
        lines.insert(1, format!("What it wrote up to {} is not kept any more.", clock(gone, now)));
    }
    question.lines = lines.into_iter().map(Words::from).collect();
    shared.open(Overlay::Ask(question));
    true
}

/// Plans it: the plan is shown like every other.
pub(super) fn plan(mapping: &str, typed: &str, shared: &mut Shared) {
    let now = shared.sync.now;
    let (since, until) = match typed.split_once(TO) {
        Some((since, until)) => (since, Some(until)),
        None => (typed, None),
    };
    let until = until.map(str::trim).filter(|until| !until.is_empty());
    match (parse_moment(since, now), until.map(|until| parse_moment(until, now)).transpose()) {
        (Ok(since), Ok(until)) => {
            shared.go(ScreenId::Diff);
            let request = Request::RevertSync(mapping.to_owned(), since, until);
            shared.ask(Lane::Plan, "planning to take sync back", request);
        }
        (Err(error), _) | (_, Err(error)) => shared.fail(&error),
    }
}
