//! Projects begun for an occasion.
use crate::support::command::{folder, run};

fn text(dir: &tempfile::TempDir, file: &str) -> String {
    std::fs::read_to_string(dir.path().join(file)).unwrap()
}

fn errors(dir: &tempfile::TempDir, project: &str) -> u64 {
    run(dir.path(), &["check", "-C", project, "--json"]).json()["errors"].as_u64().unwrap()
}

#[test]
fn growth_keeps_both_in_sync_and_upgrade_goes_in_one_window() {
    let dir = folder(&[
        ("old/contacts.csv", "ID,EMAIL\n1,a@example.com\n2,b@example.com\n"),
        ("new/contacts.csv", "id,email\n"),
    ]);
    let done = run(dir.path(), &["init", "old", "new", "-C", "g", "--scenario", "growth", "--json"]).expect(0).json();
    let recommended = done["recommended"].as_array().unwrap();
    assert!(recommended.iter().all(|one| !one["why"].as_str().unwrap().is_empty()));
    let mapping = text(&dir, "g/mappings/contacts.toml");
    assert!(mapping.contains("mode = \"incremental\"") && mapping.contains("trigger = \"observe\""), "{mapping}");
    assert!(
        text(&dir, "g/project.toml").starts_with("# growth: what was recommended"),
        "{}",
        text(&dir, "g/project.toml")
    );
    assert_eq!(errors(&dir, "g"), 0);
    let args = ["init", "old", "new", "-C", "u", "--scenario", "upgrade", "--downtime", "60", "--live", "no"];
    let said = run(dir.path(), &args).expect(0).out;
    assert!(said.contains("strategy: full, in one window") && said.contains("60 min"), "{said}");
    assert!(!text(&dir, "u/mappings/contacts.toml").contains("[sync]"));
    assert_eq!(errors(&dir, "u"), 0);
    let two = ["init", "old", "new", "-C", "t", "--scenario", "upgrade", "--live", "yes", "--both-ways"];
    run(dir.path(), &two).expect(0);
    assert!(text(&dir, "t/mappings/contacts.toml").contains("direction = \"two-way\""));
    assert_eq!(errors(&dir, "t"), 0);
    for line in text(&dir, "t/project.toml").lines() {
        assert!(line.chars().count() < 100, "{line}");
    }
}

#[test]
fn what_stays_behind_is_acknowledged_before_anything_is_run() {
    let dir = folder(&[
        ("old/contacts.csv", "ID,EMAIL,HOBBY,EMPTY\n1,a@example.com,chess,\n2,b@example.com,,\n"),
        ("new/contacts.csv", "id,email\n"),
    ]);
    run(dir.path(), &["init", "old", "new", "-C", "p", "--scenario", "upgrade"]).expect(0);
    let plan = || run(dir.path(), &["plan", "-C", "p", "--json"]).expect(1).json()["mappings"][0].clone();
    let blocked = plan()["blocked"].to_string();
    assert!(blocked.contains("HOBBY (1 rows)") && !blocked.contains("EMPTY"), "{blocked}");
    assert!(run(dir.path(), &["check", "-C", "p"]).expect(0).out.contains("left behind: HOBBY (1 rows)"));
    let mapping = text(&dir, "p/mappings/contacts.toml").replacen("key =", "ignore = [\"HOBBY\"]\nkey =", 1);
    std::fs::write(dir.path().join("p/mappings/contacts.toml"), mapping).unwrap();
    assert_eq!(plan()["blocked"].as_array().unwrap().len(), 0, "acknowledged");
}

#[test]
fn a_merge_keeps_the_records_of_both_apart_and_its_links_lead_to_their_own() {
    let dir = folder(&[
        ("a/accounts.csv", "ACCT_NO,NAME\n1,Acme\n2,Beta\n3,Gamma\n4,Delta\n"),
        ("a/contacts.csv", "ID,ACCT_NO,EMAIL\n1,1,x@example.com\n2,3,y@example.com\n3,4,v@example.com\n"),
        ("b/accounts.csv", "ACCT_NO,NAME\n1,Other\n2,Else\n3,More\n5,Far\n"),
        ("b/contacts.csv", "ID,ACCT_NO,EMAIL\n1,1,z@example.com\n2,2,w@example.com\n3,5,u@example.com\n"),
        ("new/accounts.csv", "legacy_id,name\n"),
        ("new/contacts.csv", "legacy_id,account,email\n"),
    ]);
    run(dir.path(), &["init", "a", "new", "-C", "p", "--scenario", "merge"]).expect(2);
    run(dir.path(), &["init", "a", "new", "--and", "b", "-C", "p"]).expect(2);
    run(dir.path(), &["init", "a", "new", "--and", "b", "-C", "p", "--scenario", "merge"]).expect(0);
    let contacts = text(&dir, "p/mappings/old1_contacts.toml");
    assert!(contacts.contains("'old1:' || trim(ID)"), "{contacts}");
    assert!(contacts.contains("link = \"old1_accounts\"") && contacts.contains("LIKE 'old1:%'"), "{contacts}");
    assert_eq!(errors(&dir, "p"), 0, "{}", run(dir.path(), &["check", "-C", "p"]).out);
    let plan = run(dir.path(), &["plan", "-C", "p", "--json"]).expect(1).json();
    for mapping in plan["mappings"].as_array().unwrap() {
        assert_eq!(mapping["counts"]["rejected"], 0, "{mapping}");
        assert_eq!(mapping["counts"]["inserted"], mapping["counts"]["read"]);
    }
}

