//! How recipients are told of an erasure, and which of them are (GDPR Art. 19). Pure.
//!
//! The rule of this room: who is told is whoever gets something that the policy erases or anonymises, and is told no more of
//! the person than what it knows them by.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dataset::visit;
use super::{Bundle, ErasureRule, Period, Pinned, Recipient, RecipientKind, Strategy, ViaRule, categories};
use crate::outbound::Endpoint;
use crate::personal::IdentityKind;

/// How a recipient is told that somebody was erased.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tell {
    /// By what means.
    pub by: Channel,
    /// The kinds of identity that it knows people by. It is told these and no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub identities: Vec<IdentityKind>,
    /// The field of the subject collection that holds its own id for a person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own_id: Option<String>,
    /// How long after it was told its receipt is expected. Absent: none is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt_within: Option<Period>,
}

/// By what means a recipient is told.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// An erasure request of OpenDSR 2.0.
    Opendsr(Opendsr),
    /// A call that is signed as Standard Webhooks has it.
    Webhook(Webhook),
    /// A message on a queue of SQS: its name in the account that Habeas is deployed to, or its ARN in the same region.
    Queue(String),
    /// An e-mail to this address.
    Email(String),
}

/// A processor that takes OpenDSR requests.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Opendsr {
    /// Where requests are posted. Its host is the processor's domain.
    pub url: Endpoint,
    /// The secret that is sent as a bearer token, by name or ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<String>,
    /// The secret that calls are signed with, by name or ARN, if the processor checks signatures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The processor's certificate, or its public key, in PEM. Answers and status callbacks count only if they are signed
    /// with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The regulation that requests name: gdpr or ccpa. Absent: that of the jurisdiction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regulation: Option<Regulation>,
    /// Kind of identity, or `own_id`, to the processor's word for it, where OpenDSR has none.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub identity_types: BTreeMap<String, String>,
}

/// The regulations that OpenDSR knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Regulation {
    /// The General Data Protection Regulation.
    Gdpr,
    /// The California Consumer Privacy Act.
    Ccpa,
}

impl Opendsr {
    /// The processor's domain: the host of its address.
    #[must_use]
    pub fn domain(&self) -> &str {
        let rest = self.url.as_str().split_once("://").map_or("", |(_, rest)| rest);
        let host = rest.split(['/', '?']).next().unwrap_or_default();
        // An address of version 6 has colons of its own, between brackets.
        match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
            _ => host,
        }
    }

    /// The processor's word for a kind of identity, or for `own_id`.
    #[must_use]
    pub fn identity_type(&self, kind: &str) -> Option<&str> {
        self.identity_types.get(kind).map(String::as_str).or(match kind {
            "email" => Some("email"),
            "user_id" => Some("controller_customer_id"),
            _ => None,
        })
    }
}

/// A service that takes signed calls.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// Where it is called.
    pub url: Endpoint,
    /// The secret that calls are signed with (`whsec_…`), by name or ARN.
    pub secret: String,
    /// The secret that is sent as a bearer token, by name or ARN, if one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bearer: Option<String>,
}

/// The word for a recipient's own id among kinds of identity.
pub const OWN_ID: &str = "own_id";

impl Tell {
    /// The words for what it knows people by.
    pub fn kinds(&self) -> impl Iterator<Item = &'static str> {
        self.identities.iter().map(|kind| kind.name()).chain(self.own_id.as_ref().map(|_| OWN_ID))
    }

    /// The secrets that telling needs, by name or ARN.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let (one, other) = match &self.by {
            Channel::Opendsr(processor) => (processor.secret.as_ref(), processor.bearer.as_ref()),
            Channel::Webhook(service) => (Some(&service.secret), service.bearer.as_ref()),
            Channel::Queue(_) | Channel::Email(_) => (None, None),
        };
        one.into_iter().chain(other).map(String::as_str)
    }
}

impl Recipient {
    /// Whether what it gets is of particular people, and it can be told of one: not statistics, not everybody, and not an
    /// authority in an inquiry, which the GDPR counts as no recipient (Art. 4(9)).
    #[must_use]
    pub fn gets_people(&self) -> bool {
        !self.aggregated && !matches!(self.kind, RecipientKind::Public | RecipientKind::Authority)
    }
}

impl Bundle {
    /// The recipients that get something which an erasure erases or anonymises, in the order of the policy; whether they are
    /// told or not.
    #[must_use]
    pub fn recipients_of_what_goes(&self) -> Vec<&Recipient> {
        self.recipients_of_what_goes_but(&|_| false)
    }

