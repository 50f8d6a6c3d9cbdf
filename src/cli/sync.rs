//! Commands of the watch loop.
use crm_core::journal::sync::{EventFilter, LaneState, LaneStatus, Order, now_ms};
use crm_core::project::{Personal, Side, parse_duration, words_of};
use crm_core::score::{Consistency, Tally, percent};
use crm_core::workspace::{SyncAsk, SyncStatus, Workspace};
use crm_core::{Error, Kind, Result};
use serde_json::json;

use super::args::{
    AlertsAction, Common, ConflictsAction, EventsArgs, FailOn, LaneAction, StatusArgs, SyncArgs, TakeSide,
};
use super::output::Output;

/// `sync`.
pub(crate) fn sync(common: &Common, arguments: &SyncArgs, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    if arguments.stop {
        if !workspace.sync_status()?.alive {
            return Err(Error::usage("no sync loop is running").advise("start it with `crm-console sync --detach`"));
        }
        workspace.tell_sync(None, &Order::Stop)?;
        return told("stop", None, "told the loop to end after what it is writing", out);
    }
    if arguments.detach {
        let pid = workspace.start_sync(&arguments.mappings)?;
        if out.is_json() {
            out.json(&json!({"pid": pid}))?;
        } else {
            out.line(format!("sync runs in process {pid}; watch it with: crm-console status"))?;
        }
        return Ok(0);
    }
    let ask = SyncAsk { mappings: arguments.mappings.clone(), once: arguments.once };
    if !ask.once {
        out.aside("sync runs until Ctrl-C; watch it from another terminal with: crm-console status");
    }
    let _listening = out.monitor()?;
    workspace.run_sync(&ask, &out.cancel_flag())?;
    let status = workspace.sync_status()?;
    show(&status, out)?;
    let is = |state| status.lanes.iter().any(|lane| lane.state == state);
    Ok(match (is(LaneState::Stuck), is(LaneState::Held)) {
        (true, _) => Kind::Platform.exit_code(),
        (false, true) => Kind::Refused.exit_code(),
        (false, false) => 0,
    })
}

/// `status`.
pub(crate) fn status(common: &Common, arguments: &StatusArgs, out: &mut Output) -> Result<u8> {
    let status = super::open(common)?.sync_status()?;
    if arguments.metrics {
        out.raw(status.metrics().as_bytes())?;
    } else if arguments.line && !out.is_json() {
        out.line(status.line())?;
    } else {
        show(&status, out)?;
    }
    let fails = |what: &FailOn| match what {
        FailOn::Late => status.lanes.iter().any(|lane| lane.is_late(status.now)),
        FailOn::Stuck => status.lanes.iter().any(|lane| lane.state == LaneState::Stuck),
        FailOn::Held => status.lanes.iter().any(|lane| lane.state == LaneState::Held),
        FailOn::Conflicts => status.lanes.iter().any(|lane| lane.conflicts > 0),
        FailOn::Dead => !status.alive,
    };
    Ok(u8::from(arguments.fail_on.iter().any(fails)))
}

