//! Transactions, activity, advertising, devices, locations, network logs and customer service.

use rand_chacha::ChaCha8Rng;
use serde_json::json;

use super::{Fields, User, social, token};
use crate::sample::Row;
use crate::sample::people::{below, chance, outsider, pick, timestamp};
use crate::sample::text;

const GOODS: [(&str, &str); 8] = [
    ("会员月卡", "Membership, one month"),
    ("虚拟礼物 玫瑰", "Virtual gift: rose"),
    ("电影票 2张", "Cinema tickets, two"),
    ("周边一日游", "Day trip"),
    ("英语口语课", "Spoken English course"),
    ("游戏礼包", "Game bundle"),
    ("演唱会直播", "Concert stream"),
    ("相亲活动入场", "Blind date evening, entry"),
];
const ORIGINS: [&str; 7] = ["yallo", "video", "tourism", "education", "blind_date", "live_broadcast", "game"];
const QUERIES: [(&str, &str); 8] = [
    ("附近 火锅", "hotpot nearby"),
    ("周末 徒步 路线", "weekend hiking trails"),
    ("二手 相机", "used camera"),
    ("同城 羽毛球", "badminton in town"),
    ("考研 自习室", "quiet study room"),
    ("流浪猫 领养", "adopt a cat"),
    ("民宿 海边", "seaside guesthouse"),
    ("怎么 做 提拉米苏", "how to make tiramisu"),
];
const PAGES: [&str; 6] = ["/news", "/circles/outdoor", "/circles/cats", "/events/weekend", "/search", "/market"];
const MODELS: [(&str, &str); 5] = [
    ("Pixel 9", "Android 16"),
    ("Mi 15", "Android 15"),
    ("Mate 70", "HarmonyOS 5"),
    ("iPhone 16", "iOS 19"),
    ("Find X8", "Android 15"),
];
const BROWSERS: [&str; 4] = ["Chrome 140", "Safari 19", "Firefox 143", "in-app"];
const OPERATORS: [&str; 4] = ["China Mobile", "China Unicom", "China Telecom", "China Broadnet"];
/// Address blocks reserved for documentation.
const NETWORKS: [&str; 3] = ["192.0.2", "198.51.100", "203.0.113"];

pub(super) fn rows(user: &User<'_>, emit: &mut dyn FnMut(Row)) {
    transactions(user, emit);
    activity(user, emit);
    ad_events(user, emit);
    devices(user, emit);
    locations(user, emit);
    access_logs(user, emit);
    support_tickets(user, emit);
}

