//! fideslang's default data categories (fideslang 3.1, © Ethyca, CC BY 4.0), as keys with the name of each.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

#[derive(Deserialize)]
struct Taxonomy {
    data_category: Vec<Category>,
}

/// One category.
#[derive(Debug, Deserialize)]
pub struct Category {
    /// The key, `user.contact.email`.
    pub fides_key: String,
    /// A short name.
    pub name: String,
    /// What belongs to it.
    pub description: String,
}

static CATEGORIES: LazyLock<BTreeMap<String, Category>> = LazyLock::new(|| {
    let taxonomy: Taxonomy =
        serde_json::from_str(include_str!("data_categories.json")).unwrap_or(Taxonomy { data_category: Vec::new() });
    taxonomy.data_category.into_iter().map(|category| (category.fides_key.clone(), category)).collect()
});

/// The category with this key.
#[must_use]
pub fn find(key: &str) -> Option<&'static Category> {
    CATEGORIES.get(key)
}

/// Every key, sorted.
pub fn keys() -> impl Iterator<Item = &'static str> {
    CATEGORIES.keys().map(String::as_str)
}

/// Whether `category` is `ancestor` or below it.
#[must_use]
pub fn is_within(category: &str, ancestor: &str) -> bool {
    category.strip_prefix(ancestor).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Categories whose leak or misuse does a person great harm: PIPL Art. 28 and GDPR Art. 9 and 10 in fideslang's keys.
const SENSITIVE: [&str; 13] = [
    "user.authorization.biometric",
    "user.biometric",
    "user.childrens",
    "user.criminal_history",
    "user.demographic.political_opinion",
    "user.demographic.race_ethnicity",
    "user.demographic.religious_belief",
    "user.demographic.sexual_orientation",
    "user.financial",
    "user.government_id",
    "user.health_and_medical",
    "user.location.precise",
    "user.payment",
];

/// Whether a category is of the sensitive kind.
#[must_use]
pub fn is_sensitive(category: &str) -> bool {
    SENSITIVE.iter().any(|sensitive| is_within(category, sensitive))
}

/// Categories of what many people have alike, that says little of each: with none of those that tell who somebody is, of texts
/// and pictures that somebody made, and of the sensitive kind. Only they themselves, and not what is below them.
pub const SHARED_BY_MANY: [&str; 12] = [
    "user.account.settings",
    "user.behavior",
    "user.contact.address.city",
    "user.contact.address.country",
    "user.contact.address.state",
    "user.demographic.age_range",
    "user.demographic.gender",
    "user.demographic.language",
    "user.demographic.marital_status",
    "user.job_title",
    "user.location.imprecise",
    "user.privacy_preferences",
];

/// Whether a category is of what many people have alike.
#[must_use]
pub fn is_shared_by_many(category: &str) -> bool {
    SHARED_BY_MANY.contains(&category)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_taxonomy_is_whole() {
        assert_eq!(super::keys().count(), 85);
        assert!(super::is_within("user.contact.email", "user.contact"));
        assert!(!super::is_within("user.contacts", "user.contact"));
        let is_known = |key: &&str| super::find(key).is_some() && !super::is_sensitive(key);
        assert!(super::SHARED_BY_MANY.iter().all(is_known));
        assert!(super::SENSITIVE.iter().all(|key| super::find(key).is_some()));
    }
}
