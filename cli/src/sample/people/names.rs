//! What invented people are called, where they live and what they do.
//!
//! Pairs are Chinese and Latin.

pub(super) const CITIES: [(&str, &str, &str); 20] = [
    ("330106", "浙江省 杭州市", "Zhejiang Hangzhou"),
    ("320102", "江苏省 南京市", "Jiangsu Nanjing"),
    ("320505", "江苏省 苏州市", "Jiangsu Suzhou"),
    ("440305", "广东省 深圳市", "Guangdong Shenzhen"),
    ("440106", "广东省 广州市", "Guangdong Guangzhou"),
    ("510104", "四川省 成都市", "Sichuan Chengdu"),
    ("420106", "湖北省 武汉市", "Hubei Wuhan"),
    ("610103", "陕西省 西安市", "Shaanxi Xi'an"),
    ("430104", "湖南省 长沙市", "Hunan Changsha"),
    ("410105", "河南省 郑州市", "Henan Zhengzhou"),
    ("370202", "山东省 青岛市", "Shandong Qingdao"),
    ("370102", "山东省 济南市", "Shandong Jinan"),
    ("350203", "福建省 厦门市", "Fujian Xiamen"),
    ("340104", "安徽省 合肥市", "Anhui Hefei"),
    ("530102", "云南省 昆明市", "Yunnan Kunming"),
    ("210202", "辽宁省 大连市", "Liaoning Dalian"),
    ("110105", "北京市 朝阳区", "Beijing Chaoyang"),
    ("310115", "上海市 浦东新区", "Shanghai Pudong"),
    ("500103", "重庆市 渝中区", "Chongqing Yuzhong"),
    ("120101", "天津市 和平区", "Tianjin Heping"),
];

/// One for each user below [`Population::SUBJECTS`]; in no other list here.
pub(super) const SUBJECT_FAMILY: [(&str, &str); 10] = [
    ("欧阳", "Ravensmoor"),
    ("司马", "Thistlewick"),
    ("上官", "Quillfeather"),
    ("诸葛", "Oyelaran"),
    ("皇甫", "Vandersloot"),
    ("令狐", "Zielonka"),
    ("宇文", "Achterberg"),
    ("慕容", "Fairweather"),
    ("夏侯", "Hollingbourne"),
    ("端木", "Xanthopoulos"),
];

pub(super) const FAMILY: [(&str, &str); 16] = [
    ("王", "Smith"),
    ("李", "Novak"),
    ("张", "Garcia"),
    ("刘", "Schmidt"),
    ("陈", "Rossi"),
    ("杨", "Dubois"),
    ("赵", "Kim"),
    ("黄", "Silva"),
    ("周", "Jensen"),
    ("吴", "Brown"),
    ("徐", "Petrov"),
    ("孙", "Walker"),
    ("胡", "Tanaka"),
    ("朱", "Okafor"),
    ("高", "Murphy"),
    ("林", "Lindqvist"),
];

/// Families of people who are no users.
pub(super) const OUTSIDER_FAMILY: [(&str, &str); 10] = [
    ("薛", "Abernathy"),
    ("贺", "Castellano"),
    ("龚", "Drummond"),
    ("邵", "Eriksen"),
    ("尹", "Ferreira"),
    ("黎", "Goldberg"),
    ("易", "Hashimoto"),
    ("武", "Iwu"),
    ("戴", "Janssen"),
    ("莫", "Kowalski"),
];

pub(super) const GIVEN_FIRST: [&str; 20] = [
    "晓", "子", "雨", "思", "嘉", "文", "明", "佳", "浩", "欣", "志", "雅", "俊", "梦", "海", "静", "诗", "宇", "若",
    "景",
];
pub(super) const GIVEN_SECOND: [&str; 20] = [
    "轩", "涵", "彤", "远", "琪", "博", "怡", "然", "宁", "泽", "楠", "瑶", "航", "岚", "霖", "萱", "川", "妍", "翔",
    "舟",
];
pub(super) const GIVEN_MALE: [&str; 20] = [
    "Anders", "Bruno", "Conrad", "Daniel", "Emil", "Felix", "Gustav", "Hugo", "Ivan", "Jonas", "Kofi", "Leon", "Marco",
    "Nils", "Oscar", "Pavel", "Quentin", "Rafael", "Stefan", "Tomas",
];
pub(super) const GIVEN_FEMALE: [&str; 20] = [
    "Amelia", "Beatriz", "Clara", "Dana", "Elena", "Freya", "Grace", "Hanna", "Irene", "Judith", "Katya", "Lucia",
    "Mira", "Nadia", "Olga", "Paula", "Renata", "Rosa", "Sofia", "Teresa",
];

