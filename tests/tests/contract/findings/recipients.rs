//! Recipients that cannot be told, would be told for nothing, or are forgotten.

use habeas::policy::check::Level::{self, Error, Warning};

use super::File::Policy;
use super::Mistake;

const COURIER: &str = "tell: {by: {queue: small-courier}, identities: [user_id, email], receipt_within: P7D}";

pub(super) const FINDINGS: &[(Level, Mistake)] = &[
    (
        Warning,
        Mistake {
            what: "a recipient that nobody tells",
            file: Policy,
            replace: "    tell: {by: {queue: small-courier}, identities: [user_id, email], receipt_within: P7D}\n",
            with: "",
            at: (Policy, "- id: courier"),
            says: &["\"courier\" gets personal data and is not told", "add tell, or untold"],
        },
    ),
    (
        Warning,
        Mistake {
            what: "a recipient of nothing that goes",
            file: Policy,
            replace: "categories: [user.contact]",
            with: "categories: [user.job_title]",
            at: (Policy, "queue: small-courier"),
            says: &["\"courier\" is never told"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a recipient that is told and is not",
            file: Policy,
            replace: COURIER,
            with: "tell: {by: {queue: q}, identities: [email]}\n    untold: There is none",
            at: (Policy, "- id: courier"),
            says: &["leave out tell or untold"],
        },
    ),
    (
        Error,
        Mistake {
            what: "statistics that are told of a person",
            file: Policy,
            replace: "    aggregated: true\n",
            with: "    aggregated: true\n    tell: {by: {queue: numbers}, identities: [email]}\n",
            at: (Policy, "queue: numbers"),
            says: &["\"statistics\" gets statistics only", "cannot be told of a person"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a recipient twice",
            file: Policy,
            replace: "  - id: library",
            with: "  - id: courier # again",
            at: (Policy, "# again"),
            says: &["\"courier\" is there twice"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a recipient that could not know whom it is told of",
            file: Policy,
            replace: COURIER,
            with: "tell: {by: {queue: small-courier}}",
            at: (Policy, "queue: small-courier"),
            says: &["what the recipient knows people by", "own_id"],
        },
    ),
    (
        Error,
        Mistake {
            what: "an id of its own that is nowhere",
            file: Policy,
            replace: COURIER,
            with: "tell: {by: {queue: small-courier}, own_id: parcel_id}",
            at: (Policy, "queue: small-courier"),
            says: &["small_app.users has no field parcel_id"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a URL in the place of a queue",
            file: Policy,
            replace: "queue: small-courier",
            with: "queue: \"https://sqs.eu-west-1.amazonaws.com/1/courier\"",
            at: (Policy, "amazonaws.com"),
            says: &["the name of a queue", "or its ARN"],
        },
    ),
    (
        Error,
        Mistake {
            what: "an address that mail does not go to",
            file: Policy,
            replace: "email: privacy@library.example",
            with: "email: the library",
            at: (Policy, "email: the library"),
            says: &["no address that mail goes to"],
        },
    ),
    (
        Error,
        Mistake {
            what: "no time for a receipt",
            file: Policy,
            replace: "receipt_within: P7D",
            with: "receipt_within: PT0S",
            at: (Policy, "queue: small-courier"),
            says: &["is not longer than nothing", "P7D"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a kind of identity that OpenDSR has no word for",
            file: Policy,
            replace: COURIER,
            with: "tell: {by: {opendsr: {url: \"https://dsr.example\"}}, identities: [phone_number]}",
            at: (Policy, "dsr.example"),
            says: &["OpenDSR has no word for phone_number", "identity_types"],
        },
    ),
    (
        Error,
        Mistake {
            what: "a certificate that is none",
            file: Policy,
            replace: COURIER,
            with: "tell: {by: {opendsr: {url: \"https://dsr.example\", certificate: pinned}}, identities: [email]}",
            at: (Policy, "dsr.example"),
            says: &["the processor's certificate, or its RSA public key, in PEM"],
        },
    ),
    (
        Error,
        Mistake {
            what: "an address that is not encrypted",
            file: Policy,
            replace: COURIER,
            with: "tell: {by: {webhook: {url: \"http://hook.example\", secret: s}}, identities: [email]}",
            at: (Policy, "hook.example"),
            says: &["https"],
        },
    ),
];