    /// The same where some collections are left out.
    fn recipients_of_what_goes_but(&self, is_left_out: &dyn Fn(&str) -> bool) -> Vec<&Recipient> {
        let going = self.going(is_left_out);
        let of_a_field = |recipient: &Recipient| {
            let category = |(_, category): &(String, &str)| {
                recipient.categories.iter().any(|covered| categories::is_within(category, covered))
            };
            going.iter().any(category)
        };
        let of_an_item = |recipient: &Recipient| {
            let items = self.policy.items.iter().filter(|item| item.recipients.contains(&recipient.id));
            let names: BTreeSet<&str> = items.flat_map(|item| item.fields.iter().map(String::as_str)).collect();
            going.iter().any(|(field, _)| names.contains(field.as_str()))
        };
        let gets = |recipient: &&Recipient| recipient.gets_people() && (of_a_field(recipient) || of_an_item(recipient));
        self.policy.recipients.iter().filter(gets).collect()
    }

    /// The recipients that an erasure tells.
    #[must_use]
    pub fn told(&self) -> Vec<&Recipient> {
        self.recipients_of_what_goes().into_iter().filter(|recipient| recipient.tell.is_some()).collect()
    }

    /// Every field with a category that an erasure erases or anonymises: `<dataset>.<collection>.<path>`, category.
    fn going(&self, is_left_out: &dyn Fn(&str) -> bool) -> BTreeSet<(String, &str)> {
        let mut going = BTreeSet::new();
        for dataset in &self.datasets {
            for collection in &dataset.collections {
                let name = format!("{}.{}", dataset.fides_key, collection.name);
                let rule = self.policy.collections.get(&name).filter(|_| !is_left_out(&name));
                let Some(rule) = rule else { continue };
                visit(&collection.fields, "", &mut |path, field| {
                    if goes(&rule.erasure, path) {
                        let full = |category| (format!("{name}.{path}"), category);
                        going.extend(field.data_categories.iter().map(String::as_str).map(full));
                    }
                });
            }
        }
        going
    }
}

/// Whether the value at a path goes, in some row of the person's at least.
fn goes(rule: &ErasureRule, path: &str) -> bool {
    let strategies = |fields: &BTreeMap<String, Strategy>| {
        fields.iter().any(|(named, strategy)| *strategy != Strategy::Keep && is_at_or_in(path, named))
    };
    let found = |via: &BTreeMap<String, ViaRule>| {
        via.values().any(|rule| match rule {
            ViaRule::Erase => true,
            ViaRule::Anonymise { fields } => strategies(fields),
        })
    };
    match rule {
        ErasureRule::Erase { .. } => true,
        ErasureRule::Anonymise { fields, via, .. } => strategies(fields) || found(via),
        ErasureRule::Retain { fields, .. } => strategies(fields),
        ErasureRule::Keep { .. } => false,
    }
}

fn is_at_or_in(path: &str, named: &str) -> bool {
    path.strip_prefix(named).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

impl Pinned {
    /// The recipients that an erasure tells, in the order of the policy.
    #[must_use]
    pub fn told(&self) -> Vec<&Recipient> {
        self.bundle.told()
    }

    /// Whether a recipient gets something that goes although these collections are left out.
    #[must_use]
    pub fn concerns(&self, recipient: &str, is_left_out: &dyn Fn(&str) -> bool) -> bool {
        self.bundle.recipients_of_what_goes_but(is_left_out).iter().any(|one| one.id == recipient)
    }

    /// A recipient.
    #[must_use]
    pub fn recipient(&self, id: &str) -> Option<&Recipient> {
        self.policy().recipients.iter().find(|recipient| recipient.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_got_only_what_is_left_out_is_not_concerned() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/policy");
        let policy = crate::policy::load::load(&folder).unwrap();
        let told: Vec<&str> = policy.told().into_iter().map(|recipient| recipient.id.as_str()).collect();
        assert_eq!(told, ["courier", "library"], "statistics are of nobody");
        // All contacts are in these two: the addresses of orders go at once, though orders stay.
        let left_out = |collection: &str| ["small_app.users", "small_app.orders"].contains(&collection);
        assert!(!policy.concerns("courier", &left_out) && policy.concerns("library", &left_out));
        assert!(policy.concerns("courier", &|collection| collection == "small_app.users"));
    }

    #[test]
    fn what_is_retained_is_no_reason_to_tell_and_what_goes_at_once_is() {
        let rule = |yaml: &str| serde_saphyr::from_str::<ErasureRule>(yaml).unwrap();
        let retained = rule("{action: retain, start_field: at, for: P3Y, basis: {en: x}, fields: {address: erase}}");
        assert!(goes(&retained, "address") && goes(&retained, "address.city"));
        assert!(!goes(&retained, "goods") && !goes(&retained, "addressee"));
        let anonymised = rule("{action: anonymise, fields: {author: detach, text: keep}}");
        assert!(goes(&anonymised, "author") && !goes(&anonymised, "text"));
        let through = rule("{action: anonymise, fields: {}, via: {author: {action: erase}}}");
        assert!(goes(&through, "text"));
        assert!(!goes(&rule("{action: keep, reason: {en: x}}"), "text"));
    }
}
