//! The same of rows inside objects: yesterday's objects are put back, with the rows of somebody who was erased since.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use habeas::evidence::Outcome;
use habeas::request::Status;
use habeas_e2e::{World, yaml};
use parquet::data_type::{ByteArray, ByteArrayType, Int64Type};
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{FileReader as _, SerializedFileReader};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;
use serde_json::json;

use super::{YESTERDAY, begin, call, counted, erased_again, replay};
use crate::crash::{check_evidence, dies_and_comes_back};
use crate::people::fresh;

const BUCKET: &str = "lake-files";
const EVENTS: &str = "events/dt=2026-11-01/part-0.jsonl";
const PACKED: &str = "events/dt=2026-11-02/part-0.jsonl.gz";
const VISITS: &str = "visits/2026.csv";
const READINGS: &str = "readings/2026.parquet";

/// Objects by key.
type Objects = BTreeMap<String, Vec<u8>>;

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

/// A file of whose reading each row is, and its number.
fn parquet_of(rows: &[(&str, i64)]) -> Vec<u8> {
    let schema = "message readings { REQUIRED BINARY user_id (STRING); REQUIRED INT64 n; }";
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut file = SerializedFileWriter::new(Vec::new(), schema, Arc::new(WriterProperties::new())).unwrap();
    let mut group = file.next_row_group().unwrap();
    let users: Vec<ByteArray> = rows.iter().map(|(user, _)| ByteArray::from(*user)).collect();
    let numbers: Vec<i64> = rows.iter().map(|(_, number)| *number).collect();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<ByteArrayType>().write_batch(&users, None, None).unwrap();
    column.close().unwrap();
    let mut column = group.next_column().unwrap().unwrap();
    column.typed::<Int64Type>().write_batch(&numbers, None, None).unwrap();
    column.close().unwrap();
    group.close().unwrap();
    file.into_inner().unwrap()
}

/// Yesterday's objects. Ann's rows are not written as we would write them.
fn yesterday() -> Objects {
    let events = "{\"user_id\":\"u-li\",\"amount\":5}\n{ \"user_id\":\"u-ann\" , \"amount\":1.50}\n{\"user_id\":\"u-li\",\"amount\":6}\n";
    let packed = "{\"amount\":7,\"user_id\":\"u-li\"}\n{\"amount\":8e0,\"user_id\":\"u-ann\"}\n";
    let visits = "email,page\r\nli@mail.example,/lamp\r\n\"ann@mail.example\",\"/book\"\r\n";
    let readings = [("u-ann", 1), ("u-li", 2), ("u-ann", 3), ("u-li", 4)];
    let objects =
        [(EVENTS, events.into()), (PACKED, gzip(packed)), (VISITS, visits.into()), (READINGS, parquet_of(&readings))];
    objects.map(|(key, body): (&str, Vec<u8>)| (key.to_owned(), body)).into()
}

async fn put(world: &World, objects: &Objects) {
    for (key, body) in objects {
        world.s3.put_object().bucket(BUCKET).key(key).body(body.clone().into()).send().await.unwrap();
    }
}

async fn objects(world: &World) -> Objects {
    let mut found = Objects::new();
    let listed = world.s3.list_objects_v2().bucket(BUCKET).send().await.unwrap();
    for key in listed.contents().iter().filter_map(|object| object.key()) {
        let object = world.s3.get_object().bucket(BUCKET).key(key).send().await.unwrap();
        found.insert(key.to_owned(), object.body.collect().await.unwrap().to_vec());
    }
    found
}

/// Li and Ann, and their rows.
async fn lake() -> World {
    let world = World::of(&yaml::path("tests/policy-lake"), BTreeMap::new()).await;
    for (id, email) in [("u-li", "li@mail.example"), ("u-ann", "ann@mail.example")] {
        world.put("lake-users", &[("user_id", id), ("email", email)]).await;
    }
    put(&world, &yesterday()).await;
    world
}

async fn erase_li(world: &World) -> String {
    let answer =
        world.call("POST", "/v1/requests", Some(&fresh(world, "u-li")), Some(json!({"right": "erasure"}))).await;
    let id = answer.body["request_id"].as_str().unwrap().to_owned();
    world.run_to_end(&id).await;
    id
}

