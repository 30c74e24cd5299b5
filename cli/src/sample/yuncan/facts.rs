//! What stays the same about a Yuncan user wherever it is stored, and the choices that every collection makes alike.

use rand_chacha::ChaCha8Rng;

use super::APP;
use crate::sample::people::{self, Identity, below, chance, consonants, pick, slot};
use crate::sample::{Population, text};

const ZH_PLACES: [&str; 8] =
    ["科技园创业路", "老城区钟楼旁", "大学城南门", "滨江公园", "人民广场", "火车东站", "会展中心", "湖滨步行街"];
const EN_PLACES: [&str; 8] = [
    "Software Park",
    "Drum Tower",
    "University South Gate",
    "Riverside Park",
    "People's Square",
    "East Railway Station",
    "Convention Centre",
    "Lakeside Walk",
];

/// Days that the logs of who is acted for are within, where half a year is the limit: no sweep takes them before the
/// stories about them are told.
pub(super) const SUBJECT_LOG_DAYS: u32 = 38;

/// The same for what is kept for three years.
pub(super) const SUBJECT_PROOF_DAYS: u32 = 300;

/// A phone, as its maker and the app know it.
pub(super) struct Device {
    pub(super) id: String,
    pub(super) imei: String,
    pub(super) hardware_address: String,
}

/// A user and the population they are in.
pub(super) struct Facts<'a> {
    pub(super) population: &'a Population,
    pub(super) index: usize,
    pub(super) who: Identity,
    /// A word that only this user's texts contain.
    pub(super) tag: String,
    pub(super) third_party_id: String,
    pub(super) analysis_code: String,
    pub(super) password_hash: String,
    pub(super) face_features: String,
    pub(super) avatar: String,
    pub(super) cookie_id: String,
    pub(super) wallet_account: String,
    /// For rewards; another one than the card of [`Identity`], which pays.
    pub(super) bank_account: String,
    pub(super) devices: Vec<Device>,
}

impl<'a> Facts<'a> {
    pub(super) fn of(population: &'a Population, index: usize) -> Self {
        let who = people::identity(APP, population, index);
        let rng = &mut people::rng(APP, population, index, "facts");
        let word = |what: &str| consonants(slot(APP, population, index, what, 20_u64.pow(10)), 10);
        let devices = (0..=below(rng, 2)).map(|_| device(rng)).collect();
        Self {
            population,
            index,
            tag: text::tag(APP, population, index),
            third_party_id: format!("{}:{}", pick(rng, &["wechat", "qq", "weibo"]), word("third-party")),
            analysis_code: format!("ac{}", word("analysis-code")),
            password_hash: format!("$argon2id$v=19$m=19456,t=2,p=1${}", hex(rng, 64)),
            face_features: hex(rng, 128),
            avatar: format!("avatars/{}/{}.gif", who.user_id, hex(rng, 8)),
            cookie_id: format!("ck-{}", hex(rng, 24)),
            wallet_account: format!("w{}", word("wallet")),
            bank_account: format!("622848{:013}", slot(APP, population, index, "bank-account", 10_u64.pow(13))),
            devices,
            who,
        }
    }

    /// Every value that points to this user and no other. Real names count for who is acted for only: others share
    /// theirs with strangers. What has three characters or fewer may be anywhere by chance.
    pub(super) fn identifying(&self) -> Vec<String> {
        let who = &self.who;
        let mut values: Vec<String> = [&who.email, &who.phone].into_iter().flatten().cloned().collect();
        values.extend(
            [
                &who.user_id,
                &who.nickname,
                &who.user_name,
                &who.id_number,
                &who.bank_card,
                &who.street,
                &self.tag,
                &self.third_party_id,
                &self.analysis_code,
                &self.password_hash,
                &self.face_features,
                &self.cookie_id,
                &self.wallet_account,
                &self.bank_account,
            ]
            .map(Clone::clone),
        );
        for device in &self.devices {
            values.extend([&device.id, &device.imei, &device.hardware_address].map(Clone::clone));
        }
        if self.is_subject() {
            values.push(who.real_name.clone());
        }
        values.retain(|value| value.chars().count() > 3);
        values
    }

    pub(super) fn rng(&self, stream: &str) -> ChaCha8Rng {
        people::rng(APP, self.population, self.index, stream)
    }

    /// The member of a pair that is in the user's language.
    pub(super) fn local<T>(&self, zh: T, en: T) -> T {
        if self.who.language == "zh-Hans" { zh } else { en }
    }

    pub(super) fn is_subject(&self) -> bool {
        self.index < Population::SUBJECTS
    }

    /// Up to eight of something, rather few than many; at least one for who is acted for.
    pub(super) fn few(&self, rng: &mut ChaCha8Rng) -> usize {
        below(rng, 9).min(below(rng, 9)).max(usize::from(self.is_subject()))
    }

    /// A moment in the life of the account.
    pub(super) fn moment(rng: &mut ChaCha8Rng) -> String {
        people::timestamp(rng, 600, 1)
    }

