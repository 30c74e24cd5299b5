//! What a preflight of a bucket finds.

use habeas::connectors::Obstacle;
use habeas_e2e::suite::Fixture as _;

use super::objects::Pictures;

async fn obstacles(pictures: &Pictures) -> Vec<Obstacle> {
    let target = pictures.target();
    pictures.connector().preflight(&target, pictures.policy.rule(target.name)).await.unwrap()
}

/// Whether each refuses, and what it says.
fn said(obstacles: &[Obstacle]) -> Vec<(bool, &str)> {
    obstacles.iter().map(|obstacle| (obstacle.refuses, obstacle.message.as_str())).collect()
}

#[tokio::test]
async fn a_bucket_that_cannot_give_back_what_was_erased_is_a_note() {
    let pictures = Pictures::new();
    assert_eq!(said(&obstacles(&pictures).await), []);
    for (versioning, word) in [(None, "is not versioned"), (Some("Suspended"), "is suspended")] {
        pictures.store.bucket().versioning = versioning;
        let found = obstacles(&pictures).await;
        let [(false, message)] = said(&found)[..] else { unreachable!("{found:?}") };
        assert!(message.contains(word), "{message}");
    }
}

#[tokio::test]
async fn locks_are_a_note_and_a_second_factor_refuses() {
    let pictures = Pictures::new();
    pictures.store.bucket().has_object_lock = true;
    let found = obstacles(&pictures).await;
    let [(false, message)] = said(&found)[..] else { unreachable!("{found:?}") };
    assert!(message.contains("has Object Lock") && message.contains("the sweep takes them"), "{message}");
    pictures.store.bucket().needs_second_factor = true;
    assert!(said(&obstacles(&pictures).await).iter().any(|(refuses, message)| *refuses && message.contains("factor")));
}