fn show(status: &SyncStatus, out: &mut Output) -> Result<()> {
    let tallies: Vec<Tally> = status.lanes.iter().filter_map(|lane| lane.tally).collect();
    let score = Consistency::of(&tallies);
    if out.is_json() {
        return out.json(&json!({
            "version": 1,
            "alive": status.alive,
            "loop": status.record,
            "line": status.line(),
            "consistency": score.mean,
            "lanes": status.lanes,
            "alarms": status.alarms().iter().map(|(mapping, alarm)| json!({"mapping": mapping, "alarm": alarm})).collect::<Vec<_>>(),
        }));
    }
    out.line(status.line())?;
    let Some(record) = &status.record else { return Ok(()) };
    if let Some(note) = &record.note {
        out.line(format!("  {note}"))?;
    }
    let rows: Vec<Vec<String>> = status.lanes.iter().map(|lane| row(lane, status.now)).collect();
    let head =
        ["MAPPING", "DIR", "STATE", "OLDEST", "p95", "/s", "PEND", "CONF", "REJ", "ON TIME", "TIMELY", "CONSISTENT"];
    out.table(&head, &rows, &[3, 4, 5, 6, 7, 8, 9, 10, 11])?;
    out.line(format!("consistency {}", score.text()))?;
    for lane in &status.lanes {
        if !lane.goes_back.is_empty() {
            out.line(format!("{}: goes back to {}: {}", lane.mapping, lane.from, lane.goes_back.join(", ")))?;
        }
        let stays: Vec<String> = lane
            .stays
            .iter()
            .map(|(field, why)| if field.is_empty() { why.clone() } else { format!("{field} ({why})") })
            .collect();
        if !stays.is_empty() {
            out.line(format!("{}: does not go back: {}", lane.mapping, stays.join(", ")))?;
        }
    }
    for lane in status.lanes.iter().filter(|lane| lane.audited.is_some() || lane.next_audit.is_some()) {
        let at = |at: Option<i64>| at.map_or_else(|| "never".to_owned(), |at| clock(at).chars().take(19).collect());
        let gap = lane.audit_gap.map_or_else(|| "-".to_owned(), |gap| gap.to_string());
        let (last, next) = (at(lane.audited), at(lane.next_audit));
        out.line(format!("{}: audited {last}, gap {gap}; next {next}", lane.mapping))?;
    }
    for lane in status.lanes.iter().filter(|lane| lane.left_alone > 0) {
        let (name, count) = (&lane.mapping, lane.left_alone);
        out.line(format!(
            "{name}: {count} records are left alone, they were taken back: crm-console resync {name} KEY..."
        ))?;
    }
    for lane in status.lanes.iter().filter(|lane| !lane.why.is_empty()) {
        out.line(format!("{}: {}", lane.mapping, lane.why))?;
        if let Some(plan) = lane.held.as_ref().and_then(|held| held.plan.as_ref()) {
            out.line(format!("  release it: crm-console lane release {} --plan {plan}", lane.mapping))?;
        }
    }
    Ok(())
}

fn row(lane: &LaneStatus, now: i64) -> Vec<String> {
    let span = |millis: Option<u64>| millis.map_or_else(|| "-".to_owned(), short);
    vec![
        lane.mapping.clone(),
        if lane.direction == crm_core::project::Direction::TwoWay { "<>" } else { "->" }.to_owned(),
        lane.state.word().to_owned(),
        span(lane.oldest.map(|oldest| (now - oldest).max(0).unsigned_abs())),
        span(lane.recent.p95),
        format!("{:.1}", lane.rate),
        lane.pending.to_string(),
        lane.conflicts.to_string(),
        lane.rejects.to_string(),
        percent(lane.recent.on_time),
        lane.recent.mean.map_or_else(|| "idle".to_owned(), |mean| format!("{mean:.2}")),
        percent(lane.tally.and_then(|tally| tally.ratio())),
    ]
}

/// `41ms`, `9.1s`, `38m12s`, `4h02m`.
fn short(millis: u64) -> String {
    match millis {
        0..1_000 => format!("{millis}ms"),
        1_000..60_000 => format!("{:.1}s", millis as f64 / 1000.0),
        60_000..3_600_000 => format!("{}m{:02}s", millis / 60_000, millis / 1_000 % 60),
        _ => format!("{}h{:02}m", millis / 3_600_000, millis / 60_000 % 60),
    }
}

/// `events`.
pub(crate) fn events(common: &Common, arguments: &EventsArgs, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    if arguments.log {
        for line in workspace.sync_log(arguments.mapping.as_deref(), arguments.count)? {
            if out.is_json() {
                out.json(&line)?;
            } else {
                out.line(format!("{}  {}  {}", clock(line.at), line.mapping.as_deref().unwrap_or("-"), line.text))?;
            }
        }
        return Ok(0);
    }
    let filter = EventFilter {
        mapping: arguments.mapping.clone(),
        open: arguments.open,
        text: arguments.find.clone(),
        before: 0,
    };
    let lines = workspace.sync_events(&filter, arguments.count)?;
    if out.is_json() {
        for line in &lines {
            out.json(line)?;
        }
        return Ok(0);
    }
    let rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| {
            let event = &line.event;
            vec![
                clock(event.changed),
                event.mapping.clone(),
                event.key.clone().unwrap_or_default(),
                event.operation.clone(),
                event.outcome.word().to_owned(),
                event.lag.map_or_else(|| "waits".to_owned(), short),
                event.origin.clone(),
                event.reason.clone().unwrap_or_default(),
            ]
        })
        .collect();
    out.table(&["CHANGED", "MAPPING", "KEY", "OPERATION", "OUTCOME", "LAG", "BY", "REASON"], &rows, &[5])?;
    Ok(0)
}

