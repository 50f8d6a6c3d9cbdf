use super::bench::{Bench, table};
use crate::journal::Reject;
use crate::monitor::{CancelFlag, Silent};
use crate::plan::{Counts, Operation, Plan, Selection};
use crate::project::StateConfig;
use crate::workspace::plans::PlanRequest;
use crate::workspace::{PlanRow, Workspace};

/// Nothing, all of the target having been looked at.
const LOOKED: Counts = Counts {
    read: 0,
    inserted: 0,
    updated: 0,
    unchanged: 0,
    filtered: 0,
    merged: 0,
    held: 0,
    rejected: 0,
    deleted: 0,
    marked: 0,
    native: Some(0),
    target_only: Some(0),
    before: 0,
    after: 0,
};

const PEOPLE: &str = r#"
from = "old:people"
to = "new:people"
key = ["legacy_id"]
[fields]
legacy_id = "ID"
name = { from = "NAME", clean = ["trim"] }
city = "CITY"
[run]
error_budget = "100%"
max_deletes = "100%"
"#;

fn rows(workspace: &Workspace, plan: &Plan, operation: Operation, column: Option<&str>) -> Vec<PlanRow> {
    let name = plan.mappings[0].mapping.clone();
    let (rows, total) = workspace.plan_rows(plan, &name, operation, column, 0, 100).unwrap();
    assert_eq!(rows.len() as u64, total);
    rows
}

fn rejects(workspace: &Workspace, plan: &Plan) -> Vec<Reject> {
    workspace.rejects(&plan.id, None).unwrap()
}

fn new_of(row: &PlanRow, column: &str) -> Option<String> {
    row.cells.iter().find(|cell| cell.column == column).unwrap().new.clone()
}

#[test]
fn rows_are_inserted_updated_or_left_and_natives_stay() {
    let bench = Bench::new(&[("people", PEOPLE)])
        .old("people", "ID,NAME,CITY,FAX\n1, Ann ,Ulm,-\n2,Bob,Bonn,77\n3,Cid,Kiel,-")
        .new_side("people", "legacy_id,name,city,extra\n2,Rob,Bonn,x\n3,Cid,Kiel,y\n-,Native,Rom,z");
    let workspace = bench.open();
    let plan = bench.plan();
    let part = &plan.mappings[0];
    let counts = part.counts;
    assert_eq!(
        counts,
        Counts {
            read: 3,
            inserted: 1,
            updated: 1,
            unchanged: 1,
            native: Some(1),
            target_only: Some(0),
            before: 3,
            after: 4,
            ..Counts::default()
        }
    );
    assert!(counts.closes());
    assert!(part.blocked.is_empty(), "{:?}", part.blocked);
    assert_eq!((part.left_behind[0].column.as_str(), part.left_behind[0].filled), ("FAX", 1));
    assert_eq!(plan.confirm, "new");
    let inserted = &rows(&workspace, &plan, Operation::Insert, None)[0];
    assert_eq!((inserted.key.as_str(), new_of(inserted, "name").as_deref()), ("1", Some("Ann")));
    let updated = &rows(&workspace, &plan, Operation::Update, Some("name"))[0];
    let name = updated.cells.iter().find(|cell| cell.column == "name").unwrap();
    assert_eq!((name.old.as_deref(), name.new.as_deref(), name.changed), (Some("Rob"), Some("Bob"), true));
    assert_eq!(updated.target, Some(0));
    assert!(rows(&workspace, &plan, Operation::Update, Some("city")).is_empty());
    assert_eq!(plan.mappings[0].changes.iter().map(|c| c.changed).collect::<Vec<_>>(), [0, 1, 0]);
}

#[test]
fn the_same_inputs_give_the_same_id_and_others_another() {
    let make = |name: &str| {
        let bench = Bench::new(&[("people", PEOPLE)])
            .old("people", &format!("ID,NAME,CITY\n1,{name},Ulm"))
            .new_side("people", "legacy_id,name,city\n2,Rob,Bonn");
        let plan = bench.plan();
        assert_eq!(bench.open().load_plan(&plan.id).unwrap(), plan);
        assert_eq!(bench.plan().id, plan.id, "again in the same project");
        plan.id
    };
    assert_eq!(make("Ann"), make("Ann"));
    assert_ne!(make("Ann"), make("Eve"));
}