/// That Li is in no object, and that Ann is in each as she was, to the byte.
async fn check(world: &World) {
    let objects = objects(world).await;
    let text = |key: &str| String::from_utf8(objects[key].clone()).unwrap();
    assert_eq!(text(EVENTS), "{ \"user_id\":\"u-ann\" , \"amount\":1.50}\n");
    let mut packed = String::new();
    MultiGzDecoder::new(objects[PACKED].as_slice()).read_to_string(&mut packed).unwrap();
    assert_eq!(packed, "{\"amount\":8e0,\"user_id\":\"u-ann\"}\n");
    assert_eq!(text(VISITS), "email,page\r\ndeleted-user,-\r\n\"ann@mail.example\",\"/book\"\r\n");
    let file = SerializedFileReader::new(bytes::Bytes::from(objects[READINGS].clone())).unwrap();
    let rows: Vec<String> = file.get_row_iter(None).unwrap().map(|row| row.unwrap().to_string()).collect();
    assert_eq!(rows, ["{user_id: \"u-ann\", n: 1}", "{user_id: \"u-ann\", n: 3}"]);
}

#[tokio::test]
async fn rows_inside_objects_that_a_restore_brought_back_are_erased_again_and_that_is_proved() {
    let world = lake().await;
    erase_li(&world).await;
    check(&world).await;
    let erased = objects(&world).await;
    put(&world, &yesterday()).await;
    let certificate = replay(&world, json!({"state_of": YESTERDAY})).await;
    check(&world).await;
    assert_eq!(certificate.outcome, Some(Outcome::Full));
    let scanned = counted(&certificate, "scan");
    let found = |collection: &str| scanned[&format!("lake_files.{collection}")];
    assert_eq!((found("events"), found("visits"), found("readings")), ((5, 3), (2, 1), (4, 2)));
    let proof = counted(&certificate, "prove");
    assert!(proof.values().all(|(_, left)| *left == 0), "{proof:?}");
    assert_eq!(proof["lake_files.events"].0, 2, "Ann's rows were looked at");
    assert_eq!((certificate.total.erased, certificate.total.anonymised), (5, 1));
    let again = erased_again(&world).await;
    let [again] = again.as_slice() else { panic!("one person, one request: {again:?}") };
    check_evidence(&world, again.as_str()).await;

    // Once more finds nothing, and writes no object anew.
    let before = objects(&world).await;
    let second = replay(&world, json!({"state_of": YESTERDAY})).await;
    assert_eq!((second.total.erased, second.total.anonymised, erased_again(&world).await.len()), (0, 0, 1));
    assert_eq!(objects(&world).await, before);
    assert_eq!(objects(&world).await.keys().collect::<Vec<_>>(), erased.keys().collect::<Vec<_>>());
}

#[tokio::test]
async fn an_object_that_cannot_be_read_after_a_restore_is_never_proved_to_be_without_the_person() {
    let world = lake().await;
    erase_li(&world).await;
    let mut restored = yesterday();
    // Cut off in the middle, as a restore that broke off leaves it; and a line that nobody can read.
    restored.get_mut(PACKED).unwrap().truncate(20);
    restored.get_mut(EVENTS).unwrap().extend_from_slice(b"{\"user_id\": \"u-\n");
    put(&world, &restored).await;
    let certificate = replay(&world, json!({"state_of": YESTERDAY})).await;
    assert_eq!(certificate.outcome, Some(Outcome::Partial));
    assert_eq!(counted(&certificate, "prove")["lake_files.events"].1, 2, "the object, and the line");
    let left = objects(&world).await;
    assert_eq!(left[PACKED], restored[PACKED], "what cannot be read is left as it is");
    let again = erased_again(&world).await;
    let status = world.ledger().request(&again[0]).await.unwrap().unwrap().status;
    assert_eq!(status, Status::NeedsAttention, "an operator is told");

    // Mended, it is proved.
    put(&world, &yesterday()).await;
    let certificate = replay(&world, json!({"state_of": YESTERDAY})).await;
    assert_eq!((certificate.outcome, certificate.total.left_over > 0), (Some(Outcome::Full), false));
    check(&world).await;
}

#[tokio::test]
async fn a_replay_of_rows_inside_objects_that_is_killed_at_any_call_ends_the_same() {
    for answer_is_lost in [false, true] {
        let mut call_number = 0;
        loop {
            let world = lake().await;
            erase_li(&world).await;
            world.run().await;
            put(&world, &yesterday()).await;
            let body = json!({"state_of": YESTERDAY, "systems": ["lake"]});
            let id = begin(&world, body).await;
            let ended = async || world.ledger().request(&id.parse().unwrap()).await.unwrap().unwrap().status.is_end();
            if !dies_and_comes_back(&world, call_number, answer_is_lost, ended).await {
                break;
            }
            world.run_to_end(&id).await;
            check(&world).await;
            let shown = call(&world, "GET", &format!("/v1/replays/{id}"), None).await;
            assert_eq!(shown["outcome"], "full", "killed at call {call_number}, answer lost: {answer_is_lost}");
            assert_eq!(erased_again(&world).await.len(), 1);
            call_number += 9;
        }
        assert!(call_number > 30, "the matrix is not empty: {call_number}");
    }
}
