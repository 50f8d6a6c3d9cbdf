//! The Diff screen: the plan. Every count with the rows behind it, and the way to run it.
mod held;
mod rows;
mod strategy;

use std::sync::Arc;

use crm_core::plan::{Counts, Intent, MappingPlan, Operation, Plan, Purpose, span_words};
use crm_core::project::Mode;
use crm_core::workspace::{PlanAsk, Recommendation, Revealed};

pub use rows::{CHUNK, Line, Rows};

use super::{ScreenId, ScreenState};
use crate::app::action::Action;
use crate::app::causes::{by_cause, lines};
use crate::app::list::ListState;
use crate::app::msg::{Answer, Lane, Request};
use crate::app::overlay::{Overlay, Picker, Question, Reply, Tag};
use crate::app::shared::{Shared, Tone};
use crate::app::thousands;
use crate::app::words::Words;

/// The counts of the balance in their order, with headings: what is read is the sum of the first seven; deleted and
/// marked rows are the target's.
pub const OPERATIONS: &[(Operation, &str)] = &[
    (Operation::Insert, "ADD +"),
    (Operation::Update, "CHG +"),
    (Operation::Unchanged, "SAME +"),
    (Operation::Filtered, "SKIP +"),
    (Operation::Merged, "MRG +"),
    (Operation::Held, "HELD +"),
    (Operation::Rejected, "REJ"),
    (Operation::Delete, "DEL"),
    (Operation::Mark, "MARK"),
];

/// An operation in words, for headings.
pub const fn word(operation: Operation) -> &'static str {
    match operation {
        Operation::Insert => "rows to insert",
        Operation::Update => "rows to change",
        Operation::Unchanged => "rows the target has already",
        Operation::Filtered => "rows left out by where",
        Operation::Merged => "rows behind their survivor",
        Operation::Held => "rows that wait, by cause",
        Operation::Rejected => "rows not carried over, by cause",
        Operation::Delete => "target rows to delete",
        Operation::Mark => "target rows to mark",
    }
}

/// The count that belongs to an operation.
pub const fn count(counts: &Counts, operation: Operation) -> u64 {
    match operation {
        Operation::Insert => counts.inserted,
        Operation::Update => counts.updated,
        Operation::Unchanged => counts.unchanged,
        Operation::Filtered => counts.filtered,
        Operation::Merged => counts.merged,
        Operation::Held => counts.held,
        Operation::Rejected => counts.rejected,
        Operation::Delete => counts.deleted,
        Operation::Mark => counts.marked,
    }
}

/// State of the Diff screen.
#[derive(Debug, Default)]
pub struct DiffScreen {
    /// Mappings of the plan.
    pub mappings: ListState,
    /// Which count: index in [`OPERATIONS`].
    pub operation: usize,
    /// The rows behind it have the keys, not the table of counts.
    pub in_rows: bool,
    /// Rows behind the count, or causes.
    pub rows: Rows,
    /// The files the plan was made of have changed since.
    pub stale: bool,
    shown: Option<String>,
    saves: u64,
    /// How the plan was asked for; None: it was loaded, or takes a run back, or retries.
    ask: Option<PlanAsk>,
    /// What was recommended last.
    advice: Option<Arc<Recommendation>>,
}

