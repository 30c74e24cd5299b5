//! Ways from a person to their rows.

use std::sync::Arc;

use habeas::connectors::{Connector as _, Person, Who};
use serde_json::json;

use super::shop::{Captured, Shop, keys, person};

const PEOPLE: &str = "CREATE TABLE people (id int PRIMARY KEY, email text UNIQUE); \
    INSERT INTO people VALUES (1, 'li@mail.example'), (2, 'ann@mail.example');";

#[tokio::test]
async fn rows_are_found_over_several_tables_and_each_row_once() {
    // The types differ from table to table, as they do in databases that grew.
    let shop = Shop::new(
        &format!(
            "{PEOPLE}
            CREATE TABLE orders (id varchar(20) PRIMARY KEY, customer bigint, address_id text);
            CREATE TABLE parcels (no uuid PRIMARY KEY, order_id char(8), address_id numeric);
            CREATE TABLE scans (id bigserial PRIMARY KEY, parcel text, place text);
            CREATE TABLE addresses (id int PRIMARY KEY, street text);
            INSERT INTO orders VALUES ('o1', 1, '7'), ('o2', 1, 'none'), ('o3', 2, '8');
            INSERT INTO parcels SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, 'o' || n, 6 + n
                FROM generate_series(1, 3) n;
            INSERT INTO scans (parcel, place) SELECT no::text, place FROM parcels, (VALUES ('here'), ('there')) AS v(place)
                ORDER BY no, place;
            INSERT INTO scans (parcel, place) VALUES ('lost', 'nowhere');
            INSERT INTO addresses VALUES (7, 'Long Street'), (8, 'Short Street'), (9, 'No Street')"
        ),
        &[
            ("people", &["id!", "email"]),
            ("orders", &["id!", "customer<people.id", "address_id>addresses.id"]),
            ("parcels", &["no!", "order_id<orders.id", "address_id>addresses.id"]),
            ("scans", &["id!", "parcel<parcels.no", "place"]),
            ("addresses", &["id!", "street"]),
        ],
    )
    .await;
    let li = person("1", "li@mail.example");
    let scans = shop.read("db.scans", &li).await;
    let places: Vec<_> = scans.iter().map(|scan| (scan["id"].as_i64(), scan["place"].as_str())).collect();
    assert_eq!(
        places,
        [(Some(1), Some("here")), (Some(2), Some("there")), (Some(3), Some("here")), (Some(4), Some("there"))]
    );
    // Order 1 and parcel 1 lead to one address, parcel 2 to another, and order 2 to none, since "none" is no number.
    let streets = json!([{"id": 7, "street": "Long Street"}, {"id": 8, "street": "Short Street"}]);
    assert_eq!(json!(shop.read("db.addresses", &li).await), streets);
    assert_eq!(shop.connector().count(&shop.target("db.addresses"), Who::Person(&li)).await.unwrap(), 2);
    assert_eq!(shop.connector().count(&shop.target("db.scans"), Who::Everyone).await.unwrap(), 7);
    let ann = person("2", "ann@mail.example");
    assert_eq!(shop.read("db.scans", &ann).await.len(), 2);
}

#[tokio::test]
async fn all_fields_of_a_composite_key_must_match_at_once() {
    let shop = Shop::new(
        &format!(
            "{PEOPLE}
            CREATE TABLE trips (tenant smallint, no text, traveller int, PRIMARY KEY (tenant, no));
            CREATE TABLE stops (id serial PRIMARY KEY, trip_tenant bigint, trip_no varchar(10), town text);
            INSERT INTO trips VALUES (1, 'a', 1), (2, 'b', 1), (1, 'b', 2);
            INSERT INTO stops (trip_tenant, trip_no, town) VALUES (1, 'a', 'Hangzhou'), (2, 'b', 'Suzhou'), (1, 'b', 'Wuxi'),
                (2, 'a', 'Ningbo'), (NULL, 'a', 'Jiaxing')"
        ),
        &[
            ("people", &["id!", "email"]),
            ("trips", &["tenant!", "no!", "traveller<people.id"]),
            ("stops", &["id!", "trip_tenant<trips.tenant", "trip_no<trips.no", "town"]),
        ],
    )
    .await;
    let towns: Vec<_> = shop.read("db.stops", &person("1", "li@mail.example")).await;
    assert_eq!(towns.iter().map(|stop| stop["town"].as_str().unwrap()).collect::<Vec<_>>(), ["Hangzhou", "Suzhou"]);
}

