//! Hostile text on every screen, drawn through the frame writer: nothing but the console's own sequences comes out.
#![allow(clippy::unwrap_used)]
use std::io::Write as _;
use std::sync::Arc;

use crm_core::map::CellStep;
use crm_core::monitor::Progress;
use crm_core::platform::{ColumnInfo, ObjectInfo, ReadReject};
use crm_core::table::Window;
use crm_core::table::profile::{ColumnProfile, Profile};
use crm_core::workspace::PlanCell;
use proptest::prelude::*;
use ratatui::backend::CrosstermBackend;
use ratatui::layout::Rect;
use ratatui::{Terminal, TerminalOptions, Viewport};

use super::terminal::FrameWriter;
use crate::app::App;
use crate::app::msg::{Answer, Columns, Lane, Msg, PlatformObjects};
use crate::app::overlay::{Offer, Overlay, Picker, Question, Tag};
use crate::app::screens::clean::tests::cleaned;
use crate::app::screens::diff::tests::{plan, planned, row};
use crate::app::screens::history::tests::{record, reject, with_runs};
use crate::app::screens::map::tests::mapped;
use crate::app::screens::run::tests::active;
use crate::app::tests::{answer, app, press};
use crate::view::table::{self, Column, Selection};
use crate::view::{self, Look, Palette, text};

/// What a file or a platform may bring along.
fn payloads() -> Vec<String> {
    let mut payloads: Vec<String> = [
        "\u{1b}[31mred\u{1b}[0m\u{1b}[2J\u{1b}[H\u{1b}[?1049l\u{1b}[6n",
        "\u{1b}]52;c;ZXZpbA==\u{7}\u{1b}]0;title\u{7}\u{1b}]8;;http://evil\u{1b}\\link\u{1b}]8;;\u{1b}\\",
        "\u{1b}P$q\"p\u{1b}\\\u{1b}_apc\u{1b}\\\u{1b}^pm\u{1b}\\\u{1b}Xsos\u{1b}\\\u{1b}c\u{1b}(0",
        "\u{9b}31m\u{9d}52;c;ZXZpbA==\u{9c}\u{90}q\u{9c}\u{85}\u{80}\u{9f}",
        "a\rb\nc\td\u{8}e\u{7}f\u{0}g\u{c}h\u{b}i\u{7f}j\u{e}k\u{f}",
        "user\u{202e}gpj.exe\u{2066}x\u{2069}\u{200f}\u{61c}",
        "a\u{200b}b\u{200d}c\u{feff}d\u{ad}e\u{2060}f\u{fe0f}g\u{e0041}h\u{3164}i",
        "👩\u{200d}👩\u{200d}👧\u{fe0f}🏳\u{fe0f}\u{200d}🌈🇩🇪",
        "日本語の長い名前とカタカナ한국어",
        "\u{fffd}\u{fffe}\u{ffff}\u{d7ff}\u{e000}\u{10ffff}",
        "\u{2028}\u{2029}\u{a0}\u{3000}\u{1160}",
        "שלום العربية",
    ]
    .map(str::to_owned)
    .into();
    payloads.push(format!("e{}", "\u{301}\u{323}\u{489}".repeat(400)));
    payloads.push("\u{1b}[5m".repeat(400));
    payloads.push("あ\u{1b}".repeat(400));
    payloads
}

/// What a terminal was told besides characters, places and styles.
#[derive(Debug, Default)]
struct Told(Vec<String>);