#[test]
fn keys_that_are_missing_or_twice_are_rejected_and_nothing_is_deleted_then() {
    let text = PEOPLE.replace("[fields]", "target_only = \"delete\"\nscope = \"city <> 'Rom'\"\n[fields]");
    let bench = Bench::new(&[("people", &text)])
        .old("people", "ID,NAME,CITY\n1,Ann,Ulm\n1,Eve,Ulm\n-,Bob,Bonn")
        .new_side("people", "legacy_id,name,city\n9,Old,Bonn\n8,Far,Rom");
    let plan = bench.plan();
    let counts = plan.mappings[0].counts;
    assert_eq!((counts.inserted, counts.rejected, counts.deleted, counts.target_only), (1, 2, 0, Some(1)));
    assert!(counts.closes());
    assert!(plan.mappings[0].warnings.iter().any(|text| text.contains("no key")));
    let steps: Vec<String> = rejects(&bench.open(), &plan).into_iter().map(|reject| reject.step).collect();
    assert_eq!(steps, ["duplicate", "key"]);
}

#[test]
fn rows_in_scope_that_the_source_lacks_go_by_policy() {
    for (policy, deleted, marked) in [("keep", 0, 0), ("list", 0, 0), ("delete", 1, 0), ("mark:gone", 0, 1)] {
        let text =
            PEOPLE.replace("[fields]", &format!("target_only = \"{policy}\"\nscope = \"city <> 'Rom'\"\n[fields]"));
        let bench = Bench::new(&[("people", &text)])
            .old("people", "ID,NAME,CITY\n1,Ann,Ulm")
            .new_side("people", "legacy_id,name,city,gone\n9,Old,Bonn,-\n8,Far,Rom,-\n1,Ann,Ulm,-");
        let plan = bench.plan();
        let counts = plan.mappings[0].counts;
        assert_eq!((counts.deleted, counts.marked, counts.target_only), (deleted, marked, Some(1)), "{policy}");
        assert_eq!((counts.native, counts.unchanged), (Some(1), 1), "{policy}");
        assert!(counts.closes(), "{policy}");
        let workspace = bench.open();
        for row in rows(&workspace, &plan, Operation::Mark, None) {
            assert_eq!((row.target, new_of(&row, "gone").as_deref()), (Some(0), Some("true")));
        }
    }
}

#[test]
fn too_many_deletes_or_rejects_block_the_plan() {
    let text = PEOPLE.replace("[fields]", "target_only = \"delete\"\nscope = \"city = 'Bonn'\"\n[fields]");
    let text = text.replace("max_deletes = \"100%\"", "max_deletes = 1");
    let bench = Bench::new(&[("people", &text)])
        .old("people", "ID,NAME,CITY\n1,Ann,Ulm")
        .new_side("people", "legacy_id,name,city\n8,A,Bonn\n9,B,Bonn");
    let plan = bench.plan();
    assert_eq!(plan.refusal().unwrap().kind(), crate::Kind::Refused);
    let text = PEOPLE.replace("error_budget = \"100%\"", "error_budget = 0");
    let bench = Bench::new(&[("people", &text)]).old("people", "ID,NAME,CITY\n-,Ann,Ulm");
    assert_eq!(bench.plan().refusal().unwrap().kind(), crate::Kind::Data);
}

