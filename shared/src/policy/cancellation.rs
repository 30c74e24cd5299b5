//! What a policy says of cancelling an account besides its verification: what is checked before, when people are reminded,
//! and how the app is told and asked.

use jiff::Span;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::model::{Period, Text};
use super::rights::RightRule;
use crate::outbound::Endpoint;

/// Something that is checked before an account is cancelled. Exactly one of its kinds is given.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SecurityCheck {
    /// Unique among the checks: what events and problems name it by.
    pub id: String,
    /// What the person can do where it fails.
    pub text: Text,
    /// A credential or an address on file must not have changed just now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changed_recently: Option<ChangedRecently>,
    /// What the person's rows of a collection must say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<FieldCheck>,
    /// The device that the confirmation comes from must be known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_device: Option<KnownDevice>,
    /// The app says whether it may be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask_app: Option<AskApp>,
}

/// A question to the app, which it answers with yes or no.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AskApp {
    /// The question, in the app's own words: it is sent as it is.
    pub question: String,
}

/// The controller's own app, which has the sessions and freezes the account.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct App {
    /// Where it is told and asked.
    pub webhook: AppWebhook,
}

/// Where the app takes signed calls.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AppWebhook {
    /// The address.
    pub url: Endpoint,
    /// Name or ARN, in Secrets Manager, of the secret that calls in both directions are signed with.
    pub secret: String,
}

/// The moment in a field of the subject's own row must be older than this. A row without it was never changed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangedRecently {
    /// The field, of the subject collection.
    pub field: String,
    /// How long a change counts as recent.
    pub within: Period,
}

/// What a field must say in each of the person's rows of a collection. All that is given holds together.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FieldCheck {
    /// `<dataset>.<collection>`.
    pub collection: String,
    /// The field, with dots for fields inside fields.
    pub field: String,
    /// One of these, and not nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_be: Vec<String>,
    /// None of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub must_not_be: Vec<String>,
    /// A number, no greater than this; or nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<i64>,
    /// Not nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_set: bool,
}

/// A collection with the devices that a person uses.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KnownDevice {
    /// `<dataset>.<collection>`.
    pub collection: String,
    /// The field with the device's id.
    pub field: String,
    /// The field with the moment since when it is known. Without one a device counts at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_field: Option<String>,
    /// How long it must have been known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known_for: Option<Period>,
}

impl SecurityCheck {
    /// The collection, other than the subject's, that its rows are of.
    #[must_use]
    pub fn collection(&self) -> Option<&str> {
        let field = self.field.as_ref().map(|field| field.collection.as_str());
        field.or_else(|| self.known_device.as_ref().map(|device| device.collection.as_str()))
    }
}

impl RightRule {
    /// How long before the end of the cooling-off period the person is reminded, each time; the longest first. Without a
    /// word of the policy three days and one day before, as far as the period is at least twice as long.
    #[must_use]
    pub fn reminders(&self) -> Vec<Period> {
        let days = |days| Period(Span::new().days(days));
        let Some(cooling_off) = self.cooling_off else { return Vec::new() };
        self.remind_before.clone().unwrap_or_else(|| {
            let defaults = [(days(3), days(6)), (days(1), days(2))].into_iter();
            defaults.filter(|(_, double)| cooling_off.is_no_shorter_than(*double)).map(|(period, _)| period).collect()
        })
    }
}
