//! What each category of fideslang's taxonomy is called in Simplified Chinese, and what belongs to it. In English the
//! taxonomy says so itself. Pure.

use crate::policy::categories::{self, Category};

/// Key, name, what belongs to it.
const CHINESE: &[(&str, &str, &str)] = &[
    ("system", "系统数据", "系统自身所有并由系统控制的数据"),
    ("system.authentication", "身份验证数据", "用于管理系统访问的数据"),
    ("system.operations", "运行数据", "系统运行所需的数据，例如编号和时间"),
    ("user", "用户数据", "与用户有关的数据，由用户提供或由使用情况得出"),
    ("user.account", "账号信息", "注册和创建账号的信息"),
    ("user.account.settings", "账号设置", "账号的偏好和设置"),
    ("user.account.username", "账号名称", "账号的用户名或昵称"),
    ("user.authorization", "授权信息", "访问系统的权限和范围"),
    ("user.authorization.biometric", "生物特征凭证", "用于登录系统的生物特征"),
    ("user.authorization.credentials", "登录凭证", "用于登录系统的凭证"),
    ("user.authorization.password", "密码", "登录系统的密码"),
    ("user.behavior", "行为数据", "观察到的使用行为"),
    ("user.behavior.browsing_history", "浏览记录", "浏览过的内容"),
    ("user.behavior.media_consumption", "观看和收听记录", "观看、收听过的内容"),
    ("user.behavior.purchase_history", "购买记录", "购买过的商品和服务"),
    ("user.behavior.search_history", "搜索记录", "搜索过的内容"),
    ("user.biometric", "生物识别信息", "由身体特征编码而成的数据"),
    ("user.biometric.fingerprint", "指纹", "指纹的编码数据"),
    ("user.biometric.health", "健康生物特征", "与健康有关的身体特征编码"),
    ("user.biometric.retinal", "视网膜扫描", "视网膜的编码数据"),
    ("user.biometric.voice", "声纹", "声音的编码数据"),
    ("user.childrens", "儿童信息", "与儿童有关的数据"),
    ("user.contact", "联系方式", "用于联系您的信息"),
    ("user.contact.address", "联系地址", "您的地址"),
    ("user.contact.address.city", "所在城市", "地址中的城市"),
    ("user.contact.address.country", "所在国家", "地址中的国家"),
    ("user.contact.address.postal_code", "邮政编码", "地址中的邮政编码"),
    ("user.contact.address.state", "所在省份", "地址中的省、州"),
    ("user.contact.address.street", "街道", "地址中的街道"),
    ("user.contact.email", "电子邮箱", "您的电子邮件地址"),
    ("user.contact.fax_number", "传真号码", "您的传真号码"),
    ("user.contact.organization", "所属单位", "您所属的单位"),
    ("user.contact.phone_number", "电话号码", "您的电话号码"),
    ("user.contact.url", "个人网址", "您的网站或社交主页链接"),
    ("user.content", "用户内容", "由您创作或与您有关的内容"),
    ("user.content.private", "非公开内容", "由您创作或与您有关、未公开的内容"),
    ("user.content.public", "公开内容", "由您创作或与您有关、已公开的内容"),
    ("user.content.self_image", "本人影像", "可全部或部分辨认出您的照片或图像"),
    ("user.criminal_history", "犯罪记录", "与您有关的犯罪记录"),
    ("user.demographic", "人口统计信息", "年龄、性别等基本情况"),
    ("user.demographic.age_range", "年龄段", "不精确的年龄或年龄范围"),
    ("user.demographic.date_of_birth", "出生日期", "您的出生日期"),
    ("user.demographic.gender", "性别", "您的性别"),
    ("user.demographic.language", "语言", "您使用的语言"),
    ("user.demographic.marital_status", "婚姻状况", "您的婚姻状况"),
    ("user.demographic.political_opinion", "政治观点", "您的政治观点"),
    ("user.demographic.profile", "个人资料", "您的资料和偏好"),
    ("user.demographic.race_ethnicity", "种族和民族", "您的种族或民族"),
    ("user.demographic.religious_belief", "宗教信仰", "您的宗教信仰"),
    ("user.demographic.sexual_orientation", "性取向", "您的性取向"),
    ("user.device", "设备信息", "您的设备及其配置和设置"),
    ("user.device.cookie", "Cookie 数据", "保存在 Cookie 中、与您有关的数据"),
    ("user.device.cookie_id", "Cookie 标识", "Cookie 的唯一标识"),
    ("user.device.device_id", "设备标识", "设备的唯一标识"),
    ("user.device.ip_address", "IP 地址", "设备连接网络所用的标识"),
    ("user.financial", "财务信息", "支付数据和财务历史"),
    ("user.financial.bank_account", "银行账户", "您的银行账户信息"),
    ("user.financial.credit_card", "银行卡信息", "您的信用卡等卡片信息"),
    ("user.government_id", "证件信息", "国家签发的身份证明信息"),
    ("user.government_id.birth_certificate", "出生证明", "国家签发的出生证明"),
    ("user.government_id.drivers_license_number", "驾驶证号", "国家签发的驾驶证号码"),
    ("user.government_id.immigration", "出入境证件", "国家签发的移民或居留信息"),
    ("user.government_id.national_identification_number", "身份证号", "国家签发的个人身份号码"),
    ("user.government_id.passport_number", "护照号码", "国家签发的护照信息"),
    ("user.government_id.vehicle_registration", "车辆登记", "国家签发的车牌或车辆登记信息"),
    ("user.health_and_medical", "健康和医疗信息", "健康记录或个人医疗信息"),
    ("user.health_and_medical.genetic", "基因信息", "您提供的基因数据"),
    ("user.health_and_medical.insurance_beneficiary_id", "医疗保险号", "您的医疗保险受益人号码"),
    ("user.health_and_medical.record_id", "病历号", "您的病历标识"),
    ("user.job_title", "职业信息", "与您的职业有关的数据"),
    ("user.location", "位置信息", "您所在位置的记录"),
    ("user.location.imprecise", "粗略位置", "由传感器得出的粗略位置（500 米以上）"),
    ("user.location.precise", "精确位置", "由传感器得出的精确位置（500 米以内）"),
    ("user.name", "姓名", "您的真实姓名"),
    ("user.name.first", "名", "您的名"),
    ("user.name.last", "姓", "您的姓"),
    ("user.payment", "支付信息", "与支付有关的数据"),
    ("user.privacy_preferences", "隐私偏好", "您设定的隐私偏好"),
    ("user.sensor", "传感器数据", "传感器和监测系统的测量数据"),
    ("user.social", "社交数据", "社交活动和互动的数据"),
    ("user.telemetry", "遥测数据", "可识别用户的系统测量和监测数据"),
    ("user.unique_id", "唯一标识", "使用系统时分配给您的唯一标识"),
    ("user.unique_id.pseudonymous", "化名标识", "由您的其他数据或设备数据生成的化名标识"),
    ("user.user_sensor", "用户环境数据", "使用系统时测得的您周围环境的数据"),
    ("user.workplace", "工作单位", "您任职的单位"),
];

/// Name and meaning of a category in the language of a reader. A key that the taxonomy does not have stands for itself.
pub(crate) fn of(key: &str, is_chinese: bool) -> (String, String) {
    let chinese = CHINESE.iter().find(|(of, ..)| is_chinese && *of == key).map(|(_, name, meaning)| (*name, *meaning));
    let english = |category: &'static Category| (category.name.as_str(), category.description.as_str());
    let (name, meaning) = chinese.or_else(|| categories::find(key).map(english)).unwrap_or((key, ""));
    (name.to_owned(), meaning.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_category_has_its_words_in_both_languages() {
        assert_eq!(CHINESE.iter().map(|(key, ..)| *key).collect::<Vec<_>>(), categories::keys().collect::<Vec<_>>());
        assert_eq!(of("user.contact.email", true).0, "电子邮箱");
        assert_eq!(of("user.contact.email", false).0, "User Contact Email");
        assert_eq!(of("acme.own", true), ("acme.own".to_owned(), String::new()));
    }
}