/// Time of day in UTC with the date.
fn clock(millis: i64) -> String {
    crm_core::journal::sync::text_of(millis)
}

/// `lane`.
pub(crate) fn lane(common: &Common, action: &LaneAction, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    let (mapping, order, words) = match action {
        LaneAction::Pause { mapping } => (mapping, Order::Pause, "told it to pause".to_owned()),
        LaneAction::Resume { mapping } => (mapping, Order::Resume, "told it to go on".to_owned()),
        LaneAction::Release { mapping, plan } => {
            held(&workspace, mapping)?;
            (mapping, Order::Release { plan: plan.clone() }, "released".to_owned())
        }
        LaneAction::Refuse { mapping } => {
            held(&workspace, mapping)?;
            (mapping, Order::Refuse, "refused; it looks anew".to_owned())
        }
        LaneAction::Audit { mapping } => (mapping, Order::Audit, "told it to count both sides".to_owned()),
        LaneAction::Silence { mapping, span } => {
            let span = parse_duration(span)
                .ok_or_else(|| Error::usage(format!("'{span}' is not a time")).advise("say 30m, 4h, 1d"))?;
            let until = now_ms() + span.as_millis() as i64;
            (mapping, Order::Silence { until }, format!("silent for {}", words_of(span)))
        }
    };
    workspace.tell_sync(Some(mapping), &order)?;
    told(order.word(), Some(mapping), &format!("{mapping}: {words}{}", asleep(&workspace)?), out)
}

/// What is told to a loop that does not run is heard when it starts.
fn asleep(workspace: &Workspace) -> Result<&'static str> {
    Ok(if workspace.sync_status()?.alive { "" } else { "; sync is not running, it hears of it when it starts" })
}

fn held(workspace: &Workspace, mapping: &str) -> Result<()> {
    let status = workspace.sync_status()?;
    if status.lanes.iter().any(|lane| lane.mapping == mapping && lane.held.is_some()) {
        return Ok(());
    }
    Err(Error::usage(format!("{mapping} is not held")).advise("see how it stands with `crm-console status`"))
}

/// `resync`.
pub(crate) fn resync(common: &Common, mapping: &str, keys: &[String], out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    workspace.tell_sync(Some(mapping), &Order::Resync { keys: keys.to_vec() })?;
    let what = if keys.is_empty() { "everything".to_owned() } else { format!("{} records", keys.len()) };
    told("resync", Some(mapping), &format!("{mapping}: {what} will be compared again{}", asleep(&workspace)?), out)
}

/// `alerts`.
pub(crate) fn alerts(common: &Common, action: &AlertsAction, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    if matches!(action, AlertsAction::List) {
        let rules = &workspace.project().alerts;
        let told = workspace.told_alarms()?;
        if out.is_json() {
            for one in &told {
                out.json(one)?;
            }
            return Ok(0);
        }
        out.line(if rules.is_on() {
            format!("told of: {}", rules.on.join(", "))
        } else {
            "nobody is told".to_owned()
        })?;
        let time = |at: i64| clock(at).chars().take(19).collect::<String>();
        let rows: Vec<Vec<String>> = told
            .into_iter()
            .map(|one| {
                let told = one.told.map_or_else(|| "-".to_owned(), time);
                vec![one.mapping.unwrap_or_else(|| "(loop)".to_owned()), one.alarm, time(one.since), told]
            })
            .collect();
        out.table(&["MAPPING", "ALARM", "SINCE", "TOLD"], &rows, &[])?;
        return Ok(0);
    }
    let sent = workspace.test_alert()?;
    for one in &sent {
        if out.is_json() {
            out.json(one)?;
        } else {
            out.line(format!("{}: {}{}", one.way, if one.well { "" } else { "FAILED, " }, one.answer))?;
        }
    }
    Ok(if sent.iter().all(|one| one.well) { 0 } else { Kind::Platform.exit_code() })
}

