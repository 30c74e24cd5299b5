//! What using the app leaves behind: steps, places, devices, logs.

use rand_chacha::ChaCha8Rng;

use super::facts::{Facts, SUBJECT_LOG_DAYS, fresh_id, hex};
use super::{Draft, Row};
use crate::sample::people::{below, chance, pick};

/// The periods of the policy, in days.
const HALF_A_YEAR: u32 = 184;
const A_SEASON: u32 = 90;

const ZH_KEYWORDS: [&str; 6] = ["附近的公园", "怎么换链条", "周末去哪玩", "红烧排骨做法", "二手吉他", "体检要空腹吗"];
const EN_KEYWORDS: [&str; 6] =
    ["parks nearby", "bicycle chain", "weekend trips", "braised ribs", "used guitar", "health check fasting"];
const FORMS: [&str; 4] = ["search_box", "profile_form", "publish_form", "feedback_form"];
const CLICKS: [&str; 6] = ["headline", "picture", "play", "read_more", "author", "advertisement"];

const MODELS: [&str; 5] = ["Pine 11", "Pine 12 Pro", "Lotus X2", "Lotus Fold", "Kite 9"];
const APPS: [&str; 8] = ["maps", "weather", "music", "camera", "notes", "bank", "metro", "reader"];
const OPERATIONS: [&str; 6] = ["sign_in", "open_feed", "publish", "upload", "search", "pay"];

/// Every row of these collections.
pub(super) fn rows(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    activity(facts, emit);
    locations(facts, emit);
    devices(facts, emit);
    access_logs(facts, emit);
}

fn activity(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    let rng = &mut facts.rng("activity");
    for _ in 0..facts.few(rng) {
        emit(
            Draft::new("yuncan_app.activity")
                .with("user_id", facts.who.user_id.as_str())
                .with("activity_id", fresh_id(rng, "ac"))
                .with("keyword", pick(rng, facts.local(&ZH_KEYWORDS, &EN_KEYWORDS)))
                .with("page", format!("/read/{}", facts.others_post(rng)))
                .with("seconds", 3 + below(rng, 600))
                .with("clicked", pick(rng, &CLICKS))
                .with("form_record", pick(rng, &FORMS))
                .with("cookie_id", facts.cookie_id.as_str())
                .with("created_at", facts.moment_kept(rng, HALF_A_YEAR, SUBJECT_LOG_DAYS))
                .row(),
        );
    }
}

fn locations(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    let rng = &mut facts.rng("locations");
    for _ in 0..facts.few(rng) {
        let (latitude, longitude) = (22 + below(rng, 18), 103 + below(rng, 17));
        emit(
            Draft::new("yuncan_app.locations")
                .with("user_id", facts.who.user_id.as_str())
                .with("location_id", fresh_id(rng, "lo"))
                .with("gps", format!("{latitude}.{:05},{longitude}.{:05}", below(rng, 100_000), below(rng, 100_000)))
                .with("access_point", format!("02:00:5e:{}:{}:{}", hex(rng, 2), hex(rng, 2), hex(rng, 2)))
                .with("bluetooth", format!("beacon-{}", hex(rng, 8)))
                .with("base_station", format!("460-{:02}-{:05}", below(rng, 12), below(rng, 100_000)))
                .with("sensors", format!("pressure {} hPa", 980 + below(rng, 50)))
                .with("used_for", pick(rng, &["recommendation", "location_service", "public_welfare"]))
                .with("recorded_at", facts.moment_kept(rng, A_SEASON, SUBJECT_LOG_DAYS))
                .row(),
        );
    }
}

fn devices(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    let rng = &mut facts.rng("devices");
    for device in &facts.devices {
        let mut some = |limit: usize| {
            let from = below(rng, APPS.len());
            let taken: Vec<&str> = APPS.iter().cycle().skip(from).take(1 + below(rng, limit)).copied().collect();
            taken
        };
        let (installed, running) = (some(6), some(3));
        emit(
            Draft::new("yuncan_app.devices")
                .with("user_id", facts.who.user_id.as_str())
                .with("device_id", device.id.as_str())
                .with("imei", device.imei.as_str())
                .with("hardware_address", device.hardware_address.as_str())
                .with("hardware_model", pick(rng, &MODELS))
                .with("os_version", format!("{}.{}", 11 + below(rng, 5), below(rng, 4)))
                .with("software_version", format!("7.{}.{}", below(rng, 9), below(rng, 20)))
                .with("installed_apps", installed)
                .with("running_processes", running)
                .with("app_source", pick(rng, &["app_store", "preinstalled", "website"]))
                .with("crashes", below(rng, 5))
                .with("performance", format!("cold start {} ms", 400 + below(rng, 1_800)))
                .with("usage_frequency", format!("{} times a week", 1 + below(rng, 60)))
                .with("last_seen_at", facts.moment_kept(rng, HALF_A_YEAR, SUBJECT_LOG_DAYS))
                .row(),
        );
    }
}

fn access_logs(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    let rng = &mut facts.rng("access-logs");
    for _ in 0..facts.few(rng) {
        emit(
            Draft::new("yuncan_app.access_logs")
                .with("user_id", facts.who.user_id.as_str())
                .with("log_id", fresh_id(rng, "lg"))
                .with("ip_address", ip_address(rng))
                .with("ip_city", facts.who.city.as_str())
                .with("network_method", pick(rng, &["wlan", "mobile"]))
                .with("network_type", pick(rng, &["4G", "5G", "Wi-Fi 5", "Wi-Fi 6"]))
                .with("network_status", pick(rng, &["good", "good", "weak"]))
                .with("network_quality", format!("{} ms, {}% lost", 8 + below(rng, 200), below(rng, 4)))
                .with("operation", pick(rng, &OPERATIONS))
                .with("logged_at", facts.moment_kept(rng, HALF_A_YEAR, SUBJECT_LOG_DAYS))
                .with("restricted", false)
                .row(),
        );
    }
}

/// An address of the blocks that are set aside for documentation.
pub(super) fn ip_address(rng: &mut ChaCha8Rng) -> String {
    if chance(rng, 50) {
        format!("{}.{}", pick(rng, &["192.0.2", "198.51.100", "203.0.113"]), 1 + below(rng, 254))
    } else {
        format!("2001:db8:{}:{}::{}", hex(rng, 4), hex(rng, 4), hex(rng, 3))
    }
}
