#![allow(clippy::unwrap_used)]
use super::*;
use crate::journal::{MappingResult, RunState};
use crate::monitor::Progress;
use crate::plan::{Cause, Counts, FieldChange, LeftBehind, Operation, Purpose};
use crate::project::{Mode, ObjectRef};
use crate::score::Tally;
use crate::workspace::PlanCell;

/// Markup, quotes, entities, control and bidi characters.
const HOSTILE: &str = "</td><script>alert(1)</script><img src=x onerror='y'>&amp;\" \u{202e}\u{1b}[31m";

fn run(state: RunState, results: Vec<MappingResult>) -> RunRecord {
    RunRecord {
        id: "20261125-090000-7f3ac2".into(),
        plan: "7f3ac2000000".into(),
        env: Some("sandbox".into()),
        state,
        started: "2026-11-25T09:00:00Z".into(),
        ended: Some("2026-11-25T09:01:00Z".into()),
        pid: 7,
        owner: "anna from 192.0.2.7".into(),
        progress: Progress::default(),
        rate: 0.0,
        results,
        consistency: None,
        note: None,
        failure: None,
        attempt: 1,
        asked: None,
        limit: None,
        workers: None,
        intent: None,
    }
}

fn data(run: RunRecord) -> ReportData {
    ReportData {
        project: "Legacy to Nova".into(),
        run,
        plan: None,
        reports: Vec::new(),
        samples: Vec::new(),
        no_samples: None,
        files: None,
        audit: Vec::new(),
        head: AuditHead::default(),
        chain: Ok(()),
        made: "2026-11-25T10:00:00Z".into(),
        version: "0.1.0".into(),
    }
}

fn whole(mapping: &str, text: &str) -> ReportData {
    let counts = Counts {
        read: 1_010,
        inserted: 1_000,
        updated: 3,
        filtered: 2,
        rejected: 5,
        before: 40,
        after: 1_040,
        ..Counts::default()
    };
    let result = MappingResult {
        mapping: mapping.into(),
        to: "nova:contacts".into(),
        counts,
        closes: true,
        published: true,
        tally: Some(Tally { equal: 1_003, different: 0, missing: 5, extra: 0 }),
        millis: 2_000,
        ..MappingResult::default()
    };
    let mut part = MappingPlan::empty(mapping);
    part.from = "legacy:contacts".into();
    part.to = ObjectRef { platform: "nova".into(), object: "contacts".into() };
    part.counts = counts;
    part.source_version.exists = true;
    part.source_version.hash = "ab12".into();
    part.source_version.bytes = 12_345;
    part.columns = vec![text.into()];
    part.changes = vec![FieldChange { field: text.into(), changed: 3, kept: 1 }];
    part.left_behind = vec![LeftBehind { column: text.into(), filled: 9 }];
    part.warnings = vec![text.into()];
    let cell =
        PlanCell { column: text.into(), old: None, new: Some(text.into()), changed: true, ..PlanCell::default() };
    let sample =
        PlanRow { operation: Some(Operation::Insert), key: text.into(), cells: vec![cell], ..PlanRow::default() };
    let line = Audit {
        n: 2,
        at: "2026-11-25T09:00:00Z".into(),
        who: text.into(),
        what: "confirmed and started".into(),
        run: None,
        plan: None,
        mapping: None,
        detail: Some("on nova".into()),
        hash: "0".repeat(64),
    };
    let mut record = run(RunState::Done, vec![result.clone()]);
    record.note = Some(text.into());
    ReportData {
        plan: Some(Plan {
            version: 1,
            id: "7f3ac2000000".into(),
            env: None,
            mode: Mode::Full,
            purpose: Purpose::Migrate,
            created: "2026-11-25T08:59:00Z".into(),
            confirm: "nova-sandbox".into(),
            mappings: vec![part],
        }),
        reports: vec![MappingReport {
            mapping: mapping.into(),
            from: "legacy:contacts".into(),
            planned: counts,
            result,
            causes: vec![Cause { cause: text.into(), field: None, step: "values".into(), rows: 5 }],
            links_left: 0,
        }],
        samples: vec![(mapping.into(), vec![sample])],
        files: Some("contacts 0123456789abcdef".into()),
        audit: vec![line],
        head: AuditHead { n: 4, hash: "f".repeat(64) },
        ..data(record)
    }
}