#[test]
fn write_rules_and_latches_keep_what_the_target_has() {
    let text = r#"
from = "old:people"
to = "new:people"
key = ["id"]
[fields]
id = "ID"
blank = { from = "A", write = "if_blank" }
once = { from = "A", write = "create" }
none = { from = "A", write = "never" }
out = { from = "OUT", latch = true }
"#;
    let bench = Bench::new(&[("people", text)])
        .old("people", "ID,A,OUT\n1,a,false\n2,a,true\n3,a,true")
        .new_side("people", "id,blank,once,none,out\n1,x,x,x,true\n2, ,-,-,false");
    let plan = bench.plan();
    let part = &plan.mappings[0];
    assert_eq!((part.counts.inserted, part.counts.updated, part.counts.unchanged), (1, 1, 1));
    let workspace = bench.open();
    let updated = &rows(&workspace, &plan, Operation::Update, None)[0];
    let cells: Vec<_> = ["blank", "once", "none", "out"].map(|name| new_of(updated, name)).into();
    assert_eq!(cells, [Some("a".into()), None, None, Some("true".into())]);
    let inserted = &rows(&workspace, &plan, Operation::Insert, None)[0];
    let cells: Vec<_> = ["blank", "once", "none"].map(|name| new_of(inserted, name)).into();
    assert_eq!(cells, [Some("a".into()), Some("a".into()), None]);
    let kept = &rows(&workspace, &plan, Operation::Unchanged, None)[0];
    let kept: Vec<_> = kept.cells.iter().filter_map(|cell| cell.kept.as_deref()).collect();
    assert_eq!(kept, ["if_blank", "create", "never", "latch"]);
    assert_eq!(part.latches, [("out".to_owned(), 2, 3)]);
}

#[test]
fn two_hits_are_held_and_a_target_row_is_taken_once() {
    let text = r#"
from = "old:people"
to = "new:people"
key = ["id"]
match = ["id", "lower(email)"]
[fields]
id = "ID"
email = "MAIL"
"#;
    let bench = Bench::new(&[("people", text)])
        .old("people", "ID,MAIL\n1,A@x\n2,b@x\n3,B@X\n4,-")
        .new_side("people", "id,email\n-,a@x\n-,a@X\n-,b@x");
    let plan = bench.plan();
    let counts = plan.mappings[0].counts;
    assert_eq!((counts.held, counts.updated, counts.inserted), (2, 1, 1));
    let reasons: Vec<String> = rejects(&bench.open(), &plan).into_iter().map(|reject| reject.reason).collect();
    assert_eq!(reasons, ["2 target rows match by lower(email)", "its target row is already taken by row 2"]);
}

const ACCOUNTS: &str = r#"
from = "old:accounts"
to = "new:accounts"
key = ["legacy_id"]
[fields]
legacy_id = { from = "NO" }
name = { from = "NAME", on_null = "reject" }
[run]
error_budget = "100%"
"#;

const CONTACTS: &str = r#"
from = "old:contacts"
to = "new:contacts"
key = ["legacy_id"]
[fields]
legacy_id = "NO"
company = { from = "ACC", link = "accounts" }
boss = { from = "BOSS", link = "contacts", on_miss = "defer" }
[run]
error_budget = "100%"
"#;

#[test]
fn links_name_planned_parents_and_rejects_follow_their_root() {
    let bench = Bench::new(&[("accounts", ACCOUNTS), ("contacts", CONTACTS)])
        .old("accounts", "NO,NAME\nA1,Acme\nA2,-\nA3,Core")
        .old("contacts", "NO,ACC,BOSS\nC1,A1,C2\nC2,A3,-\nC3,A2,-\nC4,-,C3\nC5,A9,-\nC6,A1,C9")
        .new_side("accounts", "id,legacy_id,name\n70,A1,Acme")
        .new_side("contacts", "id,legacy_id,company,boss")
        .identity("accounts", "id")
        .identity("contacts", "id");
    let workspace = bench.open();
    let plan = bench.plan();
    assert_eq!(plan.mappings[0].mapping, "accounts");
    let part = &plan.mappings[1];
    let counts = part.counts;
    assert_eq!((counts.inserted, counts.rejected, counts.held), (2, 2, 2));
    let (inserted, _) = workspace.plan_rows(&plan, "contacts", Operation::Insert, None, 0, 10).unwrap();
    let cell = |row: usize, at: usize| inserted[row].cells[at].clone();
    assert_eq!(cell(0, 1).new.as_deref(), Some("70"));
    assert_eq!(cell(0, 2).pending.as_deref(), Some("(new) contacts C2"));
    assert_eq!(cell(1, 1).pending.as_deref(), Some("(new) accounts A3"));
    let causes: Vec<&str> = part.causes.iter().map(|cause| cause.cause.as_str()).collect();
    assert_eq!(
        causes,
        [
            "boss: parent not found (contacts)",
            "boss: parent rejected (contacts)",
            "company: parent not found (accounts)",
            "company: parent rejected (accounts)",
        ]
    );
}

