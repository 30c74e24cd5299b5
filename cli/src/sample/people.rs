//! Invented people: names, numbers and dates that look right and belong to nobody.
//!
//! What identifies a user is dealt from a permutation of its value space instead of drawn at random, so that no two
//! users of either app share a value however large the population is. Of every space one part of three goes to each
//! app, and the third to people who are no users at all. The users that stories act for have family names that nobody
//! else has, for a common name found in a stranger's row would say nothing about an erasure.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

use super::Population;
use names::{
    CITIES, FAMILY, GIVEN_FEMALE, GIVEN_FIRST, GIVEN_MALE, GIVEN_SECOND, HANDLES, JOBS, NICKNAMES, OUTSIDER_FAMILY,
    ROADS, SCHOOLS, SUBJECT_FAMILY,
};

mod names;

/// The day that sample data ends before, 2026-11-01, in days since 1970-01-01.
const END_DAY: i64 = 20_758;
const DAY: i64 = 86_400;

/// 1967-01-01 and the days up to 2007-12-31: who was born then is 18 to 59 on [`END_DAY`].
const FIRST_BIRTH: i64 = -1_096;
const BIRTH_DAYS: u64 = 14_975;

/// Who a user is, whatever app they use it in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// `yl-` or `yc-` and twelve hexadecimal digits.
    pub user_id: String,
    /// What others see. Ends in four digits and a letter, so that it is no word of any text.
    pub nickname: String,
    /// What they sign in with.
    pub user_name: String,
    /// Chinese or Latin, after `language`.
    pub real_name: String,
    /// `male` or `female`, as the identity number says.
    pub gender: &'static str,
    /// `YYYY-MM-DD`, as the identity number says.
    pub birth: String,
    /// E.164. Absent for user 4.
    pub phone: Option<String>,
    /// At a reserved domain. Absent for user 5.
    pub email: Option<String>,
    /// Province, a space, city.
    pub city: String,
    /// Road, house, building, room: unique.
    pub street: String,
    /// Eighteen characters with a valid GB 11643 check character.
    pub id_number: String,
    /// Nineteen digits with a valid Luhn digit.
    pub bank_card: String,
    /// `zh-Hans` for seven of ten users, else `en`.
    pub language: &'static str,
    /// An occupation in their language.
    pub job: &'static str,
    /// A school in their language; invented.
    pub school: &'static str,
}

/// A stream of random numbers for one purpose. Streams with different names never influence each other, so a new
/// field somewhere changes no other.
#[must_use]
pub fn rng(app: &str, population: &Population, index: usize, stream: &str) -> ChaCha8Rng {
    ChaCha8Rng::from_seed(digest(population.seed, &[app, &index.to_string(), stream]))
}

/// A number below `bound`, the same on every machine. Zero for a bound of zero.
pub fn below(rng: &mut ChaCha8Rng, bound: usize) -> usize {
    let scaled = (u128::from(rng.next_u64()) * (bound as u128)) >> 64;
    usize::try_from(scaled).unwrap_or(0)
}

/// True in `percent` of a hundred cases.
pub fn chance(rng: &mut ChaCha8Rng, percent: usize) -> bool {
    below(rng, 100) < percent
}

/// One of a list, which must not be empty.
pub fn pick<T: Copy>(rng: &mut ChaCha8Rng, list: &[T]) -> T {
    list[below(rng, list.len())]
}

/// A number below `size` that no other user of either app gets for the same `what`, as long as there are fewer users
/// than a third of `size`.
#[must_use]
pub fn slot(app: &str, population: &Population, index: usize, what: &str, size: u64) -> u64 {
    let class = u64::from(app != "yl");
    let third = (size / 3).max(1);
    let key = digest(population.seed, &["slot", what]);
    // Steps of about half the space keep neighbours apart.
    let mut step = third / 100 * 38 + word(&key[..8]) % (third / 100 * 24).max(1);
    while gcd(step, third) != 1 {
        step = (step + 1) % third;
    }
    let place = (u128::from(step) * (index as u128) + u128::from(word(&key[8..16]))) % u128::from(third);
    u64::try_from(place).unwrap_or(0) * 3 + class
}

