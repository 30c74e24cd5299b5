//! Notices in English.

use super::{ButFor, GROUND, Part, around};
use crate::request::NoticeKind;

#[expect(clippy::too_many_lines, reason = "one arm a notice: it is read as a list of texts")]
pub(super) fn notice(kind: NoticeKind, what: &str, moment: Option<&str>) -> Part {
    match kind {
        NoticeKind::Accepted => Part {
            subject: "we have begun to work on your request",
            body: format!(
                "We have begun to work on your request. It can no longer be taken back.{}",
                around(" You have our answer by ", moment, " at the latest.")
            ),
            sms: format!("we have begun to work on your request ({what}). It can no longer be taken back."),
        },
        NoticeKind::CancellationConfirmed => Part {
            subject: "your account will be cancelled",
            body: format!(
                "You confirmed that your account is to be cancelled.{} Until then nothing is deleted, and you can take \
                 the request back where you made it. Afterwards that is no longer possible.\n\n\
                 If it was not you, take the request back at once and secure your account.",
                around(" We begin on ", moment, "."),
            ),
            sms: format!(
                "your account will be cancelled{}. Until then you can take it back where you asked for it.",
                around(" on ", moment, "")
            ),
        },
        NoticeKind::PackageReady => Part {
            subject: "the copy of your data is ready",
            body: format!(
                "The copy of your data is ready. Fetch it where you made the request. We do not send it by mail, and \
                 no message of ours holds a link to it.{}",
                around("\n\nIt is deleted on ", moment, ". You can then ask for a new one.")
            ),
            sms: format!(
                "the copy of your data is ready. Fetch it where you asked for it{}.",
                around(" before ", moment, "")
            ),
        },
        NoticeKind::Erased => Part {
            subject: "your data has been deleted",
            body: "Your data has been deleted or made anonymous. If something has to be kept for a time, your request \
                   shows what it is, for what reason and until when; it is deleted after that."
                .to_owned(),
            sms: "your data has been deleted. Your request shows whether anything is kept, why and until when."
                .to_owned(),
        },
        NoticeKind::Cancelled => Part {
            subject: "your account has been cancelled",
            body: "Your account has been cancelled, and its data deleted or made anonymous. If something has to be \
                   kept for a time, your request shows what it is, for what reason and until when; it is deleted after \
                   that."
                .to_owned(),
            sms: "your account has been cancelled. Your request shows whether anything is kept, why and until when."
                .to_owned(),
        },
        NoticeKind::CancellationReminder => Part {
            subject: "your account will be cancelled soon",
            body: format!(
                "You asked for your account to be cancelled.{} Until then you can take the request back where you made \
                 it. Afterwards that is no longer possible, and what was deleted cannot be brought back.\n\n\
                 If it was not you, take the request back at once and secure your account.",
                around(" We begin on ", moment, "."),
            ),
            sms: format!(
                "reminder: your account will be cancelled{}. Until then you can take it back.",
                around(" on ", moment, "")
            ),
        },
        NoticeKind::CheckFailed => Part {
            subject: "your account has not been cancelled yet",
            body: format!(
                "Before we begin to cancel your account we check once more that nothing speaks against it. Something \
                 did, so nothing has been deleted. Your request shows what it is and what you can do.{}\n\n\
                 If you did not ask for this, take the request back and secure your account.",
                around(" You can confirm again until ", moment, "; after that the request lapses.")
            ),
            sms: "your account has not been cancelled yet: a check failed. Your request shows what you can do."
                .to_owned(),
        },
        NoticeKind::Withdrawn => Part {
            subject: "your request was taken back",
            body:
                "Your request was taken back. Nothing was deleted or changed because of it, and nothing more will be \
                   done.\n\nIf it was not you, secure your account and make the request again."
                    .to_owned(),
            sms: format!("your request ({what}) was taken back. Nothing was deleted or changed because of it."),
        },
        NoticeKind::Denied => Part {
            subject: "we do not do what you asked for",
            body: format!(
                "We have looked at your request and do not do what you asked for. Nothing was copied, deleted or changed \
                 because of it.\n\nThe ground: {GROUND}"
            ),
            sms: format!("we do not do what you asked for ({what}). Your request shows why, and where to complain."),
        },
        NoticeKind::Purged => Part {
            subject: "what had to be kept of your data has been deleted",
            body: "When your data was deleted, a part of it had to be kept for a time. That time is over, and this part has \
                   been deleted too. Your request shows what it was. We no longer keep this address for your request."
                .to_owned(),
            sms: "the part of your data that had to be kept for a time has been deleted too.".to_owned(),
        },
        NoticeKind::Held => Part {
            subject: "your request has to wait",
            body: format!(
                "What you asked to have deleted may not be deleted now: a legal duty to keep it stands against it.{} Your \
                 request shows the reason. It goes on by itself when that ends, and you need not ask again.",
                around(" That lasts until ", moment, " at the latest.")
            ),
            sms: format!(
                "a legal duty to keep data stops your request{}. It then goes on by itself.",
                around(" until ", moment, " at the latest")
            ),
        },
    }
}

/// What is said of the part that an operator left out.
pub(super) fn but_for(kind: NoticeKind, moment: Option<&str>) -> Option<ButFor> {
    match kind {
        NoticeKind::PackageReady => Some(ButFor {
            body: "The copy is without a part of your data: we refused to give you that part. Your request shows which it is \
                   and on which ground.",
            sms: format!(
                "the copy of your data is ready{}, without a part that was refused. Your request shows which and why.",
                around(" until ", moment, "")
            ),
        }),
        NoticeKind::Erased => Some(ButFor {
            body: "This does not hold for all of your data: we refused to delete a part of it. That part has stayed as it \
                   was, and your request shows which it is and on which ground.",
            sms: "your data has been deleted, but for a part where that was refused. Your request shows which and why.".to_owned(),
        }),
        NoticeKind::Cancelled => Some(ButFor {
            body: "This does not hold for all of your data: we refused to delete a part of it. That part has stayed as it \
                   was, and your request shows which it is and on which ground.",
            sms: "your account has been cancelled. To delete a part of its data was refused: your request shows which and \
                  why.".to_owned(),
        }),
        _ => None,
    }
}
