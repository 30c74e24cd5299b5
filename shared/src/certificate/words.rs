//! The words of the certificate, in English and Simplified Chinese. Pure.

use jiff::Timestamp;

use crate::evidence::{
    Fact, FailureReason, NotTold, Outcome, PurgeReport, Receipt, RecheckReport, RecipientResult, StepReport,
};
use crate::export::words::{choose, is_chinese};
use crate::plan::Work;
use crate::policy::Factor;
use crate::request::AppEvent;

/// Why rows are kept that the policy would have erased: their system lets nobody.
#[must_use]
pub(super) fn locked(language: &str) -> &'static str {
    choose(
        language,
        "The storage system keeps it under a lock, and lets nobody delete it before that ends",
        "存储系统对其设有保留锁，在解除之前任何人都无法删除",
    )
}

/// How rows that are kept are restricted. Empty: in no way of their own.
pub(super) fn restricted(language: &str, marked: u64, moved: u64) -> String {
    let mut said = Vec::new();
    if marked > 0 {
        said.push(choose(language, "marked as restricted", "已标记为限制使用"));
    }
    if moved > 0 {
        said.push(choose(language, "moved to where the app cannot read it", "已移至应用无法读取之处"));
    }
    said.join(choose(language, ", ", "，"))
}

/// Why a recipient was not told.
pub(super) fn not_told(language: &str, reason: NotTold) -> &'static str {
    let (english, chinese) = match reason {
        NotTold::NothingKnown => {
            ("not told: nothing is on file by which they know this person", "未告知：没有对方可据以识别该人的信息")
        }
        NotTold::Held => ("not told yet: all that they got is held", "暂未告知：其收到的信息均依法留置"),
        NotTold::NothingErased => ("not told: nothing of what they got is deleted", "未告知：其收到的信息均未删除"),
        NotTold::Refused | NotTold::TooManyAttempts => {
            ("could not be told; the company has to do it by hand", "未能告知，须由公司人工告知")
        }
    };
    choose(language, english, chinese)
}

/// What a recipient said last, or that it said nothing in time.
pub(super) fn receipt(language: &str, result: &RecipientResult) -> &'static str {
    let (english, chinese) = match result.receipt {
        Some(Receipt::Completed) => ("it is done", "已办结"),
        Some(Receipt::Denied) => ("they do not do it", "不予办理"),
        Some(Receipt::InProgress) if !result.overdue => ("they are at it", "正在办理"),
        Some(Receipt::Pending) if !result.overdue => ("they have the message", "已收到"),
        _ if result.overdue => ("nothing in time; the company has been told", "逾期未回复，已通知公司"),
        _ => ("nothing yet", "尚无回复"),
    };
    choose(language, english, chinese)
}

/// What a step did to a collection; a kind that has no words yet goes by its name.
pub(super) fn work(language: &str, work: &Work) -> &'static str {
    let (english, chinese) = match work {
        Work::Export { .. } => ("copy", "复制"),
        Work::Erase { .. } => ("deletion", "删除"),
        Work::Sweep { .. } => ("deletion of what is out of date", "清理到期内容"),
        Work::Capture { .. } => ("keys set aside until the end", "暂存关联键，办结时清除"),
        other => return other.name(),
    };
    choose(language, english, chinese)
}

/// How a request ended, or where it stands, by its last event that says so.
pub(super) fn outcome(language: &str, outcome: Option<Outcome>, last: &Fact) -> &'static str {
    let (english, chinese) = match (outcome, last) {
        (Some(Outcome::Full), _) => ("Everything that was asked for was done.", "请求事项已全部办理。"),
        (Some(Outcome::Partial), _) => (
            "It was done, except for what has to be kept or was left out. That is listed below.",
            "请求事项已办理，但须依法保留或未予办理的内容除外，详见下文。",
        ),
        (Some(Outcome::NothingFound), _) => ("Nothing about this person was found.", "未发现与该人有关的信息。"),
        (None, Fact::Withdrawn) => {
            ("The person took the request back. Nothing was done.", "本人已撤回请求，未作处理。")
        }
        (None, Fact::Denied(_)) => {
            ("It was refused. Nothing was done. The ground is below.", "请求未获批准，未作处理，理由见下文。")
        }
        (None, Fact::Expired) => ("Nobody answered in time. Nothing was done.", "未在期限内完成验证或确认，未作处理。"),
        (None, Fact::StepFailed { .. }) => {
            ("A part of it could not be done yet. The company has been told.", "部分事项尚未办成，已通知公司处理。")
        }
        (None, _) => ("It is not finished yet.", "尚未办结。"),
    };
    choose(language, english, chinese)
}

/// How the person showed who they are. Empty if nobody had to.
fn shown(language: &str, factors: &[Factor]) -> String {
    if factors.is_empty() {
        return String::new();
    }
    let word = |factor: &Factor| match factor {
        Factor::FreshSignIn => choose(language, "a recent sign-in", "近期登录"),
        Factor::ContactCode => choose(language, "a code sent to an address on file", "发送至已登记联系方式的验证码"),
    };
    let words: Vec<&str> = factors.iter().map(word).collect();
    if is_chinese(language) {
        format!("本人已通过{}验证身份。", words.join("和"))
    } else {
        format!("The person showed who they are by {}. ", words.join(" and "))
    }
}