impl vt100::Callbacks for Told {
    fn audible_bell(&mut self, _: &mut vt100::Screen) {
        self.0.push("bell".into());
    }
    fn visual_bell(&mut self, _: &mut vt100::Screen) {
        self.0.push("visual bell".into());
    }
    fn resize(&mut self, _: &mut vt100::Screen, size: (u16, u16)) {
        self.0.push(format!("resize to {size:?}"));
    }
    fn set_window_icon_name(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.0.push("icon name".into());
    }
    fn set_window_title(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.0.push("title".into());
    }
    fn copy_to_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8], _: &[u8]) {
        self.0.push("copy".into());
    }
    fn paste_from_clipboard(&mut self, _: &mut vt100::Screen, _: &[u8]) {
        self.0.push("paste".into());
    }
    fn unhandled_char(&mut self, _: &mut vt100::Screen, char: char) {
        // The mark of bytes that were no text is a character like others; the parser thinks it stands for its own.
        if char != '\u{fffd}' {
            self.0.push(format!("character {char:?}"));
        }
    }
    fn unhandled_control(&mut self, _: &mut vt100::Screen, byte: u8) {
        self.0.push(format!("control {byte:#x}"));
    }
    fn unhandled_escape(&mut self, _: &mut vt100::Screen, one: Option<u8>, two: Option<u8>, byte: u8) {
        self.0.push(format!("escape {one:?} {two:?} {byte:#x}"));
    }
    fn unhandled_csi(
        &mut self,
        _: &mut vt100::Screen,
        one: Option<u8>,
        _: Option<u8>,
        parameters: &[&[u16]],
        last: char,
    ) {
        // Ours, and unknown to the parser: synchronized output, and the underline's own colour given back.
        let ours = match last {
            'h' | 'l' => (one, parameters) == (Some(b'?'), &[&[2026]]),
            'm' => (one, parameters) == (None, &[&[59]]),
            _ => false,
        };
        if !ours {
            self.0.push(format!("sequence {one:?} {parameters:?} {last}"));
        }
    }
    fn unhandled_osc(&mut self, _: &mut vt100::Screen, _: &[&[u8]]) {
        self.0.push("operating system command".into());
    }
}

/// The bytes of one frame of a terminal of this size.
fn bytes(columns: u16, rows: u16, draw: impl FnOnce(&mut ratatui::Frame)) -> Vec<u8> {
    let writer = FrameWriter::default();
    let viewport = Viewport::Fixed(Rect::new(0, 0, columns, rows));
    let mut terminal =
        Terminal::with_options(CrosstermBackend::new(writer.clone()), TerminalOptions { viewport }).unwrap();
    terminal.draw(draw).unwrap();
    let mut bytes = Vec::new();
    bytes.write_all(&writer.take_frame().unwrap_or_default()).unwrap();
    bytes
}

/// Every sequence in `bytes` must be one that moves the cursor, styles, or wraps a frame; nothing else may be a control.
fn check(bytes: &[u8], ascii: bool, what: &str) {
    let text = std::str::from_utf8(bytes).unwrap();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        if char != '\u{1b}' {
            assert!(!text::is_unsafe(char), "{what}: {char:?} reaches the terminal");
            assert!(!ascii || char.is_ascii(), "{what}: {char:?} reaches a terminal without UTF-8");
            continue;
        }
        assert_eq!(chars.next(), Some('['), "{what}: a sequence that is not ours");
        let sequence: String = chars.by_ref().take_while(|char| !('@'..='~').contains(char)).collect();
        let last = text[..text.len() - chars.as_str().len()].chars().last();
        let ours = match last {
            Some('m' | 'H') => sequence.chars().all(|char| char.is_ascii_digit() || char == ';'),
            Some('h' | 'l') => matches!(sequence.as_str(), "?25" | "?2026"),
            _ => false,
        };
        assert!(ours, "{what}: ESC [ {sequence} {last:?}");
    }
}

/// Draws an app at the sizes and looks that differ, and checks each frame.
fn check_app(app: &mut App, what: &str) {
    // A mask would hide what is to be seen here.
    app.shared.revealed = true;
    let looks = [(Palette::None, false), (Palette::Dark, false), (Palette::Light, true)];
    for (columns, rows) in [(60, 16), (80, 24), (200, 50)] {
        app.update(Msg::Resize(columns, rows));
        for (palette, ascii) in looks {
            let look = Look { ascii_text: ascii, ..Look::new(palette, ascii) };
            let bytes = bytes(columns, rows, |frame| view::draw(frame, app, &look));
            let what = format!("{what} at {columns}x{rows}");
            check(&bytes, ascii, &what);
            let mut parser = vt100::Parser::new_with_callbacks(rows, columns, 0, Told::default());
            parser.process(&bytes);
            assert!(parser.callbacks().0.is_empty(), "{what}: {:?}", parser.callbacks().0);
        }
    }
}

