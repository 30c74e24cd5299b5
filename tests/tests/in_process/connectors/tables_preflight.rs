//! What a preflight of tables finds.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use habeas::connectors::{Connector, Obstacle};
use habeas::policy::{CollectionRule, ErasureRule, Strategy};

use super::Tables;

impl Tables {
    async fn obstacles(&self, collection: &str, rule: Option<&CollectionRule>) -> Vec<Obstacle> {
        self.connector().preflight(&self.target(collection), rule).await.unwrap()
    }

    /// Makes the table of letters anew, with this key and these indexes by one field each.
    async fn letters_with(&self, key: &[(&str, ScalarAttributeType)], indexes: &[(&str, &str, ScalarAttributeType)]) {
        self.client.delete_table().table_name("desk-letters").send().await.unwrap();
        let mut create = self.client.create_table().table_name("desk-letters").billing_mode(BillingMode::PayPerRequest);
        let define = |name: &str, kind: &ScalarAttributeType| {
            AttributeDefinition::builder().attribute_name(name).attribute_type(kind.clone()).build().unwrap()
        };
        let element =
            |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
        for ((name, kind), role) in key.iter().zip([KeyType::Hash, KeyType::Range]) {
            create = create.key_schema(element(name, role)).attribute_definitions(define(name, kind));
        }
        for (name, field, kind) in indexes {
            let index = GlobalSecondaryIndex::builder().index_name(*name).key_schema(element(field, KeyType::Hash));
            let projection = Projection::builder().projection_type(ProjectionType::All).build();
            create = create.global_secondary_indexes(index.projection(projection).build().unwrap());
            create = create.attribute_definitions(define(field, kind));
        }
        create.send().await.unwrap();
    }
}

/// What refuses, by its field and words.
fn refused(obstacles: &[Obstacle]) -> Vec<(Option<&str>, &str)> {
    let refusing = obstacles.iter().filter(|obstacle| obstacle.refuses);
    refusing.map(|obstacle| (obstacle.field.as_deref(), obstacle.message.as_str())).collect()
}

fn anonymise(field: &str, strategy: Strategy) -> CollectionRule {
    let fields = [(field.to_owned(), strategy)].into();
    let erasure = ErasureRule::Anonymise { fields, k_anonymity: None, via: [].into() };
    CollectionRule { retention: None, erasure, others: [].into() }
}

const KEY: [(&str, ScalarAttributeType); 1] = [("letter_id", ScalarAttributeType::S)];
const BY_OWNER: (&str, &str, ScalarAttributeType) = ("by-owner", "owner_id", ScalarAttributeType::S);
const BY_READER: (&str, &str, ScalarAttributeType) = ("by-reader", "reader_id", ScalarAttributeType::S);

#[tokio::test]
async fn an_index_that_is_missing_or_is_by_another_field_is_found() {
    let tables = Tables::of("plain").await;
    tables.letters_with(&KEY, &[BY_OWNER]).await;
    let found = tables.obstacles("desk.letters", None).await;
    let [(Some("reader_id"), message)] = refused(&found)[..] else { unreachable!("{found:?}") };
    assert!(message.contains("no index \"by-reader\""), "{message}");

    tables.letters_with(&KEY, &[BY_OWNER, ("by-reader", "writer_id", ScalarAttributeType::S)]).await;
    let found = tables.obstacles("desk.letters", None).await;
    let [(Some("reader_id"), message)] = refused(&found)[..] else { unreachable!("{found:?}") };
    assert!(message.contains("[writer_id]") && message.contains("[reader_id]"), "{message}");
}

#[tokio::test]
async fn another_key_than_the_policy_says_is_found() {
    let tables = Tables::of("plain").await;
    let key = [("letter_id", ScalarAttributeType::S), ("written_at", ScalarAttributeType::S)];
    tables.letters_with(&key, &[BY_OWNER, BY_READER]).await;
    let found = tables.obstacles("desk.letters", None).await;
    let [(None, message)] = refused(&found)[..] else { unreachable!("{found:?}") };
    assert!(message.contains("[letter_id, written_at]") && message.contains("[letter_id]"), "{message}");
}

