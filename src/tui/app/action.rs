//! Everything the operator can do, as data: the source of key bar, help, palette and docs.
use serde::{Deserialize, Serialize};

/// Sections of the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Group {
    /// Moving about.
    Move,
    /// Looking at something.
    Look,
    /// Changing a mapping.
    Edit,
    /// Plans and runs.
    Migrate,
    /// Keeping platforms in sync.
    Sync,
    /// The program itself.
    Program,
}

impl Group {
    /// Heading in the help.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Move => "Move",
            Self::Look => "Look",
            Self::Edit => "Edit",
            Self::Migrate => "Plan and run",
            Self::Sync => "Keep in sync",
            Self::Program => "Program",
        }
    }
}

/// An action, described.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ActionDoc {
    /// The action.
    pub action: Action,
    /// Its serde name, as in keymaps and scripts.
    pub name: &'static str,
    /// A word or two for the key bar.
    pub label: &'static str,
    /// One sentence for help and palette.
    pub doc: &'static str,
    /// Section.
    pub group: Group,
    /// Writes to a platform or throws work away: never on a single key without a question.
    pub dangerous: bool,
    /// `undo` takes it back.
    pub undoable: bool,
}

macro_rules! actions {
    (@flag dangerous dangerous) => { true };
    (@flag undoable undoable) => { true };
    (@flag $wanted:ident $found:ident) => { false };
    ($($variant:ident $name:literal $label:literal $group:ident [$($flag:ident)?] $doc:literal;)*) => {
        /// Something the operator can do. The serde names are stable.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Action { $(#[doc = $doc] $variant,)* }

        /// All actions, in the order of the help.
        pub const ACTIONS: &[ActionDoc] = &[$(ActionDoc {
            action: Action::$variant, name: $name, label: $label, doc: $doc, group: Group::$group,
            dangerous: false $(|| actions!(@flag dangerous $flag))?,
            undoable: false $(|| actions!(@flag undoable $flag))?,
        },)*];
    };
}

