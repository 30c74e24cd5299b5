//! What is kept in the database of records: payments, prizes, consents, and what people write to the company.
//!
//! Values are as the database writes them as JSON: what is not there is null, moments have an offset.

use std::net::IpAddr;

use serde_json::json;

use super::facts::{Facts, SUBJECT_PROOF_DAYS, fresh_id, post_id};
use super::traces::ip_address;
use super::{Draft, Row};
use crate::sample::people::{below, chance, pick};
use crate::sample::text;

/// A period of the policy, in days.
const THREE_YEARS: u32 = 1_096;

const ZH_GOODS: [&str; 5] = ["会员一个月", "会员一年", "打赏作者", "付费专栏", "钱包充值"];
const EN_GOODS: [&str; 5] =
    ["membership, one month", "membership, one year", "tip for an author", "paid column", "wallet top-up"];
const CAMPAIGNS: [&str; 4] = ["spring-photo-contest", "invite-a-friend", "reading-month", "anniversary-draw"];
const PERMISSIONS: [&str; 7] =
    ["gps", "address_book", "camera", "microphone", "photo_album", "face_recognition", "share_with_partners"];
const SUBJECTS: [&str; 5] = ["sign_in", "payment", "recommendation", "privacy", "comments"];

/// Every row of these collections.
pub(super) fn rows(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    orders(facts, emit);
    campaign_entries(facts, emit);
    consents(facts, emit);
    feedback(facts, emit);
}

/// Orders, then their lines.
fn orders(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    let rng = &mut facts.rng("orders");
    let series = facts.order_series();
    let card_type = pick(rng, &["debit", "credit"]);
    let valid_until = format!("{:02}/{}", 1 + below(rng, 12), 27 + below(rng, 6));
    let mut items = Vec::new();
    for number in 0..facts.few(rng) {
        let order_id = post_id(&series, number);
        let completed_at = moment(&facts.moment_kept(rng, THREE_YEARS, SUBJECT_PROOF_DAYS));
        let mut amount = 0;
        for line in 1..=1 + below(rng, 3) {
            let price = 100 * (1 + below(rng, 400));
            amount += price;
            items.push(
                Draft::new("yuncan_records.order_items")
                    .with("order_id", order_id.as_str())
                    .with("line", line)
                    .with("goods", pick(rng, facts.local(&ZH_GOODS, &EN_GOODS)))
                    .with("price_fen", price)
                    .with("delivered_at", completed_at.as_str())
                    .row(),
            );
        }
        emit(
            Draft::new("yuncan_records.orders")
                .with("user_id", facts.who.user_id.as_str())
                .with("order_id", order_id)
                .with("amount_fen", amount)
                .with("payer_name", facts.who.real_name.as_str())
                .with("payer_phone", facts.who.phone.as_deref())
                .with("card_type", card_type)
                .with("card_number", facts.who.bank_card.as_str())
                .with("card_valid_until", valid_until.as_str())
                .with("wallet_account", facts.wallet_account.as_str())
                .with("completed_at", completed_at)
                .row(),
        );
    }
    items.into_iter().for_each(emit);
}

fn campaign_entries(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    let rng = &mut facts.rng("campaign-entries");
    for _ in 0..facts.few(rng).div_ceil(3) {
        emit(
            Draft::new("yuncan_records.campaign_entries")
                .with("user_id", facts.who.user_id.as_str())
                .with("entry_id", fresh_id(rng, "ce"))
                .with("campaign", pick(rng, &CAMPAIGNS))
                .with("name", facts.who.real_name.as_str())
                .with("mailing_address", format!("{} {}", facts.who.city, facts.who.street))
                .with("contact_phone", facts.who.phone.as_deref())
                .with("bank_account", facts.bank_account.as_str())
                .with("created_at", moment(&Facts::moment(rng)))
                .row(),
        );
    }
}

fn consents(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    let rng = &mut facts.rng("consents");
    for _ in 0..facts.few(rng) {
        let at = below(rng, facts.devices.len());
        emit(
            Draft::new("yuncan_records.consents")
                .with("user_id", facts.who.user_id.as_str())
                .with("consent_id", fresh_id(rng, "cn"))
                .with("permission", pick(rng, &PERMISSIONS))
                .with("granted", chance(rng, 75))
                // Every sample user is of age.
                .with("guardian_agreed", "not_needed")
                .with("policy_version", "2021-05-01")
                .with("device_id", facts.devices.get(at).map(|device| device.id.as_str()))
                .with("ip_address", normal(&ip_address(rng)))
                .with("given_at", moment(&facts.moment_kept(rng, THREE_YEARS, SUBJECT_PROOF_DAYS)))
                .row(),
        );
    }
}

/// What people write, then what they are answered.
fn feedback(facts: &Facts, emit: &mut dyn FnMut(Row)) {
    let rng = &mut facts.rng("feedback");
    let series = facts.feedback_series();
    let mut replies = Vec::new();
    // Few people write to a company.
    for number in 0..facts.few(rng).div_ceil(4) {
        let feedback_id = post_id(&series, number);
        let device = &facts.devices[below(rng, facts.devices.len())];
        let from = below(rng, SUBJECTS.len());
        let about: Vec<&str> = SUBJECTS.iter().cycle().skip(from).take(1 + below(rng, 2)).copied().collect();
        emit(
            Draft::new("yuncan_records.feedback")
                .with("user_id", facts.who.user_id.as_str())
                .with("feedback_id", feedback_id.as_str())
                .with("kind", pick(rng, &["complaint", "report", "suggestion"]))
                .with("about", about)
                .with("text", facts.words(rng, false))
                .with(
                    "context",
                    json!({
                        "device_id": device.id,
                        "app_version": format!("7.{}.{}", below(rng, 9), below(rng, 20)),
                        "screens": ["settings", "feedback"],
                    }),
                )
                .with("created_at", moment(&Facts::moment(rng)))
                .row(),
        );
        // The first is answered, so that whoever wrote has an answer.
        for reply in 1..=1 + below(rng, 2) {
            replies.push(
                Draft::new("yuncan_records.feedback_replies")
                    .with("feedback_id", feedback_id.as_str())
                    .with("reply", reply)
                    .with("text", format!("@{} {}", facts.who.nickname, text::sentence(rng, facts.who.language)))
                    .with("replied_at", moment(&Facts::moment(rng)))
                    .row(),
            );
        }
    }
    replies.into_iter().for_each(emit);
}

fn moment(with_z: &str) -> String {
    with_z.replace('Z', "+00:00")
}

/// An address as the database writes it: groups without leading zeros.
fn normal(address: &str) -> String {
    address.parse::<IpAddr>().map_or_else(|_| address.to_owned(), |address| address.to_string())
}
