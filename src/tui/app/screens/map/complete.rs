//! What may stand at the cursor of a field's lines: keys, columns, functions, rules, the words that a key takes.
use crm_core::clean::rules;
use crm_core::map::sql::functions;

use super::edit::{OPTIONS, ORDER};
use crate::app::editor::Editor;

/// Words of SQL that are no functions.
const WORDS: &[&str] =
    &["and", "between", "case", "else", "end", "in", "is", "like", "not", "null", "or", "then", "when"];
/// Types that a field may have.
const TYPES: &[&str] = &["text", "integer", "decimal(14,2)", "boolean", "date", "datetime"];

/// A word that fits, and what it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// As it is put in.
    pub word: String,
    /// In a few words; may be empty.
    pub doc: String,
}

/// What fits at the cursor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Completion {
    /// Characters before the cursor that the word replaces.
    pub typed: usize,
    /// Best first.
    pub found: Vec<Candidate>,
    /// The one that is put in next.
    pub at: usize,
}

/// Names that the lines may use.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) columns: &'a [String],
    pub(super) mappings: &'a [String],
}

impl Completion {
    /// What fits what was typed before the cursor.
    pub(super) fn at(text: &Editor, names: Names<'_>) -> Self {
        let (row, column) = text.cursor();
        let line: String = text.lines().get(row).map(|line| line.chars().take(column).collect()).unwrap_or_default();
        let Some((key, value)) = line.split_once('=') else {
            let known =
                |key: &str| text.lines().iter().any(|line| line.split('=').next().is_some_and(|it| it.trim() == key));
            let typed = line.trim_start();
            let keys = ORDER.iter().filter(|key| !known(key)).map(|key| ((*key).to_owned() + " = ", String::new()));
            return Self::fitting(typed, keys);
        };
        let open = Open::of(value);
        match (key.trim(), open) {
            ("sql", Open::Within { text, quote }) => {
                let word = last_word(text);
                Self::fitting(word, expressions(names.columns, quote))
            }
            (key, Open::Within { text, .. }) => Self::fitting(text, words_of(key, names)),
            // A value that is whole needs nothing more.
            (_, Open::Outside(typed)) if typed.is_empty() && value.trim_end().ends_with(['"', '\'', ']', '}']) => {
                Self::default()
            }
            (key, Open::Outside(typed)) => {
                let bare = |name: &str| matches!(name, "true" | "false");
                let quoted = |(word, doc): (String, String)| {
                    if bare(&word) { (word, doc) } else { (format!("\"{word}\""), doc) }
                };
                Self::fitting(typed, words_of(key, names).into_iter().map(quoted))
            }
        }
    }

    /// Those that begin with what was typed, then those that have it inside. What stands there whole needs no help.
    fn fitting(typed: &str, all: impl IntoIterator<Item = (String, String)>) -> Self {
        let sought = typed.to_lowercase();
        let (mut begin, mut inside) = (Vec::new(), Vec::new());
        for (word, doc) in all {
            let low = word.to_lowercase();
            if low == sought {
                continue;
            }
            if low.trim_start_matches('"').starts_with(sought.trim_start_matches('"')) {
                begin.push(Candidate { word, doc });
            } else if sought.chars().count() > 1 && low.contains(&sought) {
                inside.push(Candidate { word, doc });
            }
        }
        begin.append(&mut inside);
        Self { typed: typed.chars().count(), found: begin, at: 0 }
    }

    /// Puts the next word in; false if none fits.
    pub(super) fn put(&mut self, text: &mut Editor) -> bool {
        let Some(candidate) = self.found.get(self.at) else { return false };
        text.replace(self.typed, &candidate.word);
        self.typed = candidate.word.chars().count();
        self.at = (self.at + 1) % self.found.len();
        true
    }
}