fn window(payload: &str) -> Window {
    Window {
        columns: vec![payload.to_owned(), "plain".into(), format!("x{payload}")],
        first: 0,
        rows: vec![
            vec![Some(payload.to_owned()), None, Some(format!("{payload} "))],
            vec![Some(format!("z{payload}")), Some(payload.to_owned()), Some(String::new())],
        ],
        ordinals: vec![0, 1],
        lines: vec![Some(2), None],
        total: 2,
    }
}

fn data(payload: &str) {
    let mut app = app(&[]);
    app.shared.project.name = payload.to_owned();
    app.shared.project.env = Some(payload.to_owned());
    press(&mut app, "1");
    let info = ObjectInfo { name: payload.to_owned(), rows: Some(2), bytes: None };
    let platform = |objects| PlatformObjects { platform: payload.to_owned(), kind: payload.to_owned(), objects };
    let failed = crm_core::Error::platform(payload).at(payload).advise(payload);
    answer(&mut app, Lane::Objects, Ok(Answer::Objects(vec![platform(Ok(vec![info])), platform(Err(failed))])));
    check_app(&mut app, "the objects");
    press(&mut app, "enter");
    answer(&mut app, Lane::DataRows, Ok(Answer::Window(window(payload))));
    check_app(&mut app, "the rows");
    press(&mut app, "tab");
    let column = |name: &str| ColumnProfile {
        name: name.into(),
        semantic: payload.into(),
        min: Some(payload.into()),
        max: Some(payload.into()),
        patterns: vec![(payload.into(), 2)],
        top: vec![(payload.into(), 1)],
        warnings: vec![payload.into()],
        ..ColumnProfile::default()
    };
    let columns = window(payload).columns.iter().map(|name| column(name)).collect();
    answer(&mut app, Lane::DataProfile, Ok(Answer::Profile(Arc::new(Profile { rows: 2, rejects: 1, columns }))));
    check_app(&mut app, "a column described");
    press(&mut app, "r");
    let rejects = vec![ReadReject { line: 3, reason: payload.into(), raw: payload.into() }];
    answer(&mut app, Lane::DataRejects, Ok(Answer::ReadRejects(Arc::new(rejects))));
    check_app(&mut app, "pieces that are not rows");
}

fn clean_and_map(payload: &str) {
    let mut app = cleaned();
    let preview = Arc::make_mut(app.screens.clean.preview.as_mut().unwrap());
    for cell in preview.before.rows.iter_mut().chain(&mut preview.after.rows).flatten() {
        *cell = Some(payload.to_owned());
    }
    preview.failures[0].reason = payload.to_owned();
    preview.reasons[0].1 = payload.to_owned();
    let preview = preview.clone();
    press(&mut app, "down");
    check_app(&mut app, "cells before and after");
    press(&mut app, "tab enter");
    let step = CellStep { step: payload.into(), value: Some(payload.into()), failed: Some(payload.into()) };
    answer(&mut app, Lane::Trace, Ok(Answer::Trace(vec![step])));
    check_app(&mut app, "a cell's steps");

    let mut app = mapped();
    check_app(&mut app, "the map");
    let column = |name: &str| ColumnInfo { name: name.into(), declared: payload.into(), ..app_column() };
    app.screens.map.columns = Some(Box::new(Columns {
        mapping: "contacts".into(),
        source: vec![column(payload), column("EMAIL_ADDR")],
        target: vec![column("legacy_id"), column("email"), column(payload)],
        sample: window(payload),
        target_rows: Some(2),
    }));
    let mut mapping = preview;
    mapping.after.columns = vec!["legacy_id".into(), "email".into(), payload.into()];
    app.screens.map.preview = Some(Arc::new(mapping));
    for keys in ["down", "down", "tab"] {
        press(&mut app, keys);
        check_app(&mut app, "the map's evidence");
    }
    let mut app = self::app(&[("contacts", payload)]);
    press(&mut app, "2");
    check_app(&mut app, "a mapping that cannot be read");
}

