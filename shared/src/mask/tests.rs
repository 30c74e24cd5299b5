//! What each strategy does, and that twice is once.

use std::collections::BTreeSet;

use proptest::prelude::{Just, any, prop, prop_assert, prop_assert_eq};
use proptest::prop_oneof;
use proptest::strategy::Strategy as _;

use super::*;
use crate::policy::{Generalisation, RandomText};
use crate::random::SeededRandom;

const TODAY: Date = jiff::civil::date(2026, 11, 22);

fn with<'a>(random: &'a SeededRandom, scanner: Option<&'a Scanner>) -> Context<'a> {
    Context { random, today: TODAY, scanner, samples: None }
}

/// Masks for nobody in particular.
fn mask(strategy: &Strategy, value: &Value, random: &SeededRandom) -> Masked {
    apply(strategy, value, &with(random, None))
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn scan(scanner: &Scanner, text: &str) -> String {
    scanner.redacted(text).unwrap_or_else(|| text.to_owned())
}

fn generalised(how: Generalisation, text: &str) -> Option<String> {
    match mask(&Strategy::Generalise(how), &Value::Text(text.into()), &SeededRandom::new(1)) {
        Masked::Replaced(Value::Text(text)) => Some(text),
        _ => None,
    }
}

#[test]
fn generalising_keeps_the_coarse_part_only() {
    assert_eq!(generalised(Generalisation::Year, "1990-05-17").as_deref(), Some("1990"));
    assert_eq!(generalised(Generalisation::Decade, "1998-05-17").as_deref(), Some("1990s"));
    assert_eq!(generalised(Generalisation::Month, "1990-05-17T01:02:03Z").as_deref(), Some("1990-05"));
    assert_eq!(generalised(Generalisation::City, "浙江省 杭州市 西湖区 文三路 1 号").as_deref(), Some("浙江省 杭州市"));
    assert_eq!(generalised(Generalisation::CoarseLocation, "30.274085,120.15507").as_deref(), Some("30.3,120.2"));
}

#[test]
fn applying_twice_changes_nothing_more() {
    for (strategy, text) in [
        (Strategy::Random, "li"),
        (Strategy::RandomText(RandomText { length: 20, suffix: "@masked.example".into() }), "li@mail.example"),
        (Strategy::SaltedHash, "li"),
        (Strategy::Fixed("[deleted]".into()), "li"),
        (Strategy::Generalise(Generalisation::Decade), "1998-05-17"),
        (Strategy::Generalise(Generalisation::Month), "1998-05-17"),
        (Strategy::Generalise(Generalisation::CoarseLocation), "30.274085,120.15507"),
        (Strategy::Generalise(Generalisation::AgeBand(5)), "1998-05-17"),
        (Strategy::Detach, "u-1"),
        (Strategy::Scan, "Li was here"),
    ] {
        let random = SeededRandom::new(1);
        let Masked::Replaced(once) = mask(&strategy, &Value::Text(text.into()), &random) else { panic!() };
        assert!(mask(&strategy, &once, &random) == Masked::Kept, "{strategy:?}");
    }
    for strategy in [Strategy::Erase, Strategy::Null, Strategy::Generalise(Generalisation::Year)] {
        assert!(mask(&strategy, &Value::Null, &SeededRandom::new(1)) == Masked::Kept, "{strategy:?}");
    }
    for (text, as_stored) in [("0", Value::Number("0".into())), ("false", Value::Bool(false))] {
        let strategy = Strategy::Fixed(text.into());
        assert!(mask(&strategy, &as_stored, &SeededRandom::new(1)) == Masked::Kept, "{text}");
    }
}

#[test]
fn a_random_text_has_the_form_that_is_asked_for() {
    for (length, suffix, total) in [(20, "@masked.example", 35), (5, "", LEAST_TOKEN_LENGTH), (37, "", TOKEN_LENGTH)] {
        let strategy = Strategy::RandomText(RandomText { length, suffix: suffix.into() });
        let masked = mask(&strategy, &Value::Text("li@mail.example".into()), &SeededRandom::new(1));
        let Masked::Replaced(Value::Text(text)) = masked else { panic!() };
        assert!(text.starts_with("anon-") && text.ends_with(suffix));
        assert_eq!(text.len(), total);
    }
}

#[test]
fn what_cannot_be_generalised_is_removed() {
    for (how, text) in [
        (Generalisation::Year, "17 May 1990"),
        (Generalisation::Month, "1990-13-01"),
        (Generalisation::Month, "1990年5月17日"),
        (Generalisation::City, "杭州"),
        (Generalisation::CoarseLocation, "here, there"),
    ] {
        assert_eq!(generalised(how, text), None, "{text}");
    }
}

#[test]
fn a_list_stays_a_list_and_what_is_inside_objects_is_reached() {
    let random = SeededRandom::new(1);
    let object = |phone| Value::Map([("name".into(), text("Li")), ("phone".into(), phone)].into_iter().collect());
    let people = Value::List(vec![object(text("1")), object(Value::List(vec![text("2"), text("3")]))]);
    let fixed = Strategy::Fixed("-".into());
    let masked = apply_at(&fixed, "phone", &people, &with(&random, None));
    let Masked::Replaced(masked) = masked else { panic!() };
    let expected = Value::List(vec![object(text("-")), object(Value::List(vec![text("-"), text("-")]))]);
    assert!(masked == expected);
    assert!(apply_at(&fixed, "phone", &masked, &with(&random, None)) == Masked::Kept);
    let outer = Value::Map([("people".into(), people)].into_iter().collect());
    let masked = apply_at(&Strategy::Erase, "people.phone", &outer, &with(&random, None));
    let Masked::Replaced(Value::Map(masked)) = masked else { panic!() };
    assert!(masked.values_at("people.phone").is_empty());
    assert_eq!(masked.values_at("people.name").len(), 2);
    assert!(apply_at(&fixed, "phone", &text("{\"phone\": 1}"), &with(&random, None)) == Masked::Removed);
}

#[test]
fn the_same_value_hashes_differently_each_time() {
    let random = SeededRandom::new(7);
    let value = Value::Text("110101199003070000".into());
    let (first, second) = (mask(&Strategy::SaltedHash, &value, &random), mask(&Strategy::SaltedHash, &value, &random));
    assert!(first != second);
}

#[test]
fn a_value_that_only_begins_like_a_token_is_masked_all_the_same() {
    for strategy in [Strategy::Random, Strategy::SaltedHash] {
        assert!(mask(&strategy, &text("anon-li.wei"), &SeededRandom::new(1)) != Masked::Kept, "{strategy:?}");
    }
}

#[test]
fn ages_are_reckoned_by_the_day_and_the_very_old_are_together() {
    for (width, value, band) in [
        (5, "1998-11-22", Some("25-29")),
        (5, "1996-11-22", Some("30-34")),
        (5, "1996-11-23", Some("25-29")),
        (5, "1996-11-23T10:00:00Z", Some("25-29")),
        (10, "27", Some("20-29")),
        (5, "89", Some("85-89")),
        (5, "1930-01-01", Some("90+")),
        (20, "85", Some("80+")),
        (5, "25-29", None),
        (5, "90+", None),
    ] {
        let found = generalised(Generalisation::AgeBand(width), value);
        assert_eq!(found.as_deref(), band, "{value} in bands of {width}");
    }
    for rubbish in ["2030-01-01", "200", "1998", "26-30", "soon", "-1"] {
        let masked = mask(&Strategy::Generalise(Generalisation::AgeBand(5)), &text(rubbish), &SeededRandom::new(1));
        assert!(masked == Masked::Removed, "{rubbish}");
    }
    let number =
        mask(&Strategy::Generalise(Generalisation::AgeBand(5)), &Value::Number("27".into()), &SeededRandom::new(1));
    assert!(number == Masked::Replaced(text("25-29")));
}

#[test]
fn coordinates_are_rounded_as_texts_and_as_numbers() {
    let to = |decimals| Strategy::Generalise(Generalisation::Coordinates(decimals));
    assert_eq!(generalised(Generalisation::Coordinates(2), "30.274085, -0.0004").as_deref(), Some("30.27,0.00"));
    assert_eq!(generalised(Generalisation::Coordinates(0), "120.15507").as_deref(), Some("120"));
    let random = SeededRandom::new(1);
    let number = |digits: &str| Value::Number(digits.into());
    assert!(mask(&to(2), &number("30.274085"), &random) == Masked::Replaced(number("30.27")));
    for as_stored in ["30.3", "30.30", "30.300000"] {
        assert!(mask(&to(2), &number(as_stored), &random) == Masked::Kept, "{as_stored}");
    }
    assert!(mask(&to(2), &number("13912345678"), &random) == Masked::Removed, "no place on earth");
}

#[test]
fn a_random_value_keeps_its_form_and_a_row_tells_that_it_has_one() {
    let random = SeededRandom::new(1);
    let formed = |value: &Value| match mask(&Strategy::RandomFormat, value, &random) {
        Masked::Replaced(Value::Text(text) | Value::Number(text)) => text,
        _ => panic!(),
    };
    let plate = formed(&text("浙A·12b é-9"));
    let kinds: Vec<char> = plate.chars().collect();
    assert!(matches!(kinds[0], '\u{4e00}'..='\u{9fa5}') && kinds[1].is_ascii_uppercase() && kinds[2] == '*');
    assert!(kinds[3].is_ascii_digit() && kinds[5].is_ascii_lowercase() && kinds[6] == ' ' && kinds[8] == '-');
    let number = formed(&Value::Number("-9007199254740993.50e5".into()));
    assert_eq!((number.len(), &number[..1], &number[17..18], &number[20..]), (22, "-", ".", "e5"));
    assert_ne!(&number[1..2], "0");

    let fields =
        BTreeMap::from([("author".to_owned(), Strategy::Random), ("phone".to_owned(), Strategy::RandomFormat)]);
    let row = |author: &str| -> Record {
        [("author".to_owned(), text(author)), ("phone".to_owned(), text("139 1234"))].into_iter().collect()
    };
    let Masked::Replaced(Value::Text(token)) = mask(&Strategy::Random, &text("u-1"), &random) else { panic!() };
    assert!(is_masked(&fields, &row(&token)));
    assert!(!is_masked(&fields, &row("u-1")));
    assert!(!is_masked(&fields, &[("phone".to_owned(), text("139 1234"))].into_iter().collect()));
}

#[test]
fn a_scan_finds_what_is_known_however_it_is_written() {
    let scanner = Scanner::new(["li.wei@mail.example", "+8613912345678", "Li Wei", "张伟", "José", "u-1", "li"]);
    for (written, left) in [
        ("Write to LI.Wei@Mail.Example!", "Write to █!"),
        ("mailto:li.wei@mail.example", "mailto:█"),
        ("ＬＩ　ＷＥＩ was here", "█ was here"),
        ("Li\u{200b} Wei's", "█'s"),
        ("我是张伟，你好", "我是█，你好"),
        ("josé, JOSE\u{301} and jose", "█, █ and █"),
        ("call 139 1234-5678 or +86 (139) 12345678.", "call █ or +█."),
        ("0086 13912345678", "00█"),
        ("1391234567 is another", "1391234567 is another"),
        ("139, then 12345678", "139, then 12345678"),
        ("u-1 and li are too short", "u-1 and li are too short"),
        ("伟张", "伟张"),
        ("", ""),
    ] {
        assert_eq!(scan(&scanner, written), left, "{written}");
    }
}

#[test]
fn a_scan_reaches_into_objects_and_lists_and_takes_all_of_what_is_no_text() {
    let (scanner, random) = (Scanner::new(["Li Wei", "13912345678"]), SeededRandom::new(1));
    let record: Record = [
        ("note".to_owned(), text("by Li Wei")),
        ("lines".to_owned(), Value::List(vec![text("Ann"), text("li wei")])),
        ("phone".to_owned(), Value::Number("13912345678".into())),
        ("stars".to_owned(), Value::Number("5".into())),
        ("voice".to_owned(), Value::Bytes(vec![1])),
    ]
    .into_iter()
    .collect();
    let masked = apply(&Strategy::Scan, &Value::Map(record), &with(&random, Some(&scanner)));
    let expected: Record = [
        ("note".to_owned(), text("by █")),
        ("lines".to_owned(), Value::List(vec![text("Ann"), text("█")])),
        ("stars".to_owned(), Value::Number("5".into())),
    ]
    .into_iter()
    .collect();
    let Masked::Replaced(masked) = masked else { panic!() };
    assert!(masked == Value::Map(expected));
    assert!(apply(&Strategy::Scan, &masked, &with(&random, Some(&scanner))) == Masked::Kept);
}

#[test]
fn what_is_no_erasure_and_no_anonymisation_never_leaves_the_value() {
    for strategy in [Strategy::Hash, Strategy::Hmac, Strategy::Encrypt, Strategy::Shuffle] {
        assert!(!matches!(Class::of(&strategy), Class::Erasure | Class::Anonymisation), "{strategy:?}");
        assert!(mask(&strategy, &text("li"), &SeededRandom::new(1)) == Masked::Removed, "{strategy:?}");
    }
}

fn strategies() -> Vec<Strategy> {
    let coarse = [
        Generalisation::Year,
        Generalisation::Month,
        Generalisation::Decade,
        Generalisation::City,
        Generalisation::CoarseLocation,
        Generalisation::Coordinates(1),
        Generalisation::AgeBand(5),
        Generalisation::AgeBand(7),
    ];
    let others = [
        Strategy::Erase,
        Strategy::Null,
        Strategy::Fixed("[deleted]".into()),
        Strategy::Detach,
        Strategy::Random,
        Strategy::RandomText(RandomText { length: 20, suffix: "@masked.example".into() }),
        Strategy::SaltedHash,
        Strategy::Scan,
        Strategy::Keep,
    ];
    coarse.map(Strategy::Generalise).into_iter().chain(others).collect()
}

/// Texts that look like what people have: words, dates, ages, places, numbers, and anything at all. As JSON, since values
/// do not print.
fn values() -> impl proptest::strategy::Strategy<Value = serde_json::Value> {
    let texts = prop_oneof![
        "\\PC{0,30}",
        "[0-9]{1,3}",
        "(19|20)[0-9]{2}-[01][0-9]-[0-3][0-9]",
        "-?[0-9]{1,3}\\.[0-9]{1,6},-?[0-9]{1,3}\\.[0-9]{1,6}",
        "[a-z]{1,6} [a-z]{1,6} [a-z]{1,6}",
    ];
    let plain = prop_oneof![
        texts.prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        (-200.0..200.0f64).prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
        Just(serde_json::Value::Null),
    ];
    plain.prop_recursive(2, 8, 3, |inner| prop::collection::vec(inner, 0..3).prop_map(serde_json::Value::from))
}

fn value_of(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Null,
        serde_json::Value::Bool(truth) => Value::Bool(*truth),
        serde_json::Value::Number(number) => Value::Number(number.to_string()),
        serde_json::Value::String(there) => text(there),
        serde_json::Value::Array(values) => Value::List(values.iter().map(value_of).collect()),
        serde_json::Value::Object(_) => panic!("none is made"),
    }
}

