//! The page as a person gets it, with the words of a real policy and hostile data.

use std::path::Path;

use serde_json::json;

use super::*;
use crate::evidence::EventHash;

const HOSTILE: &str = "<script>alert(1)</script>\"'&";

fn request(policy: &Pinned, language: &str) -> Request {
    serde_json::from_value(json!({
        "id": "4f".repeat(16), "matter": "access", "status": "in_progress", "policy": policy.digest(),
        "received_at": "2026-11-21T00:00:00Z", "due_at": "2026-12-21T00:00:00Z", "language": language, "events": 1,
        "updated_at": "2026-11-21T00:00:00Z", "head": EventHash::origin(),
    }))
    .unwrap()
}

fn section(policy: &Pinned, name: &str, records: u64, complete: bool) -> Section {
    let mut preview = Preview::default();
    for number in 0..records.min(9) {
        let record = json!({"id": number, HOSTILE: HOSTILE, "long": "长".repeat(500)});
        preview.add(record.as_object().unwrap());
    }
    let (dataset, collection) = split(name);
    let link = |path: String| FileLink { path, bytes: 1_234_567 };
    assert!(policy.collection(name).is_some(), "{name}");
    Section {
        collection: name.to_owned(),
        complete,
        records,
        json: link(format!("data/{dataset}/{collection}.json")),
        csv: link(format!("data/{dataset}/{collection}.csv")),
        schema: link(format!("schemas/{dataset}/{collection}.schema.json")),
        media_files: records,
        media_bytes: 5,
        media: (records > 0).then(|| link(format!("media/{dataset}/{collection}/a b#1%.png"))).into_iter().collect(),
        preview,
    }
}

fn page(language: &str, sections: &[(&str, u64, bool)]) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../policies/yuncan");
    let policy = crate::policy::load::load(&folder).unwrap();
    let sections =
        sections.iter().map(|(name, records, complete)| section(&policy, name, *records, *complete)).collect();
    let context = context(&policy, &request(&policy, language), "2026-11-21T00:01:00Z".parse().unwrap(), sections);
    render(&context).unwrap()
}

const SOME: [(&str, u64, bool); 3] =
    [("yuncan_app.users", 7, false), ("yuncan_records.orders", 0, true), ("yuncan_app.devices", 0, false)];

#[test]
fn a_page_escapes_data_and_needs_nothing_from_outside() {
    let page = page("zh-Hans", &SOME);
    assert!(page.contains("<html lang=\"zh-Hans\""));
    assert!(!page.contains("<script") && page.contains("&lt;script&gt;alert(1)&lt;&#x2f;script&gt;&quot;&#x27;&amp;"));
    assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("@import"));
    assert!(page.contains("default-src 'none'"));
    assert!(page.contains("href=\"media&#x2f;yuncan_app&#x2f;users&#x2f;a%20b%231%25.png\""));
    assert!(page.contains("1.2 MB") && page.contains('…'));
}

#[test]
fn a_person_is_told_what_each_kind_of_data_is_and_who_gets_it_in_their_language() {
    let (english, chinese) = (page("en", &SOME), page("zh-Hans", &SOME));
    for (page, texts) in [
        (
            &english,
            [
                "User Contact Phone Number",
                "as long as the account",
                "characters shown at the end: 4",
                "Who else gets it",
            ],
        ),
        (&chinese, ["电话号码", "账号存续期间", "仅显示末尾字符数： 4", "接收方"]),
    ] {
        for text in texts {
            assert!(page.contains(text), "{text}");
        }
        // The password never leaves, and its field is named with the reason.
        assert!(page.contains("<code>password_hash</code>"));
        assert!(page.contains("id=\"kind-user.contact.phone_number\""));
    }
    assert!(english.contains("under the policy this kind of data never leaves") && english.contains(" Password</td>"));
}

#[test]
fn every_link_inside_the_page_leads_somewhere_and_every_table_has_a_caption() {
    let page = page("en", &SOME);
    let targets = page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next());
    let mut links = 0;
    for target in targets {
        assert!(page.contains(&format!("id=\"{target}\"")), "{target}");
        links += 1;
    }
    assert!(links > 20, "{links}");
    assert_eq!(page.matches("<table>").count(), page.matches("<caption>").count());
    assert_eq!(page.matches("<th>").count(), 0, "every head of a column or row says of which");
}

#[test]
fn empty_collections_come_last_and_incomplete_ones_are_not_called_empty() {
    let all = page("en", &SOME);
    let held = all.find("id=\"yuncan_app.users\"").unwrap();
    let searched = all.find("These were searched").unwrap();
    let unread = all.find("Of these not all could be read").unwrap();
    assert!(held < searched && searched < unread);
    assert!(!all.contains("id=\"yuncan_records.orders\""));
    assert!(all[unread..].contains("yuncan_app.devices") && !all[unread..].contains("yuncan_records.orders<"));
    assert!(page("en", &[]).contains("No system held anything about you."));
}
