//! What is refused, and what is said of it.

use habeas::connectors::{Action, Connector as _, ConnectorError, Who};
use habeas::mask::Masked;
use habeas::record::Value;
use serde_json::{Value as Json, json};

use super::shop::{Shop, person, words};

const PEOPLE: (&str, &[&str]) = ("people", &["id!", "email", "name"]);
const TABLES: &str = "CREATE TABLE people (id int PRIMARY KEY, email text UNIQUE, name varchar(10) NOT NULL);
    INSERT INTO people VALUES (1, 'li@mail.example', 'Li Wei'), (2, 'ann@mail.example', 'Ann')";

#[tokio::test]
async fn an_error_names_code_table_and_constraint_and_nothing_that_a_row_holds() {
    let shop = Shop::with(
        &format!(
            "{TABLES}; CREATE TABLE posts (id int PRIMARY KEY, author int REFERENCES people, text text);
            INSERT INTO posts VALUES (1, 1, 'hello')"
        ),
        &[
            PEOPLE,
            ("posts", &["id!", "author<people.id", "text"]),
            ("lost", &["id!", "author<people.id"]),
            ("odd", &["nope!"]),
        ],
        |policy| policy["systems"][0]["collections"] = json!({"odd": {"table": "posts"}}),
    )
    .await;
    let li = person("1", "li@mail.example");
    let replaced = |value: Value| Some(("name", Masked::Replaced(value)));
    for (what, code, name) in [
        (None, "23503", "posts_author_fkey"),
        (Some(("name", Masked::Removed)), "23502", "name"),
        (replaced(Value::Text("someone whose name is too long".into())), "22001", "public.people"),
        (Some(("email", Masked::Replaced(Value::Text("ann@mail.example".into())))), "23505", "people_email_key"),
        (Some(("id", Masked::Replaced(Value::Text("Li Wei".into())))), "22P02", "public.people"),
    ] {
        let (connector, target) = (shop.connector(), shop.target("db.people"));
        let rows = connector.read(&target, Who::Person(&li), None).await.unwrap().rows;
        let action =
            || what.clone().map_or(Action::Erase, |(field, masked)| Action::Change(vec![(field.to_owned(), masked)]));
        let error = connector.apply(&target, rows.into_iter().map(|row| (row, action())).collect()).await.unwrap_err();
        let (is_for_good, words) = words(&error);
        assert!(is_for_good && words.contains(code) && words.contains(name), "{words}");
        for value in ["Li Wei", "mail.example", "too long whose", "someone"] {
            assert!(!words.contains(value), "{words}");
        }
    }
    for (collection, said) in [("db.lost", "public.lost"), ("db.odd", "no column nope")] {
        let error = shop.connector().read(&shop.target(collection), Who::Person(&li), None).await.err().unwrap();
        let (is_for_good, words) = words(&error);
        assert!(is_for_good && words.contains(said), "{words}");
    }
}

#[tokio::test]
async fn what_the_role_may_not_do_is_refused_for_good_and_what_others_hold_is_tried_again() {
    let shop = Shop::new(TABLES, &[PEOPLE]).await;
    let (li, target, connector) = (person("1", "li@mail.example"), shop.target("db.people"), shop.connector());
    let admin = shop.database.admin().await;
    admin.batch_execute("ALTER TABLE people OWNER TO CURRENT_USER").await.unwrap();
    let refused = |error: ConnectorError| {
        let (is_for_good, words) = words(&error);
        assert!(is_for_good && words.contains("42501") && words.contains("public.people"), "{words}");
    };
    refused(connector.read(&target, Who::Person(&li), None).await.err().unwrap());
    admin.batch_execute(&format!("GRANT SELECT ON people TO {}", shop.database.name)).await.unwrap();
    let rows = connector.read(&target, Who::Person(&li), None).await.unwrap().rows;
    refused(connector.apply(&target, rows.into_iter().map(|row| (row, Action::Erase)).collect()).await.unwrap_err());
    // Rows that a policy of the table hides would be missing without a word.
    admin.batch_execute("ALTER TABLE people ENABLE ROW LEVEL SECURITY").await.unwrap();
    refused(connector.read(&target, Who::Person(&li), None).await.err().unwrap());
    admin.batch_execute("ALTER TABLE people DISABLE ROW LEVEL SECURITY").await.unwrap();
    admin.batch_execute("BEGIN; LOCK TABLE people IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let error = connector.read(&target, Who::Person(&li), None).await.err().unwrap();
    assert!(!words(&error).0 && words(&error).1.contains("55P03"), "{}", words(&error).1);
    admin.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(connector.read(&target, Who::Person(&li), None).await.unwrap().rows.len(), 1);
}

#[tokio::test]
async fn a_rotated_password_is_read_again_once() {
    let shop = Shop::new(TABLES, &[PEOPLE]).await;
    let (li, target, connector) = (person("1", "li@mail.example"), shop.target("db.people"), shop.connector());
    let read = async || connector.read(&target, Who::Person(&li), None).await.map(|page| page.rows.len());
    assert_eq!(read().await.ok(), Some(1));
    let admin = shop.database.admin().await;
    let rotate = format!("ALTER ROLE {} PASSWORD 'rotated'", shop.database.name);
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'habeas' \
               AND datname = current_database()";
    admin.batch_execute(&format!("{rotate}; {cut}")).await.unwrap();
    let (is_for_good, words) = words(&read().await.unwrap_err());
    assert!(!is_for_good && words.contains("secret shop"), "{words}");
    assert!(!words.contains("rotated") && !words.contains(&shop.database.name), "{words}");
    change(&shop, |secret| secret["password"] = "rotated".into());
    assert_eq!(read().await.ok(), Some(1));
}

#[tokio::test]
async fn a_server_is_believed_by_the_authority_of_the_secret() {
    let shop = Shop::new(TABLES, &[PEOPLE]).await;
    let (li, target) = (person("1", "li@mail.example"), shop.target("db.people"));
    let read = async || shop.connector().read(&target, Who::Person(&li), None).await.map(|page| page.rows.len());
    let over_tls = shop.database.secret_over_tls();
    change(&shop, |secret| *secret = over_tls.clone());
    assert_eq!(read().await.ok(), Some(1));
    // Without the authority, those of the machine count, and none of them knows this server.
    change(&shop, |secret| secret["sslrootcert"] = Json::Null);
    let (is_for_good, words_of) = words(&read().await.unwrap_err());
    assert!(!is_for_good && words_of.contains("invalid peer certificate"), "{words_of}");
    change(&shop, |secret| secret["sslmode"] = "require".into());
    assert_eq!(read().await.ok(), Some(1), "encrypted, whoever it is");
    change(&shop, |secret| secret["sslrootcert"] = "no certificate".into());
    assert!(words(&read().await.unwrap_err()).0);
}

fn change(shop: &Shop, change: impl FnOnce(&mut Json)) {
    let mut secret = shop.secrets.0.lock().unwrap();
    let mut json = serde_json::from_str(&secret).unwrap();
    change(&mut json);
    *secret = json.to_string();
}