/// The letters of `number` in an alphabet without vowels, `length` of them: no word of a language.
#[must_use]
pub fn consonants(mut number: u64, length: usize) -> String {
    const LETTERS: &[u8; 20] = b"bcdfghjklmnpqrstvwxz";
    let mut letters = Vec::with_capacity(length);
    for _ in 0..length {
        letters.push(char::from(LETTERS[(number % 20) as usize]));
        number /= 20;
    }
    letters.into_iter().rev().collect()
}

/// The user with this index; `app` is `yl` or `yc`.
#[must_use]
pub fn identity(app: &str, population: &Population, index: usize) -> Identity {
    let mut rng = rng(app, population, index, "identity");
    let chinese = !matches!(index % 10, 3 | 6 | 9);
    let local = |pair: (&'static str, &'static str)| if chinese { pair.0 } else { pair.1 };
    let deal = |what: &str, size: u64| slot(app, population, index, what, size);

    let dealt = deal("id-number", 20 * BIRTH_DAYS * 999);
    let (area, zh_city, en_city) = CITIES[(dealt / (BIRTH_DAYS * 999)) as usize % CITIES.len()];
    let sequence = dealt % 999 + 1;
    let gender = if sequence % 2 == 1 { "male" } else { "female" };
    let birth = date(FIRST_BIRTH + i64::try_from(dealt / 999 % BIRTH_DAYS).unwrap_or(0));

    let nick = deal("nickname", 20 * 260_000);
    let nick_word = local(NICKNAMES[(nick / 260_000) as usize % NICKNAMES.len()]);
    let nick_letter = char::from(b'a' + (nick % 26) as u8);

    let phone = deal("phone", PHONES);
    let mail = consonants(deal("email", 20_u64.pow(8)), 8);
    let handle = pick(&mut rng, &HANDLES);

    Identity {
        user_id: format!("{app}-{:012x}", scatter(deal("user-id", 1 << 48))),
        nickname: format!("{nick_word}{:04}{nick_letter}", nick / 26 % 10_000),
        user_name: format!("{}_{}", pick(&mut rng, &HANDLES), consonants(deal("user-name", 20_u64.pow(6)), 6)),
        real_name: real_name(app, population, index, (chinese, gender), &mut rng),
        gender,
        id_number: id_number(area, &birth, sequence),
        birth,
        phone: (index != 4).then(|| mobile(phone)),
        email: (index != 5).then(|| format!("{handle}.{mail}@mail.example")),
        city: local((zh_city, en_city)).to_owned(),
        street: street(deal("street", 16 * 400 * 40 * 240), chinese),
        bank_card: with_luhn(&format!("621799{:012}", deal("bank-card", 1_000_000_000_000))),
        language: local(("zh-Hans", "en")),
        job: local(pick(&mut rng, &JOBS)),
        school: local(pick(&mut rng, &SCHOOLS)),
    }
}

/// Name and phone number of somebody who uses neither app.
pub fn outsider(rng: &mut ChaCha8Rng) -> (String, String) {
    let (zh, en) = pick(rng, &OUTSIDER_FAMILY);
    let name = if chance(rng, 65) {
        format!("{zh}{}{}", pick(rng, &GIVEN_FIRST), pick(rng, &GIVEN_SECOND))
    } else {
        let given = if chance(rng, 50) { &GIVEN_MALE } else { &GIVEN_FEMALE };
        format!("{} {en}", pick(rng, given))
    };
    let third = usize::try_from(PHONES / 3).unwrap_or(1);
    (name, mobile(below(rng, third) as u64 * 3 + 2))
}

/// A moment between two distances before 2026-11-01T00:00:00Z, as RFC 3339 with a `Z`.
pub fn timestamp(rng: &mut ChaCha8Rng, earliest_days_ago: u32, latest_days_ago: u32) -> String {
    let span = i64::from(earliest_days_ago.saturating_sub(latest_days_ago)) * DAY;
    let into = below(rng, usize::try_from(span).unwrap_or(0));
    let second = (END_DAY - i64::from(latest_days_ago)) * DAY - span + i64::try_from(into).unwrap_or(0);
    let clock = second.rem_euclid(DAY);
    format!("{}T{:02}:{:02}:{:02}Z", date(second.div_euclid(DAY)), clock / 3600, clock / 60 % 60, clock % 60)
}

