//! The texts of what Habeas sends to a person: codes and notices, in English and Simplified Chinese. Pure.
//!
//! The rule of this room: a message holds no personal data but the code. It goes to an address on file, but whoever
//! reads it there may not be the person; so it says what happened and where to look, never what was found. What is told to
//! a recipient is the exception: it holds what the recipient knows the person by, without which it could do nothing.

mod chinese;
mod english;

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::export::words;
use crate::recipients::{Known, Told};
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

/// A notice of what happened to a request. `moment` is the end of a hold that a request waits for, the due date of an accepted request, the end of the cooling-off
/// period of a confirmed cancellation, or when a package is deleted; it is given in the controller's time zone, or in
/// UTC if that is not known. `left_out`: a part of what was asked for was refused. `complaint` says where the person can
/// complain.
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
    left_out: bool,
    time_zone: &str,
    complaint: &str,
) -> Message {
    let what = words::matter(language, matter);
    let moment = moment.map(|moment| in_words(language, moment, time_zone));
    let but_for = left_out.then(|| but_for(language, kind, moment.as_deref())).flatten();
    if words::is_chinese(language) {
        let Part { subject, body, sms } = chinese::notice(kind, what, moment.as_deref()).but_for(but_for);
        Message {
            subject: format!("{controller}：{subject}"),
            body: format!(
                "{body}\n\n您的请求：{what}\n请求编号：{request_id}\n\n如果您对处理结果有异议：{complaint}\n\n{controller}\n"
            ),
            sms: format!("【{}】{sms}", cut(controller, SMS_NAME_CHINESE)),
        }
    } else {
        let Part { subject, body, sms } = english::notice(kind, what, moment.as_deref()).but_for(but_for);
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

/// Tells a recipient that somebody was erased, in plain text.
#[must_use]
pub fn recipient(language: &str, controller: &str, told: &Told<'_>) -> Message {
    let is_chinese = words::is_chinese(language);
    let colon = if is_chinese { "：" } else { ": " };
    let line = |known: &Known| format!("    {}{colon}{}", identity_word(is_chinese, known.kind), known.value);
    let identities = told.identities.iter().map(line).collect::<Vec<_>>().join("\n");
    let (key, url) = (told.idempotency_key, told.receipt_url);
    let (subject, body) = if is_chinese {
        (
            format!("{controller}：请删除一名个人的信息"),
            format!(
                "{controller} 正应本人请求删除其个人信息。您曾从 {controller} 收到该人的信息，请一并删除，法律要求您保留的除外；\
                 也请告知您向其提供过该等信息的各方。\n\n您以下列标识识别该人：\n\n{identities}\n\n\
                 请勿将本邮件用于其他目的，并在办结后删除。\n\n办结后，请回复本邮件，或以 POST 方式将 \
                 {{\"status\": \"completed\"}}（不予办理则为 \"denied\"）发送至：\n\n    {url}\n\n编号：{key}\n\n{controller}\n"
            ),
        )
    } else {
        (
            format!("{controller}: please delete one person's data"),
            format!(
                "{controller} is deleting the data of a person, who asked for it. You received data of that person from \
                 {controller}. Please delete it too, unless law obliges you to keep it, and tell whomever you gave it \
                 to.\n\nYou know the person by:\n\n{identities}\n\n\
                 Use this message for nothing else, and delete it when you are done.\n\n\
                 When it is done, answer this mail, or send {{\"status\": \"completed\"}} (\"denied\" if you do not do it) by \
                 POST to:\n\n    {url}\n\nIts number: {key}\n\n{controller}\n"
            ),
        )
    };
    Message { subject, body, sms: String::new() }
}

fn identity_word(is_chinese: bool, kind: &str) -> &'static str {
    let (english, chinese) = match kind {
        "email" => ("e-mail address", "电子邮箱"),
        "phone_number" => ("phone number", "电话号码"),
        "user_id" => ("our user id", "我方用户编号"),
        _ => ("your own id", "贵方编号"),
    };
    if is_chinese { chinese } else { english }
}

/// What differs between notices.
struct Part {
    subject: &'static str,
    body: String,
    sms: String,
}

/// What is said where a part of what was asked for was refused.
struct ButFor {
    /// After the body.
    body: &'static str,
    /// In the place of the text message.
    sms: String,
}

/// What a notice of what was done says of the part that was not; nothing in any other notice.
fn but_for(language: &str, kind: NoticeKind, moment: Option<&str>) -> Option<ButFor> {
    if words::is_chinese(language) { chinese::but_for(kind, moment) } else { english::but_for(kind, moment) }
}

impl Part {
    fn but_for(self, left_out: Option<ButFor>) -> Self {
        let Some(ButFor { body, sms }) = left_out else { return self };
        Self { body: format!("{}\n\n{body}", self.body), sms, ..self }
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

    fn kinds() -> [NoticeKind; 11] {
        use NoticeKind as K;
        let ends = [K::PackageReady, K::Erased, K::Cancelled, K::Withdrawn, K::Purged, K::Denied, K::Held];
        let cancelling = [K::CancellationConfirmed, K::CancellationReminder, K::CheckFailed, K::Accepted];
        let mut kinds = [K::Accepted; 11];
        kinds[..4].copy_from_slice(&cancelling);
        kinds[4..].copy_from_slice(&ends);
        kinds
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
                    for (moment, left_out) in [(None, false), (moment, false), (moment, true)] {
                        let message =
                            notice(language, LONG_NAME, kind, matter, &id, moment, left_out, "Asia/Shanghai", "<here>");
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
            let told = notice(language, "yallo", NoticeKind::Denied, matter, "1", None, false, "UTC", "<here>");
            let told = told.because("<a crime is looked into>", "5(7)3");
            assert!(told.body.contains("<a crime is looked into> (5(7)3)") && !told.body.contains(GROUND));
        }
    }

    #[test]
    fn what_was_done_but_for_a_part_is_never_told_as_if_all_had_been() {
        let told = |language, kind, left_out| {
            notice(language, "yallo", kind, Matter::Right(Right::Erasure), "1", None, left_out, "UTC", "<here>")
        };
        for (language, refused) in [("en", "refused"), ("zh-Hans", "其中一部分")] {
            for kind in kinds() {
                let (all, part) = (told(language, kind, false), told(language, kind, true));
                let must_say = kind.tells_what_was_done();
                assert_eq!(
                    part.body.contains(refused) && part.sms.contains(refused),
                    must_say,
                    "{kind:?} {}",
                    part.body
                );
                assert_eq!(all == part, !must_say, "{kind:?}");
                if kind == NoticeKind::PackageReady {
                    let (until, matter) = ("2026-11-30T16:30:00Z".parse().ok(), Matter::Right(Right::Access));
                    let part = notice(language, "yallo", kind, matter, "1", until, true, "UTC", "<here>");
                    assert!(part.sms.contains("16:30"), "until when it can be fetched: {}", part.sms);
                }
                assert!(!(all.body.contains(refused) || all.sms.contains(refused)), "{kind:?} {}", all.body);
            }
        }
    }

    #[test]
    fn a_recipient_is_told_whom_it_is_about_and_where_to_answer_in_both_languages() {
        let request_id = "4f".repeat(16).parse().unwrap();
        let identities = ["email", "phone_number", "user_id", "own_id"];
        let identities = identities.map(|kind| Known { kind, value: format!("<{kind}>") });
        let told = Told {
            request_id: &request_id,
            right: "erasure",
            submitted_at: Timestamp::UNIX_EPOCH,
            controller: "yallo",
            idempotency_key: "<key>",
            identities: &identities,
            receipt_url: "https://api.example/receipts",
        };
        for (language, _) in LANGUAGES {
            let message = recipient(language, "yallo", &told);
            for part in ["<email>", "<phone_number>", "<user_id>", "<own_id>", "<key>", "https://api.example/receipts"]
            {
                assert_eq!(message.body.matches(part).count(), 1, "{part} in {}", message.body);
                assert!(!message.subject.contains(part));
            }
            assert!(message.body.contains(r#"{"status": "completed"}"#), "{}", message.body);
            assert_eq!(has_chinese(&message.body), language == "zh-Hans");
            assert_eq!(has_chinese(&message.subject), language == "zh-Hans");
        }
    }

    #[test]
    fn moments_are_in_the_controllers_time_zone_or_in_utc() {
        let moment = "2026-11-30T16:30:00Z".parse().ok();
        let body = |language, zone| {
            let access = Matter::Right(Right::Access);
            notice(language, "yallo", NoticeKind::PackageReady, access, "1", moment, false, zone, "").body
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
