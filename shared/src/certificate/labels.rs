//! What stands on every certificate, whatever it is about: headings and labels, in English and Simplified Chinese. Pure.

use std::collections::BTreeMap;

use crate::export::words::choose;

/// Every key that the template uses, in English and in Simplified Chinese.
const WORDS: &[(&str, &str, &str)] = &[
    ("lang", "en", "zh-Hans"),
    ("title", "Certificate", "处理凭证"),
    (
        "intro",
        "This says what was done about a request, from the record that was kept of it. It holds numbers, times and reasons, and nothing of the data itself.",
        "本凭证依据处理记录说明该请求的办理情况，仅含数量、时间和理由，不含个人信息本身。",
    ),
    ("skip", "Skip to what was done", "跳到办理情况"),
    ("about", "The request", "请求"),
    ("outcome", "Outcome", "结果"),
    ("controller", "Answered by", "答复方"),
    ("right", "What was asked for", "请求事项"),
    ("request_id", "Number", "编号"),
    ("received_at", "Received", "收到时间"),
    ("due_at", "Answer due", "答复期限"),
    ("completed_at", "Done", "办结时间"),
    ("policy", "Policy it was answered under", "适用的隐私政策"),
    ("version", "version", "版本"),
    ("digest", "SHA-256 of the policy", "政策的 SHA-256"),
    ("contact", "Questions", "咨询方式"),
    ("complaint", "If you do not agree with the answer", "如对答复有异议"),
    ("time_zone", "All times are those of", "所有时间均为该时区时间："),
    ("done", "What was done, and where", "办理情况"),
    ("done_caption", "Records and files, by collection", "各数据集中的记录和文件数"),
    ("nothing_done", "No data was touched.", "未触及任何数据。"),
    ("collection", "Where", "位置"),
    ("work", "What", "处理"),
    ("read", "Looked at", "查看"),
    ("exported", "Copied for the person", "复制给本人"),
    ("erased", "Deleted", "删除"),
    ("anonymised", "Made anonymous", "匿名化"),
    ("retained", "Kept", "保留"),
    ("left_over", "Left over", "遗留"),
    ("total", "In total", "总计"),
    (
        "left_over_note",
        "“Left over” is what was found when everything was looked at once more after the deletion, and that nothing keeps.",
        "“遗留”指删除后再次全面查看时发现、且无保留理由的内容。",
    ),
    ("changed", "How records that stay were changed", "留存记录的处理方式"),
    (
        "changed_caption",
        "Fields of the collections in which records were changed, as the policy says",
        "依政策对有记录被更改的数据集各字段所作的处理",
    ),
    ("field", "Field", "字段"),
    ("class", "What that amounts to", "性质"),
    ("how", "What took its place", "替代内容"),
    ("kept", "What is kept, until when, and why", "保留的内容、期限和理由"),
    ("kept_caption", "Kept records and files", "保留的记录和文件"),
    ("count", "How many", "数量"),
    ("until", "At most until", "最迟保留至"),
    ("until_unknown", "not known yet", "尚不确定"),
    ("basis", "Why", "理由"),
    (
        "out_of_reach",
        "not all found again: whose some rows are by now cannot be told",
        "未能全部再次定位：部分记录的归属现已无法确认",
    ),
    ("restricted", "Kept from being used", "限制使用方式"),
    ("purged", "Deleted since", "此后删除时间"),
    ("refused", "What was refused, and why", "未予办理的事项及理由"),
    ("ground", "Ground", "理由"),
    ("source", "Where it stands", "依据"),
    ("all_of_it", "all of it", "全部"),
    ("recipients", "Who else was told", "已告知的接收方"),
    (
        "recipients_caption",
        "Whoever got data of this kind from the company, and was told that it is deleted",
        "曾从本公司收到此类信息、并被告知须予删除的各方",
    ),
    ("recipient", "Who", "接收方"),
    ("told_at", "Told", "告知时间"),
    ("answer", "What they say", "对方回复"),
    ("held", "What legal holds stopped or kept", "依法保全的影响"),
    (
        "held_intro",
        "What a hold keeps is deleted by this same request, without being asked again, once the hold has ended.",
        "保全结束后，被保全的内容由本请求自动删除，无需重新提出请求。",
    ),
    ("held_caption", "Legal holds", "法律保全"),
    ("hold_id", "Number of the hold", "保全编号"),
    ("hold_until", "Ends at the latest", "最迟结束时间"),
    ("hold_ended", "Ended", "结束时间"),
    ("hold_in_force", "not yet", "尚未结束"),
    ("hold_kept", "What it kept, and how many records", "被保全的内容和记录数"),
    ("history", "What happened when", "办理经过"),
    ("when", "When", "时间"),
    ("what", "What", "事项"),
    ("proof", "How this can be checked", "如何核验"),
    (
        "proof_intro",
        "This page is for reading; the evidence that it was made from is for checking. Fetch the evidence of this request as a file, then run:",
        "本页供阅读，核验请使用其所依据的证据：请将该请求的证据保存为文件，然后运行：",
    ),
    ("events", "Events in the record", "记录中的事件数"),
    ("head", "Hash of the last one", "最后一个事件的哈希值"),
    ("anchor", "Anchor", "锚定记录"),
    ("anchor_events", "Events that it proves", "其所证明的事件数"),
    ("anchor_root", "Root of its tree", "其树根"),
    ("anchor_key", "SHA-256 of the key that signed it", "签名密钥的 SHA-256"),
    (
        "no_anchor",
        "This record is not in a signed anchor yet; that happens within about an hour.",
        "该记录尚未纳入已签名的锚定记录，通常将在约一小时内完成。",
    ),
];

/// The words of the template in one language.
#[must_use]
pub(super) fn words(language: &str) -> BTreeMap<&'static str, &'static str> {
    WORDS.iter().map(|&(key, english, chinese)| (key, choose(language, english, chinese))).collect()
}

/// Heading of what could not be reached.
#[must_use]
pub(super) fn out_of_reach(language: &str) -> &'static str {
    words(language).get("out_of_reach").copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_is_there_in_both_languages_and_used() {
        let template = include_str!("certificate.html.j2");
        for (key, english, chinese) in WORDS {
            assert!(!english.is_empty() && !chinese.is_empty(), "{key}");
            assert!(template.contains(&format!("words.{key} ")), "{key}");
        }
        assert_eq!(words("fr"), words("en"));
        assert_eq!(words("zh-CN")["title"], "处理凭证");
    }
}
