//! Commands without a screen, as scripts use them.
mod audit;
mod bad_input;
mod erase;
mod files;
mod guards;
mod journey;
mod report;
mod sqlite_target;
mod suggest;
mod textbook;
mod trace;
mod verify;
