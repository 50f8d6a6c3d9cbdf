//! What comes into the app and what it asks for. Both are plain data: tests need no terminal and no disk.
use std::path::PathBuf;
use std::sync::Arc;

use crm_core::Error;
use crm_core::journal::{Command, Reject, RunRecord};
use crm_core::map::CellStep;
use crm_core::monitor::Progress;
use crm_core::plan::{Operation, Plan};
use crm_core::platform::{ColumnInfo, ObjectInfo, ReadReject, Source};
use crm_core::project::{Field, Mapping, Problem, Project};
use crm_core::rejects::Inbox;
use crm_core::table::Window;
use crm_core::table::profile::Profile;
use crm_core::workspace::{
    Against, Conflict, Cutover, FieldValue, KeptCycles, PlanAsk, PlanRow, Preview, PreviewRows, Recommendation,
    RetryRequest, Revealed, RowEdit, RowTrial,
};

use super::history::FileEdit;
use super::key::Key;
use super::sync::{SyncLook, SyncOrder, SyncSeen, SyncTraced};

/// Something happened.
#[derive(Debug)]
pub enum Msg {
    /// A key.
    Key(Key),
    /// Text was pasted.
    Paste(String),
    /// The wheel or a click.
    Mouse(Mouse),
    /// The terminal has this size now: columns, rows.
    Resize(u16, u16),
    /// A job has ended.
    Answered(Ticket, Box<Result<Answer, Error>>),
    /// A job tells where it stands.
    Progress(Ticket, Progress),
    /// Half a second has gone by while something is watched ([`super::App::watches`]).
    Tick,
}

/// What the mouse did, in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mouse {
    /// Wheel up.
    WheelUp,
    /// Wheel down.
    WheelDown,
    /// Left button pressed at column, row.
    Press(u16, u16),
}

/// What a job is for. In each lane the latest request wins: an older answer is dropped, the older job is told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Lane {
    /// Loading the project.
    Project,
    /// Parsing an edited mapping.
    Parse,
    /// Writing mappings to their files.
    Save,
    /// Writing a value-map file.
    MapFile,
    /// Listing platforms and objects.
    Objects,
    /// Rows of the Data screen.
    DataRows,
    /// Profile of the Data screen.
    DataProfile,
    /// Searching rows of the Data screen.
    DataSearch,
    /// Rejects of reading, Data screen.
    DataRejects,
    /// Both sides' columns of the mapping at hand.
    Columns,
    /// Profile of the mapping's source.
    SourceProfile,
    /// Suggestions for the mapping at hand.
    Suggest,
    /// What was said of suggestions.
    Remember,
    /// Objects for a new mapping, and making it.
    NewMapping,
    /// Result on real rows, Map screen.
    MapPreview,
    /// Source values of one field, Map screen.
    FieldValues,
    /// Before and after, Clean screen.
    CleanPreview,
    /// One cell through its steps, Clean screen.
    Trace,
    /// Making or loading a plan.
    Plan,
    /// Rows behind a count of the plan.
    PlanRows,
    /// Rejects of the plan.
    PlanRejects,
    /// Starting a run.
    Start,
    /// Asking a run to stop.
    Stop,
    /// The run that is watched.
    Run,
    /// Rejects of the run that is watched.
    RunRejects,
    /// All runs.
    Runs,
    /// Rejects of a run of the past.
    HistoryRejects,
    /// The inbox of rejects.
    Inbox,
    /// A rejected row, tried.
    Trial,
    /// Writing corrections.
    Correct,
    /// The cut-over's checklist.
    Cutover,
    /// What is kept of a run of the past.
    HistoryKept,
    /// Noting that masks were lifted.
    Reveal,
    /// Looking for the strategy that fits.
    Advice,
    /// Comparing the plan with the one before.
    Against,
    /// How the sync loop stands.
    Sync,
    /// Telling the sync loop something, or starting it.
    SyncOrders,
    /// The way of a record that sync carried over.
    SyncTrace,
    /// What is kept of a mapping's cycles.
    SyncKept,
}

