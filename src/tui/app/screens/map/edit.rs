//! Edits of the mapping's text: links, options, and a field's lines typed with their result on real rows beside them.
use std::path::Path;
use std::sync::Arc;

use crm_core::Error;
use crm_core::project::edit::MappingEdit;
use crm_core::project::{Field, Mapping, OnError, OnMiss, OnNull, Origin, Problem, WriteRule, load_mapping};
use crm_core::workspace::Preview;

use super::complete::{Completion, Names};
use crate::app::editor::Editor;
use crate::app::key::{Key, KeyCode};
use crate::app::msg::{Lesson, MappingText, Proposal};
use crate::app::shared::{Shared, Tone};

/// Keys of a field in the order in which people read them.
pub(super) const ORDER: &[&str] = &[
    "from",
    "sql",
    "const",
    "each",
    "clean",
    "values",
    "allowed",
    "otherwise",
    "join",
    "datetime",
    "zone",
    "type",
    "link",
    "on_miss",
    "on_null",
    "on_error",
    "write",
    "latch",
    "pii",
];

/// Options that can be picked without typing: key, value, what it means.
pub(super) const OPTIONS: &[(&str, &str, &str)] = &[
    ("on_error", "reject", "a cell that fails rejects its row"),
    ("on_error", "keep", "a cell that fails stays as it was"),
    ("on_error", "null", "a cell that fails becomes NULL"),
    ("on_null", "keep", "NULL stays NULL"),
    ("on_null", "reject", "NULL rejects the row"),
    ("on_miss", "reject", "a link that finds nothing rejects the row"),
    ("on_miss", "defer", "a link that finds nothing holds the row until the parent is there"),
    ("on_miss", "null", "a link that finds nothing becomes NULL"),
    ("write", "always", "an update sets it"),
    ("write", "if_blank", "an update sets it only where the target is blank"),
    ("write", "create", "set on insert, left alone on update"),
    ("write", "never", "never written"),
    ("latch", "true", "once true it stays true"),
    ("latch", "false", "follows the source"),
    ("pii", "true", "masked on screen"),
    ("pii", "false", "shown on screen"),
];

/// Changes the text of the mapping at hand; a text that cannot be parsed is left alone and said so.
fn change(shared: &mut Shared, label: String, change: impl FnOnce(&mut MappingEdit) -> Result<(), Error>) {
    let Some(text) = shared.draft().map(|draft| draft.history.text().to_owned()) else { return };
    let edited = MappingEdit::parse(&text).and_then(|mut edit| change(&mut edit).map(|()| edit.to_string()));
    match edited {
        Ok(edited) => {
            shared.edit(label, edited);
        }
        Err(error) => shared.fail(&error),
    }
}

/// A field of the mapping at hand, or a new one.
fn field_of(shared: &Shared, target: &str, source: &str) -> Field {
    let found = shared.mapping().and_then(|mapping| mapping.field(target).cloned());
    let mut field = found.unwrap_or_else(|| Field::new(target, Origin::From(source.to_owned())));
    field.origin = Origin::From(source.to_owned());
    field
}

/// Fills a target field from a source column; its steps stay.
pub(super) fn link(shared: &mut Shared, target: &str, source: &str) {
    let field = field_of(shared, target, source);
    change(shared, format!("link {target} <- {source}"), |edit| {
        edit.set_field(&field);
        Ok(())
    });
}

/// Accepts several suggestions as one edit.
pub(super) fn link_all(shared: &mut Shared, proposals: &[Proposal]) {
    let fields: Vec<Field> = proposals.iter().map(|proposal| proposal.field.clone()).collect();
    let label = match proposals {
        [one] => format!("link {} <- {}", one.to, one.from),
        all => format!("accept {} suggestions", all.len()),
    };
    change(shared, label, |edit| {
        edit.set_fields(&fields);
        Ok(())
    });
    let mapping = shared.mapping_name().to_owned();
    for proposal in proposals {
        let (from, to) = (proposal.from.clone(), proposal.to.clone());
        shared.lessons.push((mapping.clone(), Lesson { from, to, fits: true }));
    }
    if fields.len() > 1 {
        shared.tell(Tone::Good, format!("{} suggestions accepted; u takes them back", fields.len()));
    }
}

