//! Records that both sides changed and that a person decides on.
use rusqlite::{Row, params};
use serde::{Deserialize, Serialize};

use super::{SyncStore, from_json, now_ms, to_json};
use crate::error::{Error, Result};
use crate::journal::who;
use crate::project::Side;

/// Where a conflict stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConflictState {
    /// It waits for a decision.
    Open,
    /// Decided, and not written yet: it can be taken back.
    Decided,
    /// Written, or gone because both sides agree again.
    Settled,
}

/// One field that both sides changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictField {
    /// Target field.
    pub field: String,
    /// As both last agreed; None: NULL.
    pub base: Option<String>,
    /// As the source has it now, mapped.
    pub source: Option<String>,
    /// As the target has it now.
    pub target: Option<String>,
    /// Who wins; None: not decided.
    pub take: Option<Side>,
}

/// A conflict.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConflictRecord {
    /// Running number.
    pub id: i64,
    /// Mapping.
    pub mapping: String,
    /// Key of the record.
    pub key: String,
    /// Since when.
    pub at: i64,
    /// State.
    pub state: ConflictState,
    /// The fields that both changed.
    pub fields: Vec<ConflictField>,
    /// Who decided.
    pub who: Option<String>,
    /// When.
    pub decided: Option<i64>,
}

const SELECT: &str = "SELECT id, mapping, key, at, state, fields, who, decided FROM conflicts";

impl SyncStore {
    /// Notes a conflict, or what it is about now: a decision on it falls if its fields are others than it was made on.
    pub fn put_conflict(&self, mapping: &str, key: &str, fields: &[ConflictField]) -> Result<()> {
        let open = self.conflict_of(mapping, key)?;
        let same = |one: &ConflictField, other: &ConflictField| {
            (&one.field, &one.base, &one.source, &one.target)
                == (&other.field, &other.base, &other.source, &other.target)
        };
        if let Some(known) = &open
            && known.fields.len() == fields.len()
            && known.fields.iter().zip(fields).all(|(one, other)| same(one, other))
        {
            return Ok(());
        }
        let at = open.as_ref().map_or_else(now_ms, |known| known.at);
        self.connection.execute(
            "DELETE FROM conflicts WHERE mapping = ?1 AND key = ?2 AND state IN ('open', 'decided')",
            params![mapping, key],
        )?;
        self.connection.execute(
            "INSERT INTO conflicts (mapping, key, at, state, fields) VALUES (?1, ?2, ?3, 'open', ?4)",
            params![mapping, key, at, to_json(&fields)?],
        )?;
        Ok(())
    }
    /// Decides fields of a conflict: each named one for a side. It is decided once every field is.
    pub fn decide(&self, id: i64, takes: &[(String, Side)]) -> Result<ConflictRecord> {
        let mut conflict = self.conflict(id)?;
        if conflict.state == ConflictState::Settled {
            return Err(Error::refused(format!("conflict {id} is settled"))
                .advise("see what is open with `crm-console conflicts list`"));
        }
        for (field, side) in takes {
            let known = conflict.fields.iter_mut().find(|one| one.field == *field);
            known.ok_or_else(|| Error::usage(format!("conflict {id} has no field '{field}'")))?.take = Some(*side);
        }
        self.keep_decision(&mut conflict)?;
        Ok(conflict)
    }
    /// Takes a decision back, as long as it is not written.
    pub fn undecide(&self, id: i64) -> Result<()> {
        let mut conflict = self.conflict(id)?;
        if conflict.state == ConflictState::Settled {
            return Err(Error::refused(format!("conflict {id} is written already"))
                .advise("correct the record on one of its sides"));
        }
        conflict.fields.iter_mut().for_each(|field| field.take = None);
        self.keep_decision(&mut conflict)
    }
    fn keep_decision(&self, conflict: &mut ConflictRecord) -> Result<()> {
        let all = conflict.fields.iter().all(|field| field.take.is_some());
        conflict.state = if all { ConflictState::Decided } else { ConflictState::Open };
        conflict.who = all.then(who);
        conflict.decided = all.then(now_ms);
        self.connection.execute(
            "UPDATE conflicts SET state = ?2, fields = ?3, who = ?4, decided = ?5 WHERE id = ?1",
            params![
                conflict.id,
                if all { "decided" } else { "open" },
                to_json(&conflict.fields)?,
                conflict.who,
                conflict.decided
            ],
        )?;
        self.settle()
    }
    /// A conflict is over: its decision is written, or both sides agree.
    pub fn settle_conflict(&self, mapping: &str, key: &str) -> Result<()> {
        self.connection.execute(
            "UPDATE conflicts SET state = 'settled' WHERE mapping = ?1 AND key = ?2 AND state IN ('open', 'decided')",
            params![mapping, key],
        )?;
        Ok(())
    }
    /// The conflict of a record that is not settled.
    pub fn conflict_of(&self, mapping: &str, key: &str) -> Result<Option<ConflictRecord>> {
        let mut statement = self
            .connection
            .prepare_cached(&format!("{SELECT} WHERE mapping = ?1 AND key = ?2 AND state IN ('open', 'decided')"))?;
        let mut rows = statement.query_map(params![mapping, key], row)?;
        rows.next().transpose()?.transpose()
    }
    /// One conflict.
    pub fn conflict(&self, id: i64) -> Result<ConflictRecord> {
        let mut statement = self.connection.prepare_cached(&format!("{SELECT} WHERE id = ?1"))?;
        let mut rows = statement.query_map([id], row)?;
        rows.next().transpose()?.unwrap_or_else(|| {
            Err(Error::usage(format!("no conflict {id}")).advise("see them with `crm-console conflicts list`"))
        })
    }
    /// Conflicts that are not settled, oldest first; of one mapping or of all.
    pub fn conflicts(&self, mapping: Option<&str>) -> Result<Vec<ConflictRecord>> {
        let sql =
            format!("{SELECT} WHERE (?1 IS NULL OR mapping = ?1) AND state IN ('open', 'decided') ORDER BY at, id");
        let mut statement = self.connection.prepare_cached(&sql)?;
        let rows = statement.query_map([mapping], row)?;
        rows.map(|row| row?).collect()
    }
}

fn row(row: &Row<'_>) -> rusqlite::Result<Result<ConflictRecord>> {
    let fields: String = row.get(5)?;
    let record = ConflictRecord {
        id: row.get(0)?,
        mapping: row.get(1)?,
        key: row.get(2)?,
        at: row.get(3)?,
        state: match row.get_ref(4)?.as_str()? {
            "open" => ConflictState::Open,
            "decided" => ConflictState::Decided,
            _ => ConflictState::Settled,
        },
        fields: Vec::new(),
        who: row.get(6)?,
        decided: row.get(7)?,
    };
    Ok(from_json(&fields).map(|fields| ConflictRecord { fields, ..record }))
}
