//! Recipients: told by a way that leads to them, of people whom they can recognise, or left out for a reason.

use std::collections::BTreeSet;

use super::Problems;
use crate::policy::dataset;
use crate::policy::{Bundle, Channel, OWN_ID, Opendsr, Recipient, Tell};
use crate::recipients::ProcessorKey;

pub(super) fn check(bundle: &Bundle, problems: &mut Problems) {
    let of_what_goes: BTreeSet<&str> =
        bundle.recipients_of_what_goes().into_iter().map(|recipient| recipient.id.as_str()).collect();
    let all = &bundle.policy.recipients;
    for (position, recipient) in all.iter().enumerate() {
        let at = position.to_string();
        if all[..position].iter().any(|earlier| earlier.id == recipient.id) {
            let message = format!("recipient {:?} is there twice; join the two or rename one", recipient.id);
            problems.policy(&["recipients", &at, "id"], message);
        }
        match (&recipient.tell, &recipient.untold) {
            (Some(_), Some(_)) => problems.policy(
                &["recipients", &at],
                format!("recipient {:?} is told or it is not: leave out tell or untold", recipient.id),
            ),
            (Some(tell), None) => {
                told(bundle, recipient, tell, of_what_goes.contains(recipient.id.as_str()), &at, problems);
            }
            (None, Some(reason)) if reason.trim().is_empty() => {
                problems.policy(&["recipients", &at, "untold"], "say why it is not told, or leave it out");
            }
            (None, None) if of_what_goes.contains(recipient.id.as_str()) => problems.warn_policy(
                &["recipients", &at],
                format!(
                    "recipient {:?} gets personal data and is not told when it is erased; add tell, or untold with \
                     the reason",
                    recipient.id
                ),
            ),
            (None, _) => {}
        }
    }
}

fn told(bundle: &Bundle, recipient: &Recipient, tell: &Tell, is_concerned: bool, at: &str, problems: &mut Problems) {
    let path = ["recipients", at, "tell"];
    if !recipient.gets_people() {
        let message = format!(
            "recipient {:?} gets statistics only, or is everybody or an authority: it cannot be told of a person; leave \
             out tell",
            recipient.id
        );
        problems.policy(&path, message);
    } else if !is_concerned {
        let message = format!(
            "recipient {:?} is never told: no category of it, and no item that names it, has a field that is erased",
            recipient.id
        );
        problems.warn_policy(&path, message);
    }
    identities(bundle, tell, at, problems);
    if let Some(period) = tell.receipt_within
        && !period.0.is_positive()
    {
        let path = ["recipients", at, "tell", "receipt_within"];
        problems.policy(&path, format!("the period {} is not longer than nothing; write one like P7D", period.0));
    }
    if tell.secrets().any(|secret| secret.trim().is_empty()) {
        problems.policy(&path, "a secret has a name or an ARN; an empty one names none");
    }
    match &tell.by {
        Channel::Opendsr(processor) => opendsr(processor, tell, at, problems),
        Channel::Webhook(_) => {}
        Channel::Queue(queue) => {
            if !is_queue(queue) {
                let message = "write the name of a queue in the account that Habeas is deployed to, or its ARN";
                problems.policy(&["recipients", at, "tell", "by", "queue"], message);
            }
        }
        Channel::Email(address) => {
            if !email_address::EmailAddress::is_valid(address) {
                problems.policy(&["recipients", at, "tell", "by", "email"], "this is no address that mail goes to");
            }
        }
    }
}

fn identities(bundle: &Bundle, tell: &Tell, at: &str, problems: &mut Problems) {
    if tell.kinds().next().is_none() {
        let message = "say what the recipient knows people by: identities: [email] for example, or own_id";
        problems.policy(&["recipients", at, "tell"], message);
    }
    let known = &bundle.policy.subject.identities;
    for kind in tell.identities.iter().filter(|kind| !known.contains_key(kind)) {
        let message = format!("the subject has no identity {}; add it under subject.identities", kind.name());
        problems.policy(&["recipients", at, "tell", "identities"], message);
    }
    if let Some(field) = &tell.own_id {
        let name = &bundle.policy.subject.collection;
        let collections = dataset::by_name(&bundle.datasets);
        if collections.get(name.as_str()).is_some_and(|collection| collection.field(field).is_none()) {
            let message = format!("{name} has no field {field}; own_id names one that holds the recipient's own id");
            problems.policy(&["recipients", at, "tell", "own_id"], message);
        }
    }
}

fn opendsr(processor: &Opendsr, tell: &Tell, at: &str, problems: &mut Problems) {
    let path = ["recipients", at, "tell", "by", "opendsr"];
    if let Some(pem) = &processor.certificate
        && ProcessorKey::parse(pem).is_err()
    {
        let message = "write the processor's certificate, or its RSA public key, in PEM: the lines from BEGIN to END";
        problems.policy(&["recipients", at, "tell", "by", "opendsr", "certificate"], message);
    }
    for kind in tell.kinds().filter(|kind| processor.identity_type(kind).is_none()) {
        let message = format!("OpenDSR has no word for {kind}; say the processor's: identity_types: {{{kind}: …}}");
        problems.policy(&path, message);
    }
    let known: BTreeSet<&str> = ["email", "user_id", "phone_number", OWN_ID].into();
    for kind in processor.identity_types.keys().filter(|kind| !known.contains(kind.as_str())) {
        problems.policy(&path, format!("{kind} is no kind of identity; identity_types names those of tell"));
    }
}

/// The name of a queue, or the ARN of one.
fn is_queue(queue: &str) -> bool {
    let name = match queue.strip_prefix("arn:") {
        None => Some(queue),
        Some(rest) => match rest.split(':').collect::<Vec<_>>().as_slice() {
            [_, "sqs", region, account, name] if !region.is_empty() && !account.is_empty() => Some(*name),
            _ => None,
        },
    };
    let plain = |name: &str| {
        let stem = name.strip_suffix(".fifo").unwrap_or(name);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        !stem.is_empty() && name.len() <= 80 && stem.bytes().all(is_plain)
    };
    name.is_some_and(plain)
}

#[cfg(test)]
mod tests {
    use super::is_queue;

    #[test]
    fn a_queue_is_a_name_or_an_arn() {
        for good in ["partner", "partner.fifo", "arn:aws-cn:sqs:cn-north-1:123456789012:partner-1"] {
            assert!(is_queue(good), "{good}");
        }
        for bad in [
            "",
            ".fifo",
            "a b",
            "https://sqs.eu-west-1.amazonaws.com/1/a",
            "arn:aws:sns:eu-west-1:1:a",
            "arn:aws:sqs:::a",
        ] {
            assert!(!is_queue(bad), "{bad}");
        }
    }
}