#[test]
fn a_split_gives_each_its_own_rows() {
    let dir = folder(&[
        ("old/contacts.csv", "ID,REGION,EMAIL\n1,north,a@example.com\n2,south,b@example.com\n3,north,c@example.com\n"),
        ("old/products.csv", "ID,SKU\n1,x\n2,y\n"),
    ]);
    let base = ["init", "old", "n", "--and", "s", "-C", "p", "--scenario", "split"];
    run(dir.path(), &base).expect(2);
    let broken = [&base[..], &["--part", "REGION = 'north'", "--part", "REGION = ("]].concat();
    run(dir.path(), &broken).expect(2);
    assert!(!dir.path().join("p/project.toml").exists());
    let all = [&base[..], &["--part", "REGION = 'north'", "--part", "REGION = 'south'"]].concat();
    run(dir.path(), &all).expect(0);
    assert_eq!(errors(&dir, "p"), 0, "{}", run(dir.path(), &["check", "-C", "p"]).out);
    assert!(text(&dir, "p/mappings/new1_products.toml").contains("# split: REGION = 'north' names a column"));
    let plan = run(dir.path(), &["plan", "new1_contacts", "new2_contacts", "-C", "p", "--json"]).expect(1).json();
    let counts: Vec<_> =
        plan["mappings"].as_array().unwrap().iter().map(|one| one["counts"]["inserted"].clone()).collect();
    assert_eq!(counts, [2, 1]);
}

#[test]
fn check_says_what_only_rows_can_say() {
    let dir = folder(&[
        (
            "project.toml",
            "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n[platforms.new]\nkind = \"csv\"\npath = \"new\"\n",
        ),
        ("old/a.csv", "ID,NAME\n1,x\n2,y\n"),
        (
            "old/c.csv",
            "ID,A,MAIL,FAX,PHONE,GONE\n1,1,x@example.com,1,,z\n2,7,nope,,,\n3,8,y@example.com,2,,z\n4,7,a@example.com,,,\n",
        ),
        ("new/a.csv", "id,name\n"),
        ("new/c.csv", "id,account,email,town,phone\n"),
        (
            "mappings/a.toml",
            "from = \"old:a\"\nto = \"new:a\"\nkey = [\"id\"]\n[fields]\nid = \"ID\"\nname = \"NAME\"\n",
        ),
        (
            "mappings/c.toml",
            "from = \"old:c\"\nto = \"new:c\"\nkey = [\"id\"]\nignore = [\"GONE\"]\n[fields]\nid = \"ID\"\n\
             account = { from = \"A\", link = \"a\" }\nemail = { from = \"MAIL\", clean = [\"email\"] }\n\
             phone = \"FAX\"\n",
        ),
    ]);
    let quick = run(dir.path(), &["check", "--quick"]).expect(0).out;
    assert!(quick.contains("left behind: PHONE;") && !quick.contains("rows fail"), "{quick}");
    let full = run(dir.path(), &["check"]).expect(0).out;
    for wanted in [
        "1 of 4 rows fail: email",
        "2 rows name 2 records of a that are not there: they are rejected",
        "the error budget allows 0",
        "phone: doubtful: filled from FAX, but PHONE fits better",
    ] {
        assert!(full.contains(wanted), "{wanted}: {full}");
    }
    // PHONE has no data: nothing is lost by leaving it; GONE was acknowledged.
    assert!(!full.contains("left behind"), "{full}");
    std::fs::write(
        dir.path().join("mappings/c.toml"),
        text(&dir, "mappings/c.toml").replace("ignore = [\"GONE\"]\n", ""),
    )
    .unwrap();
    let full = run(dir.path(), &["check"]).expect(0).out;
    assert!(full.contains("left behind: GONE (2 rows)"), "{full}");
    // What the crosswalk knows is there.
    std::fs::write(dir.path().join("x.csv"), "object,old_key,new_id\nnew:a,7,70\nnew:a,8,80\n").unwrap();
    run(dir.path(), &["crosswalk", "import", "x.csv"]).expect(0);
    assert!(!run(dir.path(), &["check"]).expect(0).out.contains("records of a"));
}