proptest::proptest! {
    #[test]
    fn twice_is_once(value in values(), seed in 0u64..1000) {
        let (random, scanner) = (SeededRandom::new(seed), Scanner::new(["abcd", "12345"]));
        let value = value_of(&value);
        for strategy in strategies() {
            for scanner in [Some(&scanner), None] {
                let context = with(&random, scanner);
                if let Masked::Replaced(once) = apply(&strategy, &value, &context) {
                    prop_assert!(apply(&strategy, &once, &context) == Masked::Kept, "{:?}", strategy);
                }
            }
        }
    }

    #[test]
    fn a_scan_leaves_nothing_that_was_looked_for_and_twice_is_once(
        needles in prop::collection::vec("[a-cA-C张伟É1-3 ]{2,6}|\\+[1-3]{8,11}", 1..4),
        around in prop::collection::vec("[a-c张伟é1-3 \\-█]{0,8}", 2..6),
    ) {
        let scanner = Scanner::new(needles.iter().map(String::as_str));
        let hidden: String = around.iter().zip(needles.iter().cycle()).flat_map(|(text, needle)| [text.as_str(), needle]).collect();
        let left = scan(&scanner, &hidden);
        let folded = left.to_lowercase();
        for needle in needles.iter().map(|needle| needle.trim().to_lowercase()).filter(|needle| needle.chars().count() >= 4) {
            prop_assert!(!folded.contains(&needle), "{needle:?} is left in {left:?}");
        }
        prop_assert!(left.chars().count() <= hidden.chars().count());
        prop_assert_eq!(scanner.redacted(&left), None);
    }

    #[test]
    fn a_random_form_has_the_length_and_punctuation_of_the_value(value in "[ -~]{0,40}", seed in 0u64..1000) {
        let masked = mask(&Strategy::RandomFormat, &text(&value), &SeededRandom::new(seed));
        let Masked::Replaced(Value::Text(formed)) = masked else { panic!() };
        prop_assert_eq!(formed.len(), value.len());
        for (new, old) in formed.chars().zip(value.chars()) {
            prop_assert_eq!(new.is_ascii_digit(), old.is_ascii_digit());
            prop_assert_eq!(new.is_ascii_lowercase(), old.is_ascii_lowercase());
            prop_assert_eq!(new.is_ascii_uppercase(), old.is_ascii_uppercase());
            prop_assert!(old.is_ascii_alphanumeric() || new == old);
        }
    }

    #[test]
    fn a_number_in_a_random_form_is_a_number_of_as_many_digits(number in any::<i64>(), seed in 0u64..1000) {
        let masked = mask(&Strategy::RandomFormat, &Value::Number(number.to_string()), &SeededRandom::new(seed));
        let Masked::Replaced(Value::Number(formed)) = masked else { panic!() };
        prop_assert_eq!(formed.len(), number.to_string().len());
        prop_assert!(serde_json::from_str::<serde_json::Number>(&formed).is_ok());
    }

    #[test]
    fn what_is_coarse_is_the_same_for_all_that_it_stands_for(day in 0i32..40_000) {
        let born = TODAY - jiff::Span::new().days(day);
        let bands: BTreeSet<String> = [born.to_string(), format!("{born}T00:00:00Z")]
            .iter()
            .filter_map(|born| generalised(Generalisation::AgeBand(5), born))
            .collect();
        prop_assert_eq!(bands.len(), 1);
    }
}

