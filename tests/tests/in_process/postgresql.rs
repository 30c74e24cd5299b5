//! The connector for PostgreSQL against a real one.

mod anonymity;
mod cursors;
mod groups;
mod held;
mod lines;
mod moving;
mod paths;
mod preflight;
mod refusals;
mod review;
mod shop;
mod shuffled;
mod story;
mod tables;
mod writes;
