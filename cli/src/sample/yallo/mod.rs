//! Sample users of yallo, for policies/yallo.
//!
//! What leaves masked or not at all is written where a value is made, next to the field's name, and the policy is never
//! read: see [`Fields`].

mod account;
mod pictures;
mod social;
mod usage;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use serde_json::{Map, Value};

use super::people::{self, Identity, below, chance, mask, timestamp};
use super::text;
use super::{App, Object, Person, Population, Row};

const APP: &str = "yl";

/// The generator for yallo.
#[derive(Clone, Copy, Debug)]
pub struct Yallo;

impl App for Yallo {
    fn person(&self, population: &Population, index: usize) -> Person {
        let user = User::new(population, index);
        let identifying = user.identifying();
        Person {
            series: Vec::new(),
            user_id: user.who.user_id,
            email: user.who.email,
            phone: user.who.phone,
            language: user.who.language,
            identifying,
        }
    }

    fn rows(&self, population: &Population, index: usize, emit: &mut dyn FnMut(Row)) {
        let user = User::new(population, index);
        account::rows(&user, emit);
        social::rows(&user, emit);
        usage::rows(&user, emit);
    }

    fn objects(&self, population: &Population, index: usize, emit: &mut dyn FnMut(Object)) {
        pictures::objects(&User::new(population, index), emit);
    }

    fn concerns(&self, row: &Row, person: &Person) -> bool {
        let links: &[&str] = match row.collection {
            "yallo_app.comments" => &["author_id"],
            "yallo_app.messages" => &["sender_id", "recipient_id"],
            "yallo_app.follows" => &["follower_id", "followee_id"],
            _ => &["user_id"],
        };
        links.iter().any(|link| row.stored.get(*link).and_then(Value::as_str) == Some(person.user_id.as_str()))
    }
}

/// A user while their rows are made.
struct User<'a> {
    population: &'a Population,
    index: usize,
    who: Identity,
    /// In every text that they write.
    tag: String,
    wechat: String,
    qq: String,
    papers: Papers,
    credit_card: String,
    alipay: String,
    devices: Vec<Device>,
}

/// Numbers of identity documents beside the identity card.
struct Papers {
    officer_card: String,
    passport: String,
    drivers_license: String,
    social_security: String,
    residence_card: String,
}

struct Device {
    device_id: String,
    cookie_id: String,
}

impl<'a> User<'a> {
    fn new(population: &'a Population, index: usize) -> Self {
        let deal = |what: &str, digits: u32| people::slot(APP, population, index, what, 10_u64.pow(digits));
        let word = |what: &str| people::consonants(people::slot(APP, population, index, what, 20_u64.pow(8)), 8);
        let mut rng = people::rng(APP, population, index, "devices");
        let devices = (0..=below(&mut rng, 3).min(below(&mut rng, 3)))
            .map(|_| Device {
                device_id: format!("dev-{:016x}", rng.next_u64()),
                cookie_id: format!("ck.{:016x}", rng.next_u64()),
            })
            .collect();
        Self {
            population,
            index,
            who: people::identity(APP, population, index),
            tag: text::tag(APP, population, index),
            wechat: format!("wx_{}", word("wechat")),
            qq: format!("3{:09}", deal("qq", 9)),
            papers: Papers {
                officer_card: format!("军字第{:08}号", deal("officer-card", 8)),
                passport: format!("EK{:07}", deal("passport", 7)),
                drivers_license: format!("JS{:012}", deal("drivers-license", 12)),
                social_security: format!("SB{:09}", deal("social-security", 9)),
                residence_card: format!("JZ{:012}", deal("residence-card", 12)),
            },
            credit_card: people::with_luhn(&format!("622588{:09}", deal("credit-card", 9))),
            alipay: format!("zfb.{}@pay.example", word("alipay")),
            devices,
        }
    }

    fn rng(&self, stream: &str) -> ChaCha8Rng {
        people::rng(APP, self.population, self.index, stream)
    }

    fn is_subject(&self) -> bool {
        self.index < Population::SUBJECTS
    }

