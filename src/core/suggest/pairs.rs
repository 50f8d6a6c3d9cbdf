//! Comparing each field with each, and choosing the pairs that are best over all.
use std::collections::HashSet;

use super::score::{self, Field};
use super::{Evidence, EvidenceKind, Knowledge, Side, Suggestion, THRESHOLD, assign, templates};

/// Share of the best score of a source below which another pair of it is not chosen.
const NEAR: f64 = 0.7;
/// A source that fills another field is a weak candidate here: its score is taken down to this share.
const TAKEN: f64 = 0.5;
/// Where nothing but names speaks for a source and its best target stays below this, it fits none: two of three of these
/// are wrong.
const DOUBT: f64 = 0.55;
/// Score from which a pair is kept that values may still speak for when it turns out to have no rival.
const SEED: f64 = 0.06;
/// Share of a pair's score below which all others of both its fields must be for it to have no rival.
const RIVAL: f64 = 0.65;
/// What having no rival adds to a pair that values speak for, in logarithms of odds.
const ALONE: f64 = 1.3;
/// What the names add where pairs are chosen: values that are the same in several columns leave it to them.
const NAMED: f64 = 0.02;
/// Others that are handed out for one target.
const OTHERS: usize = 8;

/// A source that may fill a target.
struct Candidate {
    column: usize,
    score: f64,
    /// By names alone.
    named: f64,
    evidence: Vec<Evidence>,
}

/// Suggests sources for targets, best first; nothing below [`THRESHOLD`]. No transforms.
pub fn suggest_between(source: &Side, target: &Side, knowledge: &Knowledge) -> Vec<Suggestion> {
    let (sources, targets) = fields(source, target, knowledge);
    let mut found = between(source, target, (&sources, &targets), knowledge);
    sort(&mut found);
    found
}

/// [`suggest_between`] of fields that are ready, target by target.
pub(super) fn between(
    source: &Side,
    target: &Side,
    (sources, targets): (&[Field], &[Field]),
    knowledge: &Knowledge,
) -> Vec<Suggestion> {
    let (mut scores, mut candidates) = compare_all(sources, targets, knowledge);
    no_rival(&mut scores, &mut candidates);
    leave_doubtful(&mut scores, &mut candidates);
    for (row, list) in candidates.iter().enumerate() {
        for one in list {
            scores[row][one.column] += NAMED * one.named;
        }
    }
    stay_near_the_best(&mut scores);
    let chosen = assign::assign(&scores);
    let taken: HashSet<usize> = chosen.iter().flatten().copied().collect();
    let mut found = Vec::new();
    for (row, mut list) in candidates.into_iter().enumerate() {
        for one in &mut list {
            if chosen[row] != Some(one.column) && taken.contains(&one.column) {
                let before = one.score;
                one.score *= TAKEN;
                one.evidence.push(evidence(
                    EvidenceKind::Place,
                    one.score - before,
                    "fills another field better".to_owned(),
                ));
            }
        }
        list.retain(|one| chosen[row] == Some(one.column) || one.score >= THRESHOLD);
        list.sort_by(|a, b| {
            let is_chosen = |one: &Candidate| chosen[row] == Some(one.column);
            is_chosen(b).cmp(&is_chosen(a)).then(b.score.total_cmp(&a.score)).then(a.column.cmp(&b.column))
        });
        list.truncate(OTHERS + 1);
        // Where nothing is assigned the first candidate is still only an alternative.
        let first = if chosen[row].is_some() { 1 } else { 2 };
        for (at, one) in list.into_iter().enumerate() {
            found.push(Suggestion {
                to: target.fields[row].name.clone(),
                from: source.fields[one.column].name.clone(),
                score: (one.score * 100.0).round() / 100.0,
                rank: first + at,
                reasons: one.evidence.iter().map(|evidence| evidence.words.clone()).collect(),
                evidence: one.evidence,
                transform: None,
            });
        }
    }
    found
}

/// Best first: those to take, then the others. Fields of one score stay in the order they are in.
pub(super) fn sort(found: &mut [Suggestion]) {
    found.sort_by(|a, b| (a.rank > 1).cmp(&(b.rank > 1)).then(b.score.total_cmp(&a.score)));
}

/// Both sides made ready to be compared.
pub(super) fn fields(source: &Side, target: &Side, knowledge: &Knowledge) -> (Vec<Field>, Vec<Field>) {
    let vocabulary = knowledge.vocabulary();
    let ready = |side: &Side| {
        let template = templates::recognise(side);
        let mut fields: Vec<Field> = side
            .fields
            .iter()
            .map(|info| Field::new(vocabulary, info, template.and_then(|template| template.meaning(&info.name))))
            .collect();
        score::find_duties(&mut fields);
        fields
    };
    (ready(source), ready(target))
}