impl DiffScreen {
    /// The mapping at the cursor.
    pub fn mapping<'a>(&self, plan: &'a Plan) -> Option<&'a MappingPlan> {
        plan.mappings.get(self.mappings.cursor)
    }
    /// The operation at the cursor.
    pub fn operation(&self) -> Operation {
        OPERATIONS[self.operation].0
    }
    /// Why the plan cannot be run; the first reason with its advice.
    pub fn blocked(plan: &Plan) -> Option<(String, String)> {
        plan.mappings.iter().find_map(|mapping| {
            let first = mapping.blocked.first()?;
            Some((format!("{}: {}", mapping.mapping, first.reason), first.advice.clone()))
        })
    }
    /// What the plan takes back, in words, if it is such a plan: `run 20261125-…`, `sync contacts 11-25 02:30:00..02:41:07`.
    pub fn reverts(plan: &Plan) -> Option<String> {
        match &plan.purpose {
            Purpose::Revert { run } => Some(format!("run {run}")),
            Purpose::RevertSync { mapping, since, until } => {
                Some(format!("sync {mapping} {}", span_words(*since, *until)))
            }
            _ => None,
        }
    }
    /// Nothing would be written.
    pub fn is_noop(plan: &Plan) -> bool {
        plan.mappings.iter().all(|mapping| mapping.counts.is_noop())
    }
    fn adopt(&mut self, plan: &Plan, saves: u64) {
        let fresh = self.shown.as_deref() != Some(&plan.id);
        self.shown = Some(plan.id.clone());
        self.saves = saves;
        self.stale = false;
        self.rows.forget();
        if !fresh {
            return;
        }
        // What an operator looks at first: what is rejected where anything is, else what changes.
        let counts = |operation| plan.mappings.iter().map(|mapping| count(&mapping.counts, operation)).sum::<u64>();
        let first = [Operation::Update, Operation::Insert, Operation::Delete, Operation::Rejected]
            .into_iter()
            .find(|operation| counts(*operation) > 0)
            .unwrap_or(Operation::Unchanged);
        self.operation = OPERATIONS.iter().position(|(operation, _)| *operation == first).unwrap_or(0);
        let busiest = plan.mappings.iter().position(|mapping| count(&mapping.counts, first) > 0);
        self.mappings.select(busiest.unwrap_or(0));
        self.in_rows = false;
    }
    fn confirm(&self, shared: &mut Shared) {
        let Some(plan) = shared.plan.clone() else {
            shared.tell(Tone::Info, "there is no plan yet: p makes one");
            return;
        };
        if held::is_of_sync(&plan) {
            return held::confirm(&plan, shared);
        }
        if let Some((reason, advice)) = Self::blocked(&plan) {
            shared.fail(&crm_core::Error::refused(reason).advise(advice));
            return;
        }
        let reverts = Self::reverts(&plan);
        if self.stale && reverts.is_some() {
            shared.fail(
                &crm_core::Error::refused("the target has changed since this plan was made")
                    .advise("U on the History or the Sync screen plans it anew"),
            );
            return;
        }
        if reverts.is_none() && (self.stale || shared.unsaved().next().is_some()) {
            shared.fail(
                &crm_core::Error::refused("the mappings have changed since this plan was made")
                    .advise("p makes the plan anew; only what was shown is run"),
            );
            return;
        }
        if Self::is_noop(&plan) {
            shared.tell(
                Tone::Good,
                if reverts.is_some() {
                    "nothing to take back: all is as before, but for rows that are held"
                } else {
                    "nothing to write: the target has it all already"
                },
            );
            return;
        }
        let sum = |operation| plan.mappings.iter().map(|mapping| count(&mapping.counts, operation)).sum::<u64>();
        let mut words: Vec<String> = reverts.iter().map(|what| format!("Takes {what} back.")).collect();
        words.push(format!(
            "{} inserts, {} updates, {} deletes, {} marks in {} objects.",
            sum(Operation::Insert),
            sum(Operation::Update),
            sum(Operation::Delete),
            sum(Operation::Mark),
            plan.mappings.len()
        ));
        words.extend(
            plan.mappings.iter().filter(|mapping| !mapping.here.atomic).map(|mapping| {
                format!("{}: NOT atomic here; what is written stays if the run is stopped.", mapping.to)
            }),
        );
        let left: u64 = sum(Operation::Rejected) + sum(Operation::Held);
        if left > 0 && reverts.is_some() {
            words.push(format!("{left} rows were changed since and stay as they are."));
        } else if left > 0 {
            words.push(format!("{left} rows are not carried over; they are kept with their reasons."));
        }
        words.extend(plan.mappings.iter().filter_map(left_behind));
        words.push(format!("Type {} to confirm:", plan.confirm));
        let title = if reverts.is_some() { "Revert" } else { "Migrate" };
        let mut question = Question::text(title, Tag::Migrate, "");
        question.lines = words.into_iter().map(Words::from).collect();
        question.must_be = Some(plan.confirm.clone());
        question.danger = true;
        shared.open(Overlay::Ask(question));
    }
    fn choose_column(&self, shared: &mut Shared) {
        let Some(plan) = shared.plan.clone() else { return };
        let Some(mapping) = self.mapping(&plan) else { return };
        if self.operation() != Operation::Update {
            shared.tell(Tone::Info, "columns filter the changed rows (CHG)");
            return;
        }
        let mut items = vec![("all columns".to_owned(), String::new())];
        items.extend(
            mapping
                .changes
                .iter()
                .filter(|change| change.changed > 0)
                .map(|change| (change.field.clone(), format!("{} change, {} kept", change.changed, change.kept))),
        );
        shared.open(Overlay::Pick(Picker::new("Only rows that change", Tag::Column, items, 0)));
    }
    fn open(&self, shared: &mut Shared) {
        let mapping = shared.plan.as_ref().and_then(|plan| self.mapping(plan)).map(|mapping| mapping.mapping.clone());
        let whole = self.rows.whole(mapping.as_deref().unwrap_or_default(), &shared.personal);
        if let Some((title, text)) = whole {
            shared.open(Overlay::Text(title, text, 0));
        }
    }
    fn mend(&self, shared: &mut Shared) {
        let Some(plan) = shared.plan.clone() else { return };
        let Some(mapping) = self.mapping(&plan) else { return };
        let field = self.rows.cause().and_then(|cause| cause.field.clone()).or_else(|| self.rows.column.clone());
        if let Some(at) = shared.drafts.iter().position(|draft| draft.name == mapping.mapping) {
            shared.current = at;
        }
        shared.focus = field;
        shared.go(ScreenId::Map);
    }
    fn open_inbox(&self, shared: &mut Shared) {
        let Some(plan) = shared.plan.clone() else { return };
        let left = plan.mappings.iter().any(|mapping| mapping.counts.rejected + mapping.counts.held > 0);
        if left {
            let mapping = self.mapping(&plan).map(|mapping| mapping.mapping.clone());
            let at = mapping.zip(self.rows.cause().map(|cause| cause.cause.clone()));
            shared.open_inbox(&plan.id, ScreenId::Diff, at);
        } else {
            shared.tell(Tone::Good, "no row is rejected or held");
        }
    }
    fn act_on_counts(&mut self, action: Action) -> bool {
        match action {
            Action::Left => self.operation = self.operation.saturating_sub(1),
            Action::Right => self.operation = (self.operation + 1).min(OPERATIONS.len() - 1),
            Action::Open => self.in_rows = true,
            _ => return self.mappings.act(action),
        }
        true
    }
}

