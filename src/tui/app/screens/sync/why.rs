//! What is known of a mapping, an event, a record, in words.
use crm_core::journal::sync::{Clock, EventLine, HeldKind, LaneState, LaneStatus, LogLevel, ScoreLine};
use crm_core::project::{Direction, words_of};
use crm_core::score::{Timeliness, percent};

use super::SyncScreen;
use crate::app::shared::Shared;
use crate::app::sync::{SyncTraced, clock, short, silent_until};
use crate::app::thousands;
use crate::app::words::Words;

/// How far back what changed just before an alarm is looked for, in milliseconds.
const BEFORE: i64 = 10 * 60_000;
/// Lines of it that are told at most.
const MOST: usize = 6;

/// How a line is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// It is wrong.
    Bad,
    /// It wants a look.
    Warn,
    /// Good to know.
    Plain,
    /// Beside the point.
    Dim,
}

/// Why a mapping is as it is, the most urgent first.
pub fn lane_lines(lane: &LaneStatus, screen: &SyncScreen, shared: &Shared) -> Vec<(String, Weight)> {
    let now = shared.sync.now;
    let mut lines = Vec::new();
    let time = |at: i64| clock(at, now);
    let bad = match lane.state {
        LaneState::Stuck | LaneState::Held => Weight::Bad,
        LaneState::Paused => Weight::Warn,
        LaneState::Starting | LaneState::Ok => Weight::Plain,
    };
    if !lane.why.is_empty() {
        lines.push((lane.why.clone(), bad));
    }
    if lane.state == LaneState::Stuck {
        let next = lane.next_try.map(|next| format!(", next {}", time(next))).unwrap_or_default();
        let tries = if lane.tries == 1 { "1 try".to_owned() } else { format!("{} tries", lane.tries) };
        lines.push((format!("{tries} since {}{next}", time(lane.since)), Weight::Bad));
    }
    if let Some(held) = &lane.held {
        let changes = thousands(held.changes);
        let what = match (held.kind, &held.plan) {
            (HeldKind::Drift, _) => "held by a drift of columns: H decides".to_owned(),
            (HeldKind::Blocked, Some(plan)) => format!("blocked: plan {plan} cannot be run; H shows it"),
            (kind, Some(plan)) => {
                format!(
                    "held ({}) since {}: {changes} changes in plan {plan}; H shows it",
                    kind.word(),
                    time(held.since)
                )
            }
            (kind, None) => format!("held ({}) since {}", kind.word(), time(held.since)),
        };
        lines.push((what, Weight::Warn));
        lines.extend(held.columns.iter().map(|column| (format!("  {column}"), Weight::Warn)));
    }
    let mut waits = Vec::new();
    if lane.is_late(now) {
        waits.push(format!("late (budget {})", budget(lane)));
    }
    if lane.conflicts > 0 {
        waits.push(format!("{} conflicts wait: c", thousands(lane.conflicts)));
    }
    if lane.rejects > 0 {
        waits.push(format!("{} rows are left out: r", thousands(lane.rejects)));
    }
    if lane.left_alone > 0 {
        waits.push(format!("taken back and left alone: {} (R carries them over)", thousands(lane.left_alone)));
    }
    if screen.undelivered() > 0 {
        waits.push(format!("decisions on {} conflicts are not written: c, then w", screen.undelivered()));
    }
    if !waits.is_empty() {
        lines.push((waits.join("; "), if lane.is_late(now) { Weight::Bad } else { Weight::Warn }));
    }
    if let Some(until) = silent_until(lane, now) {
        let who = lane.silenced.as_ref().map(|(who, _)| who.as_str()).unwrap_or_default();
        lines.push((format!("alarms silent until {} by {who}", time(until)), Weight::Plain));
    }
    lines.extend(just_before(lane, screen, now).map(|line| (line, Weight::Warn)));
    let arrow = if lane.direction == Direction::TwoWay { "<->" } else { "->" };
    lines.push((
        format!("{} {arrow} {}  {}: {}", lane.from, lane.to, lane.trigger.word(), lane.watching),
        Weight::Plain,
    ));
    if !lane.goes_back.is_empty() {
        lines.push((format!("back to {}: {}", lane.from, lane.goes_back.join(", ")), Weight::Plain));
    }
    if !lane.stays.is_empty() {
        let one = |(field, why): &(String, String)| {
            if field.is_empty() { why.clone() } else { format!("{field} ({why})") }
        };
        let stays: Vec<String> = lane.stays.iter().map(one).collect();
        lines.push((format!("does not go back: {}", stays.join(", ")), Weight::Warn));
    }
    lines.push((timely("5 min", &lane.recent), Weight::Plain));
    lines.push((timely("session", &lane.session), Weight::Plain));
    let audit = match (lane.audited, lane.audit_gap) {
        (Some(at), gap) => format!("audited {}, gap {}", time(at), gap.map_or_else(|| "-".to_owned(), thousands)),
        (None, _) => "never audited (A)".to_owned(),
    };
    let audit = match lane.next_audit {
        Some(next) => format!("{audit}, next {}", time(next).chars().take(5).collect::<String>()),
        None => audit,
    };
    let tally = lane.tally.map_or_else(String::new, |tally| {
        format!(
            ": {} equal, {} different, {} missing, {} extra",
            thousands(tally.equal),
            thousands(tally.different),
            thousands(tally.missing),
            thousands(tally.extra)
        )
    });
    let share = percent(lane.tally.and_then(|tally| tally.ratio()));
    lines.push((format!("consistent {share}{tally}"), Weight::Plain));
    let minute = |at: Option<i64>| at.map_or_else(|| "never".to_owned(), |at| time(at).chars().take(5).collect());
    let written = lane.written.map_or_else(|| "never".to_owned(), time);
    lines.push((
        format!(
            "looked {}  written {written}  cycle {}  budget {}  {audit}",
            minute(lane.looked),
            short(lane.cycle_ms),
            budget(lane)
        ),
        Weight::Dim,
    ));
    lines
}

