//! Other ways to plan: incrementally, in full, a sample; what is recommended here; this plan against the last one.
use std::sync::Arc;

use crm_core::plan::{Operation, Plan};
use crm_core::project::{Mode, Personal};
use crm_core::workspace::recommend::{Recommendation, SAMPLE, Strategy};
use crm_core::workspace::{Against, PlanAsk, Sample};

use crate::app::msg::{Lane, Request};
use crate::app::overlay::{Offer, Overlay, Question, Tag};
use crate::app::shared::{Shared, Tone};
use crate::app::thousands;
use crate::app::words::Words;

/// The question how many records a sample begins with.
pub(super) const ROOTS: &str = "sample";
/// The recommendation with its choices.
pub(super) const OFFER: &str = "recommendation";
/// Rows that a comparison lists of each mapping.
const LISTED: usize = 20;

/// A plan of this mode.
pub(super) fn of_mode(mode: Mode) -> PlanAsk {
    PlanAsk { mode: Some(mode), ..PlanAsk::default() }
}

/// Asks how many.
pub(super) fn ask_sample(shared: &mut Shared) {
    let mut question = Question::text("Plan a sample", Tag::Type(ROOTS), SAMPLE.to_string());
    question.lines = vec![
        "How many records to begin with; all that links to them and that they link to comes along.".into(),
        "A mapping behind the number begins there: 20 contacts.".into(),
    ];
    shared.open(Overlay::Ask(question));
}

/// Plans the sample that was typed: `20`, `20 contacts`.
pub(super) fn plan_sample(typed: &str, shared: &mut Shared) {
    let mut words = typed.split_whitespace();
    let roots = words.next().and_then(|word| word.replace(',', "").parse::<u64>().ok()).filter(|roots| *roots > 0);
    let mapping = words.next().map(str::to_owned);
    let known = mapping.as_ref().is_none_or(|name| shared.drafts.iter().any(|draft| draft.name == *name));
    match roots {
        Some(roots) if known && words.next().is_none() => {
            shared.plan_as(PlanAsk { sample: Some(Sample { roots, mapping }), ..PlanAsk::default() });
        }
        Some(_) if !known => {
            let names: Vec<&str> = shared.drafts.iter().map(|draft| draft.name.as_str()).collect();
            let text = format!("no mapping '{}'; there are {}", mapping.unwrap_or_default(), names.join(", "));
            shared.tell(Tone::Bad, text);
        }
        _ => shared.tell(Tone::Bad, "a sample is a number from 1 on, and perhaps a mapping: 20 contacts"),
    }
}

/// Asks for the recommendation.
pub(super) fn ask_advice(shared: &mut Shared) {
    shared.ask(Lane::Advice, "looking for what fits here", Request::Recommend);
}

/// Shows a recommendation, with its own choice first.
pub(super) fn offer(found: &Recommendation, shared: &mut Shared) {
    let mut lines: Vec<Words> = Vec::new();
    if shared.unsaved().next().is_some() {
        lines.push("of the mappings as they are saved; unsaved edits are saved before a plan is made".into());
    }
    lines.extend(found.lines().into_iter().map(Words::from));
    if found.rehearse.is_some() {
        lines.insert(lines.len().min(3), "  enter plans it here all the same: a plan writes nothing".into());
    }
    let (own, label) = match found.strategy {
        Strategy::Sample => ('s', format!("sample of {SAMPLE}")),
        Strategy::Full => ('F', "full".to_owned()),
        Strategy::Hash | Strategy::Cursor => ('i', "incremental".to_owned()),
    };
    let workers = if found.workers > 1 { format!(", {} workers", found.workers) } else { String::new() };
    let mut choices = vec![(own, format!("{label}{workers}"))];
    for (key, label) in [('s', "sample"), ('i', "incremental"), ('F', "full")] {
        if key != own {
            choices.push((key, label.to_owned()));
        }
    }
    let title = "Recommendation".to_owned();
    shared.open(Overlay::Offer(Offer { title, lines, top: 0, choices, tag: Tag::Choose(OFFER) }));
}

/// Plans what was chosen of a recommendation.
pub(super) fn take(key: char, found: Option<&Arc<Recommendation>>, shared: &mut Shared) {
    let own = found.map(|found| (found.strategy, found.ask()));
    let ask = match (key, own) {
        ('s', Some((Strategy::Sample, ask))) | ('F', Some((Strategy::Full, ask))) => ask,
        ('i', Some((strategy, ask))) if strategy.is_incremental() => ask,
        ('s', _) => return ask_sample(shared),
        ('i', _) => of_mode(Mode::Incremental),
        _ => of_mode(Mode::Full),
    };
    shared.plan_as(ask);
}

/// Asks what is other than in the plan before.
pub(super) fn ask_against(shared: &mut Shared) {
    match shared.plan.clone() {
        Some(plan) => shared.ask(Lane::Against, "comparing with the last plan", Request::Against(plan)),
        None => shared.tell(Tone::Info, "there is no plan yet: p makes one"),
    }
}

/// A comparison, to read.
pub(super) fn against_lines(against: &Against, plan: &Plan, personal: &Personal) -> Vec<Words> {
    let mut lines: Vec<Words> =
        vec![format!("plan {} against {}, made {}", plan.id, against.other, against.created).into()];
    for part in &against.mappings {
        let differ = part.appeared + part.vanished + part.operation + part.cells;
        lines.push(Words::default());
        lines.push(if differ == 0 && part.causes.is_empty() {
            format!("{}: the same rows, operations and cells", part.mapping).into()
        } else {
            let cells = if part.columns_differ { "cells not compared: other columns" } else { "with other cells" };
            format!(
                "{}: {} rows new, {} gone, {} with another operation, {} {cells}",
                part.mapping,
                thousands(part.appeared),
                thousands(part.vanished),
                thousands(part.operation),
                thousands(part.cells)
            )
            .into()
        });
        for (operation, word) in super::OPERATIONS {
            let (before, now) = (super::count(&part.before, *operation), super::count(&part.now, *operation));
            if before != now {
                let word = word.trim_end_matches([' ', '+']);
                lines.push(format!("  {word:<5} {:>11} -> {:>11}", thousands(before), thousands(now)).into());
            }
        }
        for (cause, before, now) in &part.causes {
            lines.push(format!("  {} -> {} rows: {cause}", thousands(*before), thousands(*now)).into());
        }
        let word = |operation: Option<Operation>| operation.map_or("not there", Operation::word);
        for row in part.rows.iter().take(LISTED) {
            let line = Words::from("  ").cell(row.key.clone(), personal.key(&part.mapping));
            lines.push(line.and(format!(": {} -> {}", word(row.before), word(row.now))));
        }
        let listed = part.rows.len().min(LISTED) as u64;
        if differ > listed {
            lines.push(format!("  and {} more rows", thousands(differ - listed)).into());
        }
    }
    lines
}