#[tokio::test]
async fn a_link_may_be_inside_json_in_an_array_or_blind_to_case() {
    let shop = Shop::new(
        &format!(
            "{PEOPLE}
            CREATE TYPE role AS ENUM ('reader', 'writer');
            CREATE TABLE logs (id int PRIMARY KEY, body jsonb, meta json);
            CREATE TABLE talks (id int PRIMARY KEY, speakers int[], mails varchar(50)[]);
            CREATE TABLE grants (id int PRIMARY KEY, who role);
            INSERT INTO logs VALUES (1, '{{\"user\": {{\"id\": 1}}}}', 'null'), (2, '{{\"user\": {{\"id\": 2}}}}', NULL),
                (3, '[]', '{{\"mail\": \"li@mail.example\"}}'), (4, NULL, '{{\"mail\": \"LI@mail.example\"}}');
            INSERT INTO talks VALUES (1, '{{1,2}}', NULL), (2, '{{2}}', '{{li@mail.example}}'), (3, '{{2}}', '{{}}');
            INSERT INTO grants VALUES (1, 'reader'), (2, 'writer')"
        ),
        &[
            ("people", &["id!", "email"]),
            ("logs", &["id!", "body", "meta"]),
            ("talks", &["id!", "speakers<people.id", "mails<people.email"]),
            ("grants", &["id!", "who<people.id"]),
        ],
    )
    .await;
    // Fields inside fields cannot be written in the short form.
    let mut bundle = json!({"policy": shop.policy.policy(), "datasets": shop.policy.datasets()});
    let logs = &mut bundle["datasets"][0]["collections"][1]["fields"];
    let inside = |field: &str| json!([{"name": field, "fides_meta": {"references": [{"dataset": "db", "field": "people.id", "direction": "from"}]}}]);
    logs[1]["fields"] = json!([{"name": "user", "fields": inside("id")}]);
    logs[2]["fields"] = json!([{"name": "mail", "fides_meta": {"identity": "email"}}]);
    let shop = Shop { policy: habeas::policy::Pinned::new(serde_json::from_value(bundle).unwrap()).unwrap(), ..shop };
    let li = person("1", "li@mail.example");
    let ids = async |collection: &str| -> Vec<i64> {
        let mut ids: Vec<i64> =
            shop.read(collection, &li).await.iter().map(|row| row["id"].as_i64().unwrap()).collect();
        // Rows come link after link.
        ids.sort_unstable();
        ids
    };
    assert_eq!(ids("db.logs").await, [1, 3], "JSON is compared as it is stored");
    assert_eq!(ids("db.talks").await, [1, 2]);
    assert_eq!(ids("db.grants").await, [0; 0], "1 is no value of the enum, and no error either");
}

#[tokio::test]
async fn values_that_the_type_of_a_field_does_not_take_lead_nowhere() {
    let shop = Shop::new(
        "CREATE TABLE people (id int PRIMARY KEY, email text);
        CREATE TABLE small (id int PRIMARY KEY, owner smallint);
        CREATE TABLE unique_ids (id int PRIMARY KEY, owner uuid);
        CREATE TABLE moments (id int PRIMARY KEY, owner timestamptz);
        INSERT INTO people VALUES (7, 'li@mail.example');
        INSERT INTO small VALUES (1, 7);
        INSERT INTO unique_ids VALUES (1, '6f9619ff-8b86-d011-b42d-00c04fc964ff');
        INSERT INTO moments VALUES (1, '2026-11-21T08:00:00Z')",
        &[
            ("people", &["id!", "email"]),
            ("small", &["id!", "owner<people.id"]),
            ("unique_ids", &["id!", "owner<people.id"]),
            ("moments", &["id!", "owner<people.id"]),
        ],
    )
    .await;
    let found = async |collection: &str, id: &str| shop.read(collection, &person(id, "x")).await.len();
    let rubbish =
        ["", "seven", "07", "7.0", "99999999999999999999999", "70000", "7; --", "'", "\0", "{7}", "null", "∞"];
    for id in rubbish {
        for collection in ["db.people", "db.small", "db.unique_ids", "db.moments"] {
            assert_eq!(found(collection, id).await, 0, "{collection} {id:?}");
        }
    }
    assert_eq!(found("db.small", "7").await, 1);
    assert_eq!(found("db.unique_ids", "6F9619FF-8B86-D011-B42D-00C04FC964FF").await, 1);
    assert_eq!(found("db.moments", "2026-11-21T08:00:00+00:00").await, 1, "as it is in JSON");
}

#[tokio::test]
async fn captured_keys_are_gone_through_chunk_after_chunk_and_no_row_comes_twice() {
    let shop = Shop::new(
        &format!(
            "{PEOPLE}
            CREATE TABLE things (id int PRIMARY KEY, owner int, note text, notes text[]);
            INSERT INTO things VALUES (1, 1, 'n1', '{{n1,n3}}'), (2, 2, 'n2', '{{n9}}'), (3, 2, 'n3', '{{n3,n2}}'),
                (4, 2, 'n4', NULL)"
        ),
        &[
            ("people", &["id!", "email"]),
            ("things", &["id!", "owner<people.id", "note<notes.about", "notes<notes.about"]),
        ],
    )
    .await;
    let chunk = |keys: &[&str]| keys.iter().map(|key| vec![(*key).to_owned()]).collect::<Vec<_>>();
    let store = Captured(vec![chunk(&["n1", "n5"]), chunk(&[]), chunk(&["n3", "n\0"])]);
    let li = Person::of("0".repeat(32).parse().unwrap(), keys("1", "li@mail.example"), Arc::new(store));
    let ids: Vec<_> = shop.read("db.things", &li).await.iter().map(|thing| thing["id"].as_i64().unwrap()).collect();
    assert_eq!(ids, [1, 3]);
    assert_eq!(shop.connector().count(&shop.target("db.things"), Who::Person(&li)).await.unwrap(), 2);
}