/// The freshness budget, as it is written in the mapping.
fn budget(lane: &LaneStatus) -> String {
    words_of(std::time::Duration::from_millis(lane.freshness))
}

fn timely(window: &str, score: &Timeliness) -> String {
    let Some(mean) = score.mean else { return format!("{window}: idle, nothing happened") };
    let lag = |lag: Option<u64>| lag.map_or_else(|| "-".to_owned(), short);
    format!(
        "{window} {mean:.2} on time {} {} events p50 {} p95 {} p99 {} max {}",
        percent(score.on_time),
        thousands(score.events),
        lag(score.p50),
        lag(score.p95),
        lag(score.p99),
        lag(score.max)
    )
}

/// What changed just before something went wrong, as far as log and scores tell.
fn just_before(lane: &LaneStatus, screen: &SyncScreen, now: i64) -> Option<String> {
    if lane.alarms(now).is_empty() {
        return None;
    }
    let about = |mapping: &Option<String>| mapping.as_ref().is_none_or(|name| *name == lane.mapping);
    let alarm =
        screen.log.iter().find(|line| line.level == LogLevel::Alarm && line.mapping.as_ref() == Some(&lane.mapping));
    let at = alarm.map_or(lane.since, |line| line.at);
    let before = |line_at: i64| line_at <= at && at - line_at <= BEFORE;
    let mut told: Vec<String> = screen
        .log
        .iter()
        .filter(|line| about(&line.mapping) && line.level != LogLevel::Alarm && before(line.at))
        .take(MOST)
        .map(|line| format!("{} {}", clock(line.at, now), line.text))
        .collect();
    told.reverse();
    let scores = screen.scores.get(&lane.mapping).map(Vec::as_slice).unwrap_or_default();
    told.extend(rate_change(scores, at));
    let told = if told.is_empty() { "nothing that was noted".to_owned() } else { told.join("; ") };
    Some(format!("just before {}: {told}", clock(at, now)))
}

/// Changes that came at another rate than in the hour before.
fn rate_change(scores: &[ScoreLine], at: i64) -> Option<String> {
    let mean = |from: i64, to: i64| {
        let rates: Vec<f64> =
            scores.iter().filter(|line| (from..to).contains(&line.at)).map(|line| line.rate).collect();
        (!rates.is_empty()).then(|| rates.iter().sum::<f64>() / rates.len() as f64)
    };
    let (old, new) = (mean(at - 60 * 60_000, at - BEFORE)?, mean(at - BEFORE, at + 1)?);
    let other = (new - old).abs() > 0.5 && (new > old * 2.0 || old > new * 2.0);
    other.then(|| format!("changes {old:.1}/s -> {new:.1}/s"))
}

