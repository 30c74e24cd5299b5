//! Account, profile, real name authentication, payment accounts and authorisations.

use serde_json::Value;

use super::{Fields, User, token};
use crate::sample::Row;
use crate::sample::people::{below, chance, pick, timestamp};

const EMOTIONAL_STATES: [(&str, &str); 4] =
    [("单身", "single"), ("恋爱中", "in a relationship"), ("已婚", "married"), ("保密", "rather not say")];
const HOBBIES: [(&str, &str); 8] = [
    ("摄影", "photography"),
    ("徒步", "hiking"),
    ("烘焙", "baking"),
    ("羽毛球", "badminton"),
    ("民谣", "folk music"),
    ("剧本杀", "board games"),
    ("书法", "calligraphy"),
    ("露营", "camping"),
];
const FEATURES: [&str; 8] = [
    "travel:short-trips",
    "food:spicy",
    "sports:outdoor",
    "music:folk",
    "shopping:evening",
    "video:long",
    "pets",
    "study",
];
/// The first day of each sign, as month and day, from the first one of a year on.
const SIGNS: [(&str, &str, &str); 12] = [
    ("01-20", "水瓶座", "Aquarius"),
    ("02-19", "双鱼座", "Pisces"),
    ("03-21", "白羊座", "Aries"),
    ("04-20", "金牛座", "Taurus"),
    ("05-21", "双子座", "Gemini"),
    ("06-22", "巨蟹座", "Cancer"),
    ("07-23", "狮子座", "Leo"),
    ("08-23", "处女座", "Virgo"),
    ("09-23", "天秤座", "Libra"),
    ("10-24", "天蝎座", "Scorpio"),
    ("11-23", "射手座", "Sagittarius"),
    ("12-22", "摩羯座", "Capricorn"),
];
const SCOPES: [&str; 5] = ["account", "location", "personalisation", "affiliate_services", "real_name_authentication"];

pub(super) fn rows(user: &User<'_>, emit: &mut dyn FnMut(Row)) {
    emit(users(user));
    if has_real_name_check(user) {
        emit(identity_check(user));
    }
    payment_accounts(user, emit);
    consents(user, emit);
}

/// Subjects always, and half of the others.
pub(super) fn has_real_name_check(user: &User<'_>) -> bool {
    user.is_subject() || chance(&mut user.rng("real-name-check"), 50)
}

fn users(user: &User<'_>) -> Row {
    let mut rng = user.rng("users");
    let who = &user.who;
    let chinese = who.language == "zh-Hans";
    let local = |pair: (&'static str, &'static str)| if chinese { pair.0 } else { pair.1 };
    let first = below(&mut rng, HOBBIES.len());
    let hobbies: Vec<Value> =
        (0..=below(&mut rng, 3)).map(|at| local(HOBBIES[(first + at) % HOBBIES.len()]).into()).collect();
    let first = below(&mut rng, FEATURES.len());
    let features: Vec<Value> =
        (0..=below(&mut rng, 4)).map(|at| FEATURES[(first + at) % FEATURES.len()].into()).collect();
    let violations: Vec<Value> =
        if chance(&mut rng, 8) { vec!["advertising in a circle: warned".into()] } else { Vec::new() };
    Fields::default()
        .shown("user_id", who.user_id.as_str())
        .shown_if_any("phone", who.phone.as_ref())
        .shown_if_any("email", who.email.as_ref())
        .shown("nickname", who.nickname.as_str())
        .shown("user_name", who.user_name.as_str())
        .withheld("password_hash", &format!("scrypt:{}{}", token(&mut rng), token(&mut rng)))
        .withheld("security_answer", &format!("scrypt:{}{}", token(&mut rng), token(&mut rng)))
        .shown("wechat", user.wechat.as_str())
        .shown("qq", user.qq.as_str())
        .shown("avatar", format!("avatars/{}/current.jpg", who.user_id))
        .shown("real_picture", format!("avatars/{}/real.jpg", who.user_id))
        .shown("gender", who.gender)
        .shown("birth_date", who.birth.as_str())
        .shown("real_name", who.real_name.as_str())
        .masked("id_number", &who.id_number)
        .shown("hometown", who.city.as_str())
        .shown("emotional_state", local(pick(&mut rng, &EMOTIONAL_STATES)))
        .shown("constellation", local(constellation(&who.birth)))
        .shown("occupation", who.job)
        .shown("school", who.school)
        .shown("hobbies", hobbies)
        .shown("language", who.language)
        .shown("feature_tags", features)
        .shown("risk_level", if chance(&mut rng, 93) { "low" } else { "medium" })
        .shown("violations", violations)
        .shown("ads_unsubscribed", chance(&mut rng, 30))
        .shown("created_at", timestamp(&mut rng, 1_700, 1_500))
        .shown("credentials_changed_at", timestamp(&mut rng, 1_400, 30))
        .row("yallo_app.users")
}

fn constellation(birth: &str) -> (&'static str, &'static str) {
    let day = birth.get(5..).unwrap_or_default();
    // Before the first sign of a year, it is still the last one of the year before.
    let sign = SIGNS.iter().rev().find(|(first, ..)| *first <= day).unwrap_or(&SIGNS[SIGNS.len() - 1]);
    (sign.1, sign.2)
}

fn identity_check(user: &User<'_>) -> Row {
    let mut rng = user.rng("identity-check");
    let papers = &user.papers;
    Fields::default()
        .shown("user_id", user.who.user_id.as_str())
        .shown("check_id", format!("chk-{}", token(&mut rng)))
        .masked("id_card_number", &user.who.id_number)
        .masked("officer_card_number", &papers.officer_card)
        .masked("passport_number", &papers.passport)
        .masked("drivers_license_number", &papers.drivers_license)
        .masked("social_security_number", &papers.social_security)
        .masked("residence_card_number", &papers.residence_card)
        .withheld("face_template", &format!("{}{}{}", token(&mut rng), token(&mut rng), token(&mut rng)))
        .shown("sesame_credit", (550 + below(&mut rng, 350)).to_string())
        .shown("checked_at", timestamp(&mut rng, 599, 0))
        .row("yallo_app.identity_checks")
}

fn payment_accounts(user: &User<'_>, emit: &mut dyn FnMut(Row)) {
    let mut rng = user.rng("payment-accounts");
    if user.volume(&mut rng, 2) == 0 {
        return;
    }
    emit(
        Fields::default()
            .shown("user_id", user.who.user_id.as_str())
            .shown("account_id", format!("pay-{}", token(&mut rng)))
            .masked("bank_card_number", &user.who.bank_card)
            .masked("credit_card_number", &user.credit_card)
            .masked("alipay_account", &user.alipay)
            .shown("added_at", timestamp(&mut rng, 599, 0))
            .row("yallo_app.payment_accounts"),
    );
}

fn consents(user: &User<'_>, emit: &mut dyn FnMut(Row)) {
    let mut rng = user.rng("consents");
    for scope in SCOPES.iter().take(1 + user.volume(&mut rng, SCOPES.len() - 1)) {
        emit(
            Fields::default()
                .shown("user_id", user.who.user_id.as_str())
                .shown("consent_id", format!("con-{}", token(&mut rng)))
                .shown("scope", *scope)
                .shown("granted", chance(&mut rng, 90))
                .shown("by_guardian", false)
                .shown("confirmed_at", user.retained_moment(&mut rng, 1_095))
                .shown("restricted", false)
                .row("yallo_app.consents"),
        );
    }
}
