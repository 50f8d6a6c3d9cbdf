//! Ways to plan, by keys: the recommendation, a sample, what changed.
use crate::support::command::{demo, run};
use crate::support::terminal::Terminal;

#[test]
fn a_sample_and_then_what_changed_are_planned_and_run_by_keys() {
    let dir = demo();
    let mut terminal = Terminal::open(dir.path(), (80, 24));
    terminal.see("MAP accounts");
    terminal.keys("4a");
    let screen = terminal.see("Recommendation");
    assert!(screen.contains("enter sample of 20") && screen.contains("--env sandbox plan --sample 20"));
    terminal.keys("<esc>s<bs><bs>5<enter>");
    let screen = terminal.see("sample of 5 accounts");
    assert!(screen.contains("PLAN ") && screen.contains("rows were planned (a sample of 5 accounts"), "{screen}");
    terminal.keys("y");
    let copied =
        terminal.wait("the copied command", |text, beside| text.contains("copied:") && !beside.clipboard.is_empty());
    assert!(copied.contains("crm-console"), "{copied}");
    terminal.keys("M");
    terminal.see("Type nova to confirm:");
    terminal.keys("nova<enter>");
    terminal.wait("the end of the run", |text, _| text.contains("consistency 100"));
    // Its ledger knows the sample; what is left is what an incremental plan looks at.
    terminal.keys("4i");
    let screen = terminal.wait("the incremental plan", |text, beside| {
        text.contains("  incremental  ") && text.contains(" looked at, ") && beside.title.contains("idle")
    });
    assert!(screen.contains("Closes."), "{screen}");
    terminal.keys("d");
    terminal.see("Against the plan before");
    terminal.keys("<esc>");
    terminal.see("rows to");
    drop(terminal);
    let runs = run(dir.path(), &["runs", "--json"]).expect(0).lines();
    assert_eq!((runs.len(), &runs[0]["purpose"]), (1, &"sample of 5 accounts".into()));
    assert!(run(dir.path(), &["runs"]).expect(0).out.contains("sample of 5 accounts"));
}
