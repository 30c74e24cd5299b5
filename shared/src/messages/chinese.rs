//! Notices in Simplified Chinese.

use super::{ButFor, GROUND, Part, around};
use crate::request::NoticeKind;

pub(super) fn notice(kind: NoticeKind, what: &str, moment: Option<&str>) -> Part {
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
        NoticeKind::Held => Part {
            subject: "您的请求须暂缓办理",
            body: format!(
                "依法须予保全，您请求删除的信息目前不得删除。{}理由见该请求。保全结束后，我们将自动继续办理，您无需重新提出请求。",
                around("保全最迟至 ", moment, "。")
            ),
            sms: format!("您的请求因依法保全暂缓办理{}，结束后自动继续。", around("，最迟至 ", moment, "")),
        },
    }
}

/// What is said of the part that an operator left out.
pub(super) fn but_for(kind: NoticeKind, moment: Option<&str>) -> Option<ButFor> {
    match kind {
        NoticeKind::PackageReady => Some(ButFor {
            body: "副本不包含其中一部分个人信息：我们决定不予提供该部分。您可以在该请求中查看是哪一部分及其理由。",
            sms: format!("您的信息副本请{}下载；其中一部分不予提供，理由见请求。", around("于 ", moment, " 前")),
        }),
        NoticeKind::Erased => Some(ButFor {
            body: "以上不适用于您的全部个人信息：我们决定不予删除其中一部分，该部分保持原状。您可以在该请求中查看是哪一部分及其理由。",
            sms: "您的个人信息已删除，其中一部分决定不予删除，范围和理由见该请求。".to_owned(),
        }),
        NoticeKind::Cancelled => Some(ButFor {
            body: "以上不适用于您的全部个人信息：我们决定不予删除其中一部分，该部分保持原状。您可以在该请求中查看是哪一部分及其理由。",
            sms: "您的账号已注销，其中一部分个人信息决定不予删除，范围和理由见该请求。".to_owned(),
        }),
        _ => None,
    }
}