fn app_column() -> ColumnInfo {
    ColumnInfo { name: String::new(), declared: String::new(), required: true, key: false, generated: false }
}

fn diff(payload: &str) {
    let mut plan = plan();
    plan.id = payload.into();
    plan.env = Some(payload.into());
    plan.confirm = payload.into();
    let mapping = &mut plan.mappings[0];
    mapping.mapping = payload.into();
    mapping.from = payload.into();
    mapping.to.object = payload.into();
    mapping.causes[0].cause = payload.into();
    mapping.changes[0].field = payload.into();
    mapping.warnings = vec![payload.into()];
    mapping.blocked = vec![crm_core::plan::Blocked { data: true, reason: payload.into(), advice: payload.into() }];
    let mut app = planned(plan);
    let mut row = row(payload);
    row.reason = Some(payload.into());
    let cell = PlanCell {
        column: payload.into(),
        old: Some(payload.into()),
        new: Some(payload.into()),
        kept: Some(payload.into()),
        ..PlanCell::default()
    };
    row.cells = vec![cell.clone(), PlanCell { changed: true, kept: None, ..cell.clone() }];
    row.cells.push(PlanCell { pending: Some(payload.into()), ..cell });
    app.screens.diff.rows.rows = vec![row];
    check_app(&mut app, "the plan");
    for keys in ["enter", "esc tab", "enter", "esc r", "M", "f"] {
        press(&mut app, keys);
        check_app(&mut app, &format!("the plan after {keys}"));
    }
}

fn runs(payload: &str) {
    let mut run = record(payload);
    run.plan = payload.into();
    run.env = Some(payload.into());
    run.owner = payload.into();
    run.started = payload.into();
    run.ended = Some(payload.into());
    run.note = Some(payload.into());
    run.results[0].mapping = payload.into();
    run.results[0].to = payload.into();
    let mut left = reject(0, payload);
    left.reason = payload.into();
    left.step = payload.into();
    left.key = Some(payload.into());
    left.raw = Some(payload.into());
    left.field = Some(payload.into());
    left.source = std::iter::once((payload.to_owned(), serde_json::Value::from(payload))).collect();
    let rejects = || Ok(Answer::Rejects(Arc::new(vec![left.clone()])));

    let mut app = with_runs();
    app.shared.runs = vec![run.clone()];
    check_app(&mut app, "all runs");
    press(&mut app, "enter");
    answer(&mut app, Lane::HistoryRejects, rejects());
    check_app(&mut app, "a run of the past");
    press(&mut app, "enter");
    check_app(&mut app, "its rejects");

    let mut app = self::app(&[]);
    let mut working = active();
    working.progress = Progress { step: payload.into(), done: 1, total: Some(2) };
    working.owner = payload.into();
    answer(&mut app, Lane::Runs, Ok(Answer::Runs(vec![working])));
    check_app(&mut app, "a run at work");
    app.shared.run = Some(run);
    press(&mut app, "down");
    answer(&mut app, Lane::RunRejects, rejects());
    check_app(&mut app, "a run that has ended");
    press(&mut app, "enter");
    check_app(&mut app, "what it left out");
}

