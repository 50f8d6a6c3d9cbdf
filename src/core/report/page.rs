//! The page, section by section.
use super::ReportData;
use super::html::{Html, grouped};
use crate::journal::{MappingResult, RunState};
use crate::plan::{Counts, MappingPlan, Operation, Selection};
use crate::platform::ObjectVersion;
use crate::score::{Consistency, Tally, percent};
use crate::workspace::PlanRow;

const STYLE: &str = include_str!("style.css");

/// The whole report.
pub(crate) fn page(data: &ReportData) -> String {
    let mut html = Html::default();
    html.raw("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    // Whatever got into the text: nothing is loaded, nothing is run.
    html.raw(
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
    );
    html.raw("<meta name=\"viewport\" content=\"width=device-width\">\n");
    html.element("title", &format!("Run {} of {}", data.run.id, data.project));
    html.raw("<style>\n").raw(STYLE).raw("</style>\n</head>\n<body>\n");
    head(data, &mut html);
    made_from(data, &mut html);
    balance(data, &mut html);
    proof(data, &mut html);
    rejects(data, &mut html);
    changes(data, &mut html);
    left_behind(data, &mut html);
    times(data, &mut html);
    samples(data, &mut html);
    audit(data, &mut html);
    sign_off(data, &mut html);
    html.raw("</body>\n</html>\n");
    html.finish()
}

fn head(data: &ReportData, html: &mut Html) {
    let run = &data.run;
    html.raw("<header>\n");
    html.element("h1", &format!("{}: run {}", data.project, run.id));
    let class = match run.state {
        RunState::Done => "good",
        RunState::Failed | RunState::Crashed => "bad",
        _ => "warn",
    };
    html.raw("<p class=\"state ").raw(class).raw("\">").text(run.state.word()).raw("</p>\n");
    let target = data.plan.as_ref().map(|plan| plan.confirm.clone()).unwrap_or_default();
    html.facts(&[
        ("target", target),
        ("environment", run.env.clone().unwrap_or_default()),
        ("by", run.owner.clone()),
        ("started", run.started.clone()),
        ("ended", run.ended.clone().unwrap_or_else(|| "not yet".to_owned())),
        ("attempts", if run.attempt > 1 { run.attempt.to_string() } else { String::new() }),
        ("report made", format!("{}, crm-console {}", data.made, data.version)),
    ]);
    let sum = |pick: fn(&Counts) -> u64| grouped(run.results.iter().map(|result| pick(&result.counts)).sum());
    let tallies: Vec<Tally> = run.results.iter().filter_map(|result| result.tally).collect();
    html.raw("<div class=\"tiles\">\n");
    for (name, value) in [
        ("read", sum(|counts| counts.read)),
        ("inserted", sum(|counts| counts.inserted)),
        ("updated", sum(|counts| counts.updated + counts.marked)),
        ("deleted", sum(|counts| counts.deleted)),
        ("rejected or held", sum(|counts| counts.rejected + counts.held)),
        ("consistency", percent(Consistency::of(&tallies).mean)),
    ] {
        html.raw("<div>").text(name).raw("<b>").text(&value).raw("</b></div>\n");
    }
    html.raw("</div>\n");
    for line in run.note.iter().flat_map(|note| note.lines()) {
        html.element("p", line);
    }
    html.raw("</header>\n");
}

fn version(version: &ObjectVersion) -> String {
    if !version.exists {
        return "not there".to_owned();
    }
    if version.hash.is_empty() {
        return "a database: each touched row was checked by its own hash".to_owned();
    }
    format!("{} bytes, blake3 {}", grouped(version.bytes), version.hash)
}

fn made_from(data: &ReportData, html: &mut Html) {
    html.element("h2", "What was run");
    let Some(plan) = &data.plan else {
        html.element("p", "The plan of this run is not kept any more.");
        return;
    };
    html.facts(&[
        ("plan", plan.id.clone()),
        ("made", plan.created.clone()),
        ("mode", format!("{:?}", plan.mode).to_lowercase()),
        (
            "purpose",
            plan.purpose
                .about()
                .map_or_else(|| plan.purpose.word().to_owned(), |about| format!("{} {about}", plan.purpose.word())),
        ),
        ("mapping files", data.files.clone().unwrap_or_default()),
    ]);
    for part in &plan.mappings {
        html.element("h3", &format!("{}: {} to {}", part.mapping, part.from, part.to));
        let promise = |is: bool, yes: &str, no: &str| if is { yes.to_owned() } else { no.to_owned() };
        let mut here = vec![
            promise(part.here.atomic, "atomic", "not atomic"),
            promise(part.here.revertible, "revertible", "not revertible"),
        ];
        here.extend(part.here.limit_words());
        here.extend(part.here.side_effects.iter().cloned());
        html.facts(&[
            ("source as read", version(&part.source_version)),
            ("target before", version(&part.target_version)),
            ("row steps", part.pipeline_hash.clone()),
            ("facts", part.facts_hash.clone()),
            ("operations", part.ops_hash.clone()),
            (
                "rows",
                match &part.selection {
                    Selection::All => "all".to_owned(),
                    Selection::First { count } => format!("the first {}", grouped(*count)),
                    Selection::Chosen { by, count } => format!("{} chosen: {by}", grouped(*count)),
                },
            ),
            ("here", here.join(", ")),
        ]);
        for warning in &part.warnings {
            html.raw("<p class=\"warn\">").text(warning).raw("</p>\n");
        }
    }
}

/// Results in the plan's order; mappings that the run did not reach as None.
fn results(data: &ReportData) -> Vec<(String, Option<&MappingResult>)> {
    let mut all: Vec<(String, Option<&MappingResult>)> =
        data.run.results.iter().map(|result| (result.mapping.clone(), Some(result))).collect();
    for part in data.plan.iter().flat_map(|plan| &plan.mappings) {
        if !all.iter().any(|(name, _)| *name == part.mapping) {
            all.push((part.mapping.clone(), None));
        }
    }
    all
}

fn balance(data: &ReportData, html: &mut Html) {
    html.element("h2", "Balance");
    for (name, result) in results(data) {
        html.element("h3", &name);
        let Some(result) = result else {
            html.element("p class=\"quiet\"", "not reached: its target is as it was");
            continue;
        };
        let counts = &result.counts;
        html.stack(
            &format!("rows of {name} by what became of them"),
            &[
                ("inserted", "new", counts.inserted),
                ("updated", "chg", counts.updated),
                ("unchanged", "same", counts.unchanged),
                ("filtered", "left", counts.filtered),
                ("merged", "left", counts.merged),
                ("held", "held", counts.held),
                ("rejected", "rej", counts.rejected),
            ],
        );
        html.element(
            "p",
            &format!(
                "read {} = {} inserted + {} updated + {} unchanged + {} filtered + {} merged + {} held + {} rejected",
                grouped(counts.read),
                grouped(counts.inserted),
                grouped(counts.updated),
                grouped(counts.unchanged),
                grouped(counts.filtered),
                grouped(counts.merged),
                grouped(counts.held),
                grouped(counts.rejected),
            ),
        );
        if result.published {
            html.element(
                "p",
                &format!(
                    "{}: {} before + {} inserted - {} deleted = {} after ({} marked, {})",
                    result.to,
                    grouped(counts.before),
                    grouped(counts.inserted),
                    grouped(counts.deleted),
                    grouped(counts.after),
                    grouped(counts.marked),
                    counts.native.map_or_else(
                        || "rows native to the target not looked at".to_owned(),
                        |native| format!("{} native to the target", grouped(native)),
                    ),
                ),
            );
            let (class, words) =
                if result.closes { ("good", "The balance closes.") } else { ("bad", "The balance does NOT close.") };
            html.element(&format!("p class=\"state {class}\""), words);
        } else {
            html.element("p class=\"state warn\"", &format!("not published: {} is as it was", result.to));
        }
        if result.moved > 0 {
            html.element("p", &format!("{} rows changed since the plan and were left alone", grouped(result.moved)));
        }
    }
}

fn proof(data: &ReportData, html: &mut Html) {
    html.element("h2", "Verified against the target");
    let verified: Vec<(&MappingResult, Tally)> =
        data.run.results.iter().filter_map(|result| Some((result, result.tally?))).collect();
    if verified.is_empty() {
        html.element("p class=\"quiet\"", "The target was not read back.");
        return;
    }
    let tallies: Vec<Tally> = verified.iter().map(|(_, tally)| *tally).collect();
    html.element("p class=\"state\"", &format!("consistency {}", Consistency::of(&tallies).text()));
    let rows: Vec<Vec<String>> = verified
        .iter()
        .map(|(result, tally)| {
            let mut row = vec![result.mapping.clone(), percent(tally.ratio())];
            row.extend([tally.equal, tally.different, tally.missing, tally.extra].map(grouped));
            row
        })
        .collect();
    html.table(&["mapping", "consistency", "equal", "different", "missing", "extra"], 1, &rows);
    for (result, _) in &verified {
        let Some(states) = result.states else { continue };
        let words: Vec<String> =
            states.list().iter().map(|(state, count)| format!("{} {}", state.word(), grouped(*count))).collect();
        html.element("p class=\"quiet\"", &format!("{}: {}", result.mapping, words.join(", ")));
    }
}

fn rejects(data: &ReportData, html: &mut Html) {
    html.element("h2", "Rejected and held, by cause");
    let mut any = false;
    for report in data.reports.iter().filter(|report| !report.causes.is_empty()) {
        any = true;
        html.element("h3", &report.mapping);
        let rows: Vec<(String, u64, String)> =
            report.causes.iter().map(|cause| (cause.cause.clone(), cause.rows, cause.step.clone())).collect();
        html.bars(&rows, "rej");
    }
    if !any {
        html.element("p class=\"quiet\"", "none");
    }
}

fn parts(data: &ReportData) -> impl Iterator<Item = &MappingPlan> {
    data.plan.iter().flat_map(|plan| &plan.mappings)
}

fn changes(data: &ReportData, html: &mut Html) {
    html.element("h2", "Changes by field, as planned");
    let mut any = false;
    for part in parts(data) {
        let rows: Vec<(String, u64, String)> = part
            .changes
            .iter()
            .filter(|change| change.changed + change.kept > 0)
            .map(|change| {
                let kept = if change.kept > 0 {
                    format!("{} kept by the write rule", grouped(change.kept))
                } else {
                    String::new()
                };
                (change.field.clone(), change.changed, kept)
            })
            .collect();
        if !rows.is_empty() {
            any = true;
            html.element("h3", &part.mapping);
            html.bars(&rows, "chg");
        }
        for (field, source, expected) in &part.latches {
            html.element(
                "p",
                &format!("{field}: {} set in the source, {} expected", grouped(*source), grouped(*expected)),
            );
        }
    }
    if !any {
        html.element("p class=\"quiet\"", "no cell of a row that was there changes");
    }
}

fn left_behind(data: &ReportData, html: &mut Html) {
    html.element("h2", "Columns left behind, with data in them");
    let mut any = false;
    for part in parts(data).filter(|part| !part.left_behind.is_empty()) {
        any = true;
        html.element("h3", &part.mapping);
        let rows: Vec<(String, u64, String)> =
            part.left_behind.iter().map(|one| (one.column.clone(), one.filled, String::new())).collect();
        html.bars(&rows, "left");
    }
    if !any {
        html.element("p class=\"quiet\"", "none");
    }
}

fn times(data: &ReportData, html: &mut Html) {
    html.element("h2", "Durations");
    let rows: Vec<Vec<String>> = data
        .run
        .results
        .iter()
        .map(|result| {
            let counts = &result.counts;
            let written = counts.inserted + counts.updated + counts.deleted + counts.marked;
            let seconds = result.millis as f64 / 1000.0;
            let rate = if result.millis > 0 { grouped((written as f64 / seconds) as u64) } else { "-".to_owned() };
            vec![result.mapping.clone(), format!("{seconds:.1}"), grouped(written), rate]
        })
        .collect();
    if rows.is_empty() {
        html.element("p class=\"quiet\"", "nothing was written");
    } else {
        html.table(&["mapping", "seconds", "rows written", "rows a second"], 1, &rows);
    }
}

fn samples(data: &ReportData, html: &mut Html) {
    html.element("h2", "Samples");
    html.element("p class=\"quiet\"", "Columns tagged pii are masked.");
    if let Some(why) = &data.no_samples {
        html.element("p class=\"quiet\"", why);
    }
    for (mapping, rows) in data.samples.iter().filter(|(_, rows)| !rows.is_empty()) {
        html.element("h3", mapping);
        let rows: Vec<Vec<String>> = rows.iter().flat_map(sample).collect();
        html.table(&["record", "does", "field", "before", "after"], 5, &rows);
        if let Some(part) = data.part(mapping)
            && part.columns.is_empty()
        {
            html.element("p class=\"quiet\"", "no columns are written");
        }
    }
}

/// The cells of a row that change.
fn sample(row: &PlanRow) -> Vec<Vec<String>> {
    let does = row.operation.map_or("", Operation::word);
    let cell = |cell: Option<&String>| cell.map_or_else(|| "NULL".to_owned(), |text| format!("\"{text}\""));
    let mut lines: Vec<Vec<String>> = row
        .cells
        .iter()
        .filter(|one| one.changed)
        .map(|one| {
            let new = one.pending.clone().unwrap_or_else(|| cell(one.new.as_ref()));
            vec![String::new(), String::new(), one.column.clone(), cell(one.old.as_ref()), new]
        })
        .collect();
    if lines.is_empty() {
        lines.push(vec![String::new(); 5]);
    }
    lines[0][0].clone_from(&row.key);
    does.clone_into(&mut lines[0][1]);
    lines
}

fn audit(data: &ReportData, html: &mut Html) {
    html.element("h2", "Who did what, when");
    let rows: Vec<Vec<String>> = data
        .audit
        .iter()
        .map(|line| {
            let detail = line.detail.clone().unwrap_or_default();
            vec![line.n.to_string(), line.at.clone(), line.who.clone(), line.what.clone(), detail]
        })
        .collect();
    if rows.is_empty() {
        html.element("p class=\"quiet\"", "the audit log has no line about this run");
    } else {
        html.table(&["line", "at (UTC)", "who", "what", ""], 5, &rows);
    }
    match &data.chain {
        Ok(()) => {
            html.element("p class=\"good\"", "Each line of the log follows from the one before.");
        }
        Err(why) => {
            html.element("p class=\"bad\"", why);
        }
    }
    if data.head.n > 0 {
        html.raw("<p>Last line of the whole log when this report was made: <code>").text(&data.head.to_string());
        html.raw("</code><br>Keep this report apart from the console's folder: <code>");
        html.text(&format!("crm-console audit --expect {}", data.head));
        html.raw("</code> shows later whether the log is still the same up to there.</p>\n");
    }
}

fn sign_off(data: &ReportData, html: &mut Html) {
    html.element("h2", "Sign-off");
    let rejected: u64 = data.run.results.iter().map(|result| result.counts.rejected + result.counts.held).sum();
    let closes = !data.run.results.is_empty() && data.run.results.iter().all(|result| result.closes);
    html.element(
        "p",
        &format!(
            "Run {}, plan {}: {}; {} rows rejected or held; consistency {}.",
            data.run.id,
            data.run.plan,
            if closes { "the balance closes" } else { "the balance does not close, or not all was published" },
            grouped(rejected),
            percent(data.run.consistency),
        ),
    );
    html.raw("<div class=\"sign\">");
    for role in ["Carried out by", "Checked by", "Accepted by"] {
        html.raw("<p>").text(role).raw(" (name, date, signature)</p>");
    }
    html.raw("</div>\n");
}
