//! The words of a package's human index (and of what a request is for, in messages too), in English and Simplified Chinese.
//! Pure.

use std::collections::BTreeMap;

use crate::request::Matter;

/// Every key that the template uses, in English and in Simplified Chinese.
const WORDS: &[(&str, &str, &str)] = &[
    ("lang", "en", "zh-Hans"),
    ("title", "Your data", "您的个人信息"),
    (
        "intro",
        "This is the copy of your personal data that you asked for. It holds what the systems named below held about you when the copy was made.",
        "这是您请求的个人信息副本，包含制作副本时下列系统中与您有关的信息。",
    ),
    (
        "keep_safe",
        "It is personal. Keep it where only you can read it.",
        "本副本含有您的个人信息，请妥善保管，勿让他人读取。",
    ),
    ("skip", "Skip to the contents", "跳到目录"),
    ("about_request", "Your request", "您的请求"),
    ("request_id", "Number", "编号"),
    ("right", "What you asked for", "请求事项"),
    ("received_at", "Received", "收到时间"),
    ("created_at", "Copy made", "副本制作时间"),
    ("policy", "Policy it was answered under", "适用的隐私政策"),
    ("version", "version", "版本"),
    ("digest", "SHA-256 of the policy", "政策的 SHA-256"),
    ("controller", "Answered by", "答复方"),
    ("contact", "Questions", "咨询方式"),
    ("complaint", "If you do not agree with the answer", "如对答复有异议"),
    ("refused", "What is not in this copy, and why", "本副本未包含的内容及理由"),
    ("totals", "In total", "总计"),
    ("collections", "Kinds of records", "记录种类"),
    ("records", "Records", "记录数"),
    ("files", "Files", "文件数"),
    ("bytes", "Size", "大小"),
    ("unit_bytes", "bytes", "字节"),
    ("contents", "Contents", "目录"),
    ("contents_caption", "What is in this copy", "本副本的内容"),
    ("name", "Name", "名称"),
    ("description", "Description", "说明"),
    ("complete", "Complete", "是否完整"),
    ("yes", "yes", "是"),
    ("no", "no", "否"),
    ("incomplete", "This part is not complete: not all of it could be read.", "本部分不完整：未能读取全部内容。"),
    ("kinds", "What kinds of data these are", "信息类别说明"),
    (
        "kinds_intro",
        "For each kind of data in this copy: what it is, what it is used for, where it is, how long it is kept and who else gets it, as the policy says.",
        "以下按政策说明本副本中每类信息的含义、使用目的、来源、保存期限和接收方。",
    ),
    ("purposes", "Used for", "使用目的"),
    ("source", "Source", "来源"),
    ("held_in", "records", "记录"),
    ("named_in", "section of the policy", "政策章节"),
    ("retention", "Kept", "保存期限"),
    ("recipients", "Who else gets it", "接收方"),
    ("nobody", "Nobody else", "无"),
    ("not_said", "The policy does not say", "政策未说明"),
    ("categories", "Kinds of data", "信息类别"),
    ("all_records", "All records", "全部记录"),
    ("for_spreadsheets", "as a table, for spreadsheets", "表格（可用电子表格软件打开）"),
    ("for_machines", "as JSON, for programs", "JSON（供程序使用）"),
    ("schema", "what the fields of the JSON mean", "JSON 字段说明"),
    ("withheld", "Not shown in full", "未完整提供的内容"),
    ("field", "Field", "字段"),
    ("how", "How", "方式"),
    ("why", "Why", "原因"),
    ("left_out", "left out", "未提供"),
    (
        "left_out_why",
        "under the policy this kind of data never leaves, because whoever finds a copy of it could use it to act as you:",
        "根据政策，此类信息不对外提供，因为他人取得副本后可能冒用您的身份：",
    ),
    ("others", "left out where it is another person's", "涉及他人时未提供"),
    (
        "others_why",
        "it belongs to the person that this field names, who has a right to it as you have to yours:",
        "该信息属于以下字段所指的人，其权益同样受保护：",
    ),
    ("masked", "partly hidden; characters shown at the end:", "部分隐藏，仅显示末尾字符数："),
    (
        "masked_why",
        "under the policy this kind of data leaves only in part, so that a copy that is lost does less harm:",
        "根据政策，此类信息仅部分提供，以减少副本遗失造成的危害：",
    ),
    ("preview", "First records", "前几条记录"),
    (
        "preview_note",
        "Long values and many columns are cut here. The files have them in full.",
        "较长的内容和过多的列在此处被截断，完整内容见文件。",
    ),
    ("media", "Files", "文件"),
    ("path", "Where", "位置"),
    (
        "more_media",
        "All files, also those not listed here, are in the folder",
        "全部文件（包括此处未列出的）位于文件夹",
    ),
    ("back", "Back to the contents", "返回目录"),
    ("empty", "Nothing held", "没有记录"),
    ("empty_intro", "These were searched, and held nothing about you:", "以下各处已查询，其中没有与您有关的信息："),
    (
        "empty_incomplete",
        "Of these not all could be read; what was read held nothing about you:",
        "以下各处未能全部读取，已读取的部分没有与您有关的信息：",
    ),
    ("nothing_at_all", "No system held anything about you.", "各系统中均没有与您有关的信息。"),
    ("check_title", "Check this copy", "核对本副本"),
    (
        "check",
        "The file manifest.json lists every file of this copy with its SHA-256, and manifest.sig.json is its signature, so that you and others can check that nothing was changed. Keep the downloaded archive as it is for that:",
        "manifest.json 列出了本副本的每个文件及其 SHA-256，manifest.sig.json 是其签名，您和他人可据此核对内容未被更改。为此请保留下载的原始压缩文件：",
    ),
    (
        "csv_note",
        "In the tables (.csv) an apostrophe stands in front of text that a spreadsheet would take for a formula.",
        "在表格文件（.csv）中，可能被电子表格软件当作公式的文本前加有一个撇号。",
    ),
];

