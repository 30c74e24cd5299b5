//! The words of a package's human index (and of what a request is for, in messages too), in English and Simplified Chinese. Pure.

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
    ("totals", "In total", "总计"),
    ("collections", "Kinds of records", "记录种类"),
    ("records", "Records", "记录数"),
    ("bytes", "Size", "大小"),
    ("unit_bytes", "bytes", "字节"),
    ("unit_kilobytes", "kB", "kB"),
    ("unit_megabytes", "MB", "MB"),
    ("unit_gigabytes", "GB", "GB"),
    ("contents", "Contents", "目录"),
    ("contents_caption", "What is in this copy", "本副本的内容"),
    ("name", "Name", "名称"),
    ("description", "Description", "说明"),
    ("complete", "Complete", "是否完整"),
    ("yes", "yes", "是"),
    ("no", "no", "否"),
    ("incomplete", "This part is not complete: not all of it could be read.", "本部分不完整：未能读取全部内容。"),
    ("file", "All records, for machines", "全部记录（机器可读）"),
    ("categories", "Kinds of data", "信息类别"),
    ("category", "Kind", "类别"),
    ("purposes", "Used for", "使用目的"),
    ("retention", "Kept", "保存期限"),
    ("recipients", "Who else gets it", "接收方"),
    ("nobody", "Nobody else", "无"),
    ("omitted", "Left out for safety", "出于安全未提供"),
    ("masked", "Partly hidden for safety", "出于安全部分隐藏"),
    ("preview", "First records", "前几条记录"),
    (
        "preview_note",
        "Long values are cut here. The file has them in full.",
        "较长的内容在此处被截断，完整内容见文件。",
    ),
    ("media", "Files", "文件"),
    ("path", "Where", "位置"),
    ("back", "Back to the contents", "返回目录"),
    ("empty", "Nothing held", "没有记录"),
    ("empty_intro", "These were searched, and held nothing about you:", "以下各处已查询，其中没有与您有关的信息："),
    (
        "empty_incomplete",
        "Of these not all could be read; what was read held nothing about you:",
        "以下各处未能全部读取，已读取的部分没有与您有关的信息：",
    ),
    ("nothing_at_all", "No system held anything about you.", "各系统中均没有与您有关的信息。"),
    (
        "check",
        "The file manifest.json lists every file of this copy with its SHA-256, so that you can check that none was changed.",
        "manifest.json 列出了本副本的每个文件及其 SHA-256，您可据此核对文件未被更改。",
    ),
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
    let chosen = is_chinese(language);
    WORDS.iter().map(|&(key, english, chinese)| (key, if chosen { chinese } else { english })).collect()
}

/// What a request is for, as people say it: the same words in messages and in the index.
#[must_use]
pub fn matter(language: &str, matter: Matter) -> &'static str {
    let is_it = |key: &str| key.strip_prefix("right_") == Some(matter.name());
    let found = WORDS.iter().find(|(key, _, _)| is_it(key));
    found.map_or("", |&(_, english, chinese)| if is_chinese(language) { chinese } else { english })
}

/// Whether texts in this language are given in Simplified Chinese.
#[must_use]
pub fn is_chinese(language: &str) -> bool {
    language.split(['-', '_']).next().is_some_and(|primary| primary.eq_ignore_ascii_case("zh"))
}

#[cfg(test)]
mod tests {
    use minijinja::{Environment, UndefinedBehavior, context};

    use super::*;

    const TEMPLATE: &str = include_str!("index.html.j2");

    fn render(language: &str, collections: &serde_json::Value) -> String {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_template("index.html", TEMPLATE).unwrap();
        let context = context! {
            words => words(language),
            language,
            controller => context! { name => "yallo", contact => "the app", complaint => "customer service" },
            request => context! {
                id => "4f".repeat(16), right => "access", received_at => "2026-11-21T00:00:00Z",
                created_at => "2026-11-21T00:01:00Z", policy_id => "yallo", policy_version => "2026-11-21",
                policy_digest => "ab".repeat(32),
            },
            collections => minijinja::value::Serde(collections),
            totals => context! { collections => 3, records => 7, bytes => 1_234_567 },
        };
        environment.get_template("index.html").unwrap().render(context).unwrap()
    }

    fn collection(name: &str, records: u64, complete: bool) -> serde_json::Value {
        serde_json::json!({
            "dataset": "yallo_app", "collection": name, "description": format!("All of {name}"),
            "path": format!("data/yallo_app/{name}.json"), "records": records, "complete": complete,
            "categories": [{"name": "user.content", "description": "What you wrote"}],
            "purposes": ["Run <your> account"], "retention": "as long as the account", "recipients": [],
            "omitted": ["face"], "masked": ["card"],
            "preview": {"columns": ["id", "text"], "rows": [["1", "<script>alert(1)</script>"]]},
            "media": [{"path": "media/yallo_app/posts/a b#1%.png", "bytes": 2048}],
        })
    }

    fn sample() -> serde_json::Value {
        serde_json::json!([
            collection("posts", 7, false),
            collection("locations", 0, true),
            collection("devices", 0, false),
        ])
    }

    #[test]
    fn no_word_is_missing_or_empty() {
        for language in ["en", "zh-Hans"] {
            let words = words(language);
            assert_eq!(words.len(), WORDS.len());
            assert!(words.values().all(|word| !word.is_empty()));
        }
        assert_eq!(words("fr"), words("en"));
        assert_eq!(words("zh-CN"), words("zh-Hans"));
    }

    #[test]
    fn every_word_is_used_and_every_used_word_is_there() {
        for (key, _, _) in WORDS.iter().filter(|(key, _, _)| !key.starts_with("right_")) {
            assert!(TEMPLATE.contains(&format!("words.{key} ")), "{key}");
        }
        for language in ["en", "zh-Hans"] {
            render(language, &sample());
            render(language, &serde_json::json!([]));
        }
    }

    #[test]
    fn a_page_escapes_data_and_needs_nothing_from_outside() {
        let page = render("zh-Hans", &sample());
        assert!(page.contains("<html lang=\"zh-Hans\""));
        assert!(!page.contains("<script") && page.contains("&lt;script"));
        assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("@import"));
        assert!(page.contains("a%20b%231%25.png\""));
    }

    #[test]
    fn empty_collections_come_last_and_incomplete_ones_are_not_called_empty() {
        let page = render("en", &sample());
        let section = page.find("id=\"yallo_app.posts\"").unwrap();
        let searched = page.find("These were searched").unwrap();
        let unread = page.find("Of these not all could be read").unwrap();
        assert!(section < searched && searched < unread);
        assert!(!page.contains("id=\"yallo_app.locations\""));
        assert!(page[unread..].contains("All of devices") && !page[unread..].contains("All of locations"));
        assert!(render("en", &serde_json::json!([])).contains("No system held anything about you."));
    }
}
