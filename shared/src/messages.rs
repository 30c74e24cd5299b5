//! The texts of what Habeas sends to a person: codes and notices, in English and Simplified Chinese. Pure.
//!
//! The rule of this room: a message holds no personal data but the code. It goes to an address on file, but whoever
//! reads it there may not be the person; so it says what happened and where to look, never what was found.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::export::words;
use crate::request::{Matter, NoticeKind, Right};

/// Most characters of the controller's name in an English text message.
const SMS_NAME_ENGLISH: usize = 20;
/// Most characters of the controller's name in a Chinese text message.
const SMS_NAME_CHINESE: usize = 10;

/// A message in the forms that it can be sent in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Subject of the e-mail.
    pub subject: String,
    /// Body of the e-mail, plain text.
    pub body: String,
    /// The whole as one text message: at most 160 characters in English, 70 in Chinese.
    pub sms: String,
}

/// A message with a one-time code, grouped as it is to be read, that works for so many minutes.
#[must_use]
pub fn code(language: &str, controller: &str, right: Right, code: &str, minutes: i64) -> Message {
    let what = words::matter(language, Matter::Right(right));
    if words::is_chinese(language) {
        let name = cut(controller, SMS_NAME_CHINESE);
        Message {
            subject: format!("{controller}：请求验证码"),
            body: format!(
                "有人以您的名义向 {controller} 提出了个人信息权利请求：{what}。\n\n\
                     如果是您本人，请在提出请求的地方输入以下验证码：\n\n    {code}\n\n\
                     验证码 {minutes} 分钟内有效，仅可使用一次。\n\n\
                     {controller} 的工作人员不会以任何理由向您索要验证码，请勿告知他人。\n\n\
                     如果不是您本人操作，请勿理会，也不要把验证码告诉任何人：没有验证码，该请求不会被执行。\
                     如果再次收到此类消息，请告知 {controller}。\n"
            ),
            sms: format!(
                "【{name}】验证码 {code}，用于{what}，{minutes}分钟内有效。工作人员不会索要，非本人操作请忽略。"
            ),
        }
    } else {
        let name = cut(controller, SMS_NAME_ENGLISH);
        Message {
            subject: format!("{controller}: a code to confirm your request"),
            body: format!(
                "Somebody made a privacy request to {controller} in your name: {what}.\n\n\
                     If it was you, enter this code where you made the request:\n\n    {code}\n\n\
                     It works once, for {minutes} minutes.\n\n\
                     Nobody at {controller} will ever ask you for it. Do not give it to anyone.\n\n\
                     If it was not you, do nothing and keep the code to yourself: nothing is done without it. \
                     If this happens again, tell {controller}.\n"
            ),
            sms: format!(
                "{name}: code {code} for your request ({what}). Works for {minutes} min. \
                     Our staff never ask for it. Not you? Ignore this."
            ),
        }
    }
}

/// A notice of what happened to a request. `moment` is the due date of an accepted request, the end of the cooling-off
/// period of a confirmed cancellation, or when a package is deleted; it is given in the controller's time zone, or in
/// UTC if that is not known. `complaint` says where the person can complain.
#[must_use]
#[expect(
    clippy::too_many_arguments,
    reason = "each is one plain fact that the text names; a struct would only rename them"
)]
pub fn notice(
    language: &str,
    controller: &str,
    kind: NoticeKind,
    matter: Matter,
    request_id: &str,
    moment: Option<Timestamp>,
    time_zone: &str,
    complaint: &str,
) -> Message {
    let what = words::matter(language, matter);
    let moment = moment.map(|moment| in_words(language, moment, time_zone));
    if words::is_chinese(language) {
        let Part { subject, body, sms } = chinese_notice(kind, what, moment.as_deref());
        Message {
            subject: format!("{controller}：{subject}"),
            body: format!(
                "{body}\n\n您的请求：{what}\n请求编号：{request_id}\n\n如果您对处理结果有异议：{complaint}\n\n{controller}\n"
            ),
            sms: format!("【{}】{sms}", cut(controller, SMS_NAME_CHINESE)),
        }
    } else {
        let Part { subject, body, sms } = english_notice(kind, what, moment.as_deref());
        Message {
            subject: format!("{controller}: {subject}"),
            body: format!(
                "{body}\n\nYour request: {what}\nIts number: {request_id}\n\n\
                 If you do not agree with how your request was handled: {complaint}\n\n{controller}\n"
            ),
            sms: format!("{}: {sms}", cut(controller, SMS_NAME_ENGLISH)),
        }
    }
}

/// Stands for the ground of a refusal until it is known.
const GROUND: &str = "{ground}";

impl Message {
    /// With the ground of a refusal, in words, and the section or law that it stands in.
    #[must_use]
    pub fn because(self, ground: &str, source: &str) -> Self {
        Self { body: self.body.replace(GROUND, &format!("{ground} ({source})")), ..self }
    }
}

/// What differs between notices.
struct Part {
    subject: &'static str,
    body: String,
    sms: String,
}