/// Words that the index puts together to sentences before the template sees them.
const PARTS: &[(&str, &str, &str)] = &[
    ("retention_account", "as long as the account", "账号存续期间"),
    ("retention_counted", "{period} from the field {field} on", "自字段 {field} 起 {period}"),
    ("retention_erased", "after a deletion ", "删除后仍保存："),
    ("colon", ": ", "："),
    ("bracket_open", " (", "（"),
    ("bracket_close", ")", "）"),
    ("recipient_affiliate", "a company of the same group", "关联公司"),
    ("recipient_processor", "works on behalf of the company", "受托处理方"),
    ("recipient_partner", "a partner", "合作方"),
    ("recipient_advertising", "advertising and analytics", "广告和分析"),
    ("recipient_authority", "an authority", "主管机关"),
    ("recipient_public", "everybody", "公众"),
    ("recipient_aggregated", "; only statistics that identify nobody", "；仅限无法识别个人的统计数据"),
    ("unit_year", "year", "年"),
    ("unit_years", "years", "年"),
    ("unit_month", "month", "个月"),
    ("unit_months", "months", "个月"),
    ("unit_week", "week", "周"),
    ("unit_weeks", "weeks", "周"),
    ("unit_day", "day", "天"),
    ("unit_days", "days", "天"),
    ("unit_hour", "hour", "小时"),
    ("unit_hours", "hours", "小时"),
    ("unit_minute", "minute", "分钟"),
    ("unit_minutes", "minutes", "分钟"),
    ("unit_second", "second", "秒"),
    ("unit_seconds", "seconds", "秒"),
];

/// What requests are for.
const RIGHTS: &[(&str, &str, &str)] = &[
    ("right_access", "a copy of your data", "查阅、复制个人信息"),
    ("right_portability", "your data to take along", "转移个人信息"),
    ("right_rectification", "correction of your data", "更正个人信息"),
    ("right_erasure", "deletion of your data", "删除个人信息"),
    ("right_account_cancellation", "cancelling your account", "注销账号"),
    ("right_consent_withdrawal", "taking back a consent", "撤回同意"),
    ("right_restriction", "restriction of use", "限制处理个人信息"),
    ("right_objection", "objection to a use", "拒绝处理个人信息"),
    ("right_explanation", "reasons of a decision", "要求说明自动化决策"),
    ("right_complaint", "a complaint", "投诉"),
    ("right_retention_sweep", "deletion of old data", "清理到期的个人信息"),
];

/// The words of the index in one language. Any kind of Chinese is Simplified Chinese; all else is English.
#[must_use]
pub fn words(language: &str) -> BTreeMap<&'static str, &'static str> {
    WORDS.iter().chain(RIGHTS).map(|&(key, english, chinese)| (key, choose(language, english, chinese))).collect()
}

/// One of the words that the index puts together; empty if there is none of that key.
pub(super) fn word(language: &str, key: &str) -> &'static str {
    find(PARTS, language, |of| of == key)
}

/// What a request is for, as people say it: the same words in messages and in the index.
#[must_use]
pub fn matter(language: &str, matter: Matter) -> &'static str {
    find(RIGHTS, language, |key| key.strip_prefix("right_") == Some(matter.name()))
}

fn find(among: &[(&str, &'static str, &'static str)], language: &str, is_it: impl Fn(&str) -> bool) -> &'static str {
    let found = among.iter().find(|(key, ..)| is_it(key));
    found.map_or("", |&(_, english, chinese)| choose(language, english, chinese))
}

/// The one of two texts that is for this language. Any kind of Chinese is Simplified Chinese; all else is English.
#[must_use]
pub fn choose<'a>(language: &str, english: &'a str, chinese: &'a str) -> &'a str {
    if is_chinese(language) { chinese } else { english }
}

/// Whether texts in this language are given in Simplified Chinese.
#[must_use]
pub fn is_chinese(language: &str) -> bool {
    language.split(['-', '_']).next().is_some_and(|primary| primary.eq_ignore_ascii_case("zh"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEMPLATE: &str = include_str!("index.html.j2");
    const CODE: &str = include_str!("kinds.rs");

    #[test]
    fn no_word_is_missing_or_empty() {
        for language in ["en", "zh-Hans"] {
            let words = words(language);
            assert_eq!(words.len(), WORDS.len() + RIGHTS.len());
            assert!(words.values().all(|word| !word.is_empty()));
            assert!(PARTS.iter().all(|(key, ..)| !word(language, key).is_empty()));
        }
        assert_eq!(words("fr"), words("en"));
        assert_eq!(words("zh-CN"), words("zh-Hans"));
    }

    #[test]
    fn every_word_is_used() {
        for (key, ..) in WORDS {
            assert!(TEMPLATE.contains(&format!("words.{key} ")), "{key}");
        }
        for (key, ..) in PARTS.iter().filter(|(key, ..)| !key.starts_with("unit_")) {
            assert!(CODE.contains(&format!("\"{key}\"")), "{key}");
        }
    }
}