fn overlays(payload: &str) {
    let mut app = app(&[]);
    app.shared.fail(&crm_core::Error::data(payload).at(payload).advise(payload));
    check_app(&mut app, "an error");
    let picker = || Picker::new(payload, Tag::Column, vec![(payload.into(), payload.into())], 0);
    let choice = || Question::choice(payload, Tag::Quit, vec![payload.into()], vec![('y', "yes")]);
    let overlays = [
        Overlay::Text(payload.into(), vec![payload.into()], 0),
        Overlay::Offer(Offer {
            title: payload.into(),
            lines: vec![payload.into(), format!("  {payload}").into()],
            top: 0,
            choices: vec![('s', payload.into())],
            tag: Tag::Choose("action"),
        }),
        Overlay::Pick(picker()),
        Overlay::Ask(choice()),
        Overlay::Ask(Question::text(payload, Tag::Search, payload)),
    ];
    for overlay in overlays {
        app.overlays = vec![overlay];
        check_app(&mut app, "an overlay");
    }
    app.overlays = vec![Overlay::Ask(Question::text("Find", Tag::Search, ""))];
    app.update(Msg::Paste(payload.to_owned()));
    check_app(&mut app, "pasted text");
}

#[test]
fn hostile_text_tells_the_terminal_nothing_on_any_screen() {
    for payload in payloads() {
        data(&payload);
        clean_and_map(&payload);
        diff(&payload);
        runs(&payload);
        overlays(&payload);
        for mut app in crate::view::hostile::synced(&payload, &payload) {
            check_app(&mut app, "sync");
        }
    }
}

#[test]
fn the_check_sees_what_it_is_for() {
    for bytes in ["\u{1b}]52;c;eA==\u{7}", "\u{1b}[6n", "a\u{202e}", "\u{9b}31m", "\u{1b}[?1049l", "\u{1b}c", "a\rb"] {
        assert!(std::panic::catch_unwind(|| check(bytes.as_bytes(), false, "it")).is_err(), "{bytes:?} passes");
    }
    check("\u{1b}[?2026h\u{1b}[1;1Hé\u{1b}[38;5;1m\u{1b}[?2026l".as_bytes(), false, "it");
}

/// What a terminal shows of one value in a wide column, styles aside.
fn shown(value: Option<&str>, ascii: bool) -> String {
    let look = Look { ascii_text: ascii, ..Look::new(Palette::None, ascii) };
    let bytes = bytes(400, 1, |frame| {
        let cells = vec![vec![table::Cell::safe(text::value(value, false, &look), look.theme.plain())]];
        let columns = [Column::left("", 396)];
        table::draw_rows(frame, frame.area(), &columns, cells.into_iter(), Selection::None, &look);
        text::scrub(frame.buffer_mut(), ascii);
    });
    let mut parser = vt100::Parser::new(1, 400, 0);
    parser.process(&bytes);
    parser.screen().contents()
}

/// Values that are easily taken for each other; short enough to be seen whole.
fn value() -> impl Strategy<Value = Option<String>> {
    let odd =
        "aA é∅…~\\‹›␠␛NsU+0 \u{301}\u{308}e\u{a0}\u{200b}\u{202e}\u{ad}\n\r\t\u{1b}\u{7f}\u{9b}\u{fe0f}\u{200d}👩🎉日";
    let char = prop_oneof![6 => prop::sample::select(odd.chars().collect::<Vec<_>>()), 1 => any::<char>()]
        // The parser takes this character for its own mark and leaves it out; terminals draw it.
        .prop_filter("drawn by the parser", |char| *char != '\u{fffd}');
    prop::option::weighted(0.95, prop::collection::vec(char, 0..5).prop_map(|chars| chars.into_iter().collect()))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn two_different_values_never_look_the_same(one in value(), other in value(), ascii in any::<bool>()) {
        prop_assume!(one != other);
        prop_assert_ne!(shown(one.as_deref(), ascii), shown(other.as_deref(), ascii));
    }
    #[test]
    fn one_character_more_is_seen(text in value(), more in value(), ascii in any::<bool>()) {
        let (text, more) = (text.unwrap_or_default(), more.unwrap_or_default());
        prop_assume!(!more.is_empty());
        let longer = format!("{text}{more}");
        prop_assert_ne!(shown(Some(&text), ascii), shown(Some(&longer), ascii));
        let before = format!("{more}{text}");
        prop_assert_ne!(shown(Some(&text), ascii), shown(Some(&before), ascii));
    }
}