fn english_notice(kind: NoticeKind, what: &str, moment: Option<&str>) -> Part {
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
    }
}

fn chinese_notice(kind: NoticeKind, what: &str, moment: Option<&str>) -> Part {
    match kind {
        NoticeKind::Accepted => Part {
            subject: "我们已开始处理您的请求",
            body: format!(
                "我们已开始处理您的请求，该请求不能再撤回。{}",
                around("我们最迟将于 ", moment, " 前答复您。")
            ),
            sms: format!("我们已开始处理您的请求（{what}），该请求不能再撤回。"),
        },
        NoticeKind::CancellationConfirmed => Part {
            subject: "您的账号将被注销",
            body: format!(
                "您已确认注销账号。{}在此之前不会删除任何信息，您可以在提出请求的地方撤回请求；此后将无法撤回。\n\n\
                 如果不是您本人操作，请立即撤回该请求，并保护好您的账号。",
                around("我们将于 ", moment, " 开始处理。"),
            ),
            sms: format!("您的账号将{}被注销，此前可撤回请求。", around("于 ", moment, " ")),
        },
        NoticeKind::PackageReady => Part {
            subject: "您的个人信息副本已备好",
            body: format!(
                "您的个人信息副本已备好，请在提出请求的地方下载。我们不会通过消息发送副本，也不会在消息中附带下载链接。{}",
                around("\n\n副本将于 ", moment, " 删除，此后您可以重新提出请求。")
            ),
            sms: format!(
                "您的个人信息副本已备好，请{}在提出请求处下载。",
                around("于 ", moment, " 前")
            ),
        },
        NoticeKind::Erased => Part {
            subject: "您的个人信息已删除",
            body: "您的个人信息已被删除或匿名化。如有信息须保留一段时间，您可以在该请求中查看保留的内容、理由和期限，\
                   期满后将被删除。"
                .to_owned(),
            sms: "您的个人信息已删除。如有须保留的信息，可在该请求中查看内容、理由和期限。".to_owned(),
        },
        NoticeKind::Cancelled => Part {
            subject: "您的账号已注销",
            body: "您的账号已注销，其中的个人信息已被删除或匿名化。如有信息须保留一段时间，您可以在该请求中查看保留的内容、\
                   理由和期限，期满后将被删除。"
                .to_owned(),
            sms: "您的账号已注销。如有须保留的信息，可在该请求中查看内容、理由和期限。".to_owned(),
        },
        NoticeKind::CancellationReminder => Part {
            subject: "您的账号即将被注销",
            body: format!(
                "您已申请注销账号。{}在此之前您可以在提出请求的地方撤回请求；此后将无法撤回，已删除的信息也无法恢复。\n\n\
                 如果不是您本人操作，请立即撤回该请求，并保护好您的账号。",
                around("我们将于 ", moment, " 开始处理。"),
            ),
            sms: format!("提醒：您的账号将{}被注销，此前可撤回请求。", around("于 ", moment, " ")),
        },
        NoticeKind::CheckFailed => Part {
            subject: "您的账号尚未注销",
            body: format!(
                "在开始注销账号之前，我们会再次核查。本次核查未通过，因此没有删除任何信息。您可以在该请求中查看原因和\
                 处理办法。{}\n\n如果不是您本人操作，请撤回该请求，并保护好您的账号。",
                around("您可以在 ", moment, " 之前重新确认，逾期该请求将失效。")
            ),
            sms: "您的账号尚未注销：核查未通过，请在该请求中查看处理办法。".to_owned(),
        },
        NoticeKind::Withdrawn => Part {
            subject: "您的请求已撤回",
            body: "您的请求已撤回。未因该请求删除或更改任何信息，也不会再作处理。\n\n\
                   如果不是您本人操作，请保护好您的账号，并重新提出请求。"
                .to_owned(),
            sms: format!("您的请求（{what}）已撤回，未因此删除或更改任何信息。"),
        },
        NoticeKind::Denied => Part {
            subject: "您的请求未获批准",
            body: format!("我们已审核您的请求，决定不予办理。未因该请求复制、删除或更改任何信息。\n\n理由：{GROUND}"),
            sms: format!("您的请求（{what}）未获批准，理由和投诉途径见该请求。"),
        },
        NoticeKind::Purged => Part {
            subject: "此前须保留的个人信息已删除",
            body: "此前删除您的个人信息时，有一部分须依规定保留一段时间。该期限现已届满，这部分信息也已删除。\
                   您可以在该请求中查看其内容。我们不再为该请求保留此联系方式。"
                .to_owned(),
            sms: "此前须保留一段时间的个人信息，现期限届满，也已删除。".to_owned(),
        },
    }
}