/// What an event says, with `{}` for the moment that it names, if it names one. None: it is told in a table, or nothing to
/// people.
pub(super) fn event(language: &str, fact: &Fact) -> Option<(String, Option<Timestamp>)> {
    let say = |english, chinese| choose(language, english, chinese).to_owned();
    let text = match fact {
        Fact::Accepted { factors, .. } => shown(language, factors) + &say("The work was planned.", "已安排办理。"),
        Fact::ReviewAsked { factors, checks } => {
            shown(language, factors)
                + &checked(language, checks)
                + &say("The company looks at it before it begins.", "开始办理前由公司审核。")
        }
        Fact::ConfirmationAsked { factors } => {
            shown(language, factors) + &say("They were asked to confirm.", "已请其确认。")
        }
        Fact::Confirmed { cooling_off_until, checks, .. } => {
            let text = checked(language, checks)
                + &say("The person confirmed. Until {} it could be taken back.", "本人已确认，在 {} 之前可以撤回。");
            return Some((text, Some(*cooling_off_until)));
        }
        Fact::CancellationReminded { cooling_off_until } => {
            let text = say("The person was reminded that it begins on {}.", "已提醒本人将于 {} 开始办理。");
            return Some((text, Some(*cooling_off_until)));
        }
        Fact::SignedInAgain { at } => {
            let text = say("The person signed in again on {}.", "本人于 {} 再次登录。");
            return Some((text, Some(*at)));
        }
        Fact::ChecksFailed { checks } => {
            let text = say(
                "It was checked once more before anything was deleted. These checks failed, and the person was asked to confirm again: ",
                "删除前再次核查，以下核查未通过，已请本人重新确认：",
            );
            text + &checks.join(", ")
        }
        Fact::AppTold { event, delivered, .. } => told(language, *event, *delivered).to_owned(),
        Fact::PackageLinkIssued { until } => {
            let text =
                say("A link to the copy was handed out, which worked until {}.", "已提供副本的下载链接，有效期至 {}。");
            return Some((text, Some(*until)));
        }
        Fact::SubjectKept { until: _, retained_until: Some(until) } => {
            let text = say(
                "This request keeps, sealed, whom it is about while it looks for data that turns up late; after that, until {}, only what leads to the records that have to be kept, so that they can be deleted on time.",
                "在查找迟到数据期间，本请求以加密方式保留所涉本人身份；此后至 {} 仅保留指向须保留记录的信息，以便按期删除。",
            );
            return Some((text, Some(*until)));
        }
        Fact::SubjectKept { until, retained_until: None } => {
            let text = say(
                "Until {} this request keeps, sealed, whom it is about, so that data which turns up late can be found and deleted.",
                "在 {} 之前，本请求以加密方式保留所涉本人身份，以便发现并删除迟到的数据。",
            );
            return Some((text, Some(*until)));
        }
        Fact::CoolingOffEnded { checks, .. } => {
            checked(language, checks)
                + &say("The time to think it over ended. The work was planned.", "冷静期结束，已安排办理。")
        }
        Fact::Held(held) => {
            let text = say(
                "A legal hold stopped the request, until {} at the latest.",
                "因依法保全，该请求暂缓办理，最迟至 {}。",
            );
            return Some((text, Some(held.until)));
        }
        Fact::StepDone(StepReport { work: Work::Forget, holds, .. }) if !holds.is_empty() => say(
            "The keys that had been set aside are kept, sealed, until the legal holds have ended.",
            "暂存的关联键加密保留至依法保全结束。",
        ),
        Fact::StepDone(report) => {
            let (english, chinese) = step(&report.work)?;
            say(english, chinese)
        }
        Fact::Rechecked(report) => rechecked(language, report),
        Fact::Purged(report) => purged(language, report),
        other => {
            let (english, chinese) = plain(other)?;
            say(english, chinese)
        }
    };
    Some((text, None))
}

/// That checks passed, if there were any.
fn checked(language: &str, checks: &[String]) -> String {
    if checks.is_empty() {
        return String::new();
    }
    let names = checks.join(", ");
    if is_chinese(language) {
        format!("核查通过（{names}）。")
    } else {
        format!("It was checked that nothing speaks against it ({names}). ")
    }
}

/// What the app was told.
fn told(language: &str, event: AppEvent, delivered: bool) -> &'static str {
    let (english, chinese) = match (event, delivered) {
        (AppEvent::Freeze, true) => ("The app was told to freeze the account.", "已通知应用冻结账号。"),
        (AppEvent::Unfreeze, true) => ("The app was told that the account goes on.", "已通知应用解除冻结。"),
        (AppEvent::Close, true) => (
            "The app was told to end all sessions and log-ins of the account.",
            "已通知应用终止该账号的全部会话和第三方登录。",
        ),
        (AppEvent::Cancelled, true) => ("The app was told that the account is gone.", "已通知应用该账号已注销。"),
        (_, false) => ("The app could not be told. The company was told.", "未能通知应用，已告知公司处理。"),
    };
    choose(language, english, chinese)
}