/// `conflicts`.
pub(crate) fn conflicts(common: &Common, action: &ConflictsAction, out: &mut Output) -> Result<u8> {
    let workspace = super::open(common)?;
    match action {
        ConflictsAction::List { mapping, reveal } => list(&workspace, mapping.as_deref(), *reveal, out),
        ConflictsAction::Resolve { id, take, fields } => {
            let side = match take {
                TakeSide::Source => Side::Source,
                TakeSide::Target => Side::Target,
            };
            let known = workspace.conflicts(None)?;
            let conflict = known.iter().find(|one| one.id == *id).ok_or_else(|| {
                Error::usage(format!("no conflict {id}")).advise("see them with `crm-console conflicts list`")
            })?;
            let takes: Vec<(String, Side)> = conflict
                .fields
                .iter()
                .map(|field| field.field.clone())
                .filter(|field| fields.is_empty() || fields.contains(field))
                .chain(fields.iter().filter(|field| conflict.fields.iter().all(|one| one.field != **field)).cloned())
                .map(|field| (field, side))
                .collect();
            let decided = workspace.decide_conflict(*id, &takes)?;
            let left = decided.fields.iter().filter(|field| field.take.is_none()).count();
            let words = if left == 0 {
                format!("decided{}", asleep(&workspace)?)
            } else {
                format!("{left} fields are still open")
            };
            told("resolve", Some(&decided.mapping), &format!("conflict {id}: {words}"), out)
        }
        ConflictsAction::Undo { id } => {
            workspace.undecide_conflict(*id)?;
            told("undo", None, &format!("conflict {id} is open again"), out)
        }
    }
}

fn list(workspace: &Workspace, mapping: Option<&str>, reveal: bool, out: &mut Output) -> Result<u8> {
    let conflicts = workspace.conflicts(mapping)?;
    let personal = Personal::of(&workspace.project().mappings);
    let mut rows = Vec::new();
    for conflict in &conflicts {
        let sync = workspace.project().mapping(&conflict.mapping).map(|mapping| &mapping.sync);
        let alone = sync.and_then(|sync| Some((conflict.at + sync.ask_after?.as_millis() as i64, sync.then)));
        let hidden = if reveal { Vec::new() } else { personal.columns_of(&conflict.mapping) };
        let cell = |field: &str, value: &Option<String>| match value {
            None => "NULL".to_owned(),
            Some(value) if hidden.iter().any(|column| column == field) => "*".repeat(value.chars().count().min(8)),
            Some(value) => value.clone(),
        };
        if out.is_json() {
            let fields: Vec<serde_json::Value> = conflict
                .fields
                .iter()
                .map(|one| {
                    json!({"field": one.field, "base": cell(&one.field, &one.base), "source": cell(&one.field, &one.source),
                           "target": cell(&one.field, &one.target), "take": one.take})
                })
                .collect();
            out.json(&json!({"id": conflict.id, "mapping": conflict.mapping, "key": conflict.key, "at": conflict.at,
                             "state": conflict.state, "fields": fields, "until": alone.map(|(until, _)| until),
                             "then": alone.map(|(_, side)| side)}))?;
            continue;
        }
        for one in &conflict.fields {
            rows.push(vec![
                conflict.id.to_string(),
                conflict.mapping.clone(),
                conflict.key.clone(),
                one.field.clone(),
                cell(&one.field, &one.base),
                cell(&one.field, &one.source),
                cell(&one.field, &one.target),
                match (one.take, alone) {
                    (Some(side), _) => format!("takes {}", side.word()),
                    (None, Some((until, side))) => {
                        format!("open, {} in {}", side.word(), short((until - now_ms()).max(0).unsigned_abs()))
                    }
                    (None, None) => "open".to_owned(),
                },
            ]);
        }
    }
    if !out.is_json() {
        out.table(&["ID", "MAPPING", "KEY", "FIELD", "BASE", "SOURCE", "TARGET", "STATE"], &rows, &[0])?;
    }
    Ok(0)
}

fn told(what: &str, mapping: Option<&str>, words: &str, out: &mut Output) -> Result<u8> {
    if out.is_json() {
        out.json(&json!({"asked": what, "mapping": mapping}))?;
    } else {
        out.line(words)?;
    }
    Ok(0)
}
