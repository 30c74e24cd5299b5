//! Sentences that people might post, in two languages, and the token that marks a user's own.
//!
//! Nothing in them names anybody, so that a value found in a text was put there on purpose.

use rand_chacha::ChaCha8Rng;

use super::Population;
use super::people::{below, consonants, pick, slot};

const ZH_WHEN: [&str; 10] = [
    "今天下班以后",
    "周末一大早",
    "昨天傍晚",
    "刚刚",
    "上个月",
    "下雨的午后",
    "放假第一天",
    "午休的时候",
    "天还没亮",
    "吃过晚饭",
];
const ZH_DID: [&str; 14] = [
    "去江边走了一圈",
    "把阳台的花重新换了盆",
    "跟老同学吃了顿火锅",
    "第一次自己做了红烧排骨",
    "在旧书摊淘到两本好书",
    "骑车绕湖一周",
    "排队买到了那家的桂花糕",
    "把落灰的吉他拿出来弹了弹",
    "陪家里的老人去体检",
    "看了一场没有字幕的电影",
    "在公园拍到一只翠鸟",
    "收拾出三箱不穿的衣服",
    "赶上了最后一班地铁",
    "学会了怎么换自行车链条",
];
const ZH_FELT: [&str; 12] = [
    "心情好了很多",
    "比想象中难一些",
    "有点累但是值得",
    "下次还想再来",
    "风吹在脸上很舒服",
    "差点忘了时间",
    "结果手机没电了",
    "突然有点想家",
    "要是能多待一会儿就好了",
    "邻居都来问我怎么做的",
    "照片晚点再整理",
    "大家有什么推荐吗",
];

const EN_WHEN: [&str; 10] = [
    "After work today",
    "Early on Saturday",
    "Last night",
    "Just now",
    "Over the holiday",
    "On a rainy afternoon",
    "At lunch",
    "Before sunrise",
    "A month ago",
    "Right after dinner",
];
const EN_DID: [&str; 14] = [
    "I walked along the river",
    "I repotted every plant on the balcony",
    "we had hotpot with old classmates",
    "I tried to bake bread again",
    "I found two good books at a stall",
    "we cycled all the way around the lake",
    "I queued an hour for osmanthus cake",
    "I took the guitar off the wall",
    "we watched a film without subtitles",
    "I finally saw a kingfisher in the park",
    "I packed three boxes of old clothes",
    "we caught the very last metro",
    "I learned how to fix a bicycle chain",
    "we got lost on the way to the museum",
];
const EN_FELT: [&str; 12] = [
    "and felt much better for it",
    "which was harder than it looked",
    "and I would do it again",
    "and nearly forgot the time",
    "until my phone ran out of battery",
    "and it made me miss home",
    "and the neighbours wanted the recipe",
    "so photos will follow",
    "and now I need a nap",
    "and the wind was lovely",
    "though my knees disagree",
    "so tell me where to go next",
];

/// One sentence with its full stop; `language` is `zh-Hans` or anything else for English.
pub fn sentence(rng: &mut ChaCha8Rng, language: &str) -> String {
    if language == "zh-Hans" {
        format!("{}{}，{}。", pick(rng, &ZH_WHEN), pick(rng, &ZH_DID), pick(rng, &ZH_FELT))
    } else {
        format!("{} {} {}.", pick(rng, &EN_WHEN), pick(rng, &EN_DID), pick(rng, &EN_FELT))
    }
}

/// Two to four sentences.
pub fn paragraph(rng: &mut ChaCha8Rng, language: &str) -> String {
    let sentences: Vec<String> = (0..2 + below(rng, 3)).map(|_| sentence(rng, language)).collect();
    sentences.join(if language == "zh-Hans" { "" } else { " " })
}

/// Eight letters that only this user's texts contain.
#[must_use]
pub fn tag(app: &str, population: &Population, index: usize) -> String {
    consonants(slot(app, population, index, "tag", 20_u64.pow(8)), 8)
}
