//! Legal holds over tables that refer to each other.

use habeas_e2e::{World, yaml};
use jiff::SignedDuration;
use serde_json::json;

use super::story::{Shop, shop, shop_in};
use crate::crash::check_evidence;
use crate::holds::{hold, lift};
use crate::recheck::after;

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A shop in which erasures go around holds.
async fn shop_that_goes_around() -> Shop {
    shop_in(async |secrets| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("datasets")).unwrap();
        for file in std::fs::read_dir(yaml::path("tests/policy-database/datasets")).unwrap() {
            let file = file.unwrap();
            std::fs::copy(file.path(), folder.path().join("datasets").join(file.file_name())).unwrap();
        }
        let policy = yaml::text("tests/policy-database/policy.yaml") + "\nholds: {erasure: around}\n";
        std::fs::write(folder.path().join("policy.yaml"), policy).unwrap();
        World::of(folder.path(), secrets).await
    })
    .await
}

#[tokio::test]
async fn what_held_rows_refer_to_stays_with_them_and_all_of_it_goes_after_the_lift() {
    let undisturbed = shop().await;
    undisturbed.ask("erasure").await;
    let shop = shop_that_goes_around().await;
    let of_ann = shop.of(8).await;
    let items =
        "SELECT i::text FROM sales.order_items i JOIN sales.orders o ON o.id = i.order_id WHERE customer_id = 7";
    let before = shop.lines(items).await;
    assert_eq!(before.len(), 4);
    let held = hold(&shop.world, json!({"collection": "shop_db.order_items"}), DAY * 60).await;
    let id = shop.ask("erasure").await;
    assert_eq!(shop.lines(items).await, before, "nor did what they refer to take them along");
    assert_eq!(shop.lines("SELECT count(*)::text FROM logins WHERE customer = 7").await, ["0"], "all else went");
    assert_eq!(check_evidence(&shop.world, &id).await.holds.len(), 1);
    lift(&shop.world, &held).await;
    after(&shop.world, DAY).await;
    assert_eq!(shop.of(7).await, undisturbed.of(7).await);
    assert_eq!(shop.lines("SELECT count(*)::text FROM sales.order_items").await, ["2"], "Ann's");
    assert_eq!(shop.of(8).await, of_ann);
    assert!(check_evidence(&shop.world, &id).await.holds[0].ended_at.is_some());
}
