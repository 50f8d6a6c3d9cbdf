//! Every screen with payloads on it, in a real terminal, and every headless command.
use std::fmt::Write as _;
use std::path::Path;

use super::payloads::{all, quoted};
use crate::support::command::{folder, run};
use crate::support::terminal::Terminal;

/// Names that a file system takes and a terminal should not get.
const FILE: &str = "pe\u{1b}[31mople\u{202e}x";
const MAPPING: &str = "peo\u{1b}]0;owned\u{7}ple";
const HEADER: &str = "NA\u{1b}[2JME\u{200b}";

/// A project whose cells, headers, file and mapping names are payloads.
fn project() -> tempfile::TempDir {
    let mut people = format!("ID,{},{}\n", quoted(HEADER), quoted("bell\u{7}\u{202e}"));
    for (at, payload) in all().iter().enumerate() {
        let _ = writeln!(people, "{at},{0},{0}", quoted(payload));
    }
    // A line that cannot be read is a reject that quotes the line.
    people.push_str("999,\u{1b}[2J,\u{7},too many\n");
    let escaped = |text: &str| {
        text.chars()
            .map(|char| if char.is_ascii_alphanumeric() { char.to_string() } else { format!("\\u{:04x}", char as u32) })
            .collect::<String>()
    };
    let mapping = format!(
        "from = \"old:{}\"\nto = \"new:people\"\nkey = [\"id\"]\n\n[fields]\nid = \"ID\"\nname = {{ from = \"{}\", \
         clean = [\"trim\"] }}\nnote = {{ from = \"{}\", values = {{ plain = \"p\" }}, otherwise = \"reject\" }}\n",
        escaped(FILE),
        escaped(HEADER),
        escaped("bell\u{7}\u{202e}")
    );
    folder(&[
        (
            "project.toml",
            "name = \"\\u001b[2Jname\\u0007\"\n[platforms.old]\nkind = \"csv\"\npath = \"old\"\n\n[platforms.new]\nkind = \"csv\"\npath = \"new\"\n",
        ),
        (&format!("mappings/{MAPPING}.toml"), &mapping),
        (&format!("old/{FILE}.csv"), &people),
        ("new/people.csv", "id,name,note,own\u{1b}[2J\n0,\"\u{1b}[2J\",x,y\n"),
    ])
}

#[test]
fn no_payload_reaches_the_terminal_on_any_screen() {
    for size in [(80, 24), (160, 50)] {
        // A project of its own each time: a second screen would begin where the first one ended.
        let dir = project();
        let mut terminal = Terminal::open(dir.path(), size);
        terminal.see("MAP ");
        let tour = [
            "1", "<down>", "<pgdn>", "<pgdn>", "<right>", "<enter>", "<esc>", "r", "<esc>", "o", "<esc>", "f", "<esc>",
            "<tab>", "2", "<down>", "<down>", "v", "<down>", "<pgdn>", "<esc>", "<enter>", "<esc>", "b", "<esc>", "m",
            "<esc>", "<space>", "<esc>", "3", "<down>", "<pgdn>", "<enter>", "<esc>", "<tab>", "f", "f", "4", "p", "r",
            "<enter>", "<esc>", "<left>", "<left>", "<pgdn>", "<enter>", "<esc>", "5", "6", "<enter>", "<esc>", "?",
            "<pgdn>", "<esc>", ":", "<esc>", "y",
        ];
        for keys in tour {
            terminal.keys(keys);
            assert_eq!(terminal.strange(), Vec::<String>::new(), "after {keys} at {size:?}:\n{}", terminal.text());
            let (title, text) = (terminal.title(), terminal.text());
            assert!(title.starts_with("crm-console "), "the title was taken over after {keys}: {title:?}");
            let hidden: String = text.chars().filter(|char| invisible(*char)).collect();
            assert!(hidden.is_empty(), "{hidden:?} after {keys} at {size:?}:\n{text}");
            assert!(terminal.screen(vt100::Screen::size) == (size.1, size.0));
            // Whatever was drawn has left the tabs where they are.
            assert!(text.contains("1 Data 2 Map") || text.lines().count() > 3, "after {keys}:\n{text}");
        }
    }
}

/// Characters that hide, or turn text around.
fn invisible(char: char) -> bool {
    matches!(char, '\u{0}'..='\u{9}' | '\u{b}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

/// Text for people holds no control byte and nothing that hides.
fn clean(dir: &Path, arguments: &[&str]) {
    let answer = run(dir, arguments);
    for (stream, text) in [("stdout", &answer.out), ("stderr", &answer.err)] {
        let hidden: Vec<(usize, char)> = text.char_indices().filter(|(_, char)| invisible(*char)).take(5).collect();
        assert!(hidden.is_empty(), "{arguments:?} {stream}: {hidden:?}");
    }
}

#[test]
fn headless_text_holds_no_control_byte() {
    let dir = project();
    let dir = dir.path();
    let file = format!("old/{FILE}.csv");
    let object = format!("old:{FILE}");
    run(dir, &["plan", "--out", "plan.json", "--json"]);
    let commands: [&[&str]; 20] = [
        &["sniff", &file],
        &["show", &file, "--rows", "1..200"],
        &["show", &object],
        &["show", &object, "--columns", "none\u{1b}[2J"],
        &["profile", &file],
        &["profile", &object],
        &["try", "trim", &file, "--column", HEADER],
        &["try", "no\u{1b}[2Jrule", &file],
        &["diff", &file, "new/people.csv", "--key", "ID"],
        &["check"],
        &["preview"],
        &["preview", MAPPING],
        &["preview", "no\u{1b}[2Jmapping"],
        &["plan"],
        &["migrate", "--plan", "plan.json", "--confirm", "no\u{7}"],
        &["migrate", "--plan", "plan.json", "--confirm", "new"],
        &["rejects", "list"],
        &["runs"],
        &["verify"],
        &["doctor"],
    ];
    for arguments in commands {
        clean(dir, arguments);
    }
}