/// What is drawn for the value of a row, which is tied to a person by this link.
fn shuffle(values: &[Value], own: &Value, link: Option<&str>, random: &SeededRandom) -> Masked {
    let mut samples = Samples::default();
    samples.add("city", values.to_vec());
    let fields = BTreeMap::from([("author".to_owned(), Strategy::Random), ("city".to_owned(), Strategy::Shuffle)]);
    let link = link.map_or(Value::Null, text);
    let row: Record = [("author".to_owned(), link), ("city".to_owned(), own.clone())].into_iter().collect();
    shuffled(&fields, "city", own, &row, &Context { random, today: TODAY, scanner: None, samples: Some(&samples) })
}

#[test]
fn a_row_tells_by_its_token_that_values_were_drawn_and_where_nothing_would_they_go() {
    let (random, own) = (SeededRandom::new(1), text("Lhasa"));
    let others: Vec<Value> = (0..20).map(|n| text(["Hangzhou", "Xiamen"][n % 2])).collect();
    let Masked::Replaced(Value::Text(token)) = mask(&Strategy::Random, &text("u-1"), &random) else { panic!() };
    assert!(matches!(shuffle(&others, &own, Some("u-1"), &random), Masked::Replaced(_)));
    assert!(shuffle(&others, &own, Some(&token), &random) == Masked::Kept, "it was drawn already");
    assert!(shuffle(&others, &own, None, &random) == Masked::Removed, "nothing would tell that it was drawn");
    assert!(shuffle(&others, &Value::Null, Some("u-1"), &random) == Masked::Kept);
    assert!(apply(&Strategy::Shuffle, &own, &with(&random, None)) == Masked::Removed, "nobody's values are known");
}

