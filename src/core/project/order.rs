//! Load order: parents of links first, by name otherwise. Cycles are tolerated: links within one are written in a
//! second pass, so any order will do and the name decides.
use super::{Problem, Project, Severity};

/// Sorts the mappings of a project and notes the cycles.
pub(super) fn sort(project: &mut Project) {
    let mut waiting = std::mem::take(&mut project.mappings);
    waiting.sort_by(|a, b| a.name.cmp(&b.name));
    while !waiting.is_empty() {
        let free =
            waiting.iter().position(|mapping| !mapping.links().any(|link| waiting.iter().any(|m| m.name == link)));
        let next = free.unwrap_or_else(|| {
            let (start, members) = first_cycle(&waiting);
            let mapping = &waiting[start];
            let names = members.iter().map(|at| waiting[*at].name.as_str()).collect::<Vec<_>>().join(" → ");
            project.problems.push(Problem {
                severity: Severity::Warning,
                ..Problem::error(
                    &mapping.path,
                    format!(
                        "links go round in a circle ({names} → {}): they are written in a second pass",
                        mapping.name
                    ),
                )
            });
            start
        });
        project.mappings.push(waiting.remove(next));
    }
}

/// Some cycle among mappings that all wait: its first member by name, and the members from there along the links.
fn first_cycle(waiting: &[super::Mapping]) -> (usize, Vec<usize>) {
    let parent = |at: usize| {
        waiting[at].links().filter_map(|link| waiting.iter().position(|mapping| mapping.name == link)).min()
    };
    // Everyone waits for someone, so walking to parents must come back to a place seen before.
    let mut path: Vec<usize> = vec![0];
    loop {
        let Some(next) = path.last().and_then(|at| parent(*at)) else { return (path[0], path) };
        if let Some(back) = path.iter().position(|at| *at == next) {
            let mut cycle = path.split_off(back);
            let first = cycle.iter().enumerate().min_by_key(|(_, at)| **at).map_or(0, |(index, _)| index);
            cycle.rotate_left(first);
            return (cycle[0], cycle);
        }
        path.push(next);
    }
}