impl Lane {
    /// The operator waits for it and sees its progress; the others are quick.
    pub const fn is_long(self) -> bool {
        matches!(
            self,
            Self::Plan
                | Self::Advice
                | Self::Against
                | Self::SourceProfile
                | Self::DataProfile
                | Self::DataRows
                | Self::DataSearch
                | Self::CleanPreview
                | Self::FieldValues
                | Self::Suggest
        )
    }
}

/// One request of a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket {
    /// Lane.
    pub lane: Lane,
    /// Counts up over all lanes.
    pub generation: u64,
}

/// A mapping as it is typed, saved or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MappingText {
    /// Name.
    pub name: String,
    /// Its file, relative to the project.
    pub path: PathBuf,
    /// Text.
    pub text: Arc<str>,
}

/// A mapping to write to its file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SaveText {
    /// What to write.
    pub text: MappingText,
    /// What the file must still hold: a file that someone else changed is not overwritten.
    pub base: String,
}

/// An object of a platform, or a saved query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectSpec {
    /// Platform.
    pub platform: String,
    /// Object or query.
    pub source: Source,
    /// As shown: `legacy:contacts`.
    pub label: String,
}

/// Work for a job.
#[derive(Debug, Clone)]
pub enum Request {
    /// The project and the texts of its mappings.
    Project,
    /// Parse this text.
    Parse(MappingText),
    /// Write these texts to their files and load the project again.
    Save(Vec<SaveText>),
    /// Set what a value stands for in a value-map file; the text says what the edit did.
    SetInMap {
        /// The file, relative to the project.
        path: PathBuf,
        /// Source value.
        from: String,
        /// What it becomes.
        to: String,
        /// For undo.
        label: String,
    },
    /// Write a value-map file that still holds `before`: undo and redo.
    WriteMap(FileEdit),
    /// Objects of all platforms.
    Objects,
    /// Rows `first .. first + count` of an object.
    Window(ObjectSpec, u64, usize),
    /// Profile of an object.
    Profile(ObjectSpec),
    /// The next row that has a text in a cell, letter case aside, after or before row `from`.
    Find {
        /// Where.
        object: ObjectSpec,
        /// What.
        text: String,
        /// Ordinal to start beside.
        from: u64,
        /// Downwards.
        forward: bool,
    },
    /// Pieces of an object that are not rows.
    ReadRejects(ObjectSpec),
    /// Columns of both sides of a mapping, and some rows of the source.
    Columns(MappingText),
    /// Rows before and after a mapping's steps.
    Preview(MappingText, PreviewRows, usize),
    /// What may fill the target columns of a mapping.
    Suggest(MappingText),
    /// Remember what was said of suggestions.
    Remember(Vec<Lesson>),
    /// Begin a mapping between two objects: `platform`, `object` of each side.
    NewMapping((String, String), (String, String)),
    /// The values that a field reads, with what becomes of each.
    Values(MappingText, String),
    /// One source row's cell of a target field through its steps.
    Trace(MappingText, u64, String),
    /// Make this plan.
    Plan(PlanAsk),
    /// Which strategy fits.
    Recommend,
    /// A plan against the one before it.
    Against(Arc<Plan>),
    /// Plan a retry of rejects.
    Retry(RetryRequest),
    /// The inbox of a run or a plan.
    Inbox(String),
    /// A rejected row through a mapping's steps, with some cells edited.
    Trial(MappingText, Box<Reject>, Vec<(String, Option<String>)>),
    /// Write corrections of source cells.
    Correct {
        /// Mapping.
        mapping: String,
        /// Edited rows.
        edits: Vec<RowEdit>,
        /// The mapping with its corrections file named, where that is not so yet.
        named: Option<SaveText>,
        /// For undo.
        label: String,
    },
    /// Look at the cut-over's checklist, or note something in it.
    Cutover(CutoverRequest),
    /// A stored plan.
    LoadPlan(String),
    /// The plan that takes this run back.
    Revert(String),
    /// What is kept so that this run can be taken back.
    Kept(String),
    /// Rows behind a count.
    PlanRows {
        /// Plan.
        plan: Arc<Plan>,
        /// Mapping.
        mapping: String,
        /// Which count.
        operation: Operation,
        /// Only updates of this column.
        column: Option<String>,
        /// First row.
        first: u64,
        /// Most rows.
        count: usize,
    },
    /// Rejects and held rows of a plan or run.
    Rejects {
        /// Plan or run.
        of: String,
        /// One mapping's, or all.
        mapping: Option<String>,
    },
    /// Start the engine on a plan; the text is what the operator typed.
    Start(Arc<Plan>, String),
    /// Tell a run what to do, or go on with one that ended early.
    Tell(String, Command),
    /// A run.
    Run(String),
    /// All runs.
    Runs,
    /// Note in the audit log what is shown in the clear.
    Revealed(Vec<Revealed>),
    /// Look at the sync loop.
    Sync(SyncLook),
    /// Do these things about the sync loop, one after the other.
    SyncOrders(Vec<SyncOrder>),
    /// The way of a record that sync carried over: mapping and key.
    SyncTrace(String, String),
    /// What is kept so that sync of this mapping can be taken back.
    SyncKept(String),
    /// The plan that takes back what sync did for a mapping from a moment on, up to another one or to now.
    RevertSync(String, i64, Option<i64>),
}