// One row an action: variant, serde name, label, group, flag, doc. A row is all that help, palette and key bar need.
actions! {
    Up "up" "up" Move [] "One row up.";
    Down "down" "down" Move [] "One row down.";
    Left "left" "left" Move [] "To the left: a column, or the list at the left.";
    Right "right" "right" Move [] "To the right: a column, or the list at the right.";
    PageUp "page_up" "page up" Move [] "One screen up.";
    PageDown "page_down" "page down" Move [] "One screen down.";
    First "first" "first" Move [] "To the first row.";
    Last "last" "last" Move [] "To the last row.";
    NextPane "next_pane" "next pane" Move [] "To the next part of the screen.";
    PreviousMapping "previous_mapping" "prev mapping" Move [] "The mapping before this one.";
    NextMapping "next_mapping" "next mapping" Move [] "The mapping after this one.";
    ScreenData "screen_data" "data" Move [] "Data: look at the objects of every platform.";
    ScreenMap "screen_map" "map" Move [] "Map: say which column fills which field.";
    ScreenClean "screen_clean" "clean" Move [] "Clean: each field's steps, before and after.";
    ScreenDiff "screen_diff" "diff" Move [] "Diff: the plan, every change before it happens.";
    ScreenRun "screen_run" "run" Move [] "Run: the migration at work, and its proof.";
    ScreenHistory "screen_history" "history" Move [] "History: all runs, their results and rejects.";
    ScreenRejects "screen_rejects" "inbox" Move [] "Rejects: what a run or a plan left out by root cause, to be mended and retried.";
    ScreenCutover "screen_cutover" "cut-over" Move [] "Cut-over: freeze, delta, verify, sign-off and switch as a checklist.";
    ScreenSync "screen_sync" "sync" Move [] "Sync: the watch loop, how consistent and how timely it is, what waits for you.";
    Open "open" "open" Look [] "Open what is selected.";
    Search "search" "find" Look [] "Find text on this screen.";
    SearchNext "search_next" "next match" Look [] "To the next match.";
    SearchPrevious "search_previous" "prev match" Look [] "To the match before.";
    Mapping "mapping" "mapping" Look [] "Choose the mapping to work on.";
    NextProblem "next_problem" "next problem" Look [] "To the next field that has a problem.";
    NextOpen "next_open" "next open" Look [] "To the next field that nothing fills.";
    LeftBehind "left_behind" "left behind" Look [] "Source columns that hold data and go nowhere.";
    Values "values" "values" Edit [] "The value map of this field: what each source value becomes.";
    Rejects "rejects" "rejects" Look [] "Rows that cannot be carried over, by cause.";
    FilterColumn "filter_column" "column" Look [] "Choose a column: to go to it, or to see only the rows that change it.";
    FilterRows "filter_rows" "all/chg/fail" Look [] "All rows, only those that change, or only those that fail.";
    ChooseObject "choose_object" "object" Look [] "Choose the object to look at.";
    GotoRow "goto_row" "row number" Look [] "Go to a row by its number.";
    LookAgain "look_again" "look again" Look [] "Look again whether each item of the checklist still holds.";
    Reveal "reveal" "masks" Look [] "Show or mask the values of columns tagged pii.";
    NewMapping "new_mapping" "new mapping" Edit [] "Begin a mapping between two objects.";
    Accept "accept" "accept" Edit [undoable] "Accept the suggestion for this field.";
    AcceptAll "accept_all" "all>=.90" Edit [undoable] "Accept every suggestion with a score of .90 or more.";
    Refuse "refuse" "refuse" Edit [] "Do not suggest this one again.";
    OtherSuggestion "other_suggestion" "others" Edit [] "The suggestions for this field, with why.";
    Link "link" "link" Edit [undoable] "Link the chosen source column with this target field.";
    Unlink "unlink" "unlink" Edit [undoable] "Take the link of this field away.";
    EditField "edit_field" "edit" Edit [undoable] "Edit what fills this field, with the result on real rows beside it.";
    FieldOptions "field_options" "options" Edit [undoable] "On error, write rule and type of this field.";
    CorrectLike "correct_like" "like" Edit [undoable] "Correct all rows of this cause that hold the same in the same way.";
    Undo "undo" "undo" Edit [] "Take the last edit back.";
    Redo "redo" "redo" Edit [] "Do the edit again that was taken back.";
    Save "save" "save" Edit [] "Write the edited mappings to their files.";
    Reload "reload" "reload" Edit [] "Read the project's files again; unsaved edits stay one undo away.";
    Plan "plan" "preview" Migrate [] "Plan: read both sides and show every change. Nothing is written.";
    PlanIncremental "plan_incremental" "incremental" Migrate [] "Plan only what changed since the last run. Nothing is written.";
    PlanSample "plan_sample" "sample" Migrate [] "Plan a sample that hangs together; asks how many records. Nothing is written.";
    PlanFull "plan_full" "full" Migrate [] "Plan all of every source, whatever the mappings say. Nothing is written.";
    Recommend "recommend" "advice" Migrate [] "Say which way to plan fits here, why, and what it costs; enter takes it.";
    Against "against" "vs last" Look [] "Show what is other in this plan than in the one before it.";
    Migrate "migrate" "migrate" Migrate [dangerous] "Run this plan. You type the target's name to confirm.";
    Report "report" "report" Migrate [] "Say where the report of this run is, and copy the path: one HTML file to hand over.";
    Revert "revert" "revert" Migrate [dangerous] "Plan to take this run back. Nothing is written before that plan is confirmed.";
    Retry "retry" "retry these" Migrate [] "Plan a retry of this row, or of all rows of this cause. Nothing is written.";
    RetryMended "retry_mended" "retry mended" Migrate [] "Plan a retry of all rows that are mended. Nothing is written.";
    CancelRun "cancel_run" "cancel" Migrate [dangerous] "End the run before it publishes; what it staged is thrown away.";
    PauseRun "pause_run" "pause" Migrate [] "Let the run wait; it never waits in an open transaction.";
    ResumeRun "resume_run" "resume" Migrate [] "Go on with a run that is paused, or that ended early, where it was.";
    StopRun "stop_run" "stop" Migrate [dangerous] "End the run after the batch it is writing; it can be resumed.";
    ThrottleRun "throttle_run" "rate" Migrate [] "Set how many rows a second the run may write.";
    RunWorkers "run_workers" "workers" Migrate [] "Set how many threads prepare what the run writes.";
    SyncStart "sync_start" "start" Sync [dangerous] "Start the sync loop. You type the targets' name to confirm what it will do.";
    SyncEnd "sync_end" "end loop" Sync [dangerous] "End the sync loop after what it is writing.";
    SyncWhy "sync_why" "why" Sync [] "The whole of what is known of the mapping or the event: why it is as it is.";
    SyncConflicts "sync_conflicts" "conflicts" Sync [] "The inbox of conflicts: records that both sides changed.";
    TakeSource "take_source" "take source" Sync [undoable] "In a conflict: the source wins in this field; in the list, in all fields.";
    TakeTarget "take_target" "take target" Sync [undoable] "In a conflict: the target wins in this field; in the list, in all fields.";
    TakeLike "take_like" "same for like" Sync [undoable] "Decide all conflicts of this mapping over the same fields as this one.";
    TakeWrite "take_write" "write them" Sync [] "Hand the decisions on conflicts over: sync writes them with its next look.";
    SyncRejects "sync_rejects" "rejects" Sync [] "Only the open events of this mapping: what is rejected or waits; again for all.";
    SyncHeld "sync_held" "held" Sync [dangerous] "What the mapping is held with: its plan, to be released or refused.";
    SyncPause "sync_pause" "pause" Sync [] "Pause the mapping, or let it go on.";
    SyncResync "sync_resync" "resync" Sync [dangerous] "Compare everything of the mapping again, or the record of the event.";
    SyncUndo "sync_undo" "undo" Sync [dangerous] "Plan to take back what sync did for the mapping within a span of time. Nothing is written before that plan is confirmed.";
    SyncDiff "sync_diff" "differences" Sync [] "What differs between both sides of the mapping now, by field and row: a plan of everything, on the Diff screen.";
    SyncTrace "sync_trace" "trace" Sync [] "The way of the event's record: its events and its steps.";
    SyncAudit "sync_audit" "audit" Sync [] "Count both sides of the mapping and compare with what was kept.";
    SyncSilence "sync_silence" "silence 30m" Sync [] "Be quiet about the mapping's alarms for 30 minutes; again ends that.";
    SyncLog "sync_log" "log" Sync [] "What happened to the mappings instead of the events, and back.";
    SyncOpenOnly "sync_open_only" "open only" Sync [] "Only events that are not done, or all.";
    Cancel "cancel" "cancel" Program [] "Stop what is being worked on, or close what is on top.";
    Help "help" "help" Program [] "What every key does here.";
    Palette "palette" "commands" Program [] "Find any action by its name.";
    CopyCommand "copy_command" "copy as command" Program [] "Copy the headless command that does the same.";
    Mouse "mouse" "mouse" Program [] "Mouse on or off (off: the terminal selects text).";
    Suspend "suspend" "suspend" Program [] "To the shell; `fg` comes back.";
    Repaint "repaint" "repaint" Program [] "Draw everything again.";
    Back "back" "back" Program [] "Back, or out of the program.";
    Quit "quit" "quit" Program [] "Leave the program. Runs go on without it.";
}

impl Action {
    /// Its description.
    pub fn doc(self) -> &'static ActionDoc {
        &ACTIONS[self as usize]
    }
    /// The action of that serde name.
    pub fn named(name: &str) -> Option<Self> {
        ACTIONS.iter().find(|doc| doc.name == name).map(|doc| doc.action)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn every_action_is_described_and_named_as_serde_names_it() {
        for (at, doc) in ACTIONS.iter().enumerate() {
            assert_eq!(doc.action as usize, at);
            assert_eq!(serde_json::to_value(doc.action).unwrap(), doc.name);
            assert!(doc.doc.ends_with('.') && doc.doc.len() > 10, "{} lacks its doc", doc.name);
            assert!(!doc.label.is_empty() && doc.label.len() <= 16, "{} lacks its label", doc.name);
            assert_eq!(Action::named(doc.name), Some(doc.action));
        }
    }
}