/// None is the end of another, so that no nickname is a part of another.
pub(super) const NICKNAMES: [(&str, &str); 20] = [
    ("山野来信", "SilverHeron"),
    ("晚风渡口", "QuietHarbour"),
    ("橘子汽水", "PaperLantern"),
    ("星河入梦", "MossyBoulder"),
    ("南方有雨", "NorthboundTram"),
    ("半糖拿铁", "CopperKettle"),
    ("云上书店", "VelvetThunder"),
    ("鲸落深海", "MarbleStaircase"),
    ("夏日蝉鸣", "GingerCompass"),
    ("木棉花开", "LateTrainHome"),
    ("青石小巷", "WanderingOtter"),
    ("月亮邮差", "SaltedCaramel"),
    ("雪山旅人", "AmberWindow"),
    ("柠檬不酸", "TinyGlacier"),
    ("麦田守望", "CedarAndSmoke"),
    ("猫在屋顶", "PocketOrchard"),
    ("清晨六点", "BlueBicycle"),
    ("远山如黛", "FoxglovePath"),
    ("白茶清欢", "RainyTuesday"),
    ("拾光相册", "OrbitingPenguin"),
];

pub(super) const HANDLES: [&str; 16] = [
    "qingshan", "bailu", "mianhua", "xingkong", "luobo", "haitang", "yunduo", "tiaotiao", "lantern", "walnut",
    "pepper", "meadow", "harbor", "sparrow", "juniper", "velvet",
];

pub(super) const ROADS: [(&str, &str); 16] = [
    ("文澜路", "Wenlan"),
    ("梧桐街", "Wutong"),
    ("枫林大道", "Fenglin"),
    ("学苑巷", "Xueyuan"),
    ("长宁路", "Changning"),
    ("锦绣街", "Jinxiu"),
    ("望江东道", "Wangjiang"),
    ("翠竹弄", "Cuizhu"),
    ("丹桂路", "Dangui"),
    ("和畅街", "Hechang"),
    ("临湖大街", "Linhu"),
    ("青云胡同", "Qingyun"),
    ("芳草地路", "Fangcaodi"),
    ("花园坊", "Huayuan"),
    ("湖滨里", "Hubin"),
    ("白鹭洲路", "Bailuzhou"),
];

pub(super) const JOBS: [(&str, &str); 12] = [
    ("软件工程师", "Software engineer"),
    ("护士", "Nurse"),
    ("中学教师", "Teacher"),
    ("平面设计师", "Graphic designer"),
    ("会计", "Accountant"),
    ("厨师", "Cook"),
    ("摄影师", "Photographer"),
    ("销售经理", "Sales manager"),
    ("研究生", "Graduate student"),
    ("建筑师", "Architect"),
    ("司机", "Driver"),
    ("自由撰稿人", "Freelance writer"),
];

pub(super) const SCHOOLS: [(&str, &str); 10] = [
    ("江南理工大学", "Riverbend Institute of Technology"),
    ("滨海师范学院", "Seaside Teachers College"),
    ("云岭大学", "Cloud Ridge University"),
    ("东湖职业技术学院", "East Lake Vocational College"),
    ("北辰大学", "North Star University"),
    ("明德中学", "Mingde High School"),
    ("青禾艺术学院", "Greenfield Academy of Art"),
    ("海潮财经大学", "Haichao University of Finance"),
    ("金陵实验中学", "Jinling Experimental School"),
    ("天府医学院", "Tianfu Medical College"),
];
