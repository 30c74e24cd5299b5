//! The command line tool of Habeas, as a library: tests and the demo drive a stack with the same code.
//!
//! [`sample`] invents users, fills the systems of a policy with them and knows what an export must show; [`drive`] acts
//! as such a user against a deployed stack; [`commands`] is what `habeas` prints.

pub mod aws;
pub mod commands;
pub mod drive;
pub mod sample;