/// Which clock a time is from, in words.
const fn clock_words(clock: Clock) -> &'static str {
    match clock {
        Clock::Platform => "by the platform's own clock",
        Clock::Seen => "when it was first seen: the platform gives no time",
    }
}

/// The whole of an event.
pub fn event_lines(line: &EventLine, shared: &Shared) -> (Words, Vec<Words>) {
    let (event, now) = (&line.event, shared.sync.now);
    let hidden = shared.personal.key(&event.mapping);
    let mut title = Words::from(format!("{} {}", event.mapping, event.operation));
    if let Some(key) = &event.key {
        title = title.and(" ").cell(key, hidden);
    }
    let mut lines = vec![
        Words::from(format!("changed       {}, {}", clock(event.changed, now), clock_words(event.clock))),
        format!("seen          {}, by {}", clock(event.seen, now), event.origin).into(),
    ];
    lines.push(match (event.done, event.lag) {
        (Some(done), Some(lag)) => {
            format!("acknowledged  {}, {} after the change", clock(done, now), short(lag)).into()
        }
        (Some(done), None) => format!("acknowledged  {}", clock(done, now)).into(),
        (None, _) => {
            let age = short((now - event.changed).max(0).unsigned_abs());
            format!("it waits, for {age} so far").into()
        }
    });
    lines.push(format!("outcome       {}", event.outcome.word()).into());
    lines.extend(event.reason.iter().map(|reason| Words::from(format!("reason        {reason}"))));
    lines.extend(event.cycle.iter().map(|cycle| Words::from(format!("cycle         {cycle}"))));
    lines.push(Words::default());
    lines.push("T traces the record, R compares it again".into());
    (title, lines)
}

/// The way of a record: its events, then its steps in the newest run or plan that had it.
pub(super) fn trace_lines(traced: &SyncTraced, shared: &Shared) -> (Words, Vec<Words>) {
    let now = shared.sync.now;
    let mapping = traced.mapping.as_str();
    let title = Words::from(format!("Trace of {mapping} ")).cell(&traced.key, shared.personal.key(mapping));
    let mut lines: Vec<Words> = traced
        .events
        .iter()
        .map(|line| {
            let event = &line.event;
            let lag = event.lag.map_or_else(|| "waits".to_owned(), |lag| format!("after {}", short(lag)));
            let reason = event.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
            format!(
                "{}  {} by {}  {} {lag}{reason}",
                clock(event.changed, now),
                event.operation,
                event.origin,
                event.outcome.word()
            )
            .into()
        })
        .collect();
    if lines.is_empty() {
        lines.push("sync knows no event of this record".into());
    }
    lines.push(Words::default());
    let Some(trace) = &traced.trace else {
        lines.push("no run or plan that is kept has this record".into());
        return (title, lines);
    };
    lines.push(match &trace.run {
        Some((run, state)) => format!("run {run}, {}, plan {}", state.word(), trace.plan).into(),
        None => format!("plan {}, not run", trace.plan).into(),
    });
    let operation = trace.row.operation.map_or("nothing", crm_core::plan::Operation::word);
    lines.push(format!("  {operation}").into());
    let told = trace.reject.as_ref().map(|reject| reject.cause.as_str()).or(trace.row.reason.as_deref());
    lines.extend(told.map(|reason| Words::from(format!("  {reason}"))));
    for field in &trace.fields {
        let hidden = shared.personal.target(mapping, &field.target);
        let mut words = Words::from(format!("  {:<18}", field.target));
        for (at, step) in field.steps.iter().enumerate() {
            words = words.and(if at == 0 { " " } else { " > " }).and(format!("{} ", step.step));
            words = match &step.failed {
                Some(reason) => words.and(format!("FAILS: {reason}")),
                None => words.quoted(step.value.as_deref(), hidden),
            };
        }
        lines.push(words);
    }
    lines.extend(trace.events.iter().map(|(at, what)| Words::from(format!("  {at}  {what}"))));
    (title, lines)
}