/// Leaves all these source columns behind on purpose, as one edit.
pub(super) fn ignore_all(shared: &mut Shared, columns: &[String]) {
    let mut names = shared.mapping().map(|mapping| mapping.ignore.clone()).unwrap_or_default();
    names.extend_from_slice(columns);
    change(shared, format!("leave {} columns behind", columns.len()), |edit| {
        edit.set_texts("ignore", Some(&names));
        Ok(())
    });
}

/// Takes a field out of the mapping.
pub(super) fn unlink(shared: &mut Shared, target: &str) {
    change(shared, format!("unlink {target}"), |edit| {
        edit.remove_field(target);
        Ok(())
    });
}

/// Leaves a source column behind on purpose.
pub(super) fn ignore(shared: &mut Shared, column: &str) {
    ignore_all(shared, &[column.to_owned()]);
}

/// Sets one of [`OPTIONS`].
pub(super) fn set_option(shared: &mut Shared, field: &Field, option: usize) {
    let Some((name, value, _)) = OPTIONS.get(option) else { return };
    let mut field = field.clone();
    match (*name, *value) {
        ("on_error", "keep") => field.on_error = OnError::Keep,
        ("on_error", "null") => field.on_error = OnError::Null,
        ("on_error", _) => field.on_error = OnError::Reject,
        ("on_null", "reject") => field.on_null = OnNull::Reject,
        ("on_null", _) => field.on_null = OnNull::Keep,
        ("on_miss", "defer") => field.on_miss = OnMiss::Defer,
        ("on_miss", "null") => field.on_miss = OnMiss::Null,
        ("on_miss", _) => field.on_miss = OnMiss::Reject,
        ("write", "if_blank") => field.write = WriteRule::IfBlank,
        ("write", "create") => field.write = WriteRule::Create,
        ("write", "never") => field.write = WriteRule::Never,
        ("write", _) => field.write = WriteRule::Always,
        ("latch", value) => field.latch = value == "true",
        (_, value) => field.pii = value == "true",
    }
    change(shared, format!("{}: {name} = {value}", field.target), |edit| {
        edit.set_field(&field);
        Ok(())
    });
}

/// Sets what a value of the field's inline map stands for.
pub(super) fn set_value(shared: &mut Shared, target: &str, from: &str, to: &str) {
    change(shared, format!("{target}: a value"), |edit| edit.set_value(target, from, to));
}

/// What a key did to the editor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pressed {
    Nothing,
    Typed,
    /// A word was put in; the next tab puts the next one in.
    Completed,
    Leave,
    Accept,
}

/// Handles a key of the editor: `^S` or `f2` accepts, `esc` leaves, `tab` puts in what fits.
pub(super) fn key(editor: &mut FieldEditor, key: Key) -> Pressed {
    if key == Key::ctrl('s') || key.code == KeyCode::F(2) {
        return Pressed::Accept;
    }
    match key.code {
        KeyCode::Esc => Pressed::Leave,
        KeyCode::Tab if editor.completion.put(&mut editor.text) => Pressed::Completed,
        _ if editor.text.key(key) => Pressed::Typed,
        _ => Pressed::Nothing,
    }
}

/// One field's lines under edit.
#[derive(Debug, Clone)]
pub struct FieldEditor {
    /// Target field.
    pub target: String,
    /// Its lines: `key = value`, as under `[fields.NAME]`.
    pub text: Editor,
    /// The last result on real rows; of an older text while `problem` is set.
    pub preview: Option<Arc<Preview>>,
    /// Why the text now is no field.
    pub problem: Option<Problem>,
    /// What fits at the cursor.
    pub completion: Completion,
    field: Option<Field>,
    pii: bool,
}