fn in_language(user: &User<'_>, pair: (&'static str, &'static str)) -> &'static str {
    if user.who.language == "zh-Hans" { pair.0 } else { pair.1 }
}

fn ip(rng: &mut ChaCha8Rng) -> String {
    format!("{}.{}", pick(rng, &NETWORKS), 1 + below(rng, 254))
}

fn transactions(user: &User<'_>, emit: &mut dyn FnMut(Row)) {
    let mut rng = user.rng("transactions");
    for _ in 0..user.volume(&mut rng, 6) {
        emit(
            Fields::default()
                .shown("user_id", user.who.user_id.as_str())
                .shown("transaction_id", format!("txn-{}", token(&mut rng)))
                .shown("goods", in_language(user, pick(&mut rng, &GOODS)))
                .shown("amount", 100 * (1 + below(&mut rng, 300)))
                .shown("origin", pick(&mut rng, &ORIGINS))
                .shown_if_any("contact", user.contact())
                .shown("ip_address", ip(&mut rng))
                .shown("completed_at", user.retained_moment(&mut rng, 1_095))
                .shown("restricted", false)
                .row("yallo_app.transactions"),
        );
    }
}

fn activity(user: &User<'_>, emit: &mut dyn FnMut(Row)) {
    let mut rng = user.rng("activity");
    for row in 0..user.volume(&mut rng, 8) {
        let mut fields = Fields::default()
            .shown("user_id", user.who.user_id.as_str())
            .shown("activity_id", format!("act-{}", token(&mut rng)))
            .shown("page", pick(&mut rng, &PAGES))
            .shown("happened_at", user.moment(&mut rng, 180, row));
        // The first row has everything; later ones may be visits without a search.
        if row == 0 || chance(&mut rng, 50) {
            fields = fields.shown("query", in_language(user, pick(&mut rng, &QUERIES)));
        }
        emit(fields.row("yallo_app.activity"));
    }
}

fn ad_events(user: &User<'_>, emit: &mut dyn FnMut(Row)) {
    let mut rng = user.rng("ad-events");
    for _ in 0..user.volume(&mut rng, 5) {
        let campaign = format!("campaign-{:03}", below(&mut rng, 60));
        emit(
            Fields::default()
                .shown("campaign_id", campaign.as_str())
                .shown("event_id", format!("evt-{}", token(&mut rng)))
                .shown("user_id", user.who.user_id.as_str())
                .shown("kind", pick(&mut rng, &["ad_shown", "ad_shown", "mail_opened", "link_clicked"]))
                .shown("link", format!("https://ads.example/{campaign}?recipient={}", user.tag))
                .shown("birth_date", user.who.birth.as_str())
                .shown("place", format!("{} {}", user.who.city, user.who.street))
                .shown("happened_at", timestamp(&mut rng, 600, 0))
                .row("yallo_app.ad_events"),
        );
    }
}

fn devices(user: &User<'_>, emit: &mut dyn FnMut(Row)) {
    let mut rng = user.rng("device-rows");
    for (row, device) in user.devices.iter().enumerate() {
        let (model, os_version) = pick(&mut rng, &MODELS);
        let settings = json!({
            "dark_mode": chance(&mut rng, 40),
            "text_size": pick(&mut rng, &["small", "medium", "large"]),
        });
        emit(
            Fields::default()
                .shown("user_id", user.who.user_id.as_str())
                .shown("device_id", device.device_id.as_str())
                .shown("model", model)
                .shown("os_version", os_version)
                .shown("settings", settings)
                .shown("hardware", format!("arm64, {} GB", 4 * (1 + below(&mut rng, 4))))
                .shown("cookie_id", device.cookie_id.as_str())
                .shown(
                    "cookie_preferences",
                    format!("site=yallo; tab={}", pick(&mut rng, &["news", "nearby", "circles"])),
                )
                .shown("last_seen_at", user.moment(&mut rng, 365, row))
                .row("yallo_app.devices"),
        );
    }
}

fn locations(user: &User<'_>, emit: &mut dyn FnMut(Row)) {
    let mut rng = user.rng("locations");
    for row in 0..user.volume(&mut rng, 8) {
        let access_point = token(&mut rng);
        let sender = token(&mut rng);
        emit(
            Fields::default()
                .shown("user_id", user.who.user_id.as_str())
                .shown("location_id", format!("loc-{}", token(&mut rng)))
                .shown("position", social::coordinates(&mut rng))
                .shown("wifi_access_point", format!("ap-{}", &access_point[..12]))
                .shown("bluetooth_beacon", format!("bt-{}", &sender[..12]))
                .shown("base_station", format!("460-0{}-{}", below(&mut rng, 3), 10_000 + below(&mut rng, 50_000)))
                .shown("recorded_at", user.moment(&mut rng, 90, row))
                .row("yallo_app.locations"),
        );
    }
}

fn access_logs(user: &User<'_>, emit: &mut dyn FnMut(Row)) {
    let mut rng = user.rng("access-logs");
    for _ in 0..user.volume(&mut rng, 8) {
        emit(
            Fields::default()
                .shown("user_id", user.who.user_id.as_str())
                .shown("log_id", format!("log-{}", token(&mut rng)))
                .shown("ip_address", ip(&mut rng))
                .shown("browser", pick(&mut rng, &BROWSERS))
                .shown("operator", pick(&mut rng, &OPERATORS))
                .shown("language", user.who.language)
                .shown("page", pick(&mut rng, &PAGES))
                .shown("accessed_at", user.retained_moment(&mut rng, 181))
                .shown("restricted", false)
                .row("yallo_app.access_logs"),
        );
    }
}

fn support_tickets(user: &User<'_>, emit: &mut dyn FnMut(Row)) {
    let mut rng = user.rng("support-tickets");
    for _ in 0..user.volume(&mut rng, 2) {
        let (name, phone) = outsider(&mut rng);
        let answered = in_language(user, ("已回电，由家人接听：", "Called back, family answered: "));
        emit(
            Fields::default()
                .shown("user_id", user.who.user_id.as_str())
                .shown("ticket_id", format!("tic-{}", token(&mut rng)))
                .shown("content", user.says(&mut rng))
                .shown("call_record", format!("{answered}{name} {phone}"))
                .shown_if_any("contact_left", user.contact())
                .shown("solution", text::sentence(&mut rng, user.who.language))
                .shown("opened_at", timestamp(&mut rng, 600, 0))
                .row("yallo_app.support_tickets"),
        );
    }
}