    /// A moment of something that is kept for `days`: one of eight is older, except for who is acted for, whose rows
    /// are of the last `subject_days`.
    pub(super) fn moment_kept(&self, rng: &mut ChaCha8Rng, days: u32, subject_days: u32) -> String {
        if self.is_subject() {
            people::timestamp(rng, subject_days, 1)
        } else if chance(rng, 12) {
            people::timestamp(rng, days + 300, days + 40)
        } else {
            people::timestamp(rng, days.min(600) - 30, 1)
        }
    }

    /// A place to show with what is published: province, city, and where in it.
    pub(super) fn place(&self, rng: &mut ChaCha8Rng) -> String {
        format!("{} {}", self.who.city, pick(rng, self.local(&ZH_PLACES, &EN_PLACES)))
    }

    /// Some sentences with the user's tag, and in some of them somebody else.
    pub(super) fn words(&self, rng: &mut ChaCha8Rng, long: bool) -> String {
        let language = self.who.language;
        let body = if long { text::paragraph(rng, language) } else { text::sentence(rng, language) };
        let with = if chance(rng, 30) {
            let other = self.mention(rng);
            self.local(format!("和{other}一起。"), format!(" With {other}."))
        } else {
            String::new()
        };
        format!("{body}{with} #{}", self.tag)
    }

    /// Somebody else: a user who is not acted for, by nickname, or somebody who is no user, with their number.
    fn mention(&self, rng: &mut ChaCha8Rng) -> String {
        let strangers = self.population.users.saturating_sub(Population::SUBJECTS);
        if strangers > 0 && chance(rng, 50) {
            let other = Population::SUBJECTS + below(rng, strangers);
            format!("@{}", people::identity(APP, self.population, other).nickname)
        } else {
            let (name, phone) = people::outsider(rng);
            format!("{name} {phone}")
        }
    }

    /// The index of another user, any of them.
    pub(super) fn other(&self, rng: &mut ChaCha8Rng) -> usize {
        let other = below(rng, self.population.users.saturating_sub(1));
        other + usize::from(other >= self.index)
    }

    /// Whom this user writes to and follows before all others. The first sixty see to it that everybody who is acted
    /// for is written to and followed.
    pub(super) fn first_other(&self, rng: &mut ChaCha8Rng) -> usize {
        match self.index {
            index if index < Population::SUBJECTS => (index + 1) % Population::SUBJECTS,
            index if index < 6 * Population::SUBJECTS => index % Population::SUBJECTS,
            _ => self.other(rng),
        }
    }

    pub(super) fn user_id_of(&self, index: usize) -> String {
        people::identity(APP, self.population, index).user_id
    }

    pub(super) fn posts(&self) -> usize {
        posts(self.population, self.index)
    }

    /// The id of any post of somebody else.
    pub(super) fn others_post(&self, rng: &mut ChaCha8Rng) -> String {
        let author = self.other(rng);
        post_id(&post_series(self.population, author), below(rng, posts(self.population, author)))
    }

    pub(super) fn post_series(&self) -> String {
        post_series(self.population, self.index)
    }

    /// What the ids of the user's orders begin with, and nobody else's.
    pub(super) fn order_series(&self) -> String {
        series(self.population, self.index, "or-", "orders")
    }

    /// The same for what they wrote under "user feedback".
    pub(super) fn feedback_series(&self) -> String {
        series(self.population, self.index, "fb-", "feedback")
    }
}

/// The id of the post with this number in a series.
pub(super) fn post_id(series: &str, number: usize) -> String {
    format!("{series}{number:05}")
}

/// What the ids of a user's posts begin with.
fn post_series(population: &Population, index: usize) -> String {
    series(population, index, "p", "posts")
}

/// Letters that no other user's ids of this kind begin with, and that do not tell who the user is.
fn series(population: &Population, index: usize, prefix: &str, what: &str) -> String {
    format!("{prefix}{}", consonants(slot(APP, population, index, what, 20_u64.pow(9)), 9))
}

fn posts(population: &Population, index: usize) -> usize {
    if population.is_heavy(index) {
        population.heavy_rows.max(1)
    } else {
        6 + below(&mut people::rng(APP, population, index, "number-of-posts"), 9)
    }
}

/// Lower-case hexadecimal digits.
pub(super) fn hex(rng: &mut ChaCha8Rng, digits: usize) -> String {
    (0..digits).map(|_| pick(rng, &HEX)).collect()
}

const HEX: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];

/// An id that is new in its collection.
pub(super) fn fresh_id(rng: &mut ChaCha8Rng, prefix: &str) -> String {
    format!("{prefix}-{}", hex(rng, 16))
}

fn device(rng: &mut ChaCha8Rng) -> Device {
    let address: Vec<String> = (0..5).map(|_| hex(rng, 2)).collect();
    Device {
        id: format!("dv-{}", hex(rng, 20)),
        imei: format!("86{:06}{:07}", below(rng, 1_000_000), below(rng, 10_000_000)),
        // The bit for locally administered addresses is set: no maker's device has them.
        hardware_address: format!("02:{}", address.join(":")),
    }
}