    /// Up to `most` rows, small numbers more often; at least one for a subject.
    fn volume(&self, rng: &mut ChaCha8Rng, most: usize) -> usize {
        let drawn = below(rng, most + 1).min(below(rng, most + 1));
        if self.is_subject() { drawn.max(1) } else { drawn }
    }

    /// Where this person can be reached; every user has one of the two.
    fn contact(&self) -> Option<&String> {
        self.who.phone.as_ref().or(self.who.email.as_ref())
    }

    /// A sentence of theirs, with their token.
    fn says(&self, rng: &mut ChaCha8Rng) -> String {
        format!("{} #{}", text::sentence(rng, self.who.language), self.tag)
    }

    /// A moment in a collection whose rows last `period` days: a few are past it. A subject's first row is not.
    fn moment(&self, rng: &mut ChaCha8Rng, period: u32, row: usize) -> String {
        if self.is_subject() && row == 0 {
            timestamp(rng, 40, 0)
        } else if chance(rng, 5) {
            timestamp(rng, period + 200, period + 30)
        } else {
            // The clock of the tests starts twenty days after the last moment.
            timestamp(rng, period.min(600) - 25, 0)
        }
    }

    /// A moment in a collection whose rows outlast an erasure. Of a subject none ends within two years of three, or,
    /// for the network logs, before the tests do.
    fn retained_moment(&self, rng: &mut ChaCha8Rng, period: u32) -> String {
        if self.is_subject() {
            timestamp(rng, if period > 730 { 330 } else { 40 }, 0)
        } else if chance(rng, 3) {
            timestamp(rng, period + 400, period + 30)
        } else {
            timestamp(rng, 600.min(period - 25), 0)
        }
    }

    /// What must not be found after an erasure. Values of retained rows are not in it, except the user id.
    fn identifying(&self) -> Vec<String> {
        let who = &self.who;
        let papers = &self.papers;
        let mut values: Vec<String> = [
            &who.user_id,
            &who.nickname,
            &who.user_name,
            &who.street,
            &who.id_number,
            &who.bank_card,
            &self.tag,
            &self.wechat,
            &self.qq,
            &papers.officer_card,
            &papers.passport,
            &papers.drivers_license,
            &papers.social_security,
            &papers.residence_card,
            &self.credit_card,
            &self.alipay,
        ]
        .into_iter()
        .chain(&who.email)
        .chain(&who.phone)
        // Others may share their names.
        .chain(self.is_subject().then_some(&who.real_name))
        .cloned()
        .collect();
        for device in &self.devices {
            values.extend([device.device_id.clone(), device.cookie_id.clone()]);
        }
        values
    }
}

/// Sixteen hexadecimal digits that say nothing about anybody.
fn token(rng: &mut ChaCha8Rng) -> String {
    format!("{:016x}", rng.next_u64())
}

/// A row being made: as it is stored, and as an export shows it.
#[derive(Default)]
struct Fields {
    stored: Map<String, Value>,
    exported: Map<String, Value>,
}

impl Fields {
    /// A field that an export shows as it is.
    fn shown(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = value.into();
        self.exported.insert(name.to_owned(), value.clone());
        self.stored.insert(name.to_owned(), value);
        self
    }

    /// A field that is absent where there is no value.
    fn shown_if_any(self, name: &str, value: Option<&String>) -> Self {
        match value {
            Some(value) => self.shown(name, value.as_str()),
            None => self,
        }
    }

    /// A number of a document or account, of which an export shows the last four characters.
    fn masked(mut self, name: &str, value: &str) -> Self {
        self.exported.insert(name.to_owned(), mask(value, 4).into());
        self.stored.insert(name.to_owned(), value.into());
        self
    }

    /// Credentials and biometrics, which no export shows.
    fn withheld(mut self, name: &str, value: &str) -> Self {
        self.stored.insert(name.to_owned(), value.into());
        self
    }

    fn row(self, collection: &'static str) -> Row {
        Row { collection, stored: self.stored, exported: self.exported }
    }
}