impl ScreenState for DiffScreen {
    fn settle(&mut self, shared: &mut Shared) {
        let Some(plan) = shared.plan.clone() else { return };
        // A plan that takes a run back is made of what that run kept, not of the mappings.
        self.stale |= self.saves != shared.saves && Self::reverts(&plan).is_none();
        self.mappings.layout(plan.mappings.len(), plan.mappings.len().min(shared.body().1 / 3).max(1));
        let Some(mapping) = self.mapping(&plan) else { return };
        let (name, operation) = (mapping.mapping.clone(), self.operation());
        let total = count(&mapping.counts, operation);
        self.rows.settle(&plan, &name, operation, total, shared);
    }
    fn act(&mut self, action: Action, shared: &mut Shared) -> bool {
        match action {
            Action::Plan => shared.make_plan(),
            Action::PlanIncremental => shared.plan_as(strategy::of_mode(Mode::Incremental)),
            Action::PlanFull => shared.plan_as(strategy::of_mode(Mode::Full)),
            Action::PlanSample => strategy::ask_sample(shared),
            Action::Recommend => strategy::ask_advice(shared),
            Action::Against => strategy::ask_against(shared),
            Action::Migrate => self.confirm(shared),
            Action::SyncHeld => held::ask(shared),
            Action::NextPane => self.in_rows = !self.in_rows,
            Action::FilterColumn => self.choose_column(shared),
            Action::Rejects => self.open_inbox(shared),
            Action::EditField => self.mend(shared),
            Action::Back if self.in_rows => self.in_rows = false,
            Action::Open if self.in_rows => self.open(shared),
            _ if self.in_rows => return self.rows.act(action),
            _ => return self.act_on_counts(action),
        }
        true
    }
    fn heading(&self, shared: &Shared) -> String {
        let Some(plan) = &shared.plan else { return "PLAN  none yet".to_owned() };
        let made = plan.created.get(11..16).unwrap_or_default();
        if let Some(what) = Self::reverts(plan) {
            let stale = if self.stale { "  STALE" } else { "" };
            return format!("REVERT of {what} -> {}  plan {}{stale}", plan.confirm, plan.id);
        }
        let stale = if self.stale { "  STALE: mappings changed, p plans anew" } else { "" };
        let intent = plan.intent();
        if held::is_of_sync(plan) {
            let name = plan.mappings.first().map_or("", |mapping| &mapping.mapping);
            return format!("HELD {name} -> {}  plan {}  M releases it, H refuses it", plan.confirm, plan.id);
        }
        let purpose = if intent == Intent::default() { String::new() } else { format!("  {}", intent.words()) };
        format!("PLAN {} -> {}{purpose}  made {made} UTC{stale}", plan.id, plan.confirm)
    }
    fn answer(&mut self, lane: Lane, answer: &Answer, shared: &mut Shared) {
        match (lane, answer) {
            (Lane::Plan, Answer::Plan(plan)) => {
                self.ask = shared.asked.take();
                self.adopt(plan, shared.saves);
            }
            (Lane::Advice, Answer::Advice(found)) => {
                self.advice = Some(Arc::clone(found));
                strategy::offer(found, shared);
            }
            (Lane::Against, Answer::Against(against)) => {
                if let Some(plan) = shared.plan.clone().filter(|plan| plan.id == against.plan) {
                    let lines = strategy::against_lines(against, &plan, &shared.personal);
                    shared.open(Overlay::Text("Against the plan before".into(), lines, 0));
                }
            }
            (Lane::PlanRows, Answer::PlanRows(rows, _)) => self.rows.take(rows.clone()),
            (Lane::PlanRejects, Answer::Rejects(rejects)) => {
                self.rows.take_rejects(Arc::clone(rejects), self.operation());
            }
            (Lane::Start, Answer::Started(run)) => {
                // What was run is no plan any more: the target has moved.
                self.stale = true;
                shared.run = None;
                shared.ask(Lane::Run, "", Request::Run(run.clone()));
                shared.ask(Lane::Runs, "", Request::Runs);
                shared.go(ScreenId::Run);
            }
            _ => {}
        }
    }
    fn failed(&mut self, lane: Lane, _: &mut Shared) {
        if matches!(lane, Lane::PlanRows | Lane::PlanRejects) {
            self.rows.failed = true;
        }
    }
    fn reply(&mut self, tag: &Tag, reply: &Reply, shared: &mut Shared) {
        match (tag, reply) {
            (Tag::Migrate, Reply::Text(typed)) => {
                if let Some(plan) = shared.plan.clone() {
                    shared.ask(Lane::Start, "starting the engine", Request::Start(plan, typed.clone()));
                }
            }
            (Tag::Type(strategy::ROOTS), Reply::Text(typed)) => strategy::plan_sample(typed, shared),
            (Tag::Choose(strategy::OFFER), Reply::Choice(key)) => strategy::take(*key, self.advice.as_ref(), shared),
            (Tag::Type(held::RELEASE), Reply::Text(_)) => held::release(shared),
            (Tag::Choose(held::HELD), Reply::Choice(key)) => held::decide(*key, shared),
            (Tag::Column, Reply::Picked(item)) => {
                let plan = shared.plan.clone();
                let mapping = plan.as_ref().and_then(|plan| self.mapping(plan));
                let mut changed =
                    mapping.into_iter().flat_map(|mapping| &mapping.changes).filter(|one| one.changed > 0);
                self.rows.column = item.checked_sub(1).and_then(|item| Some(changed.nth(item)?.field.clone()));
                self.in_rows = true;
            }
            _ => {}
        }
    }
    fn find(&mut self, sought: &str, forward: bool, _: &mut Shared) -> bool {
        self.in_rows = true;
        self.rows.find(sought, forward)
    }
    fn click(&mut self, _: usize, row: usize, shared: &mut Shared) {
        let mappings = shared.plan.as_ref().map_or(0, |plan| plan.mappings.len());
        if (1..=mappings).contains(&row) {
            self.mappings.select(self.mappings.top + row - 1);
            self.in_rows = false;
        }
    }
    fn personal(&self, shared: &Shared) -> Revealed {
        let Some(plan) = &shared.plan else { return Revealed::default() };
        let mapping = self.mapping(plan).map_or("", |mapping| &mapping.mapping);
        Revealed { plan: Some(plan.id.clone()), ..shared.revealed_of(mapping) }
    }
    fn command(&self, shared: &Shared) -> Option<String> {
        let Some(plan) = &shared.plan else { return Some("plan --out plan.json".to_owned()) };
        Some(self.ask.as_ref().map_or_else(|| run_command(plan), PlanAsk::command))
    }
    fn then(&self, shared: &Shared) -> Option<String> {
        // The same plan has the same id, whoever makes it.
        self.ask.as_ref().and(shared.plan.as_ref()).map(|plan| run_command(plan))
    }
    fn offers(&self, action: Action, shared: &Shared) -> bool {
        let needs_plan = matches!(
            action,
            Action::Migrate
                | Action::Open
                | Action::Rejects
                | Action::FilterColumn
                | Action::NextPane
                | Action::EditField
                | Action::Against
        );
        if action == Action::SyncHeld {
            return shared.plan.as_ref().is_some_and(|plan| held::is_of_sync(plan));
        }
        !needs_plan || shared.plan.is_some()
    }
}

