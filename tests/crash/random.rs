//! Engines that are killed at any moment, more than once, and resumed: the end is that of the run nobody disturbed.
//!
//! A few kills a kind of target in the ordinary run; `CRM_CONSOLE_KILLS=200` names how many it shall be.
//! `CRM_CONSOLE_KILL_SEED` repeats a run whose seed was printed (the moments are the same, what the engine does in them
//! depends on the machine).
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use super::newest;
use super::scene::{KINDS, Kind, Scene, Task, end};
use crate::support::command::{run, run_with};

/// Kills a kind in the ordinary run.
const KILLS: u32 = 12;
/// Kills a kind in the ordinary run of what does the same in another way.
const FEW: u32 = 4;

/// Numbers that look random: splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit.max(1)
    }
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{variable} is a number")))
}

#[track_caller]
fn is_as_if_undisturbed(kind: &Kind, task: Task, kills: u32) {
    let name = format!("{} {task:?}", kind.name);
    let seed = number("CRM_CONSOLE_KILL_SEED").unwrap_or_else(|| RandomState::new().hash_one(&name));
    let wanted = number("CRM_CONSOLE_KILLS").map_or(kills, |kills| kills as u32);
    println!("{name}: CRM_CONSOLE_KILL_SEED={seed}, {wanted} kills");
    let mut random = Random(seed);
    let scene = Scene::new(kind, task);
    let start = Instant::now();
    let expected = scene.undisturbed(kind, task);
    let mut span = start.elapsed().as_micros() as u64;
    let migrate = scene.migrate();

    let (mut kills, mut trials, mut attempts) = (0, 0, BTreeMap::<u64, u32>::new());
    let mut found = BTreeMap::<String, u32>::new();
    let patience = Instant::now();
    while kills < wanted {
        trials += 1;
        assert!(trials < 10 * wanted + 20, "the kills come too late: {kills} of {trials} hit, span {span} us");
        let dir = scene.again();
        let mut more = 1 + random.below(3);
        let fault = |micros: u64| format!("kill-after:{micros}");
        run_with(dir.path(), &migrate, &[("CRM_CONSOLE_FAULT", &fault(random.below(span)))]);
        let mut run_now = newest(dir.path());
        let id = run_now["id"].as_str().unwrap().to_owned();
        while run_now["state"] != "done" {
            assert_eq!(run_now["state"], "crashed", "{run_now}");
            kills += 1;
            for result in run_now["results"].as_array().unwrap() {
                let published = if result["published"] == true { "published" } else { "as before" };
                *found.entry(format!("{} {published}", result["mapping"].as_str().unwrap())).or_default() += 1;
            }
            more -= 1;
            let resume = ["resume", &id, "--json"];
            if more > 0 {
                run_with(dir.path(), &resume, &[("CRM_CONSOLE_FAULT", &fault(random.below(span)))]);
            } else {
                run(dir.path(), &resume).expect(0);
            }
            run_now = newest(dir.path());
        }
        let attempt = run_now["attempt"].as_u64().unwrap();
        // Kills shall fall into the run, all over it.
        span = if attempt == 1 { span * 9 / 10 } else { span * 101 / 100 }.max(1_000);
        *attempts.entry(attempt).or_default() += 1;
        end(dir.path(), kind, &id).is(&expected, &format!("{name}, seed {seed}, trial {trials}"));
    }
    let seconds = patience.elapsed().max(Duration::from_millis(1)).as_secs_f64();
    println!(
        "{name}: {kills} kills in {trials} runs, {seconds:.0} s; runs by attempts {attempts:?}; found after kills {found:?}"
    );
}

#[test]
fn killed_at_any_moment_and_resumed_a_csv_target_is_byte_for_byte_the_same() {
    is_as_if_undisturbed(&KINDS[0], Task::Full, KILLS);
}

#[test]
fn killed_at_any_moment_and_resumed_a_parquet_target_is_row_for_row_the_same() {
    is_as_if_undisturbed(&KINDS[1], Task::Full, KILLS);
}

#[test]
fn killed_at_any_moment_and_resumed_a_sqlite_target_is_row_for_row_the_same() {
    is_as_if_undisturbed(&KINDS[2], Task::Full, KILLS);
}

#[test]
fn killed_while_it_takes_a_run_back_a_csv_target_is_byte_for_byte_as_before_that_run() {
    is_as_if_undisturbed(&KINDS[0], Task::Revert, FEW);
}

#[test]
fn killed_while_it_takes_a_run_back_a_parquet_target_is_row_for_row_as_before_that_run() {
    is_as_if_undisturbed(&KINDS[1], Task::Revert, FEW);
}

#[test]
fn killed_while_it_takes_a_run_back_a_sqlite_target_is_row_for_row_as_if_undisturbed() {
    is_as_if_undisturbed(&KINDS[2], Task::Revert, FEW);
}

#[test]
fn killed_in_an_incremental_run_the_ledger_is_as_if_undisturbed() {
    for kind in &KINDS {
        is_as_if_undisturbed(kind, Task::Incremental, FEW);
    }
}
