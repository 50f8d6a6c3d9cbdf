//! The crosswalk as a file.
use crate::support::command::{folder, run};

fn project() -> tempfile::TempDir {
    folder(&[
        (
            "project.toml",
            "[platforms.old]\nkind = \"csv\"\npath = \"old\"\n[platforms.new]\nkind = \"csv\"\npath = \"new\"\n",
        ),
        ("old/a.csv", "ID,NAME\n1,x\n2,y\n"),
        (
            "mappings/a.toml",
            "from = \"old:a\"\nto = \"new:a\"\nkey = [\"id\"]\n[fields]\nid = \"ID\"\nname = \"NAME\"\n",
        ),
    ])
}

#[test]
fn it_goes_out_and_comes_back_to_the_byte() {
    let dir = project();
    let rows = "object,old_key,new_id\nnew:a,\" padded \",7\nnew:a,=1+1,0012\nnew:a,\"a\"\"b,c\nd\",\"9\r\n\"\n";
    std::fs::write(dir.path().join("in.csv"), rows).unwrap();
    let done = run(dir.path(), &["crosswalk", "import", "in.csv", "--json"]).expect(0).json();
    assert_eq!((done["lines"].as_u64(), done["new"].as_u64()), (Some(3), Some(3)), "{done}");
    run(dir.path(), &["crosswalk", "export", "--out", "out.csv"]).expect(0);
    let out = std::fs::read_to_string(dir.path().join("out.csv")).unwrap();
    assert_eq!(out, rows);
    let again = run(dir.path(), &["crosswalk", "import", "out.csv", "--json"]).expect(0).json();
    assert_eq!((again["new"].as_u64(), again["same"].as_u64()), (Some(0), Some(3)), "{again}");
    let one = run(dir.path(), &["crosswalk", "export", "a", "--out", "one.csv", "--json"]).expect(0).json();
    assert_eq!(one["entries"], 3);
    run(dir.path(), &["crosswalk", "export", "nope", "--out", "x.csv"]).expect(2);
    assert!(!dir.path().join("x.csv").exists());
}

#[test]
fn contradictions_are_told_with_their_lines_and_nothing_is_taken_in() {
    let dir = project();
    std::fs::write(dir.path().join("in.csv"), "object,old_key,new_id\nnew:a,1,11\n").unwrap();
    run(dir.path(), &["crosswalk", "import", "in.csv"]).expect(0);
    let wrong = "object,old_key,new_id\nnew:a,5,50\nnew:a,1,12\nnew:a,5,51\nnew:b,1,1\nnew:a,,3\nnew:a,8\n";
    std::fs::write(dir.path().join("in.csv"), wrong).unwrap();
    let failed = run(dir.path(), &["crosswalk", "import", "in.csv"]).expect(6).err;
    for wanted in
        ["line 3: gives", "line 4: gives a key another id than line 2", "line 5: no mapping", "line 6", "line 7"]
    {
        assert!(failed.contains(wanted), "{wanted}: {failed}");
    }
    let count = |file: &str| {
        run(dir.path(), &["crosswalk", "export", "--out", file]).expect(0);
        std::fs::read_to_string(dir.path().join(file)).unwrap()
    };
    assert_eq!(count("now.csv"), "object,old_key,new_id\nnew:a,1,11\n");
    std::fs::write(dir.path().join("in.csv"), "object,old_key,new_id\nnew:a,1,12\n").unwrap();
    let done = run(dir.path(), &["crosswalk", "import", "in.csv", "--replace", "--json"]).expect(0).json();
    assert_eq!(done["replaced"], 1);
    assert_eq!(count("now.csv"), "object,old_key,new_id\nnew:a,1,12\n");
    std::fs::write(dir.path().join("in.csv"), "a,b\n").unwrap();
    run(dir.path(), &["crosswalk", "import", "in.csv"]).expect(2);
    let audit = run(dir.path(), &["audit"]).expect(0).out;
    assert!(audit.contains("crosswalk imported"), "{audit}");
}