/// What a re-check found.
fn rechecked(language: &str, report: &RecheckReport) -> String {
    let (found, places) = (report.found, report.found_in.join(", "));
    let mut text = match (found, is_chinese(language)) {
        (0, false) => "It was looked for again. Nothing had turned up.".to_owned(),
        (0, true) => "已再次查找，未发现新出现的数据。".to_owned(),
        (_, false) => {
            format!("It was looked for again. Records that had turned up since were deleted: {found}, in {places}.")
        }
        (_, true) => format!("已再次查找，并删除其后出现的记录 {found} 条（{places}）。"),
    };
    if report.somebody_new {
        text += choose(
            language,
            " An account made since holds one of the addresses; what is only that address's was left to it.",
            "另有新账号使用了其中的联系方式，仅与该联系方式有关的内容留归该账号。",
        );
    }
    text
}

/// What a purge did.
fn purged(language: &str, report: &PurgeReport) -> String {
    let erased: u64 = report.collections.iter().map(|purged| purged.erased).sum();
    let left: u64 = report.collections.iter().map(|purged| purged.retained).sum();
    let places: Vec<&str> = report.collections.iter().map(|purged| purged.collection.as_str()).collect();
    let places = places.join(", ");
    if is_chinese(language) {
        format!("保留期限届满，已删除记录 {erased} 条，仍须保留 {left} 条（{places}）。")
    } else {
        format!(
            "The time was over for which records had to be kept. Deleted: {erased}, still kept: {left}, in {places}."
        )
    }
}

/// What a step did that touched no collection.
fn step(work: &Work) -> Option<(&'static str, &'static str)> {
    Some(match work {
        Work::Package => ("The copy was put together.", "已制作副本。"),
        Work::Clear => ("What the copy was put together from was deleted.", "制作副本所用的临时内容已删除。"),
        Work::Suppress => (
            "It was noted, under a code that only this system can make, that this person's data was deleted, so that data which comes back is recognised.",
            "已以仅本系统能够生成的代码登记该人数据已删除，以便识别重新出现的数据。",
        ),
        Work::Narrow => (
            "What was known of the person was deleted, but for what leads to the records that have to be kept.",
            "除指向须保留记录的信息外，所涉本人的其他信息已清除。",
        ),
        Work::EraseHeld => (
            "What legal holds had kept was deleted, as far as neither they nor the law keep it any longer.",
            "被依法保全的内容已删除，仍在保全中或依法须继续保存的除外。",
        ),
        Work::Forget => ("The keys that had been set aside were deleted.", "暂存的关联键已清除。"),
        Work::Tombstone => (
            "The addresses of the account were marked, so that nobody can take them over to reach old data.",
            "已标记该账号的联系方式，以防他人借此取得旧数据。",
        ),
        _ => return None,
    })
}

/// What all other events say.
fn plain(fact: &Fact) -> Option<(&'static str, &'static str)> {
    Some(match fact {
        Fact::Received { .. } => ("The request arrived.", "收到请求。"),
        Fact::StepFailed { reason: FailureReason::PreflightRefused, .. } => (
            "It was found beforehand that something could not be done. Nothing was changed, and the company was told.",
            "事先检查发现有事项无法办理，未作任何更改，已通知公司处理。",
        ),
        Fact::StepFailed { .. } => {
            ("A part could not be done. The company was told.", "部分事项未能办成，已通知公司处理。")
        }
        Fact::Completed { .. } => ("Everything was finished.", "办理完毕。"),
        Fact::Withdrawn => ("The person took the request back.", "本人撤回请求。"),
        Fact::Denied(_) => ("The company refused the request.", "公司决定不予办理该请求。"),
        Fact::ReviewPassed => (
            "The company had it go on, if nothing speaks against it when it is checked once more.",
            "公司审核通过，再次核查无误后开始办理。",
        ),
        Fact::Retried { .. } => ("The company tried again what had failed.", "公司对失败的步骤重新进行了处理。"),
        Fact::Exempted(_) => ("The company left a part out of the request.", "公司决定该请求的部分事项不予办理。"),
        Fact::Expired => ("Nobody answered in time.", "未在期限内完成验证或确认。"),
        Fact::PackageExpired { .. } => ("The copy was deleted.", "副本已删除。"),
        Fact::Overdue => ("The answer became overdue.", "已超过答复期限。"),
        Fact::HoldEnded { lifted: true, .. } => ("A legal hold was lifted.", "依法保全已解除。"),
        Fact::HoldEnded { .. } => ("A legal hold ended.", "依法保全已到期。"),
        Fact::SubjectDropped => ("This request no longer holds whom it is about.", "本请求不再保留所涉本人身份。"),
        _ => return None,
    })
}