proptest::proptest! {
    #[test]
    fn what_is_drawn_is_a_value_of_others_and_of_too_few_nothing_is(
        others in prop::collection::vec("[a-c]{1,2}", 0..30),
        own in "[a-d]{1,2}",
        seed in 0u64..1000,
    ) {
        let values: Vec<Value> = others.iter().map(|other| text(other)).collect();
        let kinds: BTreeSet<&String> = others.iter().collect();
        match shuffle(&values, &text(&own), Some("u-1"), &SeededRandom::new(seed)) {
            Masked::Replaced(drawn) => {
                prop_assert!(others.len() >= LEAST_DRAWN_FROM && kinds.len() >= 2);
                prop_assert!(values.contains(&drawn), "the person's own only if others have it");
            }
            Masked::Removed => prop_assert!(others.len() < LEAST_DRAWN_FROM || kinds.len() < 2),
            Masked::Kept => prop_assert!(false, "the person's own never stays as it is"),
        }
    }

    #[test]
    fn every_value_of_others_is_drawn_as_often_as_they_have_it(common in 5usize..40, seed in 0u64..1000) {
        let random = SeededRandom::new(seed);
        let values: Vec<Value> = (0..40).map(|n| text(if n < common { "common" } else { "rare" })).collect();
        let drawn = (0..2_000).filter(|_| shuffle(&values, &text("own"), Some("u-1"), &random) == Masked::Replaced(text("common")));
        let expected = 50 * common;
        prop_assert!(drawn.count().abs_diff(expected) < 150, "{} of 2000", expected);
    }
}

proptest::proptest! {
    #[test]
    fn masking_shows_no_more_than_the_last_characters(text in "\\PC{0,40}", keep in 0u8..8) {
        let masked = keep_last(&text, keep);
        proptest::prop_assert_eq!(masked.chars().count(), text.chars().count());
        let shown: String = masked.chars().rev().take_while(|c| *c != '*').collect();
        proptest::prop_assert!(shown.chars().count() <= usize::from(keep) || text.contains('*'));
    }

    #[test]
    fn anonymising_never_leaves_the_value(text in "[0-9a-zA-Z]{6,40}") {
        let value = Value::Text(text.clone());
        for strategy in [Strategy::Erase, Strategy::Null, Strategy::Random, Strategy::SaltedHash,
            Strategy::Fixed("[deleted]".into()), Strategy::Generalise(Generalisation::City)] {
            if let Masked::Replaced(Value::Text(left)) = mask(&strategy, &value, &SeededRandom::new(3)) {
                proptest::prop_assert!(!left.contains(&text));
            }
        }
    }
}