#[tokio::test]
async fn a_link_of_another_type_than_the_dataset_says_is_found() {
    let tables = Tables::of("plain").await;
    tables.letters_with(&KEY, &[("by-owner", "owner_id", ScalarAttributeType::N), BY_READER]).await;
    let found = tables.obstacles("desk.letters", None).await;
    let [(Some("owner_id"), message)] = refused(&found)[..] else { unreachable!("{found:?}") };
    assert!(message.contains("of type N") && message.contains("data_type: integer"), "{message}");
}

#[tokio::test]
async fn a_strategy_that_would_break_a_key_of_any_index_is_found() {
    let tables = Tables::of("plain").await;
    // The policy knows nothing of these two.
    let more = [("by-text", "text", ScalarAttributeType::S), ("by-number", "number", ScalarAttributeType::N)];
    tables.letters_with(&KEY, &[&[BY_OWNER, BY_READER][..], &more].concat()).await;
    for (field, strategy, says) in [
        ("letter_id", Strategy::Random, "part of the key"),
        ("text", Strategy::Null, "cannot hold null"),
        ("text", Strategy::Fixed(String::new()), "cannot hold an empty text"),
        ("number", Strategy::Random, "of type N"),
    ] {
        let found = tables.obstacles("desk.letters", Some(&anonymise(field, strategy))).await;
        let [(Some(at), message)] = refused(&found)[..] else { unreachable!("{found:?}") };
        assert_eq!(at, field);
        assert!(message.contains(says), "{message}");
    }
    for (field, strategy) in [("text", Strategy::Erase), ("number", Strategy::Erase), ("text", Strategy::Random)] {
        let found = tables.obstacles("desk.letters", Some(&anonymise(field, strategy.clone()))).await;
        assert_eq!(refused(&found), [], "{field}");
        let leaves_the_index = found.iter().any(|obstacle| obstacle.message.contains("not in that index any more"));
        assert_eq!(leaves_the_index, strategy == Strategy::Erase, "{found:?}");
    }
}

#[tokio::test]
async fn each_permission_to_read_that_is_missing_is_named() {
    let tables = Tables::of("plain").await;
    let policy = tables.policy.clone();
    let rule = policy.rule("desk.letters");
    for operation in ["DescribeTable", "Query", "BatchGetItem"] {
        tables.faults.answer(operation, 0, usize::MAX, "AccessDeniedException");
        let found = tables.obstacles("desk.letters", rule).await;
        let named = format!("dynamodb:{operation}");
        assert!(refused(&found).iter().all(|(_, message)| message.contains(&named)), "{found:?}");
        assert!(!refused(&found).is_empty(), "{operation}");
        tables.faults.clear();
    }
    // Rows under a partition key are got by no other call.
    tables.faults.answer("BatchGetItem", 0, usize::MAX, "AccessDeniedException");
    assert_eq!(refused(&tables.obstacles("slow.logs", policy.rule("slow.logs")).await), []);
}

#[tokio::test]
async fn a_preflight_asks_for_nothing_that_writes() {
    let tables = Tables::of("plain").await;
    let policy = tables.policy.clone();
    tables.obstacles("desk.letters", policy.rule("desk.letters")).await;
    let calls = tables.faults.take();
    assert_eq!(calls, ["DescribeTable", "Query", "Query", "BatchGetItem", "DescribeContinuousBackups"]);
}

#[tokio::test]
async fn that_backups_are_not_known_of_is_a_note_and_refuses_nothing() {
    let tables = Tables::of("plain").await;
    tables.faults.answer("DescribeContinuousBackups", 0, 1, "AccessDeniedException");
    let policy = tables.policy.clone();
    let found = tables.obstacles("desk.notes", policy.rule("desk.notes")).await;
    let [note] = found.as_slice() else { unreachable!("{found:?}") };
    assert!(!note.refuses && note.message.contains("dynamodb:DescribeContinuousBackups"), "{note:?}");
}
