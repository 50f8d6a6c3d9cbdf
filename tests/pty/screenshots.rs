//! The pictures of the README, made from the real program.
use crate::support::command::demo;
use crate::support::picture::svg;
use crate::support::terminal::Terminal;

/// Writes `assets/screenshots`: `cargo test --test console -- --ignored screenshots`.
#[test]
#[ignore = "writes files of the repository"]
fn screenshots() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/screenshots");
    std::fs::create_dir_all(&folder).unwrap();
    let dir = demo();
    let mut terminal = Terminal::open(dir.path(), (110, 30));
    let save = |terminal: &Terminal, name: &str| {
        std::fs::write(folder.join(format!("{name}.svg")), terminal.screen(svg)).unwrap();
    };
    terminal.see("MAP accounts");
    terminal.keys("]");
    terminal.see("MAP contacts");
    save(&terminal, "map");
    terminal.keys("p");
    terminal.see("PLAN ");
    save(&terminal, "plan");
    terminal.keys("Mnova<enter>");
    terminal.see("is not in the value map");
    save(&terminal, "run");
}
