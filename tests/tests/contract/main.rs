//! What the files of this repository promise one another: the template, the API's description, the policies, the sample
//! people and the events. Nothing is deployed and nothing runs; what is written in two places is compared.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod anchors;
mod commitments;
mod events;
mod findings;
mod limits;
mod openapi;
mod permissions;
mod roles;
mod sample;
mod yaml;
