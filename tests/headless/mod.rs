//! Commands without a screen, as scripts use them.
mod audit;
mod bad_input;
mod cutover;
mod erase;
mod erase_runs;
mod files;
mod guards;
mod journey;
mod recommend;
mod rejects;
mod report;
mod revert;
mod sqlite_target;
mod suggest;
mod textbook;
mod trace;
mod verify;
