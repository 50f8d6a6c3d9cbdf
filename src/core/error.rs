//! One error type: what failed, where, and what to do about it.
use std::fmt;
use std::path::Path;

/// Result with [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The class of an error. It decides the exit code of a headless command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The command, project or mapping is wrong: nothing was tried. Exit code 2.
    Usage,
    /// The data is at fault: over the error budget, balance open. Exit code 3.
    Data,
    /// A platform failed: cannot be read, written or reached. Exit code 4.
    Platform,
    /// Stopped at a checkpoint, resumable. Exit code 5.
    Stopped,
    /// Refused, nothing written: stale plan, delete cap, empty source, no consent. Exit code 6.
    Refused,
    /// Another engine holds the mapping. Exit code 7.
    Busy,
}

impl Kind {
    /// The process exit code that stands for this class.
    pub const fn exit_code(self) -> u8 {
        match self {
            Self::Usage => 2,
            Self::Data => 3,
            Self::Platform => 4,
            Self::Stopped => 5,
            Self::Refused => 6,
            Self::Busy => 7,
        }
    }
}

/// An error as an operator reads it. Never holds a cell's value: only where the value stands.
#[derive(Debug, Clone)]
pub struct Error {
    kind: Kind,
    what: String,
    place: Option<String>,
    advice: Option<String>,
}

impl Error {
    /// `what` failed, as a sentence without a full stop.
    pub fn new(kind: Kind, what: impl Into<String>) -> Self {
        Self { kind, what: what.into(), place: None, advice: None }
    }
    /// Shorthand for [`Kind::Usage`].
    pub fn usage(what: impl Into<String>) -> Self {
        Self::new(Kind::Usage, what)
    }
    /// Shorthand for [`Kind::Data`].
    pub fn data(what: impl Into<String>) -> Self {
        Self::new(Kind::Data, what)
    }
    /// Shorthand for [`Kind::Platform`].
    pub fn platform(what: impl Into<String>) -> Self {
        Self::new(Kind::Platform, what)
    }
    /// Shorthand for [`Kind::Refused`].
    pub fn refused(what: impl Into<String>) -> Self {
        Self::new(Kind::Refused, what)
    }
    /// Where it failed: `contacts.csv line 17`, `mappings/contacts.toml line 4, fields.email`. Keeps an inner place.
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.place = Some(match self.place.take() {
            Some(inner) => format!("{place}, {inner}"),
            None => place.to_string(),
        });
        self
    }
    /// What the operator can do.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice = Some(advice.into());
        self
    }
    /// An I/O error on a path, with advice for the usual causes.
    pub fn io(action: &str, path: &Path, source: &std::io::Error) -> Self {
        use std::io::ErrorKind as K;
        let error = Self::platform(format!("cannot {action} {}: {source}", path.display()));
        match source.kind() {
            K::NotFound => error.advise("check the path; it is relative to the project folder"),
            K::PermissionDenied => error.advise("check who owns the file and its mode (ls -l)"),
            K::IsADirectory => error.advise("name a file in that folder instead of the folder"),
            K::StorageFull | K::QuotaExceeded => {
                error.advise("free space on that disk; nothing was published, the target is as it was")
            }
            _ => error,
        }
    }
    /// The class.
    pub const fn kind(&self) -> Kind {
        self.kind
    }
    /// What failed, without place and advice.
    pub fn what(&self) -> &str {
        &self.what
    }
    /// Where it failed.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }
    /// What to do.
    pub fn advice(&self) -> Option<&str> {
        self.advice.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        f.write_str(&self.what)?;
        if let Some(advice) = &self.advice {
            write!(f, "\n  {advice}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Error {}

impl From<polars::error::PolarsError> for Error {
    /// polars quotes cells in its messages, so only the class of its error is kept (DESIGN rule 9).
    fn from(error: polars::error::PolarsError) -> Self {
        use polars::error::PolarsError as P;
        let class = match &error {
            P::ColumnNotFound(name) => return Self::data(format!("column not found: {name}")),
            P::ComputeError(_) => "a computation failed",
            P::Duplicate(_) => "a column name occurs twice",
            P::IO { .. } => "reading or writing a table file failed",
            P::InvalidOperation(_) => "an operation does not fit the type of a column",
            P::OutOfBounds(_) => "a row is out of bounds",
            P::SchemaMismatch(_) | P::SchemaFieldNotFound(_) | P::StructFieldNotFound(_) => "the columns do not fit",
            P::ShapeMismatch(_) => "columns differ in length",
            _ => "the table engine failed",
        };
        Self::data(format!("{class} (table engine)"))
    }
}

impl From<rusqlite::Error> for Error {
    /// For the console's own state files. Connectors make their own messages, with the platform's words.
    fn from(error: rusqlite::Error) -> Self {
        Self::platform(format!("the console's state store failed: {error}"))
            .advise("run `crm-console doctor`; the state folder is .crm-console in the project")
    }
}
