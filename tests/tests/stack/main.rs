//! The deployed local stack, IAM enforced, as a person would use it. `make test` starts the stack and runs these one
//! after the other, in the order of their names: the stories first, since they want the people as they were loaded.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod world;

mod a_stories;
mod b_kills;
mod c_edges;
mod c_restores;
mod d_rights;
