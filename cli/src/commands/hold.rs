//! `habeas hold`: places, lists and lifts legal holds, through the API of a stack.

use std::io::Write;

use habeas::personal::Personal;
use habeas::random::{self, SystemRandom};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::plan::parse;
use super::suppress::Operator;
use super::{CommandError, Outcome, Verdict};
use crate::drive::api::Api;

/// What a hold is to be on, why and for how long.
pub struct Wanted<'a> {
    /// A person, by each identity that is known, as KIND=VALUE.
    pub identities: &'a [Personal<String>],
    /// A collection.
    pub collection: Option<&'a str>,
    /// A request.
    pub request: Option<&'a str>,
    /// Why.
    pub basis: &'a str,
    /// When it ends by itself.
    pub until: Timestamp,
}

/// Places a hold and prints its id.
pub async fn place(operator: &Operator<'_>, wanted: &Wanted<'_>, out: &mut dyn Write) -> Outcome {
    let api = Api::new(operator.api)?;
    let key = hex::encode(random::bytes::<16>(&SystemRandom));
    let placed = api.place_hold(&wanted.body()?, &key, operator.token.expose()).await?.expect(201)?;
    print(&placed, out)?;
    if placed["subject_rows"] == 0 {
        writeln!(out, "nobody is on file under these identities; the hold is on them all the same")?;
    }
    Ok(Verdict::Good)
}

/// Prints the holds in force, or all.
pub async fn list(operator: &Operator<'_>, ended: bool, out: &mut dyn Write) -> Outcome {
    let api = Api::new(operator.api)?;
    let listed = api.holds(ended, operator.token.expose()).await?.expect(200)?;
    for hold in listed["holds"].as_array().into_iter().flatten() {
        print(hold, out)?;
    }
    Ok(Verdict::Good)
}

/// Lifts a hold.
pub async fn lift(operator: &Operator<'_>, id: &str, out: &mut dyn Write) -> Outcome {
    let api = Api::new(operator.api)?;
    print(&api.lift_hold(id, operator.token.expose()).await?.expect(200)?, out)?;
    Ok(Verdict::Good)
}

/// One line: which hold, on what, until when, why.
pub fn print(hold: &Value, out: &mut dyn Write) -> Result<(), CommandError> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let scope = &hold["scope"];
    let on = match text(&scope["kind"]).as_str() {
        "collection" => text(&scope["collection"]),
        "request" => format!("request {}", text(&scope["request_id"])),
        _ => "a person".to_owned(),
    };
    let stands = match (hold["in_force"].as_bool(), hold["lifted_at"].as_str()) {
        (Some(true), _) => format!("until {}", text(&hold["ends_at"])),
        (_, Some(lifted_at)) => format!("lifted at {lifted_at}"),
        _ => format!("ended at {}", text(&hold["ends_at"])),
    };
    writeln!(out, "{} on {on}, {stands}: {}", text(&hold["hold_id"]), text(&hold["basis"]))?;
    Ok(())
}

impl Wanted<'_> {
    fn body(&self) -> Result<Value, CommandError> {
        let mut body = json!({"basis": self.basis, "ends_at": self.until.to_string()});
        if !self.identities.is_empty() {
            let mut subject = Map::new();
            for identity in self.identities {
                let identity = parse(identity.expose())?;
                let kind = identity.kind().name();
                if subject.insert(kind.to_owned(), identity.value().expose().as_str().into()).is_some() {
                    return Err(CommandError::IdentityTwice(kind));
                }
            }
            body["subject"] = subject.into();
        }
        for (name, value) in [("collection", self.collection), ("request_id", self.request)] {
            if let Some(value) = value {
                body[name] = value.into();
            }
        }
        Ok(body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_named_by_every_identity_that_is_given() {
        let identities = ["email=Li.Wei@mail.example", "user_id=u-li"].map(|text| Personal::new(text.to_owned()));
        let until = "2028-12-31T00:00:00Z".parse().unwrap();
        let wanted = Wanted { identities: &identities, collection: None, request: None, basis: "a case", until };
        let expected = json!({"subject": {"email": "li.wei@mail.example", "user_id": "u-li"}, "basis": "a case",
            "ends_at": "2028-12-31T00:00:00Z"});
        assert_eq!(wanted.body().unwrap(), expected);
        let on = Wanted { identities: &[], collection: Some("app.posts"), ..wanted };
        assert_eq!(on.body().unwrap()["collection"], "app.posts");
    }

    #[test]
    fn a_second_identity_of_a_kind_is_refused_and_not_dropped() {
        let identities = ["email=li.wei@mail.example", "user_id=u-li", "email=li@work.example"];
        let identities = identities.map(|text| Personal::new(text.to_owned()));
        let until = "2028-12-31T00:00:00Z".parse().unwrap();
        let wanted = Wanted { identities: &identities, collection: None, request: None, basis: "a case", until };
        let refused = wanted.body().unwrap_err().to_string();
        assert!(refused.contains("email") && refused.contains("second hold"), "{refused}");
        assert!(!refused.contains("li@work"), "nobody is named");
    }
}