/// Elements in order, if every one that is opened is closed in turn and nothing but ours is in it.
fn elements(html: &str) -> Vec<String> {
    const VOID: [&str; 3] = ["meta", "br", "rect"];
    const OURS: [&str; 36] = [
        "html", "head", "meta", "title", "style", "body", "header", "h1", "h2", "h3", "p", "b", "br", "dl", "dt", "dd",
        "div", "table", "thead", "tbody", "tr", "th", "td", "svg", "rect", "span", "i", "code", "strong", "em", "ul",
        "li", "section", "footer", "main", "a",
    ];
    let mut open: Vec<String> = Vec::new();
    let mut found = Vec::new();
    let mut rest = html.strip_prefix("<!DOCTYPE html>").unwrap();
    while let Some(at) = rest.find('<') {
        rest = &rest[at + 1..];
        let end = rest.find('>').unwrap();
        let tag = &rest[..end];
        rest = &rest[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "closed out of turn");
            continue;
        }
        let name = tag.split([' ', '/']).next().unwrap();
        assert!(OURS.contains(&name), "<{tag}> is none of ours");
        // Attributes are ours too: what stands in quotes is text, the rest are names.
        let names = tag[name.len()..].split('"').step_by(2).flat_map(str::split_whitespace);
        for attribute in names {
            let known = [
                "class=",
                "lang=",
                "charset=",
                "http-equiv=",
                "content=",
                "name=",
                "viewBox=",
                "width=",
                "height=",
                "x=",
                "y=",
                "preserveAspectRatio=",
                "role=",
                "aria-label=",
                "aria-hidden=",
                "/",
            ];
            assert!(known.contains(&attribute), "<{tag}>");
        }
        found.push(name.to_owned());
        if name == "style" {
            rest = &rest[rest.find("</style>").unwrap()..];
        }
        if !(tag.ends_with('/') || VOID.contains(&name) && !(name == "rect" && rest.starts_with("<title>"))) {
            open.push(name.to_owned());
        }
    }
    assert_eq!(open, Vec::<String>::new(), "left open");
    found
}

/// Headings of a report.
fn headings(html: &str) -> Vec<&str> {
    html.split("<h2>").skip(1).map(|part| &part[..part.find("</h2>").unwrap()]).collect()
}

const SECTIONS: [&str; 10] = [
    "What was run",
    "Balance",
    "Verified against the target",
    "Rejected and held, by cause",
    "Changes by field, as planned",
    "Columns left behind, with data in them",
    "Durations",
    "Samples",
    "Who did what, when",
    "Sign-off",
];

#[test]
fn a_report_says_everything_in_its_place() {
    let html = page(&whole("contacts", "email"));
    elements(&html);
    assert_eq!(headings(&html), SECTIONS);
    for words in [
        "Legacy to Nova: run 20261125-090000-7f3ac2",
        "<b>99.50 %</b>",
        "read 1,010 = 1,000 inserted + 3 updated + 0 unchanged + 2 filtered + 0 merged + 0 held + 5 rejected",
        "nova:contacts: 40 before + 1,000 inserted - 0 deleted = 1,040 after",
        "The balance closes.",
        "12,345 bytes, blake3 ab12",
        "contacts 0123456789abcdef",
        "<td class=\"n\">501</td>",
        "1 kept by the write rule",
        "anna from 192.0.2.7",
        "crm-console audit --expect 4:ffff",
        "Accepted by (name, date, signature)",
    ] {
        assert!(html.contains(words), "{words} is not in\n{html}");
    }
    assert!(!html.contains("http:") && !html.contains("https:") && !html.contains("url("), "nothing is fetched");
}

#[test]
fn hostile_text_stays_text() {
    let html = page(&whole(HOSTILE, HOSTILE));
    elements(&html);
    assert_eq!(headings(&html), SECTIONS);
    assert!(!html.contains("<script") && !html.contains("<img"));
    assert!(html.contains("&lt;script&gt;alert(1)"), "it is shown as it is");
    assert!(!html.contains('\u{202e}') && !html.contains('\u{1b}'), "no control, no bidi character");
    let plain = elements(&page(&whole("contacts", "email")));
    assert_eq!(elements(&html), plain, "not one element more");
}

#[test]
fn runs_that_came_to_nothing_have_a_report_too() {
    let nothing =
        MappingResult { mapping: "contacts".into(), closes: true, published: true, ..MappingResult::default() };
    let html = page(&data(run(RunState::Done, vec![nothing])));
    elements(&html);
    assert_eq!(headings(&html), SECTIONS);
    assert!(html.contains("read 0 = 0 inserted") && html.contains("no rows"), "{html}");
    assert!(!html.contains("NaN") && !html.contains("inf"), "nothing is divided by nothing");

    let mut cancelled = whole("contacts", "email");
    cancelled.run.state = RunState::Cancelled;
    cancelled.run.results.clear();
    cancelled.reports.clear();
    cancelled.chain = Err("the audit log is broken at line 2: it was changed".into());
    let html = page(&cancelled);
    elements(&html);
    assert_eq!(headings(&html), SECTIONS);
    for words in
        ["cancelled", "not reached: its target is as it was", "The target was not read back.", "broken at line 2"]
    {
        assert!(html.contains(words), "{words}");
    }
    assert!(!html.contains("The balance closes."));
}

#[test]
fn a_very_long_cell_does_not_make_a_very_long_report() {
    let short = page(&whole("contacts", "x")).len();
    let long = page(&whole("contacts", &"<".repeat(1_000_000))).len();
    assert!(long < short + 30_000, "{short} {long}");
}