/// All but the last `keep_last` characters as `*`.
#[must_use]
pub fn mask(value: &str, keep_last: usize) -> String {
    let hidden = value.chars().count().saturating_sub(keep_last);
    value.chars().enumerate().map(|(at, letter)| if at < hidden { '*' } else { letter }).collect()
}

/// Mobile numbers in the blocks 13 to 19.
const PHONES: u64 = 7_000_000_000;

fn mobile(number: u64) -> String {
    format!("+861{}{:09}", 3 + number / 1_000_000_000, number % 1_000_000_000)
}

fn real_name(
    app: &str,
    population: &Population,
    index: usize,
    (chinese, gender): (bool, &str),
    rng: &mut ChaCha8Rng,
) -> String {
    // Subjects of the two apps share a family name, never a given name.
    let (family, place) = if index < Population::SUBJECTS {
        (SUBJECT_FAMILY[index], usize::try_from(slot(app, population, index, "given-name", 400)).unwrap_or(0))
    } else {
        (pick(rng, &FAMILY), below(rng, 400))
    };
    let (first, second) = (place / 20 % 20, place % 20);
    if chinese {
        format!("{}{}{}", family.0, GIVEN_FIRST[first], GIVEN_SECOND[second])
    } else {
        let given = if gender == "male" { &GIVEN_MALE } else { &GIVEN_FEMALE };
        format!("{} {}", given[second], family.1)
    }
}

fn street(number: u64, chinese: bool) -> String {
    let road = ROADS[(number / 3_840_000) as usize % ROADS.len()];
    let (house, building) = (number / 9_600 % 400 + 1, number / 240 % 40 + 1);
    let room = (number / 8 % 30 + 1) * 100 + number % 8 + 1;
    if chinese {
        format!("{}{house}号{building}幢{room}室", road.0)
    } else {
        format!("Room {room}, Building {building}, No. {house} {} Road", road.1)
    }
}

/// GB 11643: six digits of area, the birth date, three digits of which an odd one means male, the check character.
fn id_number(area: &str, birth: &str, sequence: u64) -> String {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    const CHECK: &[u8; 11] = b"10X98765432";
    let mut number = format!("{area}{}{sequence:03}", birth.replace('-', ""));
    let sum: u32 = number.bytes().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
    number.push(char::from(CHECK[(sum % 11) as usize]));
    number
}

/// Digits with the Luhn digit that makes them a card number.
#[must_use]
pub fn with_luhn(digits: &str) -> String {
    let sum: u32 = digits
        .bytes()
        .rev()
        .enumerate()
        .map(|(at, digit)| {
            let digit = u32::from(digit - b'0');
            let weighed = if at % 2 == 0 { digit * 2 } else { digit };
            weighed / 10 + weighed % 10
        })
        .sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

/// `YYYY-MM-DD` of a number of days since 1970-01-01, counted in eras of 400 years that start on a first of March, so
/// that the leap day is the last of its year.
fn date(days: i64) -> String {
    let since = days + 719_468;
    let (era, day) = (since.div_euclid(146_097), since.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let civil = era * 400 + year + i64::from(month <= 2);
    format!("{civil:04}-{month:02}-{:02}", of_year - (153 * march + 2) / 5 + 1)
}

/// A permutation of the numbers below 2^48, so that neighbours do not look like neighbours.
fn scatter(number: u64) -> u64 {
    const LOW: u64 = (1 << 48) - 1;
    let mut mixed = number & LOW;
    for odd in [0x9e37_79b9_7f4b, 0xbf58_476d_1ce5, 0x94d0_49bb_1331_u64] {
        mixed ^= mixed >> 23;
        mixed = mixed.wrapping_mul(odd) & LOW;
    }
    mixed ^ (mixed >> 25)
}

fn digest(seed: u64, parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(b"habeas sample");
    hash.update(seed.to_be_bytes());
    for part in parts {
        // Lengths keep "a", "bc" apart from "ab", "c".
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

fn word(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

fn gcd(mut left: u64, mut right: u64) -> u64 {
    while right != 0 {
        (left, right) = (right, left % right);
    }
    left
}
