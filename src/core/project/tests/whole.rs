use super::*;

const SETTINGS: &str = r#"name = "Old to new"
[platforms.legacy]
kind = "csv"
path = "legacy"
delimiter = ";"
[platforms.nova]
kind = "sqlite"
path = "nova.db"
[env.sandbox.platforms.nova]
path = "nova-sandbox.db"
timeout = 5
[targets."nova:contacts"]
id = "id"
sources = ["contacts"]
"#;

fn mapping(from: &str, to: &str, extra: &str, fields: &str) -> String {
    format!("from = \"{from}\"\nto = \"{to}\"\nkey = [\"id\"]\n{extra}\n[fields]\nid = \"ID\"\n{fields}\n")
}

fn names(project: &Project) -> Vec<&str> {
    project.mappings.iter().map(|mapping| mapping.name.as_str()).collect()
}

fn messages(project: &Project) -> Vec<String> {
    project.problems.iter().map(ToString::to_string).collect()
}

#[test]
fn platforms_environments_and_targets_are_read() {
    let dir = folder(&[
        ("project.toml", SETTINGS),
        ("mappings/contacts.toml", &mapping("legacy:contacts", "nova:contacts", "", "")),
    ]);
    let project = Project::load(dir.path(), None).unwrap();
    assert_eq!(messages(&project), [""; 0]);
    assert_eq!(project.name, "Old to new");
    assert_eq!(project.envs, ["sandbox"]);
    assert_eq!(project.platforms["legacy"].kind, "csv");
    assert_eq!(project.platforms["legacy"].options["delimiter"].as_str(), Some(";"));
    assert_eq!(project.platforms["nova"].path, Some(PathBuf::from("nova.db")));
    let target = &project.targets[&ObjectRef::parse("nova:contacts").unwrap()];
    assert_eq!((target.id.as_deref(), target.sources.as_slice()), (Some("id"), &["contacts".to_owned()][..]));

    let sandbox = Project::load(dir.path(), Some("sandbox")).unwrap();
    assert_eq!(sandbox.env.as_deref(), Some("sandbox"));
    assert_eq!(sandbox.platforms["nova"].path, Some(PathBuf::from("nova-sandbox.db")));
    assert_eq!(sandbox.platforms["nova"].kind, "sqlite");
    assert_eq!(sandbox.platforms["nova"].options["timeout"].as_integer(), Some(5));

    let error = Project::load(dir.path(), Some("sandbx")).unwrap_err();
    assert_eq!(error.kind(), crate::Kind::Usage);
    assert!(error.advice().unwrap().starts_with("did you mean 'sandbox'?"));
}

#[test]
fn settings_that_are_not_toml_fail_with_line_and_column() {
    let dir = folder(&[("project.toml", "[platforms.legacy]\nkind = csv\n")]);
    let error = Project::load(dir.path(), None).unwrap_err();
    assert_eq!(error.place(), Some("project.toml line 2 column 8"));
    let empty = tempfile::tempdir().unwrap();
    let error = Project::load(empty.path(), None).unwrap_err();
    assert!(error.what().starts_with("no project here: "));
}

#[test]
fn slips_in_the_settings_are_problems_with_lines() {
    let text = r#"nme = "x"
[platforms.legacy]
path = "legacy"
[platforms.nova]
kind = "postgres"
password = "hush"
url = "postgres://me:hush@host/db"
[env.sandbox.platforms.nva]
path = "x"
[targets."nova"]
id = 1
"#;
    let dir = folder(&[("project.toml", text)]);
    let project = Project::load(dir.path(), None).unwrap();
    let found = messages(&project).join("\n");
    for wanted in [
        "project.toml line 1, nme: unknown key 'nme': did you mean 'name'?",
        "project.toml line 2, platforms.legacy: 'kind' is missing",
        "project.toml line 6, platforms.nova.password: no secrets in project.toml",
        "project.toml line 7, platforms.nova.url: no secrets in project.toml",
        "project.toml line 8, env.sandbox.platforms.nva: no platform 'nva' to override: did you mean 'nova'?",
        "project.toml line 10, targets.nova: 'nova' must be platform:object",
    ] {
        assert!(found.contains(wanted), "missing: {wanted}\nfound:\n{found}");
    }
    assert!(!found.contains("hush"), "a secret in a message");
    assert!(project.platforms["nova"].options.is_empty());
}

#[test]
fn parents_of_links_come_first_and_names_decide_otherwise() {
    let link = |to: &str| format!("parent = {{ from = \"P\", link = \"{to}\" }}");
    let dir = folder(&[
        ("project.toml", SETTINGS),
        ("mappings/accounts.toml", &mapping("legacy:a", "nova:a", "", &link("users"))),
        ("mappings/contacts.toml", &mapping("legacy:c", "nova:c", "", &link("accounts"))),
        ("mappings/deals.toml", &mapping("legacy:d", "nova:d", "", &link("deals"))),
        ("mappings/users.toml", &mapping("legacy:u", "nova:u", "", "")),
    ]);
    let project = Project::load(dir.path(), None).unwrap();
    assert_eq!(names(&project), ["deals", "users", "accounts", "contacts"]);
    assert!(project.problems.iter().all(|p| !p.message.contains("circle")), "a self link is no circle among mappings");
}