/// Scores by target and source, and what is worth keeping of them. Half of the work each for two threads.
fn compare_all(sources: &[Field], targets: &[Field], knowledge: &Knowledge) -> (Vec<Vec<f64>>, Vec<Vec<Candidate>>) {
    let vocabulary = knowledge.vocabulary();
    let row = |to: &Field| {
        let mut scores = vec![0.0; sources.len()];
        let mut candidates = Vec::new();
        for (column, from) in sources.iter().enumerate() {
            let score::Fit { mut score, named, mut evidence } = score::score(vocabulary, from, to);
            knowledge.remembered.judge(&from.plain, &to.plain, &mut score, &mut evidence);
            if score >= SEED {
                scores[column] = score;
                candidates.push(Candidate { column, score, named, evidence });
            }
        }
        (scores, candidates)
    };
    let half = if sources.len() * targets.len() > 2_000 { targets.len().div_ceil(2) } else { targets.len() };
    let (first, second) = targets.split_at(half);
    let rows: Vec<(Vec<f64>, Vec<Candidate>)> = std::thread::scope(|scope| {
        let other = scope.spawn(|| second.iter().map(row).collect::<Vec<_>>());
        let mut rows: Vec<_> = first.iter().map(row).collect();
        rows.extend(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)));
        rows
    });
    rows.into_iter().unzip()
}

/// A pair that values speak for and whose two fields have nothing near as good elsewhere is more likely than it looks: of
/// two tables with one column of dates each, these are the same. Pairs below [`THRESHOLD`] go.
fn no_rival(scores: &mut [Vec<f64>], candidates: &mut [Vec<Candidate>]) {
    let columns = scores.first().map_or(0, Vec::len);
    let two_best = |list: &mut dyn Iterator<Item = f64>| {
        list.fold(
            (0.0_f64, 0.0_f64),
            |(best, next), score| {
                if score > best { (score, best) } else { (best, next.max(score)) }
            },
        )
    };
    let rows: Vec<(f64, f64)> = scores.iter().map(|row| two_best(&mut row.iter().copied())).collect();
    let by_column: Vec<(f64, f64)> =
        (0..columns).map(|column| two_best(&mut scores.iter().map(|row| row[column]))).collect();
    for (row, list) in candidates.iter_mut().enumerate() {
        for one in list.iter_mut() {
            let alone = |(best, next): (f64, f64)| one.score >= best && next < RIVAL * one.score;
            let spoken =
                one.evidence.iter().any(|evidence| evidence.kind == EvidenceKind::Values && evidence.moved > 0.0);
            if spoken && alone(rows[row]) && alone(by_column[one.column]) {
                let before = one.score;
                let odds = before / (1.0 - before) * ALONE.exp();
                one.score = (odds / (1.0 + odds)).min(0.99);
                one.evidence.push(evidence(
                    EvidenceKind::Place,
                    one.score - before,
                    "nothing else on either side is like it".to_owned(),
                ));
                scores[row][one.column] = one.score;
            }
        }
        list.retain(|one| one.score >= THRESHOLD);
    }
    for score in scores.iter_mut().flatten().filter(|score| **score < THRESHOLD) {
        *score = 0.0;
    }
}

/// Takes sources out of the running that fit nothing well: see [`DOUBT`].
fn leave_doubtful(scores: &mut [Vec<f64>], candidates: &mut [Vec<Candidate>]) {
    let columns = scores.first().map_or(0, Vec::len);
    let mut best = vec![0.0_f64; columns];
    for one in candidates.iter().flatten() {
        // Short forms that nobody listed are spelled alike, and that is seldom chance.
        let more = one.evidence.iter().any(|evidence| {
            matches!(evidence.kind, EvidenceKind::Values | EvidenceKind::Memory | EvidenceKind::Spelling)
                && evidence.moved > 0.0
        });
        best[one.column] = best[one.column].max(if more { 1.0 } else { one.score });
    }
    for (row, list) in candidates.iter_mut().enumerate() {
        list.retain(|one| best[one.column] >= DOUBT);
        for (column, score) in scores[row].iter_mut().enumerate() {
            if best[column] < DOUBT {
                *score = 0.0;
            }
        }
    }
}

/// Takes pairs out of the running that are far from the best of their source: a field whose place is taken is better left
/// open than put where it does not belong.
fn stay_near_the_best(scores: &mut [Vec<f64>]) {
    for column in 0..scores.first().map_or(0, Vec::len) {
        let best = scores.iter().map(|row| row[column]).fold(0.0, f64::max);
        for row in scores.iter_mut().filter(|row| row[column] < NEAR * best) {
            row[column] = 0.0;
        }
    }
}

/// A piece of evidence.
pub(super) fn evidence(kind: EvidenceKind, moved: f64, words: String) -> Evidence {
    Evidence { kind, moved: (moved * 100.0).round() / 100.0, words }
}