/// Columns of both sides of a mapping.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Columns {
    /// Mapping they belong to.
    pub mapping: String,
    /// Source columns.
    pub source: Vec<ColumnInfo>,
    /// Target columns.
    pub target: Vec<ColumnInfo>,
    /// First rows of the source, for samples.
    pub sample: Window,
    /// Rows of the target, where known.
    pub target_rows: Option<u64>,
}

/// A platform with what it holds.
#[derive(Debug, Clone)]
pub struct PlatformObjects {
    /// Platform.
    pub platform: String,
    /// Kind word.
    pub kind: String,
    /// Objects, or why they cannot be listed.
    pub objects: Result<Vec<ObjectInfo>, Error>,
}

/// A source column that may fill a target column.
#[derive(Debug, Clone, PartialEq)]
pub struct Proposal {
    /// Target column.
    pub to: String,
    /// Source column.
    pub from: String,
    /// How sure, 0 to 1.
    pub score: f64,
    /// Why, in words.
    pub reasons: Vec<String>,
    /// The field as it is written when it is accepted, with what makes the value.
    pub field: Field,
    /// What its transform does, in a word; None: the value is copied.
    pub kind: Option<&'static str>,
    /// Rows that the transform was tried on, and how many of them fail.
    pub tried: Option<(u64, u64)>,
}

impl Proposal {
    /// What it reads and does, in few words: `PHONE1, phone`.
    pub fn words(&self) -> String {
        let kind = self.kind.map(|kind| format!(", {kind}")).unwrap_or_default();
        let fails = match self.tried {
            Some((rows, failed)) if failed > 0 => format!(", {failed} of {rows} fail"),
            _ => String::new(),
        };
        format!("{}{kind}{fails}", self.from)
    }
}

/// What an operator said of a suggestion, for the next mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesson {
    /// Source column.
    pub from: String,
    /// Target column.
    pub to: String,
    /// It fits; false: it does not.
    pub fits: bool,
}

/// What is asked of the cut-over's checklist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CutoverRequest {
    /// How it stands.
    Status,
    /// The old CRM is read-only.
    Freeze,
    /// These sign for the run.
    Signoff(Vec<String>),
    /// The new CRM is the one that is worked with; what the operator typed.
    Switch(String),
}

/// Corrections that were written.
#[derive(Debug, Clone)]
pub struct Corrected {
    /// Mapping.
    pub mapping: String,
    /// Its corrections file.
    pub file: FileEdit,
    /// What the edit did.
    pub label: String,
    /// The mapping's text, where it names the file only now.
    pub named: Option<String>,
    /// The project as it is now.
    pub project: Project,
    /// Cells that were corrected.
    pub cells: usize,
    /// What could not be.
    pub conflicts: Vec<Conflict>,
}