#[test]
fn tombstones_delete_their_row_and_count_as_filtered() {
    let text = PEOPLE.replace("[fields]", "deleted = \"CITY = 'gone'\"\nwhere = \"NAME <> 'x'\"\n[fields]");
    let bench = Bench::new(&[("people", &text)])
        .old("people", "ID,NAME,CITY\n1,Ann,gone\n2,x,Ulm\n3,-,Ulm\n4,Dan,Ulm")
        .new_side("people", "legacy_id,name,city\n1,Ann,Ulm\n2,x,Ulm");
    let counts = bench.plan().mappings[0].counts;
    assert_eq!(
        counts,
        Counts { read: 4, inserted: 1, filtered: 2, held: 1, deleted: 1, before: 2, after: 2, ..LOOKED }
    );
    assert!(counts.closes());
}

#[test]
fn a_row_outside_the_scope_is_adopted_only_if_it_comes_into_it() {
    let text = r#"
from = "old:people"
to = "new:people"
key = ["legacy_id"]
match = ["legacy_id", "email"]
scope = "legacy_id IS NOT NULL AND kind = 'c'"
[fields]
legacy_id = "ID"
email = "MAIL"
"#;
    let bench = Bench::new(&[("people", text)])
        .old("people", "ID,MAIL\n1,a\n2,b")
        .new_side("people", "legacy_id,email,kind\n-,a,c\n-,b,p");
    let plan = bench.plan();
    let counts = plan.mappings[0].counts;
    assert_eq!((counts.updated, counts.held), (1, 1));
}

#[test]
fn a_target_that_is_not_there_yet_gets_all_rows() {
    let bench = Bench::new(&[("people", PEOPLE)]).old("people", "ID,NAME,CITY\n1,Ann,Ulm\n2,Bob,-");
    let counts = bench.plan().mappings[0].counts;
    assert_eq!(counts, Counts { read: 2, inserted: 2, after: 2, ..LOOKED });
}

#[test]
fn a_limit_plans_the_first_rows_and_deletes_nothing() {
    let text = PEOPLE.replace("[fields]", "target_only = \"delete\"\nscope = \"city = 'Bonn'\"\n[fields]");
    let bench = Bench::new(&[("people", &text)])
        .old("people", "ID,NAME,CITY\n1,Ann,Ulm\n2,Bob,Ulm")
        .new_side("people", "legacy_id,name,city\n8,A,Bonn");
    let plan = bench.open().plan(&[], Some(1), &Silent).unwrap();
    assert_eq!((plan.mappings[0].counts.read, plan.mappings[0].counts.deleted), (1, 0));
}

#[test]
fn a_selection_takes_operations_and_changes_none() {
    let fields = "city = \"CITY\"\nboss = { from = \"BOSS\", link = \"people\", on_miss = \"defer\" }";
    let people = PEOPLE.replace("city = \"CITY\"", fields).replace("[fields]", "duplicates = \"first\"\n[fields]");
    let bench = Bench::new(&[("people", &people)])
        .old("people", "ID,NAME,CITY,BOSS\n1,Ann,Ulm,-\n2,Bob,Bonn,1\n2,Bob II,Bonn,1\n3,Cid,Kiel,2\n-,Nobody,Kiel,-")
        .new_side("people", "legacy_id,name,city,boss\n1,Rob,Bonn,-\n9,Native,Rom,-");
    let workspace = bench.open();
    let some = |ordinals: &[u32]| {
        let rows = [("people".to_owned(), ordinals.to_vec())].into_iter().collect();
        let request = PlanRequest { rows, by: "a test".into(), ..PlanRequest::default() };
        workspace.plan_for(&request, &Silent).unwrap()
    };
    let full = bench.plan();
    let all = some(&[4, 3, 2, 1, 0, 0]);
    assert_eq!(all.mappings[0].ops_hash, full.mappings[0].ops_hash);
    assert_eq!(all.mappings[0].selection, Selection::Chosen { by: "a test".into(), count: 5 });
    // The row behind a survivor stays behind it, also alone; the key that is empty is rejected.
    let part = &some(&[2, 4]).mappings[0];
    assert_eq!((part.counts.read, part.counts.merged, part.counts.rejected), (2, 1, 1));
    assert!(part.counts.closes());
    assert_eq!((part.counts.before, part.counts.after), (2, 2));
    // Bob's boss is in the target already, Cid's is not and would not be written.
    let part = &some(&[1]).mappings[0];
    assert_eq!((part.counts.read, part.counts.inserted), (1, 1));
    let plan = some(&[3]);
    assert_eq!((plan.mappings[0].counts.held, plan.mappings[0].counts.inserted), (1, 0));
    assert_eq!(rejects(&workspace, &plan)[0].cause, "boss: parent left out (people)");
    assert!(some(&[1, 3]).mappings[0].counts.inserted == 2);
    assert!(
        plan.mappings[0].warnings[0].contains("only 1 rows were planned (a test)"),
        "{:?}",
        plan.mappings[0].warnings
    );
}