#[test]
fn a_circle_of_links_is_noted_and_loads_by_name() {
    let link = |to: &str| format!("parent = {{ from = \"P\", link = \"{to}\" }}");
    let dir = folder(&[
        ("project.toml", SETTINGS),
        ("mappings/aa.toml", &mapping("legacy:a", "nova:a", "", &link("bb"))),
        ("mappings/bb.toml", &mapping("legacy:b", "nova:b", "", &link("cc"))),
        ("mappings/cc.toml", &mapping("legacy:c", "nova:c", "", &link("bb"))),
    ]);
    let project = Project::load(dir.path(), None).unwrap();
    assert_eq!(names(&project), ["bb", "aa", "cc"]);
    let notes: Vec<_> = project.problems.iter().filter(|p| p.message.contains("circle")).collect();
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0].severity, Severity::Warning);
    assert!(notes[0].message.contains("bb → cc → bb"), "{}", notes[0].message);
}

#[test]
fn a_mapping_with_errors_is_left_out_and_named_and_so_is_who_links_to_it() {
    let dir = folder(&[
        ("project.toml", SETTINGS),
        ("mappings/accounts.toml", "from = 3\n"),
        (
            "mappings/contacts.toml",
            &mapping(
                "legacy:c",
                "nva:c",
                "",
                "company = { from = \"A\", link = \"accounts\" }\nx = { from = \"A\", link = \"contcts\" }",
            ),
        ),
        ("mappings/.#lock.toml", "not toml"),
    ]);
    std::fs::write(dir.path().join("mappings/latin.toml"), b"from = \"a\"\nto = \"\xfc\"\n").unwrap();
    let project = Project::load(dir.path(), None).unwrap();
    assert_eq!(names(&project), ["contacts"]);
    let found = messages(&project).join("\n");
    for wanted in [
        "mappings/accounts.toml line 1, from: must be \"platform:object\"",
        "mappings/latin.toml line 2: is not UTF-8 text",
        "mappings/contacts.toml line 7, fields.company: links to mapping 'accounts', which has errors of its own",
        "mappings/contacts.toml line 8, fields.x: there is no mapping 'contcts' to link to: did you mean 'contacts'?",
        "mappings/contacts.toml line 2, to: no platform 'nva' in project.toml: did you mean 'nova'?",
    ] {
        assert!(found.contains(wanted), "missing: {wanted}\nfound:\n{found}");
    }
}

#[test]
fn a_target_that_is_its_own_source_is_an_error() {
    let dir = folder(&[("project.toml", SETTINGS), ("mappings/a.toml", &mapping("nova:a", "nova:a", "", ""))]);
    let project = Project::load(dir.path(), None).unwrap();
    assert!(messages(&project)[0].contains("would be written over its own source"));
}

#[test]
fn several_mappings_into_one_object_need_scopes_and_an_origin_in_the_key() {
    let other = SETTINGS.replace("[env.", "[platforms.acme]\nkind = \"csv\"\npath = \"acme\"\n[env.");
    let load = |one: &str, two: &str| {
        let dir = folder(&[("project.toml", &other), ("mappings/a.toml", one), ("mappings/b.toml", two)]);
        Project::load(dir.path(), None).unwrap()
    };
    // The same scope, and a key that both old CRMs count from 1.
    let project = load(
        &mapping("legacy:a", "nova:a", "scope = \"x = 1\"", ""),
        &mapping("acme:a", "nova:a", "scope = \"X  = 1\"", ""),
    );
    let errors: Vec<_> = project.problems.iter().filter(|p| p.severity == Severity::Error).collect();
    assert_eq!(errors.iter().map(|p| p.field.as_str()).collect::<Vec<_>>(), ["scope", "key"]);
    // No scopes: a warning, an error as soon as one of them removes rows.
    let plain = mapping("legacy:a", "nova:a", "", "");
    let project = load(&plain, &mapping("legacy:b", "nova:a", "", ""));
    assert!(project.problems.iter().all(|p| p.severity == Severity::Warning) && project.problems.len() >= 2);
    let project = load(&plain, &mapping("legacy:b", "nova:a", "target_only = \"delete\"", ""));
    assert!(project.problems.iter().any(|p| p.severity == Severity::Error && p.field == "to"));
    // Scopes apart and the origin in the key: nothing to say.
    let origin = |name: &str| {
        mapping(
            &format!("{name}:a"),
            "nova:a",
            &format!("scope = \"origin = '{name}'\""),
            &format!("origin = {{ const = \"{name}\" }}"),
        )
        .replace("key = [\"id\"]", "key = [\"origin\", \"id\"]")
    };
    let project = load(&origin("legacy"), &origin("acme"));
    assert_eq!(
        messages(&project),
        vec!["project.toml, targets.\"nova:contacts\".sources: there is no mapping 'contacts': known: a, b".to_owned()]
    );
}