/// What a job found.
#[derive(Debug, Clone)]
pub enum Answer {
    /// To [`Request::Project`].
    Project(Box<Project>, Vec<MappingText>),
    /// To [`Request::NewMapping`]: its name, the project as it is now, the mappings' texts.
    Made(String, Box<Project>, Vec<MappingText>),
    /// To [`Request::Parse`].
    Parsed(MappingText, Box<Result<Mapping, Vec<Problem>>>),
    /// To [`Request::Save`]: what was written, the project as it is now.
    Saved(Vec<MappingText>, Box<Project>),
    /// To [`Request::SetInMap`], with what the edit did, and [`Request::WriteMap`].
    MapFile(FileEdit, Option<String>),
    /// To [`Request::Objects`].
    Objects(Vec<PlatformObjects>),
    /// To [`Request::Window`].
    Window(Window),
    /// To [`Request::Find`]: ordinal and column.
    Found(Option<(u64, usize)>),
    /// To [`Request::ReadRejects`].
    ReadRejects(Arc<Vec<ReadReject>>),
    /// To [`Request::Profile`].
    Profile(Arc<Profile>),
    /// To [`Request::Columns`].
    Columns(Box<Columns>),
    /// To [`Request::Preview`]: what is wrong with the mapping, or its rows.
    Preview(Result<Arc<Preview>, Vec<Problem>>),
    /// To [`Request::Suggest`], best first.
    Proposals(Arc<Vec<Proposal>>),
    /// To [`Request::Values`].
    Values(Vec<FieldValue>),
    /// To [`Request::Trace`].
    Trace(Vec<CellStep>),
    /// To [`Request::Inbox`].
    Inbox(Arc<Inbox>),
    /// To [`Request::Trial`].
    Trial(Box<RowTrial>),
    /// To [`Request::Cutover`].
    Cutover(Box<Cutover>),
    /// To [`Request::Correct`].
    Corrected(Box<Corrected>),
    /// To [`Request::Plan`], [`Request::Retry`], [`Request::LoadPlan`], [`Request::Revert`] and [`Request::RevertSync`].
    Plan(Arc<Plan>),
    /// To [`Request::Recommend`].
    Advice(Arc<Recommendation>),
    /// To [`Request::Against`].
    Against(Box<Against>),
    /// To [`Request::Kept`]: bytes.
    Kept(String, u64),
    /// To [`Request::PlanRows`]: rows, and how many there are.
    PlanRows(Vec<PlanRow>, u64),
    /// To [`Request::Rejects`].
    Rejects(Arc<Vec<Reject>>),
    /// To [`Request::Start`]: the run's id.
    Started(String),
    /// To [`Request::Tell`]: what is done about it, in words.
    Told(String),
    /// To [`Request::Run`].
    Run(Box<RunRecord>),
    /// To [`Request::Runs`].
    Runs(Vec<RunRecord>),
    /// To [`Request::Revealed`].
    Noted,
    /// To [`Request::Sync`].
    Sync(Arc<SyncSeen>),
    /// To [`Request::SyncOrders`]: what was done, in words.
    SyncOrders(String),
    /// To [`Request::SyncTrace`].
    SyncTrace(Box<SyncTraced>),
    /// To [`Request::SyncKept`].
    SyncKept(String, KeptCycles),
}

/// What the app wants done. The runtime does it; nothing else does.
#[derive(Debug, Clone)]
pub enum Effect {
    /// A job.
    Ask(Ticket, Request),
    /// Tell the job of this lane to stop.
    Cancel(Lane),
    /// Put this text into the terminal's clipboard.
    Copy(String),
    /// Mouse reporting on or off.
    Mouse(bool),
    /// Stop the process as Ctrl-Z does.
    Suspend,
    /// Draw every cell again.
    Repaint,
    /// Ring the terminal's bell.
    Bell,
    /// Leave.
    Quit,
}