/// Where the cursor is within the value of a key.
enum Open<'a> {
    /// In a text: what of it stands before the cursor, and its quote.
    Within { text: &'a str, quote: char },
    /// Not in a text: what was typed of the word; nothing behind one that is whole.
    Outside(&'a str),
}

impl<'a> Open<'a> {
    fn of(value: &'a str) -> Self {
        let mut open: Option<(usize, char)> = None;
        let mut escaped = false;
        for (at, char) in value.char_indices() {
            match open {
                _ if escaped => escaped = false,
                Some((_, '"')) if char == '\\' => escaped = true,
                Some((_, quote)) if char == quote => open = None,
                None if matches!(char, '"' | '\'') => open = Some((at + 1, char)),
                _ => {}
            }
        }
        match open {
            Some((from, quote)) => Self::Within { text: &value[from..], quote },
            None => {
                let from = value.rfind([' ', '[', ',', '{', ']', '"', '\'']).map_or(0, |at| at + 1);
                Self::Outside(&value[from..])
            }
        }
    }
}

/// The name that is being typed at the end of an expression.
fn last_word(text: &str) -> &str {
    let from = text.char_indices().rev().find(|(_, char)| !char.is_alphanumeric() && *char != '_');
    from.map_or(text, |(at, char)| &text[at + char.len_utf8()..])
}

/// Columns, functions, words of SQL.
fn expressions(columns: &[String], quote: char) -> Vec<(String, String)> {
    let plain = |name: &str| {
        !name.starts_with(|char: char| char.is_ascii_digit())
            && name.chars().all(|char| char.is_alphanumeric() || char == '_')
    };
    let column = |name: &String| {
        let word = match (plain(name), quote) {
            (true, _) => name.clone(),
            (false, '"') => format!("\\\"{name}\\\""),
            (false, _) => format!("\"{name}\""),
        };
        (word, "column".to_owned())
    };
    let mut all: Vec<(String, String)> = columns.iter().map(column).collect();
    all.extend(functions().into_iter().map(|(name, usage)| (format!("{name}("), usage.to_owned())));
    all.extend(WORDS.iter().map(|word| ((*word).to_owned(), String::new())));
    all
}

/// What the value of a key may be, as far as it is known.
fn words_of(key: &str, names: Names<'_>) -> Vec<(String, String)> {
    let plain = |words: &[String]| words.iter().map(|word| (word.clone(), String::new())).collect();
    match key {
        "from" => plain(names.columns),
        "link" => plain(names.mappings),
        "clean" => rules().iter().map(|rule| (rule.name.to_owned(), rule.doc.to_owned())).collect(),
        "type" => TYPES.iter().map(|word| ((*word).to_owned(), String::new())).collect(),
        "otherwise" => ["keep", "null", "reject"].map(|word| (word.to_owned(), String::new())).to_vec(),
        _ => {
            let own = OPTIONS.iter().filter(|(name, ..)| *name == key);
            own.map(|(_, value, doc)| ((*value).to_owned(), (*doc).to_owned())).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::key::{Key, KeyCode};

    fn names() -> (Vec<String>, Vec<String>) {
        let columns = ["CONTACT_ID", "EMAIL_ADDR", "First Name", "EMP"].map(str::to_owned).to_vec();
        (columns, vec!["accounts".to_owned()])
    }

    fn complete(lines: &str) -> Vec<String> {
        let (columns, mappings) = names();
        let text = Editor::new(lines);
        let found = Completion::at(&text, Names { columns: &columns, mappings: &mappings });
        found.found.into_iter().map(|candidate| candidate.word).collect()
    }

    #[test]
    fn what_fits_depends_on_where_the_cursor_is() {
        assert_eq!(complete("from = \"EM"), ["EMAIL_ADDR", "EMP"]);
        assert_eq!(complete("from = \"addr"), ["EMAIL_ADDR"], "found inside");
        assert_eq!(complete("from = EMA"), ["\"EMAIL_ADDR\""], "with its quotes");
        assert_eq!(complete("sql = \"lower(EMA"), ["EMAIL_ADDR"]);
        assert_eq!(complete("sql = \"concat_w"), ["concat_ws("]);
        assert_eq!(complete("sql = \"lower(First"), ["\\\"First Name\\\""], "a name that is no word is quoted");
        assert_eq!(complete("sql = 'lower(First"), ["\"First Name\""]);
        assert_eq!(complete("from = \"EMP\"\nclean = [\"trim\", \"low"), ["lower"]);
        assert_eq!(complete("link = \""), ["accounts"]);
        assert_eq!(complete("on_error = \""), ["reject", "keep", "null"]);
        assert_eq!(complete("latch = "), ["true", "false"], "no quotes");
        assert_eq!(complete("from = \"EMP\"\non_"), ["on_miss = ", "on_null = ", "on_error = "]);
        assert_eq!(complete("from = \"EMP\"\nfr"), Vec::<String>::new(), "a key stands there once");
        assert_eq!(complete("from = \"EMP"), Vec::<String>::new(), "it stands there whole");
        assert_eq!(complete("const = \"x"), Vec::<String>::new());
        assert_eq!(complete("from = \"EMP\""), Vec::<String>::new(), "it is whole");
        assert_eq!(complete("clean = [\"trim\"]"), Vec::<String>::new(), "it is whole");
        assert!(complete("clean = [\"trim\", ").contains(&"\"lower\"".to_owned()));
    }

    #[test]
    fn the_next_key_puts_the_next_one_in() {
        let (columns, mappings) = names();
        let mut text = Editor::new("from = \"EM");
        let mut completion = Completion::at(&text, Names { columns: &columns, mappings: &mappings });
        assert!(completion.put(&mut text));
        assert_eq!(text.lines(), ["from = \"EMAIL_ADDR"]);
        assert!(completion.put(&mut text));
        assert_eq!(text.lines(), ["from = \"EMP"]);
        assert!(completion.put(&mut text));
        assert_eq!(text.lines(), ["from = \"EMAIL_ADDR"]);
        text.key(Key { code: KeyCode::Backspace, ctrl: false, alt: false });
        assert_eq!(text.lines(), ["from = \"EMAIL_ADD"]);
    }
}
