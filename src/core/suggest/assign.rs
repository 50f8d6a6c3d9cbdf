//! The best overall one-to-one assignment.

/// Chooses pairs so that the sum of their scores is the highest. `scores[row][column]`; a pair of score 0 or less is
/// never chosen. Answers for each row its column. Cubic in the smaller side (shortest augmenting paths).
pub(super) fn assign(scores: &[Vec<f64>]) -> Vec<Option<usize>> {
    let rows = scores.len();
    let columns = scores.first().map_or(0, Vec::len);
    if rows == 0 || columns == 0 {
        return vec![None; rows];
    }
    if rows > columns {
        let turned: Vec<Vec<f64>> = (0..columns).map(|c| scores.iter().map(|row| row[c]).collect()).collect();
        let mut answer = vec![None; rows];
        for (column, row) in assign(&turned).into_iter().enumerate() {
            if let Some(row) = row {
                answer[row] = Some(column);
            }
        }
        return answer;
    }
    let cost = |row: usize, column: usize| -scores[row][column].max(0.0);
    // Potentials and matching, counted from 1; index 0 stands for "none yet".
    let (mut of_row, mut of_column) = (vec![0.0; rows + 1], vec![0.0; columns + 1]);
    let mut row_of = vec![0_usize; columns + 1];
    for row in 1..=rows {
        row_of[0] = row;
        let mut at = 0;
        let mut least = vec![f64::INFINITY; columns + 1];
        let mut came_from = vec![0_usize; columns + 1];
        let mut used = vec![false; columns + 1];
        while row_of[at] != 0 {
            used[at] = true;
            let here = row_of[at];
            let (mut step, mut next) = (f64::INFINITY, 0);
            for column in 1..=columns {
                if used[column] {
                    continue;
                }
                let reduced = cost(here - 1, column - 1) - of_row[here] - of_column[column];
                if reduced < least[column] {
                    least[column] = reduced;
                    came_from[column] = at;
                }
                if least[column] < step {
                    step = least[column];
                    next = column;
                }
            }
            for column in 0..=columns {
                if used[column] {
                    of_row[row_of[column]] += step;
                    of_column[column] -= step;
                } else {
                    least[column] -= step;
                }
            }
            at = next;
        }
        while at != 0 {
            let before = came_from[at];
            row_of[at] = row_of[before];
            at = before;
        }
    }
    let mut answer = vec![None; rows];
    for (column, &row) in row_of.iter().enumerate().skip(1) {
        if row > 0 && scores[row - 1][column - 1] > 0.0 {
            answer[row - 1] = Some(column - 1);
        }
    }
    answer
}

#[cfg(test)]
mod tests {
    use super::assign;

    #[test]
    fn the_whole_wins_over_the_best_pair() {
        // Greedy would take .9 and be left with nothing.
        assert_eq!(assign(&[vec![0.9, 0.8], vec![0.85, 0.0]]), [Some(1), Some(0)]);
    }

    #[test]
    fn sides_may_differ_and_nothing_is_forced() {
        assert_eq!(assign(&[vec![0.0, 0.0, 0.5]]), [Some(2)]);
        assert_eq!(assign(&[vec![0.1], vec![0.7], vec![0.2]]), [None, Some(0), None]);
        assert_eq!(assign(&[vec![0.0, 0.0], vec![0.0, 0.3]]), [None, Some(1)]);
        assert_eq!(assign(&[]), Vec::<Option<usize>>::new());
        assert_eq!(assign(&[vec![], vec![]]), [None, None]);
    }
}
