//! What lets a recipient answer one message and nothing else: request, step and a keyed digest of both, for the path of the
//! address that it answers to. It does not end, since receipts may come long after the request has.

use subtle::ConstantTimeEq as _;

use super::keys::DigestKeys;
use crate::request::{RequestId, StepNumber};

const LABEL: &str = "recipient reply";

/// What goes into the address: `<request>-<step>-<64 hexadecimal digits>`.
#[must_use]
pub fn issue(keys: &DigestKeys, request: &RequestId, step: StepNumber) -> String {
    let digest = keys.labelled(LABEL, &[request.as_str(), &step.to_string()]);
    format!("{request}-{step}-{}", bare(&digest))
}

/// The message that it answers, if it is ours: under any key, since keys may have changed meanwhile.
#[must_use]
pub fn open(keys: &DigestKeys, text: &str) -> Option<(RequestId, StepNumber)> {
    let mut parts = text.splitn(3, '-');
    let (request, step, given) = (parts.next()?, parts.next()?, parts.next()?);
    let request: RequestId = request.parse().ok()?;
    let step = StepNumber(step.parse().ok().filter(|_| step.len() == 4)?);
    let digests = keys.labelled_under_all(LABEL, &[request.as_str(), &step.to_string()]);
    let is_ours = digests.iter().any(|digest| bare(digest).as_bytes().ct_eq(given.as_bytes()).into());
    is_ours.then_some((request, step))
}

/// A digest without its key's id.
fn bare(digest: &str) -> &str {
    digest.split_once(':').map_or(digest, |(_, digits)| digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_opens_its_message_under_old_keys_too_and_no_other() {
        let (a, b) = ("a".repeat(64), "b".repeat(64));
        let keys = DigestKeys::parse(&format!(r#"{{"current":"k1","k1":"{a}"}}"#)).unwrap();
        let rotated = DigestKeys::parse(&format!(r#"{{"current":"k2","k1":"{a}","k2":"{b}"}}"#)).unwrap();
        let request: RequestId = "1".repeat(32).parse().unwrap();
        let reply = issue(&keys, &request, StepNumber(7));
        assert_eq!(open(&rotated, &reply), Some((request.clone(), StepNumber(7))));
        assert_eq!(open(&keys, &issue(&rotated, &request, StepNumber(7))), None, "of a key that is not there");
        let other = reply.replacen("-0007-", "-0008-", 1);
        let another = reply.replacen('1', "2", 1);
        for wrong in ["", "-", "--", &other, &another, &reply[..reply.len() - 1], &format!("{reply}0")] {
            assert_eq!(open(&keys, wrong), None, "{wrong}");
        }
    }
}
