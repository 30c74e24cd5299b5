//! Two people and what they have, for every test.

use habeas_e2e::{SignIns, World};

pub(crate) const LI: &str = "u-li";
pub(crate) const LI_EMAIL: &str = "li.wei@mail.example";
pub(crate) const LI_PHONE: &str = "+8613912345678";
pub(crate) const PICTURE: &[u8] = b"a picture";

/// A world with Li and Ann in it, each with rows in every table, some of them shared, and with pictures.
pub(crate) async fn world() -> World {
    let world = World::new().await;
    settle(&world).await;
    world
}

/// Puts Li and Ann into a world.
pub(crate) async fn settle(world: &World) {
    world
        .put(
            "small-users",
            &[
                ("user_id", LI),
                ("email", LI_EMAIL),
                ("phone", LI_PHONE),
                ("password_hash", "$argon2$li"),
                ("id_number", "110101199003071234"),
                ("language", "zh-Hans"),
            ],
        )
        .await;
    world.put("small-users", &[("user_id", "u-ann"), ("email", "ann@mail.example"), ("language", "en")]).await;
    for number in 0..3 {
        let (id, text) = (format!("p{number}"), format!("Li's post {number}"));
        let post = [("user_id", LI), ("post_id", &id), ("text", &text), ("created_at", "2026-10-01T00:00:00Z")];
        world.put("small-posts", &post).await;
    }
    let old = [("user_id", "u-ann"), ("post_id", "old"), ("text", "old"), ("created_at", "2024-11-20T00:00:00Z")];
    world.put("small-posts", &old).await;
    let new = [("user_id", "u-ann"), ("post_id", "new"), ("text", "new"), ("created_at", "2026-11-20T00:00:00Z")];
    world.put("small-posts", &new).await;
    for (id, author, text) in [("c1", LI, "Li says hello"), ("c2", "u-ann", "Ann says hello")] {
        world
            .put("small-comments", &[("post_id", "new"), ("comment_id", id), ("author_id", author), ("text", text)])
            .await;
    }
    let old = [
        ("post_id", "new"),
        ("comment_id", "c3"),
        ("author_id", "u-ann"),
        ("text", "Ann said hello"),
        ("written_at", "2024-11-20T00:00:00Z"),
    ];
    world.put("small-comments", &old).await;
    for (id, from, to, text) in [("m1", LI, "u-ann", "from Li"), ("m2", "u-ann", LI, "from Ann")] {
        world
            .put("small-messages", &[("sender_id", from), ("message_id", id), ("recipient_id", to), ("text", text)])
            .await;
    }
    for (id, user, at) in [
        ("o1", LI, "2026-01-31T00:00:00Z"),
        ("o2", LI, "2022-01-31T00:00:00Z"),
        ("o3", "u-ann", "2026-01-31T00:00:00Z"),
    ] {
        let order = [
            ("user_id", user),
            ("order_id", id),
            ("goods", "a book"),
            ("address", "1 Long Street"),
            ("completed_at", at),
        ];
        world.put("small-orders", &order).await;
    }
    for (key, at) in [
        ("pictures/u-li/face.png", "2026-10-01T00:00:00Z"),
        ("pictures/u-ann/old.png", "2024-11-20T00:00:00Z"),
        ("pictures/u-ann/new.png", "2026-11-20T00:00:00Z"),
    ] {
        world.put_object(World::FILES, key, PICTURE, at).await;
    }
    world.calls.take();
}

/// A token of somebody who signed in just now.
pub(crate) fn fresh(world: &World, user_id: &str) -> String {
    SignIns::token(user_id, world.now())
}
