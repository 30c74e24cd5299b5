//! The databases that tests are given.

use habeas_e2e::TestDatabase;
use rustls::RootCertStore;

#[tokio::test]
async fn a_test_has_a_database_of_its_own_that_is_gone_afterwards() {
    let (database, other) = (TestDatabase::create().await, TestDatabase::create().await);
    let role = database.client().await;
    role.batch_execute("CREATE SCHEMA sales CREATE TABLE orders (id int PRIMARY KEY)").await.unwrap();
    assert!(other.client().await.batch_execute("TABLE sales.orders").await.is_err());
    assert!(role.batch_execute("CREATE ROLE more").await.is_err(), "the role may administer the server");

    let name = database.name.clone();
    drop(database);
    let count = "SELECT (SELECT count(*) FROM pg_database WHERE datname = $1)
        + (SELECT count(*) FROM pg_roles WHERE rolname = $1)";
    let left: i64 = other.client().await.query_one(count, &[&name]).await.unwrap().get(0);
    assert_eq!(left, 0, "a connection was open, and the database goes all the same");
}

#[tokio::test]
async fn over_tls_a_server_is_taken_by_its_authority_only() {
    let database = TestDatabase::create().await;
    let client = database.client_over_tls(TestDatabase::authorities()).await.unwrap();
    let query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()";
    assert!(client.query_one(query, &[]).await.unwrap().get::<_, bool>(0));
    assert!(database.client_over_tls(RootCertStore::empty()).await.is_err());
}