/// What of a mapping's source goes nowhere although it holds something: whoever confirms the plan has seen it.
fn left_behind(mapping: &MappingPlan) -> Option<String> {
    let left = &mapping.left_behind;
    let named: Vec<String> =
        left.iter().take(3).map(|one| format!("{} ({} rows)", one.column, thousands(one.filled))).collect();
    let more = if left.len() > named.len() { format!(" and {} more", left.len() - named.len()) } else { String::new() };
    (!named.is_empty())
        .then(|| format!("{} leaves behind what holds data: {}{more}.", mapping.mapping, named.join(", ")))
}

/// The command that runs a plan.
fn run_command(plan: &Plan) -> String {
    if held::is_of_sync(plan) {
        let name = plan.mappings.first().map_or("", |mapping| &mapping.mapping);
        return format!("lane release {} --plan {}", crate::app::quote(name), plan.id);
    }
    format!("migrate --plan {} --confirm {}", plan.id, plan.confirm)
}

/// Rejects of one kind as causes, for the rows behind HELD and REJ.
fn causes_of(rejects: &[crm_core::journal::Reject], operation: Operation) -> Vec<crate::app::causes::CauseRow> {
    let kind = if operation == Operation::Held { "held" } else { "rejected" };
    by_cause(rejects).into_iter().filter(|cause| cause.kind == kind).collect()
}

/// Some rejects whole, to read.
fn reject_lines(
    rejects: &[crm_core::journal::Reject],
    rows: &[usize],
    mapping: &str,
    personal: &crm_core::project::Personal,
) -> Vec<Words> {
    const MOST: usize = 20;
    let mut text = Vec::new();
    for row in rows.iter().take(MOST) {
        if let Some(reject) = rejects.get(*row) {
            text.extend(lines(reject, mapping, personal));
            text.push(Words::default());
        }
    }
    if rows.len() > MOST {
        text.push(format!("and {} more", rows.len() - MOST).into());
    }
    text
}

#[cfg(test)]
pub(crate) mod tests;