#[test]
fn old_plans_go_but_those_that_runs_refer_to() {
    let mapping =
        "from = \"old:people\"\nto = \"new:people\"\nkey = [\"id\"]\n[fields]\nid = \"ID\"\nname = \"NAME\"\n";
    let bench = Bench::new(&[("people", mapping)]).old("people", "ID,NAME\n1,a").new_side("people", "id,name");
    let workspace = bench.open();
    let first = bench.plan();
    let record = workspace.create_run(&first, &first.confirm).unwrap();
    workspace.execute_run(&record.id, &CancelFlag::default()).unwrap();
    let plans = bench.root.path().join(".crm-console/plans");
    // File times may be as coarse as a tick.
    let age = |id: &str, seconds: u64| {
        let at = std::time::SystemTime::now() - std::time::Duration::from_secs(seconds);
        std::fs::File::open(plans.join(id)).unwrap().set_modified(at).unwrap();
    };
    age(&first.id, 2_000);
    let mut made = Vec::new();
    let kept = StateConfig::default().plans;
    for number in 0..kept + 3 {
        table(bench.old.clone(), "people", &format!("ID,NAME\n1,a\n2,name {number}"));
        made.push(bench.plan().id);
        age(&made[number], 1_000 - number as u64);
    }
    let there = |id: &String| plans.join(id).is_dir();
    assert!(there(&first.id), "a run refers to it");
    assert!(workspace.verify(&first, &Silent).is_ok());
    assert!(made.iter().rev().take(kept).all(there));
    assert_eq!(std::fs::read_dir(&plans).unwrap().count(), kept + 1, "{made:?}");
}

#[test]
fn counts_of_a_plan_that_was_stored_with_figures_for_all_are_read() {
    let counts = Counts { read: 3, inserted: 3, native: None, target_only: None, after: 3, ..Counts::default() };
    let text = serde_json::to_string(&counts).unwrap();
    assert!(text.contains("\"native\":null"), "{text}");
    assert_eq!(serde_json::from_str::<Counts>(&text).unwrap(), counts);
    let old = text.replace("\"native\":null", "\"native\":7").replace("\"target_only\":null", "\"target_only\":0");
    let old: Counts = serde_json::from_str(&old).unwrap();
    assert_eq!((old.native, old.target_only), (Some(7), Some(0)));
}

#[test]
fn rows_that_are_native_to_the_target_do_not_raise_the_cap_on_deletes() {
    let text = "from = \"old:people\"\nto = \"new:people\"\nkey = [\"no\"]\ntarget_only = \"delete\"\n\
                scope = \"no IS NOT NULL\"\n[fields]\nno = \"NO\"\n[run]\nmax_deletes = \"50%\"\n";
    let natives = "\n-".repeat(40);
    let bench =
        Bench::new(&[("people", text)]).old("people", "NO\n1").new_side("people", &format!("no\n1\n2\n3\n4{natives}"));
    let part = bench.plan().mappings.remove(0);
    assert_eq!((part.counts.deleted, part.counts.native), (3, Some(40)));
    assert!(part.blocked[0].reason.starts_with("3 of 4 target rows in scope"), "{:?}", part.blocked);
    assert!(part.blocked[0].reason.ends_with("allows 2"), "{:?}", part.blocked);
}