/// A moment as people write it, with how far its clock is from UTC: shorter than a zone's name, and never ambiguous.
fn in_words(language: &str, moment: Timestamp, time_zone: &str) -> String {
    let zoned = moment.to_zoned(TimeZone::get(time_zone).unwrap_or(TimeZone::UTC));
    let is_chinese = words::is_chinese(language);
    let form = if is_chinese { "%Y年%-m月%-d日 %H:%M（UTC%:z）" } else { "%-d %b %Y, %H:%M (UTC%:z)" };
    zoned.strftime(form).to_string()
}

/// The moment between two texts, or nothing at all if there is none.
fn around(before: &str, moment: Option<&str>, after: &str) -> String {
    moment.map(|moment| format!("{before}{moment}{after}")).unwrap_or_default()
}

fn cut(name: &str, most: usize) -> String {
    name.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANGUAGES: [(&str, usize); 2] = [("en", 160), ("zh-Hans", 70)];
    const LONG_NAME: &str = "A company whose name is longer than any text message has room for";

    fn kinds() -> [NoticeKind; 10] {
        use NoticeKind as K;
        [
            K::Accepted,
            K::CancellationConfirmed,
            K::PackageReady,
            K::Erased,
            K::Cancelled,
            K::Withdrawn,
            K::Purged,
            K::Denied,
            K::CancellationReminder,
            K::CheckFailed,
        ]
    }

    fn matters() -> impl Iterator<Item = Matter> {
        use Right as R;
        let first = [R::Access, R::Portability, R::Rectification, R::Erasure, R::AccountCancellation];
        let others = [R::ConsentWithdrawal, R::Restriction, R::Objection, R::Explanation, R::Complaint];
        first.into_iter().chain(others).map(Matter::Right).chain([Matter::RetentionSweep])
    }

    fn has_chinese(text: &str) -> bool {
        text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
    }

    #[test]
    fn a_code_is_in_mail_and_text_message_and_not_in_the_subject() {
        for (language, most) in LANGUAGES {
            for right in matters().filter_map(Matter::right) {
                let message = code(language, LONG_NAME, right, "1234 5678", 10);
                assert!(message.body.contains("1234 5678") && message.sms.contains("1234 5678"));
                assert!(!message.subject.contains("1234"));
                assert!(message.body.contains("10") && message.body.contains(LONG_NAME));
                assert!(message.sms.chars().count() <= most, "{} {}", message.sms, message.sms.chars().count());
                assert_eq!(has_chinese(&message.sms), language == "zh-Hans");
                assert_eq!(has_chinese(&message.body), language == "zh-Hans");
            }
        }
    }

    #[test]
    fn every_notice_is_there_in_both_languages_and_says_where_to_complain() {
        let moment = "2026-11-30T16:30:00Z".parse().ok();
        let id = "4f".repeat(16);
        for (language, most) in LANGUAGES {
            for kind in kinds() {
                for matter in matters() {
                    for moment in [None, moment] {
                        let message = notice(language, LONG_NAME, kind, matter, &id, moment, "Asia/Shanghai", "<here>");
                        assert!(!words::matter(language, matter).is_empty());
                        assert!(message.body.contains(&id) && message.body.contains("<here>"));
                        assert!(message.sms.chars().count() <= most, "{} {}", message.sms, message.sms.chars().count());
                        assert_eq!(has_chinese(&message.body), language == "zh-Hans", "{}", message.body);
                        assert_eq!(has_chinese(&message.sms), language == "zh-Hans", "{}", message.sms);
                        assert_eq!(has_chinese(&message.subject), language == "zh-Hans");
                    }
                }
            }
        }
    }

    #[test]
    fn a_refusal_names_its_ground_and_the_law() {
        for (language, _) in LANGUAGES {
            let matter = Matter::Right(Right::Erasure);
            let told = notice(language, "yallo", NoticeKind::Denied, matter, "1", None, "UTC", "<here>");
            let told = told.because("<a crime is looked into>", "5(7)3");
            assert!(told.body.contains("<a crime is looked into> (5(7)3)") && !told.body.contains(GROUND));
        }
    }

    #[test]
    fn moments_are_in_the_controllers_time_zone_or_in_utc() {
        let moment = "2026-11-30T16:30:00Z".parse().ok();
        let body = |language, zone| {
            notice(language, "yallo", NoticeKind::PackageReady, Matter::Right(Right::Access), "1", moment, zone, "")
                .body
        };
        assert!(body("en", "Asia/Shanghai").contains("1 Dec 2026, 00:30 (UTC+08:00)"));
        assert!(body("zh-Hans", "Asia/Shanghai").contains("2026年12月1日 00:30（UTC+08:00）"));
        assert!(body("en", "Nowhere/At-All").contains("30 Nov 2026, 16:30 (UTC+00:00)"));
    }

    #[test]
    fn an_unknown_language_is_english() {
        for language in ["", "fr", "zhx", "klingon"] {
            assert_eq!(code(language, "yallo", Right::Access, "1", 10), code("en", "yallo", Right::Access, "1", 10));
        }
        assert_eq!(code("zh-CN", "yallo", Right::Access, "1", 10), code("zh-Hans", "yallo", Right::Access, "1", 10));
    }
}