impl FieldEditor {
    /// Begins with a field as it is.
    pub(super) fn new(field: &Field) -> Self {
        let mut text = Editor::new(&lines_of(field));
        if field.origin == Origin::From(String::new()) {
            // Between the quotes.
            text.key(Key { code: KeyCode::Left, ctrl: false, alt: false });
        }
        Self {
            target: field.target.clone(),
            text,
            preview: None,
            problem: None,
            completion: Completion::default(),
            field: None,
            pii: field.pii,
        }
    }
    /// Its values are personal: it is tagged pii, before the edit or by it, or reads what is.
    pub fn is_personal(&self, shared: &Shared) -> bool {
        let typed = |field: &Field| field.pii || shared.personal.reads(shared.mapping_name(), field);
        self.pii
            || self.field.as_ref().is_some_and(typed)
            || shared.personal.target(shared.mapping_name(), &self.target)
    }
    /// Looks for what fits at the cursor.
    pub(super) fn complete(&mut self, names: Names<'_>) {
        self.completion = Completion::at(&self.text, names);
    }
    /// Puts pasted text in.
    pub(super) fn insert(&mut self, text: &str) {
        self.text.insert(text);
    }
    /// The mapping's text with the field as typed; None, with the reason kept, while it is no field.
    pub(super) fn candidate(&mut self, draft: &MappingText) -> Option<MappingText> {
        match parse(&self.target, &self.text.text()) {
            Ok(field) => {
                let text = MappingEdit::parse(&draft.text).map(|mut edit| {
                    edit.set_field(&field);
                    edit.to_string()
                });
                self.field = Some(field);
                self.problem = None;
                text.ok().map(|text| MappingText { text: text.into(), ..draft.clone() })
            }
            Err(problem) => {
                self.field = None;
                self.problem = Some(*problem);
                None
            }
        }
    }
    pub(super) fn tried(&mut self, preview: Arc<Preview>) {
        self.preview = Some(preview);
        self.problem = None;
    }
    pub(super) fn failed(&mut self, problems: &[Problem]) {
        let own = format!("fields.{}", self.target);
        self.problem = problems.iter().find(|problem| problem.field.starts_with(&own)).or(problems.first()).cloned();
    }
    /// Takes the field over into the mapping; false, with the reason told, if it is none.
    pub(super) fn accept(&mut self, shared: &mut Shared) -> bool {
        let Some(field) = self.field.clone() else {
            let why = self.problem.as_ref().map_or("nothing was typed", |problem| &problem.message).to_owned();
            shared.fail(&Error::usage(why).advise("esc leaves the field as it was"));
            return false;
        };
        change(shared, format!("edit {}", field.target), |edit| {
            edit.set_field(&field);
            Ok(())
        });
        true
    }
}

/// A field's entry as lines, one a key.
fn lines_of(field: &Field) -> String {
    let mut edit = MappingEdit::new("a:b", "c:d", &[]);
    edit.set_field(field);
    let table = edit.to_string().parse::<toml::Table>().ok();
    let entry = table.as_ref().and_then(|table| table.get("fields")?.get(&field.target));
    match entry {
        Some(toml::Value::Table(entry)) => {
            let known = ORDER.iter().filter_map(|key| Some((*key, entry.get(*key)?)));
            let lines: Vec<String> = known.map(|(key, value)| format!("{key} = {value}")).collect();
            lines.join("\n") + "\n"
        }
        Some(value) => format!("from = {value}\n"),
        None => "from = \"\"\n".to_owned(),
    }
}

/// The field that these lines describe.
fn parse(target: &str, lines: &str) -> Result<Field, Box<Problem>> {
    let head = format!("from = \"a:b\"\nto = \"c:d\"\nkey = [{0}]\n[fields.{0}]\n", toml::Value::from(target));
    let skipped = head.lines().count();
    let path = Path::new("mappings/edited.toml");
    let found = load_mapping(Path::new("."), path, &format!("{head}{lines}"));
    let mapping: Mapping = found.map_err(|problems| {
        let mut problem = problems.into_iter().next().unwrap_or_else(|| Problem::error(path, "this is no field"));
        problem.line = problem.line.saturating_sub(skipped);
        Box::new(problem)
    })?;
    mapping.field(target).cloned().ok_or_else(|| Box::new(Problem::error(path, "this is no field")))
}
